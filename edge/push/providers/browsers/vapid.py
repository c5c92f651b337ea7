"""VAPID (RFC 8292): who sends, proven to each push service by a token that is kept for hours."""

from typing import NamedTuple

from edge.push.providers.credentials import WebPushCredentials
from edge.push.providers.signed_tokens import TokenSigner

LIFE_SECONDS = 12 * 3_600  # RFC 8292 2 allows 24 h; half of it leaves room for clocks that differ
RENEW_SECONDS = 6 * 3_600
ORIGINS_LIMIT = 200  # push services; those of all browsers are under ten


class _Kept(NamedTuple):
    header: str
    renew_at: float


class Vapid:
    """Of one key; `signed` counts."""

    def __init__(self, credentials: WebPushCredentials) -> None:
        self.signed = 0
        self._subject = credentials.subject
        self._signer = TokenSigner(credentials.private_key, "ES256")
        self._kept: dict[str, _Kept] = {}

    @property
    def public_text(self) -> str:
        """What apps subscribe with: `applicationServerKey`."""
        return self._signer.public_text

    def header(self, origin: str, now: float) -> str:
        """The value of `Authorization` for a push service; `now` is in seconds since the epoch."""
        kept = self._kept.get(origin)
        if kept is not None and now < kept.renew_at:
            return kept.header
        if len(self._kept) >= ORIGINS_LIMIT:
            self._kept.clear()
        self.signed += 1
        claims: dict[str, str | int] = {"aud": origin, "exp": int(now) + LIFE_SECONDS, "sub": self._subject}
        token = self._signer.sign({"typ": "JWT"}, claims)
        header = f"vapid t={token}, k={self._signer.public_text}"
        self._kept[origin] = _Kept(header, now + RENEW_SECONDS)
        return header
