"""Invitations: each lets whoever has its link become the person, once. Calls block: run them off the event loop."""

import secrets
from typing import NamedTuple

from edge.control.access.grants import Grant
from edge.control.access.people_document import HeldRole, unknown_person
from edge.control.access.roles import Role
from edge.control.access.scopes import EVERYTHING
from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import (
    INVITATION_SECONDS,
    Invitation,
    person_of_invitation,
    with_invitation,
)
from edge.control.login.one_time import hash_of
from edge.domain.errors import NotFound

SECRET_BYTES = 32


class Invited(NamedTuple):
    """`secret` is shown once, and is nowhere else. `until` is in seconds since the epoch."""

    secret: str
    until: float


def invite(accounts: Accounts, mail: str, by: Grant, now: float, hands: tuple[str, ...] = ()) -> Invited:
    """What the person had is void, and every session ends. `hands` are those that `by` may be in. Raises NotFound
    `unknown_person`, Conflict."""
    if not accounts.is_known(mail):
        raise unknown_person(mail)
    secret, until = secrets.token_urlsafe(SECRET_BYTES), now + INVITATION_SECONDS
    invitation = Invitation(hash=hash_of(secret), by=by.name, made=now, until=until)
    limited = not accounts.may_give(by, HeldRole(Role.ADMIN.value, str(EVERYTHING)))
    accounts.change(lambda document: with_invitation(document, mail, invitation, limited=limited, hands=hands))
    return Invited(secret, until)


def invited(accounts: Accounts, secret: str, now: float) -> str:
    """Whom the invitation is for. Raises NotFound `invitation_over`."""
    mail = person_of_invitation(accounts.read(), secret, now)
    if not accounts.is_known(mail):
        raise NotFound("invitation_over", "this person has been removed since: ask for a new invitation")
    return mail
