"""How often `/channel_self` may be asked: the limits of device-protocol §3.2, in bounded memory. Pure; `now` is given.

Every request counts, refused ones too, but a refused one does not make the wait longer. Counters are a worker's own:
a node with n workers lets at most n times as much through. It forgets the oldest first, so a flood of forged devices
can free somebody from a limit, never put one on somebody.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from edge.domain.channel_choice import ChannelRequest, Verb

ADDRESS_REQUESTS = 1000  # device-protocol §3.2: per address and app in a minute; an office may share one address
ADDRESS_SECONDS = 60.0
DEVICE_REQUESTS = 5  # per app, device and verb in a second: more is a loop in the app's own code
DEVICE_SECONDS = 1.0
SAME_CHOICE_SECONDS = 60.0  # one device setting one channel: an app that does it at each start costs one a minute

WINDOWS_LIMIT = 32_768  # of each kind: 290 bytes each, all three together below 30 MB (a test holds it)


class Limited(NamedTuple):
    wait_seconds: float  # until one more is let through
    reason: str = ""  # the protocol's word for it, where it has one


class Windows:
    """Counts by key in windows that begin with a key's first request and last `seconds`."""

    def __init__(self, allowed: int, seconds: float, limit: int = WINDOWS_LIMIT) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._limit = limit
        self._windows: OrderedDict[int, tuple[float, int]] = OrderedDict()  # begin, count; oldest begin first

    def __len__(self) -> int:
        return len(self._windows)

    def wait(self, key: Hashable, now: float) -> float | None:
        """Count one more; None when it is let through, else the seconds until the next would be."""
        # Only the hash is kept: Python's is secret to this process, so nobody can choose keys that meet in one.
        place = hash(key)
        begin, count = self._windows.get(place, (now, 0))
        if not 0 <= now - begin < self._seconds:  # over, or a clock that was set back
            self._windows.pop(place)
            begin, count = now, 0
        self._windows[place] = (begin, count + 1)
        self._drop(now)
        return None if count < self._allowed else begin + self._seconds - now

    def _drop(self, now: float) -> None:
        """The oldest while there are too many, and whatever is over: at most two a call, so no call takes long."""
        for _ in range(2):
            begin, _count = next(iter(self._windows.values()))
            if len(self._windows) <= self._limit and now - begin < self._seconds:
                return
            self._windows.popitem(last=False)


class ChannelLimits:
    """All limits of one worker."""

    def __init__(self, windows_limit: int = WINDOWS_LIMIT) -> None:
        self._addresses = Windows(ADDRESS_REQUESTS, ADDRESS_SECONDS, windows_limit)
        self._devices = Windows(DEVICE_REQUESTS, DEVICE_SECONDS, windows_limit)
        self._choices = Windows(1, SAME_CHOICE_SECONDS, windows_limit)

    def admit(self, request: ChannelRequest, prefix: str, now: float) -> Limited | None:
        """None: go on. `prefix` is what one subscriber holds (`Peer.prefix`); `now` in seconds of any clock.

        In the order of device-protocol §3.2: a set without a channel counts for its address alone.
        """
        wait = self._addresses.wait((prefix, request.app), now)
        if wait is not None:
            return Limited(wait, "ip_rate_limit_exceeded")
        if request.device is None or (request.verb is Verb.SET and not request.channel):
            return None
        wait = self._devices.wait((request.app, request.device, request.verb.value), now)
        if wait is None and request.verb is Verb.SET:
            wait = self._choices.wait((request.app, request.device, request.channel), now)
        return None if wait is None else Limited(wait)

    def __len__(self) -> int:
        return len(self._addresses) + len(self._devices) + len(self._choices)
