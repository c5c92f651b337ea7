"""Signing in by a passkey, and adding one. A challenge is asked for, used once within five minutes, and by nobody else
than it was made for."""

import asyncio
import logging
import secrets
from typing import NamedTuple

from edge.control.login.accounts import BY_PASSKEY, Accounts, SignedIn
from edge.control.login.credential_document import (
    CredentialDocument,
    check_invited,
    credentials_of,
    passkey_name,
    person_of_passkey,
    with_passkey,
    with_passkey_used,
)
from edge.control.login.one_time import OneTime
from edge.control.login.passkeys import (
    CHALLENGE_SECONDS,
    PasskeyPlace,
    check_login,
    id_of,
    login_options,
    register,
    registration_options,
)
from edge.domain.errors import Forbidden, Unauthorized
from edge.domain.facts import DAY_SECONDS

CHALLENGE_BYTES = 32
log = logging.getLogger(__name__)


class _Challenge(NamedTuple):
    """`mail` is for whom a passkey is made, "" for a login; `handle` is what it will call the person."""

    challenge: bytes
    place: PasskeyPlace
    mail: str = ""


class AskedPasskey(NamedTuple):
    """`ticket` comes back with the browser's answer; `options` are JSON."""

    ticket: str
    options: str


class PasskeyLogin:
    """Those of one node."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._open = OneTime[_Challenge](CHALLENGE_SECONDS)

    def ask(self, place: PasskeyPlace, address: str, now: float) -> AskedPasskey:
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        ticket = self._open.put(_Challenge(challenge, place), address, now)
        return AskedPasskey(ticket, login_options(place, challenge))

    async def sign_in(self, ticket: str, answer: str, now: float) -> SignedIn:
        """Raises Unauthorized `wrong_login`, Forbidden `passkey_refused`, `challenge_over`, Malformed."""
        asked = self._taken(ticket, "", now)
        document = await asyncio.to_thread(self._accounts.read)
        found = person_of_passkey(document, id_of(answer))
        if found is None or not await asyncio.to_thread(self._accounts.is_known, found[0]):
            raise Unauthorized("wrong_login", "this passkey is not known here: it was removed, or is of another node")
        mail, passkey = found
        held = credentials_of(document, mail)
        used = check_login(answer, asked.place, asked.challenge, passkey, held.handle)
        if used.fell:
            log.warning(
                "passkey %r of %s counts %d uses, after %d: it may have been copied", *(passkey.name, mail),
                *(used.sign_count, passkey.sign_count),
            )  # fmt: skip
        day = int(now // DAY_SECONDS)
        await asyncio.to_thread(
            self._accounts.change,
            lambda document: with_passkey_used(document, mail, passkey.id, used.sign_count, day),
        )
        return SignedIn(mail, held.era, BY_PASSKEY)

    async def ask_new(self, mail: str, place: PasskeyPlace, address: str, now: float) -> AskedPasskey:
        """For a passkey of this person, who is signed in or invited."""
        held = await asyncio.to_thread(self._accounts.with_handle, mail)
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        ticket = self._open.put(_Challenge(challenge, place, mail), address, now)
        return AskedPasskey(ticket, registration_options(place, mail, held.handle, held.passkeys, challenge))

    async def add(self, mail: str, ticket: str, answer: str, name: str, now: float, invitation: str = "") -> SignedIn:
        """Raises Forbidden `passkey_refused`, `challenge_over`, Malformed, Invalid `invalid_passkey_name`, NotFound
        `invitation_over`, Conflict."""
        named = passkey_name(name)
        asked = self._taken(ticket, mail, now)
        made = register(answer, asked.place, asked.challenge, named, now)

        def edit(document: CredentialDocument) -> CredentialDocument:
            check_invited(document, mail, invitation, now)
            return with_passkey(document, mail, made)

        await asyncio.to_thread(self._accounts.change, edit)
        held = await asyncio.to_thread(self._accounts.credentials, mail)
        return SignedIn(mail, held.era, BY_PASSKEY)

    def _taken(self, ticket: str, mail: str, now: float) -> _Challenge:
        asked = self._open.take(ticket, now)
        if asked is None or asked.mail != mail:
            raise Forbidden("challenge_over", "this took longer than five minutes, or was sent twice: try again")
        return asked
