"""What one operation of the control API is, and how the parameters of its address are parsed.

The routes, permissions, limits and the OpenAPI document all come from one table of these.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.control.access.grants import Grant, refusal
from edge.control.access.roles import Permission
from edge.control.calls import Asked, Call
from edge.domain.errors import Forbidden, Invalid, Malformed
from edge.regions.following.followed_releases import elsewhere

JSON_LIMIT_BYTES = 1024 * 1024  # ordinary bodies, operators' comments included, are a few kB
JSON = "application/json"
DRY_RUN = "dry_run"
NEEDS_APPROVAL = "needs_approval"  # of a dry run's answer: why the change would wait, if it would
NOT_TAKEN = "not_taken"  # of a change's answer, if there is something
RANGE = re.compile(r"^bytes=([0-9]{1,15})-$", re.ASCII)  # of a `ranged` operation: all from this byte on
SHOWN_LIMIT = 64  # characters of an unknown parameter's name that the error repeats

# What a node that follows does although it is asked with a body, or makes something.
_READS = frozenset(
    {
        Permission.READ_SELF,
        Permission.LIST_APPS,
        Permission.READ_APP,
        Permission.READ_NODE,
        Permission.LOOK_UP_DEVICES,
        Permission.FOLLOW,
    }
)
_OWN = frozenset({"create_login_link"})  # of its own page


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row: a JSON body is decoded as `body`, a success encoded from `answer`.

    `permission` None: no token is required; one of `or_else` opens the door as well, for a change that is judged by
    what it does. `changes`: it changes an app, so it takes an Idempotency-Key and `dry_run`;
    `takes_id`: it takes an Idempotency-Key alone. `streams` is the media type of a body that the handler reads itself.
    With a `content_type` other than JSON the handler returns bytes; with `ranged`, all from a byte on where asked.
    `refusals` are statuses beyond those that follow from the rest.
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
    or_else: frozenset[Permission] = frozenset()
    content_type: str = JSON
    ranged: bool = False

    @property
    def parameters(self) -> list[str]:
        """The names of the query's parameters."""
        return [*self.query, *([DRY_RUN] if self.changes else [])]

    @property
    def is_of_channel(self) -> bool:
        """Whether the address names a channel."""
        return "/channels/{name}" in self.path

    @property
    def parts(self) -> list[str]:
        """The names of the variable parts of the address, in order."""
        return re.findall(r"{(\w+)}", self.path)


def may_pass(operation: Operation, grant: Grant, app: str | None, channel: str | None, *, test: bool = True) -> bool:
    """Whether the door opens, for the app and the channel in the address; `channel` counts where the operation is
    about one. `test`: it may be a test channel."""
    if operation.permission is None:
        return True
    about = channel if operation.is_of_channel else None
    return any(grant.might(each, app, about, test=test) for each in (operation.permission, *operation.or_else))


def check_door(operation: Operation, grant: Grant, request: Asked) -> None:
    """Raises Forbidden `forbidden`."""
    app, name = request.match_info.get("app"), request.match_info.get("name")
    if operation.permission is not None and not may_pass(operation, grant, app, name):
        about = name if operation.is_of_channel else None
        raise Forbidden("forbidden", refusal(grant, operation.permission, app, about))


def check_here(operation: Operation, origin: str) -> None:
    """What changes something is done at `origin`; "" on that node itself. Raises Conflict `not_the_origin`."""
    if origin and operation.method != "GET" and operation.permission not in _READS and operation.name not in _OWN:
        raise elsewhere("this is done", origin)


def check_parameters(request: Asked, operation: Operation) -> None:
    """Refuse misspelt parameters, do not ignore them. Raises Malformed `unknown_parameter`, `repeated_parameter`."""
    for name in request.query:
        if name not in operation.parameters:
            known = f"takes {', '.join(operation.parameters)}" if operation.parameters else "takes no parameters"
            raise Malformed(
                "unknown_parameter",
                f"unknown parameter {name[:SHOWN_LIMIT]!r}: {operation.method} {operation.path} {known}",
            )
        if len(request.query.getall(name)) > 1:
            raise Malformed("repeated_parameter", f"repeated parameter {name!r}: give it once")


def parse_flag(request: Asked, name: str) -> bool:
    """The parameter `name` as a boolean, false where it is absent. Raises Invalid `invalid_<name>`."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid(f"invalid_{name}", f"invalid {name}: use true or false")
    return text == "true"


def parse_number(request: Asked, name: str, default: int, least: int, most: int) -> int:
    """The parameter `name` as a whole number from `least` to `most`. Raises Invalid `invalid_<name>`."""
    text = request.query.get(name, str(default))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    if not least <= number <= most:
        raise Invalid(f"invalid_{name}", f"invalid {name}: use a whole number from {least} to {most}")
    return number
