"""How often a password may be tried: by account and network, by account, and by network, before anything is hashed.

An unknown account counts as a known one does. A right password forgives the tries of its network for its account; the
account's own limit, across all networks, does not tell who tries: while it lasts, the person signs in by a passkey,
OpenID Connect or a token.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from edge.control.access.networks import peer_of

WINDOW_SECONDS = 900.0
PAIR_LIMIT = 10  # in a window: of one account, from one network
ACCOUNT_LIMIT = 50  # of one account, from everywhere: 4,800 a day, of the millions that a guess needs
NETWORK_LIMIT = 100  # from one network, of all accounts: an office behind one address
REMEMBERED_LIMIT = 20_000  # windows at once; the oldest goes first; some 200 bytes each


class _Window(NamedTuple):
    began: float
    tries: int


@dataclass(slots=True)
class PasswordTries:
    """Those of one node. Times are in seconds, of any clock."""

    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)  # oldest first

    def begin(self, account: str, address: str, now: float) -> float:
        """Count a try; 0.0 if it may be made, else the seconds to wait: then it did not count."""
        limits = _limits(account, peer_of(address))
        wait = max(self._wait(key, limit, now) for key, limit in limits)
        if wait <= 0:
            for key, _ in limits:
                self._count(key, now)
        return wait

    def forgive(self, account: str, address: str) -> None:
        """The password was right."""
        self._windows.pop(("pair", f"{account} {peer_of(address)}"), None)

    def _wait(self, key: tuple[str, str], limit: int, now: float) -> float:
        window = self._windows.get(key)
        if window is None or window.tries < limit:
            return 0.0
        return max(0.0, window.began + WINDOW_SECONDS - now)

    def _count(self, key: tuple[str, str], now: float) -> None:
        window = self._windows.get(key)
        if window is not None and now < window.began + WINDOW_SECONDS:
            self._windows[key] = _Window(window.began, window.tries + 1)
            return
        self._windows.pop(key, None)
        while len(self._windows) >= REMEMBERED_LIMIT:
            del self._windows[next(iter(self._windows))]
        self._windows[key] = _Window(now, 1)


def _limits(account: str, network: str) -> list[tuple[tuple[str, str], int]]:
    pair = ("pair", f"{account} {network}")
    return [(pair, PAIR_LIMIT), (("account", account), ACCOUNT_LIMIT), (("network", network), NETWORK_LIMIT)]
