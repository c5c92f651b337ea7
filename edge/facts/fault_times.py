"""When this node itself failed downloads lately: for the writer of device facts, who counts no such failure.

In memory alone: a node that starts has failed everything that it was in the middle of, so its start is the first fault.

A peer that reads slowly on purpose makes faults as it likes. So beyond a limit more is excused at that address, and
then in that app, but never everywhere: an outage of the whole node is only what the node itself says.
"""

from collections import Counter

from edge.domain.attempts import ATTEMPT_SECONDS
from edge.domain.facts import name_hash
from edge.facts.changes import Faulted

BUNDLES_LIMIT = 16  # of an app at one address, or at all; beyond it every bundle of the app there
APP_PREFIXES_LIMIT = 1_000  # of one app; beyond it the app's bundles at all addresses
PREFIXES_LIMIT = 10_000  # of all apps, some 20 MB; beyond it the same for the app that has the most
SLACK_SECONDS = 1.0  # offers are noted with whole seconds, and a worker tells the same fault once in half of one

_EVERY_BUNDLE = 0
_EVERYWHERE = ""


class FaultTimes:
    def __init__(self, now: float) -> None:
        self._started = int(now)  # offers are noted with whole seconds
        self._node = 0.0  # when all of it failed
        self._times: dict[tuple[str, str], dict[int, float]] = {}  # by app and prefix, then by bundle
        self._prefixes: Counter[str] = Counter()  # how many of each app are among them

    def __len__(self) -> int:
        return sum(map(len, self._times.values()))

    def note(self, fault: Faulted, now: float) -> None:
        """`now` in seconds since the epoch, as everywhere here."""
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
        """Whether a download of that bundle to that address was failed at that time or later."""
        places = [self._times.get((app, each), {}) for each in (_EVERYWHERE, prefix)]
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
            self._widen(app, now)
        if self._prefixes.total() > PREFIXES_LIMIT:
            self._widen(self._prefixes.most_common(1)[0][0], now)

    def _widen(self, app: str, now: float) -> None:
        """What was told apart by address counts for all addresses."""
        self._times = {key: times for key, times in self._times.items() if key[0] != app or key[1] == _EVERYWHERE}
        del self._prefixes[app]
        self._note(app, _EVERYWHERE, _EVERY_BUNDLE, now)

    def _forget_old(self, now: float) -> None:
        """What no attempt can reach back to."""
        recent = now - 2 * ATTEMPT_SECONDS
        self._times = {key: times for key, times in self._times.items() if max(times.values()) >= recent}
        self._prefixes = Counter(app for app, prefix in self._times if prefix)
