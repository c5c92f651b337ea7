"""The operations of the API for the page of the same process."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import MultiDict

from edge.control.access.grants import Grant
from edge.control.audit.audit_log import AuditLog
from edge.control.auditing import Witness
from edge.control.calls import IDEMPOTENCY_KEY, IF_REVISION, REASON, Call, InnerRequest
from edge.control.doors.performing import perform
from edge.control.doors.table import OPERATIONS
from edge.control.operations import check_door, check_here, may_pass
from edge.control.ports import ControlPorts
from edge.control.routes.blobs import keep_local
from edge.domain.model import AppId
from edge.store.releases import Rehearsed


class InnerApi:
    """The same handlers, permissions and refusals, with
    values instead of HTTP. `app` is the application of `build_control_app`."""

    def __init__(self, ports: ControlPorts, app: web.Application) -> None:
        self._ports, self._app = ports, app
        self._operations = {operation.name: operation for operation in OPERATIONS}

    async def ask(
        self,
        grant: Grant,
        name: str,
        parts: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        change_id: str = "",
        reason: str = "",
        dry_run: bool = False,
        revision: int | None = None,
    ) -> Any:
        """The answer of the operation called `name`: what `answer` of its row says, and a dict with `impact` in a dry
        run. `parts` are those of its address; `body` is a value of its `body`; `revision` is what the person has
        seen. Raises EdgeError."""
        operation = self._operations[name]
        headers = {IDEMPOTENCY_KEY: change_id, REASON: quote(reason), IF_REVISION: _text_of(revision)}
        given = {header: value for header, value in headers.items() if value}
        request = InnerRequest(parts, MultiDict(query or {}), given, self._app)
        async with Witness(self._ports.audit, operation, request, who=grant.name, body=body) as witness:
            check_door(operation, grant, request)
            check_here(operation, self._ports.origin)
            rehearsal: list[Rehearsed] | None = [] if operation.changes and dry_run else None
            return await perform(
                witness,
                Call(
                    ports=self._ports,
                    grant=grant,
                    request=request,
                    body=body,
                    permission=operation.permission,
                    rehearsal=rehearsal,
                ),
            )

    async def upload(self, grant: Grant, app: str, digest: str, file: Path) -> None:
        """As the operation `upload_blob`, from a file of this machine, which stays. Raises EdgeError."""
        operation = self._operations["upload_blob"]
        request = InnerRequest({"app": app, "digest": digest}, MultiDict(), {}, self._app)
        check_door(operation, grant, request)
        check_here(operation, self._ports.origin)
        await keep_local(Call(ports=self._ports, grant=grant, request=request, body=None), file)

    @property
    def audit(self) -> AuditLog:
        """For what is no operation of the API: who signs in and out."""
        return self._ports.audit

    def known_heads(self, app: str | None) -> Hashable:
        """Differs once the releases of the app, or of any app, have: see `Releases`."""
        return self._ports.releases.known_heads(None if app is None else AppId(app))

    def devices_as_of(self, app: str, now: float) -> float:
        """When what a page was told of the app's known devices was read, at `now`."""
        return self._ports.known_devices.as_of(AppId(app), now)

    def allows(
        self, grant: Grant, name: str, app: str | None, channel: str | None = None, *, test: bool = True
    ) -> bool:
        """Whether the roles of `grant` let the operation in, for `app` and `channel` where it is about one; `test`: it
        may be a test channel."""
        return may_pass(self._operations[name], grant, app, channel, test=test)


def _text_of(revision: int | None) -> str:
    return "" if revision is None else str(revision)
