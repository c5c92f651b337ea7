"""Signing in by mail address and password, and setting one. Nothing answers whether an address is known.

Order: the limits, then one hash, whoever asks, then the comparison with people; so all failures cost and say the same.
"""

import asyncio
from collections.abc import Callable

from edge.control.login.accounts import BY_PASSWORD, Accounts, SignedIn
from edge.control.login.credential_document import (
    CredentialDocument,
    PersonCredentials,
    check_invited,
    with_password,
    with_rehashed,
)
from edge.control.login.passwords.hashing import Passwords
from edge.control.login.passwords.password_rules import check_password
from edge.control.login.passwords.password_tries import PasswordTries
from edge.domain.errors import EdgeError, Unauthorized
from edge.store.secrets.secret_box import SecretBox

MAIL_LIMIT = 254  # RFC 5321, errata 1690


class TooManyTries(EdgeError):
    """`code` is `too_many_tries`."""

    status = 429

    def __init__(self, wait_seconds: float) -> None:
        super().__init__("too_many_tries", f"too many tries: wait {max(1, round(wait_seconds / 60))} min")
        self.wait_seconds = wait_seconds


class PasswordLogin:
    """`ticks` is a monotonic clock, in seconds."""

    def __init__(
        self, accounts: Accounts, secrets: SecretBox, passwords: Passwords, ticks: Callable[[], float]
    ) -> None:
        self._accounts = accounts
        self._secrets = secrets
        self._passwords = passwords
        self._tries = PasswordTries()
        self._ticks = ticks

    async def sign_in(self, mail: str, password: str, address: str) -> SignedIn:
        """Raises Unauthorized `wrong_login`, TooManyTries, Unavailable `busy`, `secrets_key`."""
        mail = mail[:MAIL_LIMIT].strip().lower()
        if wait := self._tries.begin(mail, address, self._ticks()):
            raise TooManyTries(wait)
        held, kept = await asyncio.to_thread(self._kept, mail)
        compared = await self._passwords.compare(password, kept)
        if not compared.right:
            raise Unauthorized("wrong_login", "this mail address and this password do not belong together")
        self._tries.forgive(mail, address)
        if compared.renewed:
            again = await asyncio.to_thread(self._secrets.seal, compared.renewed.encode(), _context(mail))
            await asyncio.to_thread(self._accounts.change, lambda now: with_rehashed(now, mail, held.password, again))
        return SignedIn(mail, held.era, BY_PASSWORD)  # of before: whoever changed it meanwhile ends this one too

    async def set(self, mail: str, password: str, now: float, invitation: str = "") -> SignedIn:
        """Every other session of the person ends. Raises Invalid `weak_password`, NotFound `invitation_over`,
        Unavailable `busy`, `secrets_key`, Conflict."""
        sealed = await self._sealed(mail, check_password(password, mail))

        def edit(document: CredentialDocument) -> CredentialDocument:
            check_invited(document, mail, invitation, now)
            return with_password(document, mail, sealed, now)

        await asyncio.to_thread(self._accounts.change, edit)
        found = await asyncio.to_thread(self._accounts.credentials, mail)
        return SignedIn(mail, found.era, BY_PASSWORD)

    def close(self) -> None:
        self._passwords.close()

    def _kept(self, mail: str) -> tuple[PersonCredentials, str | None]:
        """The person's credentials, and the hash among them; None for who has none, or is nobody."""
        held = self._accounts.credentials(mail)
        if not held.password or not self._accounts.is_known(mail):
            return held, None
        return held, self._secrets.open(held.password, _context(mail)).decode()

    async def _sealed(self, mail: str, password: str) -> str:
        hashed = await self._passwords.hash(password)
        return await asyncio.to_thread(self._secrets.seal, hashed.encode(), _context(mail))


def _context(mail: str) -> str:
    return f"password {mail}"
