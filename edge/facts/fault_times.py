"""When this node itself failed downloads recently: a device's failure then does not count against the bundle.

In memory only: a restart has cut every download in progress, so its start is the first fault.

A peer that reads slowly on purpose can cause any number of faults. Beyond a limit, more failures are excused at that
address, then at its whole /48 or IPv4 /24, and then in that app, but never everywhere: only the node itself reports an
outage of the whole node.
"""

from collections import Counter

from edge.domain.attempts import ATTEMPT_SECONDS
from edge.domain.facts import name_hash
from edge.domain.prefixes import wide_prefix_of
from edge.facts.changes import Faulted

BUNDLES_LIMIT = 16  # of an app at one address, or at all; beyond it every bundle of the app there
# Of one app; beyond it the app's bundles at all addresses of a wide prefix, and beyond it again at all addresses.
APP_PREFIXES_LIMIT = 1_000
PREFIXES_LIMIT = 10_000  # of all apps, some 20 MB; beyond it the same for the app that has the most
SLACK_SECONDS = 1.0  # offers are noted in whole seconds, and a worker reports the same fault once in half a second

_EVERY_BUNDLE = 0
_EVERYWHERE = ""


class FaultTimes:
    """Bounded. All times are in seconds since the epoch. `len` counts the times held."""

    def __init__(self, now: float) -> None:
        self._started = int(now)  # offers are noted in whole seconds
        self._node = 0.0  # when all of it failed
        self._times: dict[tuple[str, str], dict[int, float]] = {}  # by app and prefix, then by bundle
        self._prefixes: Counter[str] = Counter()  # how many of each app are among them

    def __len__(self) -> int:
        return sum(map(len, self._times.values()))

    def note(self, fault: Faulted, now: float) -> None:
        """Remember that this node failed at `now`."""
        if not fault.app:
            self._node = now
            return
        bundle = name_hash(fault.version) if fault.version else _EVERY_BUNDLE
        if fault.prefix and (fault.app, fault.prefix) not in self._times:
            self._prefixes[fault.app] += 1
        self._note(fault.app, fault.prefix, bundle, now)
        if self._prefixes[fault.app] > APP_PREFIXES_LIMIT or self._prefixes.total() > PREFIXES_LIMIT:
            self._make_room(fault.app, now)

    def since(self, app: str, bundle: int, prefix: str, since: float) -> bool:
        """Whether this node failed a download of the bundle (`name_hash`) to the address at `since` or later."""
        places = [self._times.get((app, each), {}) for each in (_EVERYWHERE, prefix, wide_prefix_of(prefix))]
        latest = max(times.get(each, 0.0) for times in places for each in (_EVERY_BUNDLE, bundle))
        return self._started > since or max(self._node, latest) > since - SLACK_SECONDS

    def _note(self, app: str, prefix: str, bundle: int, now: float) -> None:
        times = self._times.setdefault((app, prefix), {})
        if bundle not in times and len(times) >= BUNDLES_LIMIT:
            times.clear()
            bundle = _EVERY_BUNDLE
        times[bundle] = now

    def _make_room(self, app: str, now: float) -> None:
        self._forget_old(now)
        if self._prefixes[app] > APP_PREFIXES_LIMIT:
            self._gather(app)
        if self._prefixes[app] > APP_PREFIXES_LIMIT // 2:  # else the next ones would be gathered again and again
            self._widen(app, now)
        if self._prefixes.total() > PREFIXES_LIMIT:
            most = self._prefixes.most_common(1)[0][0]
            self._gather(most)
            if self._prefixes.total() > PREFIXES_LIMIT - PREFIXES_LIMIT // 10:
                self._widen(most, now)

    def _gather(self, app: str) -> None:
        """Tell the app's addresses apart by wide prefixes only: one holder of many excuses no one else's failures."""
        own = {prefix: self._times.pop((app, prefix)) for its, prefix in list(self._times) if its == app and prefix}
        faults = [(at, wide_prefix_of(prefix), bundle) for prefix, times in own.items() for bundle, at in times.items()]
        for at, wide, bundle in sorted(faults):
            self._note(app, wide, bundle, at)
        self._prefixes[app] = sum(its == app and prefix != _EVERYWHERE for its, prefix in self._times)

    def _widen(self, app: str, now: float) -> None:
        """Stop telling the app's addresses apart: excuse it everywhere."""
        self._times = {key: times for key, times in self._times.items() if key[0] != app or key[1] == _EVERYWHERE}
        del self._prefixes[app]
        self._note(app, _EVERYWHERE, _EVERY_BUNDLE, now)

    def _forget_old(self, now: float) -> None:
        """Drop faults older than any attempt that is still open."""
        recent = now - 2 * ATTEMPT_SECONDS
        self._times = {key: times for key, times in self._times.items() if max(times.values()) >= recent}
        self._prefixes = Counter(app for app, prefix in self._times if prefix)
