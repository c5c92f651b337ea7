"""When this node itself failed downloads lately: for the writer of device facts, who counts no such failure.

In memory alone: a node that starts has failed everything that it was in the middle of, so its start is the first fault.
"""

from edge.domain.attempts import ATTEMPT_SECONDS
from edge.domain.facts import name_hash
from edge.telemetry.facts_changes import Faulted

FAULTS_LIMIT = 10_000  # some hundred bundles in trouble, each for some hundred addresses; beyond it a bundle's for all
SLACK_SECONDS = 1.0  # offers are noted with whole seconds, and a worker tells the same fault once in half of one

_Key = tuple[str, int, str]
_EVERYTHING: _Key = ("", 0, "")


class Faults:
    def __init__(self, now: float) -> None:
        self._started = int(now)  # offers are noted with whole seconds
        self._times: dict[_Key, float] = {}

    def __len__(self) -> int:
        return len(self._times)

    def note(self, fault: Faulted, now: float) -> None:
        """`now` in seconds since the epoch, as everywhere here."""
        bundle = name_hash(fault.version) if fault.version else 0
        key = fault.app, bundle, fault.prefix
        if key not in self._times and len(self._times) >= FAULTS_LIMIT:
            self._forget_old(now)
            if len(self._times) >= FAULTS_LIMIT:
                self._times.clear()
                key = _EVERYTHING  # more trouble than can be told apart
        self._times[key] = now

    def since(self, app: str, bundle: int, prefix: str, since: float) -> bool:
        """Whether a download of that bundle to that address was failed at that time or later."""
        keys: tuple[_Key, ...] = (_EVERYTHING, (app, 0, ""), (app, bundle, ""), (app, bundle, prefix))
        return self._started > since or any(self._times.get(key, 0.0) > since - SLACK_SECONDS for key in keys)

    def _forget_old(self, now: float) -> None:
        """What no attempt can reach back to."""
        self._times = {key: at for key, at in self._times.items() if now - at <= 2 * ATTEMPT_SECONDS}
