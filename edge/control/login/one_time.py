"""What may be used once and soon: challenges, logins on their way, codes of a terminal. In memory alone, bounded.

The secret that redeems one is nowhere here, only its hash. One peer can push out no more than its own.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge.control.access.networks import peer_of

OPEN_LIMIT = 4_096  # at once, of all addresses; the oldest goes first; some 1 kB each
ADDRESS_OPEN_LIMIT = 64  # of one address: an office behind one, and a person who tries again
SECRET_BYTES = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Open(Generic[T]):
    value: T
    peer: str
    until: float


class OneTime(Generic[T]):
    """Values that each wait, for `seconds` at most, for whoever knows their secret."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._by_hash: dict[str, _Open[T]] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._by_hash)

    def put(self, value: T, address: str, now: float) -> str:
        """The secret that redeems it. `now` is in seconds, of the clock that `take` is asked with."""
        peer = peer_of(address)
        self._make_room(peer, now)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._by_hash[hash_of(secret)] = _Open(value, peer, now + self.seconds)
        return secret

    def peek(self, secret: str, now: float) -> T | None:
        """The value, which stays."""
        found = self._by_hash.get(hash_of(secret))
        return found.value if found is not None and now < found.until else None

    def take(self, secret: str, now: float) -> T | None:
        """The value, for the first who asks in time."""
        found = self._by_hash.pop(hash_of(secret), None)
        return found.value if found is not None and now < found.until else None

    def _make_room(self, peer: str, now: float) -> None:
        for key in [key for key, each in self._by_hash.items() if each.until <= now]:
            del self._by_hash[key]
        own = [key for key, each in self._by_hash.items() if each.peer == peer]
        for key in own[: max(0, len(own) - ADDRESS_OPEN_LIMIT + 1)]:
            del self._by_hash[key]
        while len(self._by_hash) >= OPEN_LIMIT:
            del self._by_hash[next(iter(self._by_hash))]


def hash_of(secret: str) -> str:
    """SHA-256 in hex: enough for what has 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
