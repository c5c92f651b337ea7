"""Signing in by OpenID Connect: logins on their way, and whose account at the provider it is here.

Issuer and subject say who somebody is. A mail address does so once: when it is one that the provider has verified, of a
person that an admin has added and who has no account at that provider yet. An invitation binds without it.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from edge.control.login.accounts import BY_PROVIDER, Accounts, SignedIn
from edge.control.login.credential_document import (
    CredentialDocument,
    ProviderIdentity,
    check_invited,
    person_of_identity,
    with_identity,
)
from edge.control.login.invitations import invited
from edge.control.login.oidc.authorization import (
    STATE_LIMIT,
    LoginAsk,
    PendingLogin,
    authorization_address,
    begin_login,
    check_return,
)
from edge.control.login.oidc.client import OidcClient
from edge.control.login.oidc.id_token import IdTokenRefused, Stated
from edge.control.login.one_time import OneTime
from edge.domain.errors import Forbidden

LOGIN_SECONDS = 600.0  # at the provider, second factor included
BROWSER_BYTES = 32


class SentAway(NamedTuple):
    """Where the browser goes, and what it keeps in a cookie meanwhile."""

    address: str
    browser: str


class OidcLogin:
    """One provider's, of one node."""

    def __init__(self, accounts: Accounts, client: OidcClient) -> None:
        self._accounts = accounts
        self._client = client
        self._open = OneTime[PendingLogin](LOGIN_SECONDS)

    @property
    def issuer(self) -> str:
        return self._client.registration.issuer

    async def begin(
        self,
        redirect: str,
        after: str,
        *,
        browser: str,
        address: str,
        now: float,
        purpose: str = "",
        asking: LoginAsk = LoginAsk.AS_USUAL,
    ) -> SentAway:
        """`browser` is what its cookie has from another login on its way, or "". Raises OidcFault."""
        provider = await self._client.provider()
        browser = browser or secrets.token_urlsafe(BROWSER_BYTES)
        pending = begin_login(provider.issuer, redirect, after, browser, purpose)
        state = self._open.put(pending, address, now)
        registration = self._client.registration
        sent = authorization_address(provider, registration.client_id, registration.scopes, pending, state, asking)
        return SentAway(sent, browser)

    def pending(self, query: Mapping[str, str], now: float) -> PendingLogin:
        """The login that a browser comes back with, once. Raises IdTokenRefused."""
        pending = self._open.take(query.get("state", "")[:STATE_LIMIT], now)
        if pending is None:
            raise IdTokenRefused("it is of no login that is on its way: it took too long, or was used before")
        return pending

    async def finish(
        self, query: Mapping[str, str], pending: PendingLogin, browser: str, now: float, invitation: str = ""
    ) -> SignedIn:
        """Who came back. `invitation` is the secret of one. Raises IdTokenRefused, LoginDeclined, OidcFault, Forbidden
        `unknown_person`, NotFound `invitation_over`, Conflict."""
        provider = await self._client.provider()
        code = check_return(query, pending, provider, browser)
        stated = await self._client.redeem(code, pending, now)
        mail = await asyncio.to_thread(self._person_of, stated, invitation, now)
        await asyncio.to_thread(self._accounts.note_groups, mail, stated.issuer, stated.groups)
        held = await asyncio.to_thread(self._accounts.credentials, mail)
        return SignedIn(mail, held.era, BY_PROVIDER, stated.groups, stated.authenticated)

    async def close(self) -> None:
        await self._client.close()

    def _person_of(self, stated: Stated, invitation: str, now: float) -> str:
        identity = ProviderIdentity(issuer=stated.issuer, subject=stated.subject, bound=now)
        document = self._accounts.read()
        if invitation:
            mail = invited(self._accounts, invitation, now)

            def edit(document: CredentialDocument) -> CredentialDocument:
                check_invited(document, mail, invitation, now)
                return with_identity(document, mail, identity)

            self._accounts.change(edit)
            return mail
        known = person_of_identity(document, stated.issuer, stated.subject)
        if known is not None and self._accounts.is_known(known):
            return known
        if known is None and stated.mail and self._accounts.is_known(stated.mail):
            self._accounts.change(lambda document: with_identity(document, stated.mail, identity))
            return stated.mail
        raise Forbidden("unknown_person", _unknown(stated))


def _unknown(stated: Stated) -> str:
    """The provider has told them who they are: nothing is given away."""
    if stated.mail:
        return f"nobody has added {stated.mail} to this node: ask an admin to (`edge person add`)"
    return (
        "your login provider states no mail address that it has verified, so this node cannot tell who you are: "
        "ask an admin for an invitation"
    )
