"""Request bodies and answers about tokens."""

from typing import Annotated, Literal

import msgspec

from edge.control.access.networks import NETWORK_LIMIT
from edge.control.access.token_document import SCOPE_LIMIT
from edge.control.shapes.common import AnswerBody, RequestBody, Whole


class TokenRequest(RequestBody, frozen=True, kw_only=True):
    """`role` is the name of a role that is always there, or of an own one. `app` and `scopes` limit the token: to an
    app, to `org:NAME`, `app:APP` or `app:APP/CHANNEL`; without any, it is for everything. It can be used from
    `networks` alone. Without `lifetime_seconds` it does not expire."""

    name: str
    role: str
    app: str | None = None
    scopes: Annotated[list[str], msgspec.Meta(max_length=SCOPE_LIMIT)] = msgspec.field(default_factory=list)
    networks: Annotated[list[str], msgspec.Meta(max_length=NETWORK_LIMIT)] = msgspec.field(default_factory=list)
    lifetime_seconds: Whole | None = None


class RotateRequest(RequestBody, frozen=True, kw_only=True):
    """For how long the secret so far still works."""

    keep_seconds: Whole = 0


class TokenView(AnswerBody, frozen=True, kw_only=True):
    """Times are in seconds since the epoch: `expires` is null for a token that does not expire, `last_used` is the
    start of the day of its last use, null before the first. `by` is the name of who created this one. `rotated` is
    when it got its secret, if not the first one; the one before works until `former_until`. `person` is in whose hands
    it is, null for nobody's: it `gives` all of what it is for, less or nothing, as the person may."""

    name: str
    role: str
    app: str | None
    scopes: list[str]
    networks: list[str]
    created: float
    by: str
    expires: float | None
    last_used: float | None
    rotated: float | None
    former_until: float | None
    person: str | None
    gives: Literal["all", "less", "nothing"]


class OwnHold(AnswerBody, frozen=True, kw_only=True):
    """A role of whoever asks, and where it is held."""

    role: str
    scope: str
    permissions: list[str]


class OwnToken(AnswerBody, frozen=True, kw_only=True):
    """Whoever asks: a token by its name, or a person by the mail address. `role` names the roles, `permissions` those
    that are held anywhere, sorted; `holds` say where. `ask` names people who may give a person more; none for a
    token."""

    name: str
    role: str
    app: str | None
    expires: float | None
    permissions: list[str]
    holds: list[OwnHold]
    ask: list[str]


class TokenMade(AnswerBody, frozen=True, kw_only=True):
    """`token` is the secret, shown here and never again. `absent` are the scopes of apps and channels that are not
    there: it counts for them once they are."""

    name: str
    role: str
    app: str | None
    expires: float | None
    token: str
    absent: list[str] = msgspec.field(default_factory=list)


class TokenRotated(AnswerBody, frozen=True, kw_only=True):
    """`token` is the secret, shown here and never again; the one so far works until `former_until`."""

    name: str
    expires: float | None
    former_until: float | None
    token: str


class LoginLinkMade(AnswerBody, frozen=True, kw_only=True):
    """`path` on the page signs a browser in as this token, once, until `expires`, in seconds since the epoch. `page` is
    the page's address, "" if the node's configuration names none."""

    path: str
    page: str
    expires: float


class TokenRevoked(AnswerBody, frozen=True, kw_only=True):
    name: str
    revoked: bool
