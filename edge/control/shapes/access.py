"""What the control API takes and answers about tokens."""

from edge.control.roles import Role
from edge.control.shapes.common import AnswerBody, RequestBody, Whole


class TokenRequest(RequestBody, frozen=True, kw_only=True):
    """Without `lifetime_seconds` the token has no end."""

    name: str
    role: Role
    app: str | None = None
    lifetime_seconds: Whole | None = None


class TokenView(AnswerBody, frozen=True, kw_only=True):
    """Times are in seconds since the epoch: `expires` is null for a token without an end, `last_used` is the beginning
    of the day of its last use, null before the first. `by` is the name of the token that made this one."""

    name: str
    role: Role
    app: str | None
    created: float
    by: str
    expires: float | None
    last_used: float | None


class OwnToken(AnswerBody, frozen=True, kw_only=True):
    """The token that asked, and what it may do: names of permissions, sorted."""

    name: str
    role: Role
    app: str | None
    expires: float | None
    permissions: list[str]


class TokenMade(AnswerBody, frozen=True, kw_only=True):
    """`token` is the secret. It is shown here and never again."""

    name: str
    role: Role
    app: str | None
    expires: float | None
    token: str


class TokenRevoked(AnswerBody, frozen=True, kw_only=True):
    name: str
    revoked: bool
