"""Request bodies and answers about tokens."""

from edge.control.access.roles import Role
from edge.control.shapes.common import AnswerBody, RequestBody, Whole


class TokenRequest(RequestBody, frozen=True, kw_only=True):
    """`app` limits the token to one app. Without `lifetime_seconds` the token does not expire."""

    name: str
    role: Role
    app: str | None = None
    lifetime_seconds: Whole | None = None


class TokenView(AnswerBody, frozen=True, kw_only=True):
    """Times are in seconds since the epoch: `expires` is null for a token that does not expire, `last_used` is the
    start of the day of its last use, null before the first. `by` is the name of the token that created this one."""

    name: str
    role: Role
    app: str | None
    created: float
    by: str
    expires: float | None
    last_used: float | None


class OwnToken(AnswerBody, frozen=True, kw_only=True):
    """The token of this request, and the names of its permissions, sorted."""

    name: str
    role: str
    app: str | None
    expires: float | None
    permissions: list[str]


class TokenMade(AnswerBody, frozen=True, kw_only=True):
    """`token` is the secret, shown here and never again."""

    name: str
    role: Role
    app: str | None
    expires: float | None
    token: str


class LoginLinkMade(AnswerBody, frozen=True, kw_only=True):
    """`path` on the control port signs a browser in as this token, once, until `expires`, in seconds since the
    epoch."""

    path: str
    expires: float


class TokenRevoked(AnswerBody, frozen=True, kw_only=True):
    name: str
    revoked: bool
