"""A provider over HTTP: its discovery document, its keys, codes for tokens, userinfo. All of it bounded.

No redirect is followed, no proxy and no cookie used; each answer has an end in bytes and in time. Keys are fetched
again for an unknown key id, once a minute at most, so that forged tokens make no requests.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from yarl import URL

from edge import __version__
from edge.control.login.oidc.authorization import PendingLogin
from edge.control.login.oidc.id_token import (
    IdTokenRefused,
    OidcKeys,
    Stated,
    UnknownKey,
    authenticated_at,
    parse_keys,
    stated_of,
    subject_of,
    verify_id_token,
)
from edge.control.login.oidc.provider import OidcFault, OidcProvider, discovery_address, parse_provider

ANSWER_LIMIT_BYTES = 512 * 1024  # discovery documents have 5 kB, keys 10 kB
REQUEST_SECONDS = 10.0  # each; a login takes three at most
METADATA_SECONDS = 3_600.0  # a discovery document is read again after that
KEYS_SECONDS = 3_600.0  # so are keys: one that was withdrawn signs nothing for longer
REFETCH_SECONDS = 60.0  # between two fetches for a key id that is unknown
RETRY_SECONDS = 5.0  # after a failure: each login would wait for a provider that is gone


class OidcRegistration(NamedTuple):
    """What the provider knows this node as. `secret` "": a public client, PKCE alone."""

    issuer: str
    client_id: str
    secret: str
    scopes: str
    groups_claim: str


class _Answer(msgspec.Struct):
    id_token: str
    access_token: str = ""


_answers = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class _Kept:
    """`at` is by the monotonic clock."""

    provider: OidcProvider
    provider_at: float
    keys: OidcKeys | None = None
    keys_at: float = 0.0


class OidcClient:
    """One provider, asked over sessions of its own. `context` verifies certificates, the system's by default."""

    def __init__(
        self,
        registration: OidcRegistration,
        context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registration = registration
        self._context = context
        self._clock = clock
        self._kept: _Kept | None = None
        self._failed: tuple[float, OidcFault] | None = None
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def provider(self) -> OidcProvider:
        """Raises OidcFault."""
        return (await self._known()).provider

    async def redeem(self, code: str, pending: PendingLogin, now: float) -> Stated:
        """Whom the code stands for; `now` is in seconds since the epoch. Raises OidcFault, IdTokenRefused."""
        provider = await self.provider()
        answer = await self._exchange(provider, code, pending)
        claims = await self._verified(answer.id_token, provider, pending.nonce, now)
        authenticated = authenticated_at(claims, now)  # by the signed token alone
        claims = await self._with_userinfo(provider, claims, answer.access_token)
        return stated_of(claims, provider.issuer, self._groups, authenticated)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def _groups(self) -> str:
        return self.registration.groups_claim

    async def _known(self) -> _Kept:
        async with self._lock:  # one asks, the others wait for its answer
            now, kept = self._clock(), self._kept
            if kept is not None and now < kept.provider_at + METADATA_SECONDS:
                return kept
            if self._failed is not None and now < self._failed[0] + RETRY_SECONDS:
                raise self._failed[1]
            try:
                document = await self._fetch("GET", discovery_address(self.registration.issuer), "oidc_unreachable")
                provider = parse_provider(document, self.registration.issuer)
            except OidcFault as error:
                if kept is not None:  # it was good an hour ago; what it says is checked anyway
                    return kept
                self._failed = (now, error)
                raise
            same = kept is not None and kept.provider == provider
            self._kept = found = kept if kept is not None and same else _Kept(provider, now)
            found.provider_at = now
            return found

    async def _keys(self, *, again: bool) -> OidcKeys:
        """`again`: a key is missing."""
        kept = await self._known()
        async with self._lock:
            age = self._clock() - kept.keys_at
            if kept.keys is not None and age < (REFETCH_SECONDS if again else KEYS_SECONDS):
                return kept.keys
            kept.keys = parse_keys(await self._fetch("GET", kept.provider.keys, "oidc_keys"))
            kept.keys_at = self._clock()
            return kept.keys

    async def _verified(self, token: str, provider: OidcProvider, nonce: str, now: float) -> Mapping[str, Any]:
        keys, client_id = await self._keys(again=False), self.registration.client_id
        try:
            return verify_id_token(token, keys, provider, client_id, nonce, now)
        except UnknownKey:
            renewed = await self._keys(again=True)
            if renewed is keys:
                raise
        return verify_id_token(token, renewed, provider, client_id, nonce, now)

    async def _exchange(self, provider: OidcProvider, code: str, pending: PendingLogin) -> _Answer:
        given = {"code": code, "code_verifier": pending.verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        name, secret = self.registration.client_id, self.registration.secret
        if secret and not provider.secret_in_body:  # RFC 6749 2.3.1: both are encoded as in a form
            pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        else:
            given |= {"client_id": name} | ({"client_secret": secret} if secret else {})
        body: str = prepare_token_request("authorization_code", redirect_uri=pending.redirect, **given)
        answer = await self._fetch("POST", provider.token, "oidc_token_endpoint", headers, body.encode())
        try:
            return _answers.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OidcFault("oidc_token_endpoint", "the login provider gave no ID token for the code") from error

    async def _with_userinfo(self, provider: OidcProvider, claims: Mapping[str, Any], token: str) -> Mapping[str, Any]:
        """What the ID token leaves out; what it states counts. Many providers keep groups out of it."""
        complete = self._groups in claims and "email" in claims
        if complete or not provider.userinfo or not token or not token.isascii() or not token.isprintable():
            return claims
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self._fetch("GET", provider.userinfo, "oidc_userinfo", headers)
        try:
            more = msgspec.json.decode(answer, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OidcFault("oidc_userinfo", "the login provider's userinfo is not a JSON object") from error
        if subject_of(more) != subject_of(claims):
            raise IdTokenRefused("userinfo is of somebody else")  # OpenID Connect Core 5.3.2
        if "email" in claims:  # an address and whether it is verified belong together
            more = {name: value for name, value in more.items() if name not in ("email", "email_verified")}
        else:
            claims = {name: value for name, value in claims.items() if name != "email_verified"}
        return {**more, **claims}

    async def _fetch(
        self, method: str, address: str, code: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        """The body of a 200. Raises OidcFault `code`."""
        try:
            async with self._opened().request(
                method, URL(address, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await _read(answer)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise OidcFault(code, f"the login provider cannot be asked: {type(error).__name__}") from error
        if answer.status != 200:
            raise OidcFault(code, f"the login provider answered {answer.status}")
        if len(content) > ANSWER_LIMIT_BYTES:
            raise OidcFault(code, f"the login provider's answer exceeds {ANSWER_LIMIT_BYTES} bytes")
        return content

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=8, ssl=self._context or True, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
                trust_env=False,
                headers={
                    "User-Agent": f"edge/{__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",  # what is read is what is sent: no bomb
                },
                auto_decompress=False,
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    content = b""
    while len(content) <= ANSWER_LIMIT_BYTES and (more := await answer.content.read(64 * 1024)):
        content += more
    return content
