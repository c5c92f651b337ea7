"""What one operation of the control API is, and what its handler is given.

The routes, the permissions, the limits and the OpenAPI document all come from the same table of these.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from edge.control.ports import ControlPorts
from edge.control.roles import Permission, allows, refusal
from edge.control.shapes.impact import ImpactView
from edge.control.tokens import Grant
from edge.domain.changes.commands import COMMAND_ID_LIMIT, Change, Command
from edge.domain.errors import Forbidden, Invalid, Malformed
from edge.domain.model import AppId, AppState, parse_app_id
from edge.store.releases import Permit, Rehearsed

JSON_LIMIT_BYTES = 1024 * 1024  # the largest ordinary body, an operator's comment included, is a few kB
JSON = "application/json"
IDEMPOTENCY_KEY = "Idempotency-Key"
DRY_RUN = "dry_run"
SHOWN_LIMIT = 64  # characters of an unknown parameter's name that the answer repeats

_COMMAND_ID = re.compile(rf"[A-Za-z0-9._-]{{1,{COMMAND_ID_LIMIT}}}", re.ASCII)

B = TypeVar("B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B]):
    """One authorised request with its decoded body (None where the operation has none).

    With a `rehearsal` the change is carried out on paper only, and is to be found there afterwards.
    """

    ports: ControlPorts
    grant: Grant
    request: web.Request
    body: B
    rehearsal: list[Rehearsed] | None = None

    @property
    def app(self) -> AppId:
        """The app in the address. Raises Invalid `invalid_app_id`."""
        return parse_app_id(self.part("app"))

    def part(self, name: str) -> str:
        return self.request.match_info[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`body` is what a JSON body is decoded as; `answer` is what a success is encoded from.

    `permission` None: no token is asked for. `changes`: an app, so it takes an Idempotency-Key and `dry_run`;
    `takes_id`: an Idempotency-Key alone. `streams`: the media type of a body
    that the handler reads itself. What has another `content_type` than JSON is bytes already. `refusals` are statuses
    beyond those that follow from the rest.
    """

    name: str
    method: str
    path: str
    summary: str
    permission: Permission | None
    handle: Callable[[Call[Any]], Awaitable[Any]]
    answer: Any
    body: Any = None
    body_limit_bytes: int = JSON_LIMIT_BYTES
    changes: bool = False
    takes_id: bool = False
    streams: str = ""
    query: Sequence[str] = ()
    refusals: Sequence[int] = ()
    content_type: str = JSON

    @property
    def parameters(self) -> list[str]:
        """The names of the query's parameters."""
        return [*self.query, *([DRY_RUN] if self.changes else [])]

    @property
    def parts(self) -> list[str]:
        """The names of the variable parts of the address, in order."""
        return re.findall(r"{(\w+)}", self.path)


async def load_app(call: Call[Any]) -> AppState:
    """The app's state now. Raises NotFound `unknown_app`."""
    return await asyncio.to_thread(call.ports.releases.load, call.app)


async def check_app(call: Call[Any]) -> None:
    """Raises NotFound `unknown_app`. Cheaper than loading it: for what is asked once for every file of a bundle."""
    await asyncio.to_thread(call.ports.releases.head, call.app)


class Done(NamedTuple):
    """The app after a change. `changed` is False when it altered nothing or had landed before; `before` is the state
    that it was made to, None for an app's first."""

    state: AppState
    changed: bool
    before: AppState | None


async def commit(call: Call[Any], app: AppId, command: Command, permit_undo: Permit | None = None) -> Done:
    """Carry out the command; returns when the workers serve it. Raises what `Releases.commit` raises.

    In a rehearsal it is carried out on paper.
    """
    change = Change(id=command_id(call.request), at=call.ports.clock.now(), by=call.grant.name, command=command)
    if call.rehearsal is not None:
        rehearsed = await asyncio.to_thread(call.ports.releases.rehearse, app, change, permit_undo)
        call.rehearsal.append(rehearsed)
        return Done(rehearsed.after, rehearsed.after is not rehearsed.before, rehearsed.before)
    committed = await asyncio.to_thread(call.ports.releases.commit, app, change, permit_undo)
    if committed.changed:
        await call.ports.serving.announce(app, committed.head)
    return Done(committed.state, committed.changed, committed.before)


async def weigh(call: Call[Any], done: Done) -> ImpactView | None:
    """What a change that was carried out does; None where it changed nothing, and in a rehearsal, which is weighed
    anyway."""
    if call.rehearsal is not None or not done.changed:
        return None
    return await call.ports.known_devices.weigh(Rehearsed(done.before, done.state))


def require(call: Call[Any], permission: Permission) -> None:
    """For what an operation does beside what it is for. Raises Forbidden `forbidden`."""
    grant = call.grant
    if not allows(grant.role, grant.app, permission, call.request.match_info.get("app")):
        raise Forbidden("forbidden", refusal(grant.name, grant.role, grant.app, permission))


def command_id(request: web.Request) -> str:
    """The caller's own id of this change, or a new one. Raises Invalid `invalid_command_id`."""
    given = request.headers.get(IDEMPOTENCY_KEY)
    if given is None:
        return secrets.token_hex(16)
    if _COMMAND_ID.fullmatch(given) is None:
        raise Invalid(
            "invalid_command_id", f"{IDEMPOTENCY_KEY}: 1 to {COMMAND_ID_LIMIT} letters, digits, '.', '_' and '-'"
        )
    return given


def check_parameters(request: web.Request, operation: Operation) -> None:
    """A misspelt parameter must not look as if it had been obeyed. Raises Malformed `unknown_parameter`,
    `repeated_parameter`."""
    for name in request.query:
        if name not in operation.parameters:
            known = f"it takes {', '.join(operation.parameters)}" if operation.parameters else "it takes none"
            asked = f"{operation.method} {operation.path}"
            raise Malformed("unknown_parameter", f"{asked}: there is no parameter {name[:SHOWN_LIMIT]!r}; {known}")
        if len(request.query.getall(name)) > 1:
            raise Malformed("repeated_parameter", f"parameter {name!r} is given more than once")


def parse_flag(request: web.Request, name: str) -> bool:
    """The parameter `name` of the address, false where it is absent. Raises Invalid `invalid_<name>`."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid(f"invalid_{name}", f"{name}: true or false")
    return text == "true"


def parse_number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """The parameter `name` of the address. Raises Invalid `invalid_<name>`."""
    text = request.query.get(name, str(default))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    if not least <= number <= most:
        raise Invalid(f"invalid_{name}", f"{name}: a number from {least} to {most}")
    return number


def decode_body(content: bytes, wanted: Any) -> Any:
    """Raises Invalid `invalid_json`, or `invalid_body` with the path to what is wrong."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        raise Invalid("invalid_body", f"the body is not as it should be: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"the body is not JSON: {error}") from error
