"""What the door has recorded of an operation: which ones, as what, how they ended. The one place that decides it."""

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import msgspec

from edge.control.access.roles import Permission
from edge.control.audit.audit_log import CUT_OFF, AuditLog
from edge.control.audit.begun import Begun
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry, target_of
from edge.control.calls import Asked, Call, InnerRequest
from edge.control.operations import Operation
from edge.control.proposing import ProposalMade
from edge.domain.errors import EdgeError, Forbidden, OutOfRoom, Unauthorized
from edge.store.disk.room import refusal_of_room

_EXPORTS = frozenset({"export_events", "export_audit", "export_app_audit"})
_ERASURES = frozenset({"erase_device"})
_AUDIT = frozenset({"show_audit", "show_app_audit"})
_READS = frozenset(
    {Permission.READ_SELF, Permission.LIST_APPS, Permission.READ_APP, Permission.READ_NODE, Permission.LOOK_UP_DEVICES}
)
_ACCESS = frozenset({Permission.MANAGE_TOKENS, Permission.MANAGE_PEOPLE, Permission.MANAGE_PUSH})
# A look, or once for each file of a bundle: what follows on it is recorded, and what of these was refused.
_PARTS = frozenset({"upload_blob", "list_missing_blobs", "list_prepared_blobs", "preview_message"})
# What is in no revision, so that only its record tells of it: on disk before it is done that it may be.
_UNREVISED = frozenset({ActKind.ACCESS, ActKind.NODE, ActKind.ERASURE})
_LIFTS = frozenset({"lift_withheld", "lift_withheld_from_all"})
_NODES = frozenset({Permission.SEND_HOME, Permission.FOLLOW})
# What has to be possible although it cannot be recorded now: it keeps devices, or the node, from something bad.
_STOPS = frozenset(
    {
        *("roll_channel_back", "roll_back_rollout", "pause_rollout", "withdraw_bundle", "kill_feature"),
        *("cancel_message", "revoke_token", "remove_person", "revoke_role", "unmap_group", "accept_restored"),
        *("sign_person_out", "remove_push_credentials"),
    }
)


@dataclass(slots=True)
class Witness:
    """Of one request, in a block: what it raises is recorded when the block ends. `who` and `call` are set as soon as
    they are known."""

    audit: AuditLog
    operation: Operation
    request: Asked
    who: str = ""
    body: object = None
    call: Call[Any] | None = None
    told: bool = False
    begun: Begun | None = None

    @property
    def kind(self) -> ActKind | None:
        return kind_of(self.operation)

    async def __aenter__(self) -> "Witness":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._note_cut_off()
        elif isinstance(error, Exception) and not self.told:
            await self._refused(error)

    async def begin(self, call: Call[Any]) -> None:
        """Nothing is changed that could not be recorded. Raises OutOfRoom `audit_unavailable`."""
        self.call = call
        stops = self.operation.name in _STOPS
        if self._records and not stops:
            self.audit.check()
        if self._records and (self.kind in _UNREVISED or self.operation.name in _LIFTS):
            with suppress(OutOfRoom) if stops else nullcontext():
                self.begun = await self.audit.begin_act(self._entry(ActOutcome.UNKNOWN))

    async def done(self) -> None:
        """Return once it is recorded that it was done. A rehearsal changes nothing, and is not."""
        if self._records:
            self.told = True
            await self.audit.record(self._entry(ActOutcome.DONE), self.begun)

    @property
    def _records(self) -> bool:
        return self.kind is not None and (self.call is None or self.call.rehearsal is None)

    def _note_cut_off(self) -> None:
        """The change may have been made, or be made yet."""
        if self.call is not None and self._records and not self.told:
            self.audit.note(self._entry(ActOutcome.UNKNOWN, CUT_OFF), self.begun)

    async def _refused(self, error: Exception) -> None:
        """Of what is only read, only what was refused to who asked; the page asks by itself what it may show."""
        if self.kind is None and (not isinstance(error, Unauthorized | Forbidden) or self._on_page):
            return
        if isinstance(error, OSError):
            error = refusal_of_room(error) or error
        code = error.code if isinstance(error, EdgeError) else "internal_error"
        if isinstance(error, ProposalMade):  # no refusal: the change has a record of its own once it is approved
            await self.audit.record(self._entry(ActOutcome.WAITING, code), self.begun)
            return
        ours = not isinstance(error, EdgeError) or error.status >= 500
        await self.audit.record(self._entry(ActOutcome.FAILED if ours else ActOutcome.REFUSED, code), self.begun)

    @property
    def _on_page(self) -> bool:
        return isinstance(self.request, InnerRequest)

    def _entry(self, outcome: ActOutcome, code: str = "") -> AuditEntry:
        call, parts = self.call, self.request.match_info
        made = call.made[-1] if call is not None and call.made else None
        entry = AuditEntry(
            at=self.audit.now,
            kind=self.kind or ActKind.READ,
            operation=self.operation.name,
            outcome=outcome,
            who=self.who,
            code=code,
            app=parts.get("app", ""),
            target=target_of(parts, call.body if call is not None else self.body),
            page=self._on_page,
        )
        if made is None:
            return entry
        return msgspec.structs.replace(entry, app=made.app, revision=made.revision, change=made.change)


def kind_of(operation: Operation) -> ActKind | None:
    """As what the operation is recorded; None for reading, and for what nodes do by themselves."""
    name, permission = operation.name, operation.permission
    for names, kind in ((_EXPORTS, ActKind.EXPORT), (_ERASURES, ActKind.ERASURE), (_AUDIT, ActKind.AUDIT)):
        if name in names:
            return kind
    if operation.method == "GET" or permission in _READS | _NODES or name in _PARTS:
        return None
    if permission in _ACCESS:
        return ActKind.ACCESS
    return ActKind.CHANGE if "app" in operation.parts or operation.changes else ActKind.NODE
