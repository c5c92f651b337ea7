"""Answers about what people sign in with. Times are in seconds since the epoch."""

from edge.control.shapes.common import AnswerBody


class InvitationMade(AnswerBody, frozen=True, kw_only=True):
    """`path` on the page lets whoever opens it become the person, once, until `expires`: shown here and never again.
    `page` is the page's address, "" if the node's configuration names none."""

    person: str
    path: str
    page: str
    expires: float


class SignedOut(AnswerBody, frozen=True, kw_only=True):
    person: str
    signed_out: bool


class PasskeyView(AnswerBody, frozen=True, kw_only=True):
    """`host` is the name that it works on; `last_used` is the start of a day, null before the first use."""

    name: str
    host: str
    made: float
    last_used: float | None


class CredentialsView(AnswerBody, frozen=True, kw_only=True):
    """`issuers` are the login providers that know the person; `terminals` counts tokens for the command line that work
    now; `invited_until` is null without an invitation that waits."""

    person: str
    password_set: float | None
    passkeys: list[PasskeyView]
    issuers: list[str]
    terminals: int
    invited_until: float | None
