"""All ways in for people on one node, as the page and the API are given them."""

import asyncio
from dataclasses import dataclass

from edge.control.login.accounts import Accounts
from edge.control.login.oidc_login import OidcLogin
from edge.control.login.passkey_login import PasskeyLogin
from edge.control.login.passwords.password_login import PasswordLogin


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleLogin:
    """A way that is None is not offered here: without a provider there is no OpenID Connect, and a region keeps no
    passwords and no passkeys. `public_url` is the page's address as browsers see it, "" for as they say."""

    accounts: Accounts
    passwords: PasswordLogin | None = None
    passkeys: PasskeyLogin | None = None
    oidc: OidcLogin | None = None
    public_url: str = ""

    async def anybody(self) -> bool:
        return await asyncio.to_thread(self.accounts.anybody)

    async def close(self) -> None:
        if self.passwords is not None:
            self.passwords.close()
        if self.oidc is not None:
            await self.oidc.close()
