"""Tokens for the command line: a signed-in person makes one on the page, and it is the person for half a day.

What it may do is looked up at each use, and of groups only what the provider stated at the person's last login counts;
signing out everywhere ends it. Calls block: run them off the event loop.
"""

import secrets
from typing import NamedTuple

from edge.control.access.grants import Grant
from edge.control.login.accounts import Accounts, SignedIn
from edge.control.login.credential_document import (
    TERMINAL_SECONDS,
    Terminal,
    person_of_terminal,
    with_terminal,
    without_terminal,
)
from edge.control.login.one_time import hash_of
from edge.domain.errors import Unauthorized

SECRET_PREFIX = "edge_person_"  # noqa: S105 - begins as those of tokens do, so that scanners find it
SECRET_BYTES = 32


def is_of_person(secret: str) -> bool:
    return secret.startswith(SECRET_PREFIX)


def make_terminal(accounts: Accounts, signed_in: SignedIn, name: str, now: float) -> tuple[str, float]:
    """The secret, which is nowhere else, and until when it works. Raises Conflict."""
    secret, until = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES), now + TERMINAL_SECONDS
    groups = tuple(sorted(signed_in.groups))
    terminal = Terminal(hash=hash_of(secret), name=name, made=now, until=until, groups=groups)
    accounts.change(lambda document: with_terminal(document, signed_in.mail, terminal, now))
    return secret, until


def end_terminal(accounts: Accounts, mail: str, hashed: str) -> None:
    accounts.change(lambda document: without_terminal(document, mail, hashed))


class TerminalGrant(NamedTuple):
    """`until` is in seconds since the epoch."""

    grant: Grant
    until: float


def person_of_secret(accounts: Accounts, secret: str, now: float) -> TerminalGrant:
    """Who asks, and until when this works. Raises Unauthorized `unauthorized`, `token_expired`."""
    found = person_of_terminal(accounts.read(), hash_of(secret))
    if found is None:
        raise Unauthorized("unauthorized", "unknown or ended token of a person: make another on the page")
    mail, terminal = found
    if terminal.until <= now:
        raise Unauthorized("token_expired", "this token of a person has expired: make another on the page")
    grant = accounts.grant(mail, accounts.stated_groups(mail) & frozenset(terminal.groups))
    if grant is None:
        raise Unauthorized("unauthorized", "this person has been removed")
    return TerminalGrant(grant, terminal.until)
