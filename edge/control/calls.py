"""One authorised request as a handler sees it, and what handlers do with it: load the app, commit a change."""

import asyncio
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

import msgspec
from aiohttp import web
from multidict import MultiMapping

from edge.control.access.effects import check_change
from edge.control.access.grants import Grant, refusal
from edge.control.access.roles import Permission
from edge.control.ports import ControlPorts
from edge.control.proposal_notices import notice_of_emergency, notice_of_proposal
from edge.control.proposing import ProposalMade, proposal_made, proposing
from edge.control.shapes.impact import ImpactView
from edge.domain.approving.judging import NeedsApproval
from edge.domain.changes.apply import NEVER_PROPOSED, ProposedAlready, foresee
from edge.domain.changes.commands import COMMAND_ID_LIMIT, Change, Command, PublishBundle, Undo
from edge.domain.changes.going_back.putting_back import to_propose
from edge.domain.errors import Forbidden, Invalid, Unavailable
from edge.domain.model import AppId, AppState, parse_app_id
from edge.messages.notice import Notice
from edge.regions.feed.coming_blobs import tell_coming
from edge.store.damage import NotTaken
from edge.store.releases import Permit, Rehearsed

IDEMPOTENCY_KEY = "Idempotency-Key"
REASON = "Edge-Reason"  # why, percent-encoded UTF-8: headers are ASCII
IF_REVISION = "Edge-If-Revision"  # make the change only if this is the app's latest revision
REASON_LIMIT = 500  # characters: it stays in the revision for ever

REVISION_DIGITS = 16

_COMMAND_ID = re.compile(rf"[A-Za-z0-9._-]{{1,{COMMAND_ID_LIMIT}}}", re.ASCII)

log = logging.getLogger(__name__)

B = TypeVar("B")


class Asked(Protocol):
    """What handlers read of a request, apart from those that read its body themselves: a `web.Request`, or a
    question of the page."""

    @property
    def match_info(self) -> Mapping[str, str]: ...

    @property
    def query(self) -> MultiMapping[str]: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def app(self) -> web.Application: ...


class InnerRequest(NamedTuple):
    """What the page asks, in the form in which handlers read it."""

    match_info: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    app: web.Application


class Made(NamedTuple):
    """A change that was committed: by its command's id, in this revision."""

    app: AppId
    revision: int
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B]):
    """One authorised request with its decoded body (None where the operation takes none).

    `rehearsal` is a list in a dry run: `commit` writes nothing then and appends what the change would do. Otherwise it
    appends to `not_taken` what workers did not take of the change, and to `made` which it is, for the audit. `own_id`
    is random: what a handler foresees, makes and answers has one id.
    """

    ports: ControlPorts
    grant: Grant
    request: Asked
    body: B
    permission: Permission | None = None  # the operation's
    rehearsal: list[Rehearsed] | None = None
    not_taken: list[NotTaken] = field(default_factory=list)
    made: list["Made"] = field(default_factory=list)
    own_id: str = field(default_factory=partial(secrets.token_hex, 16))

    @property
    def stream(self) -> web.Request:
        """The request itself, where the operation reads its body."""
        assert isinstance(self.request, web.Request), "an operation that streams is only asked over HTTP"
        return self.request

    @property
    def app(self) -> AppId:
        """The app in the address. Raises Invalid `invalid_app_id`."""
        return parse_app_id(self.part("app"))

    def part(self, name: str) -> str:
        """A variable part of the address, decoded."""
        return self.request.match_info[name]


async def load_app(call: Call[Any]) -> AppState:
    """The app's state now. Raises NotFound `unknown_app`."""
    return await asyncio.to_thread(call.ports.releases.load, call.app)


async def check_app(call: Call[Any]) -> None:
    """Raises NotFound `unknown_app`. Cheaper than `load_app`: some requests come once per file of a bundle."""
    await asyncio.to_thread(call.ports.releases.head, call.app)


class ChangeResult(NamedTuple):
    """The app after a change. `changed` is False if it altered nothing or had landed before; `before` is the state that
    it was applied to, None for an app's first change."""

    state: AppState
    changed: bool
    before: AppState | None


async def commit(call: Call[Any], app: AppId, command: Command, permit: Permit | None = None) -> ChangeResult:
    """Commit the command and return once the workers serve it; in a dry run, only rehearse it. `permit` None: what the
    command and its effect need is checked.

    Raises Forbidden `forbidden` for what the caller may not do, ProposalMade if it waits for approval now, and what
    `Releases.commit` raises.
    """
    permit = permit or partial(check_change, call.grant, call.permission, command)
    change = Change(
        id=command_id(call),
        at=call.ports.clock.now(),
        by=call.grant.name,
        command=command,
        reason=reason_of(call.request),
    )
    if call.rehearsal is not None:
        rehearsed = await asyncio.to_thread(call.ports.releases.rehearse, app, change, permit)
        call.rehearsal.append(rehearsed)
        return ChangeResult(rehearsed.after, rehearsed.after is not rehearsed.before, rehearsed.before)
    if not isinstance(command, PublishBundle):  # told as soon as all of it was in the store
        await announce_blobs(call, app, command)
    at = if_revision(call.request)
    try:
        committed = await asyncio.to_thread(call.ports.releases.commit, app, change, permit, at)
    except (NeedsApproval, ProposedAlready) as waits:
        if isinstance(command, NEVER_PROPOSED) and not isinstance(command, Undo):
            raise
        raise await _propose(call, app, change, waits, at) from None
    call.made.append(Made(app, committed.state.revision if committed.changed else 0, change.id))
    if committed.changed:
        call.not_taken.append(await call.ports.serving.announce(app, committed.head))
        if committed.recorded.emergency is True:
            await _tell(call, notice_of_emergency(app, committed.recorded))
    return ChangeResult(committed.state, committed.changed, committed.before)


async def _propose(
    call: Call[Any], app: AppId, change: Change, waits: NeedsApproval | ProposedAlready, at: int | None
) -> ProposalMade:
    """Have the change wait for approval; whoever may make it may propose it."""
    command = to_propose(change.command, waits) if isinstance(waits, NeedsApproval) else change.command

    def permit(before: AppState | None, after: AppState) -> None:
        foreseen = foresee(before, msgspec.structs.replace(change, command=command))
        check_change(call.grant, call.permission, command, before, foreseen)

    asked = await proposing(call.ports, call.grant, change, command)
    committed = await asyncio.to_thread(call.ports.releases.commit, app, asked, permit, at)
    call.made.append(Made(app, committed.state.revision if committed.changed else 0, change.id))
    made = proposal_made(committed.state, change, change.at)
    if committed.changed:
        await call.ports.serving.announce(app, committed.head)
        await _tell(call, notice_of_proposal(change, made.answer))
    return made


async def _tell(call: Call[Any], notice: Notice) -> None:
    """Of what was made, which it stays if nobody can be told, as on a full disk; the history and the audit have it."""
    try:
        await call.ports.messaging.outbox.post(notice)
    except Unavailable as error:
        log.error("%s; nobody is told of it: %s", notice.title, error.message)


async def announce_blobs(call: Call[Any], app: AppId, command: Command) -> None:
    """Tell followers which blobs the change, which is about to be made, will have them serve."""
    ports = call.ports
    await tell_coming(ports.feed.events, ports.store, ports.releases.load, app, command)


async def weigh(call: Call[Any], done: ChangeResult) -> ImpactView | None:
    """The impact of a committed change; None if it changed nothing, and in a dry run, which is weighed anyway."""
    if call.rehearsal is not None or not done.changed:
        return None
    return await call.ports.known_devices.weigh(Rehearsed(done.before, done.state))


def require(call: Call[Any], permission: Permission) -> None:
    """For what an operation does beyond its own permission. Raises Forbidden `forbidden`."""
    check_permission(call.grant, permission, call.request)


def check_permission(grant: Grant, permission: Permission, request: Asked) -> None:
    """Raises Forbidden `forbidden` unless this is permitted, to the app in the address if there is one."""
    app = request.match_info.get("app")
    if not grant.may(permission, app):
        raise Forbidden("forbidden", refusal(grant, permission, app))


def reason_of(request: Asked) -> str:
    """Why the change is made, in its author's words; "" if not given. Raises Invalid `invalid_reason`."""
    reason = unquote(request.headers.get(REASON, "")).strip()
    if len(reason) > REASON_LIMIT or not reason.isprintable():
        raise Invalid("invalid_reason", f"invalid {REASON}: use up to {REASON_LIMIT} printable characters")
    return reason


def if_revision(request: Asked) -> int | None:
    """The revision that the client has seen; None: any. Raises Invalid `invalid_if_revision`."""
    given = request.headers.get(IF_REVISION)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= REVISION_DIGITS):
        raise Invalid("invalid_if_revision", f"invalid {IF_REVISION}: use a revision's number")
    return int(given)


def command_id(call: Call[Any]) -> str:
    """The client's id for this change, or the call's own. Raises Invalid `invalid_command_id`."""
    given = call.request.headers.get(IDEMPOTENCY_KEY)
    if given is None:
        return call.own_id
    if _COMMAND_ID.fullmatch(given) is None:
        raise Invalid(
            "invalid_command_id",
            f"invalid {IDEMPOTENCY_KEY}: use 1 to {COMMAND_ID_LIMIT} letters, digits, '.', '_' and '-'",
        )
    return given
