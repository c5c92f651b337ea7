"""The control API as one aiohttp application: the table of operations, each behind the same door.

The door authorises the token, checks the parameters, reads the body within its limit and encodes the answer. One
middleware turns every exception into `{error, message}`. No handler checks access or writes an error response itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from multidict import MultiDict

from edge.control.access.grants import NOBODY, Grant
from edge.control.access.roles import Role
from edge.control.audit.audit_log import ASKED_FROM, AuditLog
from edge.control.auditing import Witness
from edge.control.callers import PROXIES, caller_of
from edge.control.calls import IDEMPOTENCY_KEY, IF_REVISION, REASON, Call, InnerRequest
from edge.control.login.terminals import is_of_person, person_of_secret
from edge.control.openapi import build_openapi
from edge.control.operations import (
    DRY_RUN,
    JSON,
    NEEDS_APPROVAL,
    NOT_TAKEN,
    Operation,
    check_door,
    check_here,
    check_parameters,
    may_pass,
    parse_flag,
)
from edge.control.ports import ASKED_BY, Asker, ControlPorts
from edge.control.proposing import ProposalMade
from edge.control.routes import apps as routes_apps
from edge.control.routes import blobs as routes_blobs
from edge.control.routes import bundles as routes_bundles
from edge.control.routes import channels as routes_channels
from edge.control.routes import devices as routes_devices
from edge.control.routes import experiments as routes_experiments
from edge.control.routes import explain as routes_explain
from edge.control.routes import id_sets as routes_id_sets
from edge.control.routes import inspect as routes_inspect
from edge.control.routes import messages as routes_messages
from edge.control.routes import pruning as routes_pruning
from edge.control.routes import rollouts as routes_rollouts
from edge.control.routes import segments as routes_segments
from edge.control.routes import store as routes_store
from edge.control.routes.administration import audit as routes_audit
from edge.control.routes.administration import groups as routes_groups
from edge.control.routes.administration import invitations as routes_invitations
from edge.control.routes.administration import nodes as routes_nodes
from edge.control.routes.administration import people as routes_people
from edge.control.routes.administration import push_credentials as routes_push_credentials
from edge.control.routes.administration import roles as routes_roles
from edge.control.routes.administration import tokens as routes_tokens
from edge.control.routes.administration import webhooks as routes_webhooks
from edge.control.routes.approvals import freezes as routes_freezes
from edge.control.routes.approvals import proposals as routes_proposals
from edge.control.routes.features import features_table as routes_features
from edge.control.routes.feed import blobs as routes_feed_blobs
from edge.control.routes.feed import documents as routes_feed_documents
from edge.control.routes.feed import events as routes_feed_events
from edge.control.routes.feed import facts as routes_feed_facts
from edge.control.routes.feed import revisions as routes_feed_revisions
from edge.control.routes.feed import segments as routes_feed_segments
from edge.control.routes.figures import definitions as routes_definitions
from edge.control.routes.figures import outcomes as routes_outcomes
from edge.control.routes.figures import releases as routes_releases
from edge.control.routes.figures import sides as routes_sides
from edge.control.routes.figures import stats as routes_stats
from edge.control.routes.figures import telemetry as routes_telemetry
from edge.control.routes.guard import guard_routes as routes_guard
from edge.control.routes.insight import bundle_changes as routes_bundle_changes
from edge.control.routes.insight import device_story as routes_device_story
from edge.control.routes.insight import segment_reach as routes_segment_reach
from edge.control.shapes.common import DamageView, ErrorAnswer, NotTakenView
from edge.control.shapes.streamed import Streamed, send_streamed
from edge.control.uploads import decode_body, read_body
from edge.control.work_queue import LOOKS, VERIFICATIONS, looks, verifications
from edge.domain.errors import EdgeError, Unauthorized
from edge.domain.model import AppId
from edge.regions.feed.node_places import NodePlaces
from edge.store.damage import NotTaken
from edge.store.disk.room import refusal_of_room
from edge.store.heads import shard_of
from edge.store.releases import Rehearsed

WARNING = "Edge-Warning"  # beside an answer that is true of the last good state of the store alone
_STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 417: "expectation_failed"}

_log = logging.getLogger(__name__)

OperationHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def handle_openapi(call: Call[None]) -> msgspec.Raw:
    return await asyncio.to_thread(_encode_openapi)


@cache
def _encode_openapi() -> msgspec.Raw:
    """Once per process: anyone may ask for the document, and building it takes a core for a moment."""
    return msgspec.Raw(msgspec.json.encode(build_openapi(OPERATIONS)))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="openapi",
        method="GET",
        path="/v1/openapi.json",
        summary="Show this OpenAPI document",
        permission=None,
        handle=handle_openapi,
        answer=dict[str, Any],
    ),
    *routes_inspect.OPERATIONS,
    *routes_stats.OPERATIONS,
    *routes_sides.OPERATIONS,
    *routes_releases.OPERATIONS,
    *routes_definitions.OPERATIONS,
    *routes_explain.OPERATIONS,
    *routes_apps.OPERATIONS,
    *routes_bundles.OPERATIONS,
    *routes_bundle_changes.OPERATIONS,
    *routes_messages.OPERATIONS,
    *routes_pruning.OPERATIONS,
    *routes_blobs.OPERATIONS,
    *routes_channels.OPERATIONS,
    *routes_rollouts.OPERATIONS,
    *routes_guard.OPERATIONS,
    *routes_proposals.OPERATIONS,
    *routes_freezes.OPERATIONS,
    *routes_experiments.OPERATIONS,
    *routes_segments.OPERATIONS,
    *routes_features.OPERATIONS,
    *routes_segment_reach.OPERATIONS,
    *routes_id_sets.OPERATIONS,
    *routes_devices.OPERATIONS,
    *routes_device_story.OPERATIONS,
    *routes_outcomes.OPERATIONS,
    *routes_tokens.OPERATIONS,
    *routes_people.OPERATIONS,
    *routes_groups.OPERATIONS,
    *routes_roles.OPERATIONS,
    *routes_invitations.OPERATIONS,
    *routes_webhooks.OPERATIONS,
    *routes_push_credentials.OPERATIONS,
    *routes_nodes.OPERATIONS,
    *routes_store.OPERATIONS,
    *routes_audit.OPERATIONS,
    *routes_feed_facts.OPERATIONS,
    *routes_feed_segments.OPERATIONS,
    *routes_telemetry.OPERATIONS,
    *routes_feed_documents.OPERATIONS,
    *routes_feed_revisions.OPERATIONS,
    *routes_feed_blobs.OPERATIONS,
    *routes_feed_events.OPERATIONS,
)


def build_control_app(ports: ControlPorts) -> web.Application:
    """The application; the caller binds it to an address and shuts it down."""
    app = web.Application(middlewares=[translate_errors])
    app[VERIFICATIONS], app[LOOKS], app[PROXIES] = verifications(), looks(), ports.trusted_proxies
    app.on_response_prepare.append(_hide_server)
    app.on_shutdown.append(_end_events(ports))
    app.on_cleanup.append(lambda _: ports.audit.close())
    places = NodePlaces()
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _build_door(operation, ports, places))
    return app


def _end_events(ports: ControlPorts) -> Callable[[web.Application], Awaitable[None]]:
    async def end(_: web.Application) -> None:
        ports.feed.events.end()

    return end


async def _hide_server(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop(hdrs.SERVER, None)  # aiohttp's own names its version and Python's


@web.middleware
async def translate_errors(request: web.Request, handler: OperationHandler) -> web.StreamResponse:
    """Every failure in one shape: the client's with its code and status, ours as 500 with a traceback in the log."""
    ASKED_FROM.set(caller_of(request))  # for what follows of this request, the page's included
    try:
        return await handler(request)
    except ProposalMade as made:
        return _answer(made.answer, made.status)
    except EdgeError as error:
        response = _answer(ErrorAnswer(error.code, error.message), error.status)
        if isinstance(error, Unauthorized):
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        if error.status == 503:
            response.force_close()  # who is refused for want of room keeps no connection
        return response
    except web.HTTPException as error:
        return _translate_http(request, error)
    except OSError as error:
        full = refusal_of_room(error)
        if full is not None:
            return _answer(ErrorAnswer(full.code, full.message), full.status)
        return _answer_bug(request)
    except Exception:
        return _answer_bug(request)


def _answer_bug(request: web.Request) -> web.Response:
    """In the handler of the exception, which the log gets."""
    # The path names apps, channels and devices. Headers and bodies may hold secrets and are not logged.
    _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
    return _answer(ErrorAnswer("internal_error", "internal error; see the server's log"), 500)


def _translate_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """Errors from aiohttp itself: unknown addresses, wrong methods."""
    code = _STATUS_CODES.get(error.status, "bad_request")
    response = _answer(ErrorAnswer(code, f"{request.method} {request.path[:256]}: {error.reason}"), error.status)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _build_door(operation: Operation, ports: ControlPorts, places: NodePlaces) -> OperationHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        async with Witness(ports.audit, operation, request) as witness:
            grant = await _authenticate(operation, ports, request, ports.clock.now())
            witness.who = grant.name if operation.permission is not None else ""
            check_door(operation, grant, request)
            with places.taken(grant.name) if grant.is_role(Role.NODE) else nullcontext():
                return await enter(request, grant, witness)

    async def enter(request: web.Request, grant: Grant, witness: Witness) -> web.StreamResponse:
        check_here(operation, ports.origin)
        check_parameters(request, operation)
        body = None
        if operation.body is not None:
            body = decode_body(await read_body(request, operation.body_limit_bytes), operation.body)
        rehearsal: list[Rehearsed] | None = [] if operation.changes and parse_flag(request, DRY_RUN) else None
        answer = await _perform(
            witness,
            Call(
                ports=ports,
                grant=grant,
                request=request,
                body=body,
                permission=operation.permission,
                rehearsal=rehearsal,
            ),
        )
        if isinstance(answer, web.StreamResponse):  # sent by the operation itself
            return answer
        if isinstance(answer, Streamed):
            return await send_streamed(request, answer)
        response = _answer(answer, 200) if operation.content_type == JSON else _text(answer, operation.content_type)
        if problem := _problem_of(request, ports):
            response.headers[WARNING] = problem
        return response

    return handle


async def _perform(witness: Witness, call: Call[Any]) -> Any:
    witness.begin(call)
    before = ASKED_BY.set(Asker(call.grant.name, isinstance(call.request, InnerRequest)))
    try:
        answer = await witness.operation.handle(call)
    finally:
        ASKED_BY.reset(before)
    await witness.done()
    if call.rehearsal is not None:
        return await _with_impact(answer, call.ports, call.rehearsal)
    if any(part != NotTaken() for part in call.not_taken):
        return _with_not_taken(answer, call.not_taken)
    return answer


class InnerApi:
    """The operations of the API for the page of the same process: the same handlers, permissions and refusals, with
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
            return await _perform(
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
        await routes_blobs.keep_local(Call(ports=self._ports, grant=grant, request=request, body=None), file)

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

    def allows(self, grant: Grant, name: str, app: str | None, channel: str | None = None) -> bool:
        """Whether the roles of `grant` let the operation in, for `app` and `channel` where it is about one."""
        return may_pass(self._operations[name], grant, app, channel)


def _text_of(revision: int | None) -> str:
    return "" if revision is None else str(revision)


def _problem_of(request: web.Request, ports: ControlPorts) -> str:
    """Why what was read of the app in the address may not be what its devices get, in ASCII; empty if nothing is wrong
    with its head shard."""
    app = request.match_info.get("app")
    problem = ports.releases.problems.get(shard_of(AppId(app)), "") if app is not None else ""
    return problem.encode("ascii", "backslashreplace").decode() if problem.isprintable() else ""


async def _with_impact(answer: Any, ports: ControlPorts, rehearsal: list[Rehearsed]) -> dict[str, Any]:
    """The change's own answer, and its impact."""
    (rehearsed,) = rehearsal
    fields: dict[str, Any] = msgspec.to_builtins(answer)
    waits = {NEEDS_APPROVAL: rehearsed.waits} if rehearsed.waits else {}
    return fields | {"dry_run": True, "impact": await ports.known_devices.weigh(rehearsed)} | waits


def _with_not_taken(answer: Any, not_taken: list[NotTaken]) -> dict[str, Any]:
    """The change's own answer, and what workers did not take of it."""
    damaged = {each: None for part in not_taken for each in part.damaged}
    view = NotTakenView(
        damaged=[DamageView(**msgspec.structs.asdict(each)) for each in damaged],
        silent_workers=max(part.silent for part in not_taken),
    )
    fields: dict[str, Any] = msgspec.to_builtins(answer)
    return fields | {NOT_TAKEN: view}


async def _authenticate(operation: Operation, ports: ControlPorts, request: web.Request, now: float) -> Grant:
    """Runs before a byte of the body is read; `now` is in seconds since the epoch. Raises Unauthorized."""
    if operation.permission is None:
        return NOBODY
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthorized("unauthorized", "missing token: send the header Authorization: Bearer <token>")
    secret = secret.strip()
    if ports.login is not None and is_of_person(secret):
        return (await asyncio.to_thread(person_of_secret, ports.login.accounts, secret, now)).grant
    return await asyncio.to_thread(ports.tokens.authenticate, secret, now, caller_of(request))


def _text(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"})


def _answer(value: Any, status: int) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )
