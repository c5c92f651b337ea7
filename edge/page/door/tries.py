"""How often one address may try to sign in with a wrong secret. A secret has 256 bits, so this is about noise, not
about guessing it: a right one is taken at any time."""

from typing import NamedTuple

from edge.control.access.networks import peer_of

TRIES_LIMIT = 5  # in a window
TRIES_SECONDS = 60.0
ADDRESSES_LIMIT = 4_096  # remembered at once; the oldest window goes first


class _Tried(NamedTuple):
    began: float
    failures: int


class Tries:
    """Failed tries by address (an IPv6 /64 is one)."""

    def __init__(self) -> None:
        self._by_address: dict[str, _Tried] = {}

    def count(self, address: str, now: float) -> int:
        """How many have failed in the running window. `now` is in seconds, of any clock."""
        tried = self._by_address.get(peer_of(address))
        return tried.failures if tried is not None and now < tried.began + TRIES_SECONDS else 0

    def wait_seconds(self, address: str, now: float) -> float:
        """How long until the next one is taken; 0: at once."""
        tried = self._by_address.get(peer_of(address))
        if tried is None or tried.failures < TRIES_LIMIT:
            return 0.0
        return max(0.0, tried.began + TRIES_SECONDS - now)

    def note_failure(self, address: str, now: float) -> None:
        key, count = peer_of(address), self.count(address, now)
        began = self._by_address[key].began if count else now
        self._by_address.pop(key, None)
        while len(self._by_address) >= ADDRESSES_LIMIT:
            del self._by_address[next(iter(self._by_address))]
        self._by_address[key] = _Tried(began, count + 1)
