"""What one operation of the control API is, and how the parameters of its address are read.

The routes, the permissions, the limits and the OpenAPI document all come from the same table of these.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from edge.control.calls import Call
from edge.control.roles import Permission
from edge.domain.errors import Invalid, Malformed

JSON_LIMIT_BYTES = 1024 * 1024  # the largest ordinary body, an operator's comment included, is a few kB
JSON = "application/json"
DRY_RUN = "dry_run"
SHOWN_LIMIT = 64  # characters of an unknown parameter's name that the answer repeats


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
