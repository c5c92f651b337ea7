"""What devices may have recorded about themselves: failures, channel choices, and notes of offers. Pure.

Anyone can speak in any device's name. What is said is charged to the speaker's address before it acts, in a bucket of
its own for each kind, so that a flood of one kind uses up nothing of another.

* A failure above its limit withholds nothing: the bundle is offered again, and the next failure is charged again.
* A choice above its limit is refused, and the app is told so.
* A note is dropped and its offer given all the same: a failure that follows withholds nothing.

Five thousand devices of one carrier's address do within five minutes what devices do and stay below all of them: each
is offered a bundle, downloads and installs it, one in ten reports that it failed, and each chooses a channel.
"""

from collections.abc import Iterable

from edge.facts.changes import Failed, Recordable
from edge.node.service.limits.event_limits import Allowance, EventLimits, TieredBuckets

# These go with the default rates of events, and grow and shrink with them; where events have no limit, neither have
# these.
PREFIX_EVENTS, APP_EVENTS = 2_000, 10_000

# More than those 5,000 devices need, and then slowly: what a forger's address takes from devices in an hour.
PREFIX_FAILURES = Allowance(1_000, 2)
PREFIX_CHOICES = Allowance(6_000, 1)  # slow: a choice stays in the table for good
PREFIX_NOTES = Allowance(30_000, 50)

# Above what a million devices do in the hour after a publish, also if the bundle fails on all of them.
APP_FAILURES = Allowance(150_000, 500)
APP_CHOICES = Allowance(100_000, 30)
APP_NOTES = Allowance(600_000, 2_000)

WIDE_FAILURES_SHARE = 2  # of a /48 or /24: failures are what hurts most, and 5,000 devices anywhere in it still fit


class FactLimits:
    """`now` is in seconds of a monotonic clock."""

    def __init__(self, events: EventLimits) -> None:
        prefix, app = events.prefix_rate / PREFIX_EVENTS, events.app_rate / APP_EVENTS
        self._failures = TieredBuckets(PREFIX_FAILURES.times(prefix), APP_FAILURES.times(app), WIDE_FAILURES_SHARE)
        self._choices = TieredBuckets(PREFIX_CHOICES.times(prefix), APP_CHOICES.times(app))
        self._notes = TieredBuckets(PREFIX_NOTES.times(prefix), APP_NOTES.times(app))

    def admit_failures(self, app: str, prefix: str, failures: int, now: float) -> bool:
        """Whether all the failures of one report may withhold bundles."""
        return self._failures.take(app, prefix, failures, now)

    def admit_choice(self, app: str, prefix: str, now: float) -> bool:
        """Whether a device's channel choice may change."""
        return self._choices.take(app, prefix, 1, now)

    def admit_note(self, app: str, prefix: str, now: float) -> bool:
        """Whether an offer, a download, an installation or an arm of an experiment may be noted."""
        return self._notes.take(app, prefix, 1, now)


class NodeFailures:
    """The same limit of failures for all of a node's workers together, charged by the one process that records them;
    `dropped` counts those above it. A worker's own limit comes first and spares the way."""

    def __init__(self, events: EventLimits) -> None:
        self.dropped = 0
        self._limits = FactLimits(events)

    def admitted(self, changes: Iterable[Recordable], now: float) -> list[Recordable]:
        """Without the failures above the limit. `now` in seconds of a monotonic clock."""
        return [each for each in changes if not isinstance(each, Failed) or self._admits(each, now)]

    def admit_failures(self, app: str, prefix: str, failures: int, now: float) -> bool:
        """Whether they count, whichever node they were reported to."""
        admitted = self._limits.admit_failures(app, prefix, failures, now)
        self.dropped += failures * (not admitted)
        return admitted

    def _admits(self, failed: Failed, now: float) -> bool:
        return self.admit_failures(failed.app, failed.prefix, 1, now)
