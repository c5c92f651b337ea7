"""Apple's provider token: one for a key, on all connections, changed between every 20 and every 60 minutes.

Its time of issue is the beginning of a span of 40 minutes, and signatures are deterministic: a process that is started
again, or another one with the same key, shows the very same token. So restarts are no changes of it.
"""

from edge.push.providers.credentials import ApnsCredentials
from edge.push.providers.signed_tokens import TokenSigner

SPAN_SECONDS = 2_400  # the token is at most that old when it is replaced: Apple takes it for 60 minutes
LEAST_SECONDS = 1_200  # Apple takes no change before


class ApnsToken:
    """Of one key; `signed` counts."""

    def __init__(self, credentials: ApnsCredentials) -> None:
        self.signed = 0
        self._credentials = credentials
        self._signer = TokenSigner(credentials.private_key, "ES256")
        self._header = ""
        self._issued = 0
        self._until = 0.0

    def header(self, now: float) -> str:
        """The value of `authorization`; `now` is in seconds since the epoch."""
        if now >= self._until or now < self._issued:  # a clock that was set back must not keep a token of the future
            span = int(now) - int(now) % SPAN_SECONDS
            self._issue(span, span + SPAN_SECONDS)
        return self._header

    def after_refusal(self, refused: str, now: float) -> str | None:
        """Another token after one that Apple calls expired; None if the one in use is too young to be changed, or was
        refused before: then the clock or the key is wrong."""
        if refused != self._header:
            return self._header  # changed meanwhile
        if now - self._issued < LEAST_SECONDS:
            return None
        self._issue(int(now), now + SPAN_SECONDS)
        return self._header

    def _issue(self, issued: int, until: float) -> None:
        self.signed += 1
        self._issued, self._until = issued, until
        claims: dict[str, str | int] = {"iss": self._credentials.team, "iat": issued}
        token = self._signer.sign({"kid": self._credentials.key_id}, claims)
        self._header = f"bearer {token}"
