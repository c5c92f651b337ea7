"""Google's access tokens for one service account: one for all messages of a project, renewed before it ends.

A token that is refused is renewed once for all that used it, however many noticed at the same time; so is what came of
it if that failed: who waited meanwhile does not ask again, one after the other.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from edge.domain.pushing.payload import PushAttempt, PushVerdict
from edge.push.providers.credentials import FcmCredentials
from edge.push.providers.posting import NoAnswer, NotArrived, Posting
from edge.push.providers.signed_tokens import TokenSigner
from edge.wire.providers.answers import ProviderAnswer

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3_600  # the most that Google takes
RENEW_SHARE = 5 / 6  # of a token's life: after 50 minutes of an hour
LEAST_LIFE_SECONDS = 60.0  # a token that lives for less is asked for again each minute, not each message
TOKEN_SECONDS = 10.0  # of a message's time: nothing was delivered yet, so it is tried again
REFUSED_SECONDS = 60.0  # an account that was refused is not tried again sooner


class NoAccess(Exception):
    """There is no token; `attempt` says what that means for the message, which was not sent."""

    def __init__(self, attempt: PushAttempt) -> None:
        super().__init__(attempt.code)
        self.attempt = attempt


class _Token(NamedTuple):
    text: str
    renew_at: float  # seconds since the epoch


class _Answer(msgspec.Struct):
    access_token: str = ""
    expires_in: float = 0.0
    error: str = ""


_decoder = msgspec.json.Decoder(_Answer)


class AccessTokens:
    """`made` counts the tokens that were asked for."""

    def __init__(self, credentials: FcmCredentials, posting: Posting) -> None:
        self.made = 0
        self._credentials = credentials
        self._posting = posting
        self._signer = TokenSigner(credentials.private_key, "RS256")
        self._token: _Token | None = None
        self._failed: tuple[NoAccess, float] | None = None  # what came last, and until when nobody asks again
        self._failures = 0
        self._lock = asyncio.Lock()

    async def token(self, now: float) -> str:
        """`now` is in seconds since the epoch. Raises NoAccess."""
        held = self._token
        return held.text if held is not None and now < held.renew_at else await self._renewed(held, now)

    async def after_refusal(self, refused: str, now: float) -> str:
        """Another token than the one that was refused with 401. Raises NoAccess."""
        held = self._token
        if held is not None and held.text != refused:
            return held.text  # somebody else has renewed it
        return await self._renewed(held, now)

    async def _renewed(self, replaced: _Token | None, now: float) -> str:
        failures = self._failures
        async with self._lock:
            if self._token is not None and self._token is not replaced:
                return self._token.text
            if self._failed is not None and (now < self._failed[1] or failures != self._failures):
                raise self._failed[0]
            self.made += 1
            try:
                self._token = await self._ask(now)
            except NoAccess as error:
                refused = error.attempt.verdict is PushVerdict.STOP
                self._failed = error, now + REFUSED_SECONDS if refused else now
                self._failures += 1
                raise
            self._failed = None
            return self._token.text

    async def _ask(self, now: float) -> _Token:
        form = urlencode({"grant_type": GRANT, "assertion": self._assertion(now)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                answer = await self._posting.post(self._credentials.token_uri, headers, form)
        except (NotArrived, NoAnswer, TimeoutError) as error:
            raise NoAccess(PushAttempt(PushVerdict.LATER, "no_access_token", whole=True)) from error
        return _read_token(answer, now)

    def _assertion(self, now: float) -> str:
        account = self._credentials
        claims: Mapping[str, str | int] = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": int(now),
            "exp": int(now) + ASSERTION_SECONDS,
        }
        return self._signer.sign({"typ": "JWT", "kid": account.key_id}, claims)


def _read_token(answer: ProviderAnswer, now: float) -> _Token:
    """Raises NoAccess: 4xx is an account that is refused, everything else passes."""
    try:
        said = _decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Answer()
    if answer.status == 200 and said.access_token.isascii() and said.access_token.isprintable() and said.access_token:
        life = max(said.expires_in * RENEW_SHARE, LEAST_LIFE_SECONDS)
        return _Token(said.access_token, now + life)
    if answer.status != 429 and 400 <= answer.status < 500:
        word = "".join(each for each in said.error if each.isalnum() or each == "_")[:40]
        raise NoAccess(PushAttempt(PushVerdict.STOP, f"oauth_{word or answer.status}", whole=True))
    wait = answer.retry_after_seconds
    raise NoAccess(PushAttempt(PushVerdict.LATER, "no_access_token", wait, whole=True))
