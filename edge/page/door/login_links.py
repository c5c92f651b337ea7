"""Links that open a session once: made by a token for itself, kept by their hash, used within minutes."""

import hashlib
import secrets
from typing import NamedTuple

LINK_SECONDS = 600.0  # from a terminal into a browser
LINKS_LIMIT = 100  # at once; the oldest goes first
LINK_BYTES = 32


class LoginLink(NamedTuple):
    """`token_hash` is that of the token that the session will stand for; `until` is in seconds since the epoch."""

    token_hash: str
    until: float


class LoginLinks:
    """Those of one node."""

    def __init__(self) -> None:
        self._by_hash: dict[str, LoginLink] = {}  # oldest first

    def make(self, token_hash: str, now: float) -> tuple[str, float]:
        """The secret of a new link, which is nowhere else, and until when it works."""
        while len(self._by_hash) >= LINKS_LIMIT:
            del self._by_hash[next(iter(self._by_hash))]
        secret, until = secrets.token_urlsafe(LINK_BYTES), now + LINK_SECONDS
        self._by_hash[_hash(secret)] = LoginLink(token_hash, until)
        return secret, until

    def redeem(self, secret: str, now: float) -> str | None:
        """The hash of the link's token; None if it was used before, is over or never was."""
        link = self._by_hash.pop(_hash(secret), None)
        return link.token_hash if link is not None and now < link.until else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
