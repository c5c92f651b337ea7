"""Which of some devices are in which segment, what they run and how they are used: the real expressions, counted. Pure.

Unknown is not 0: a device whose sessions are unknown is in no sum of sessions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.domain.decision.foresight.impact import runs_now
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import SegmentName, UpdateCheck


@dataclass(slots=True)
class SegmentUse:
    """`withheld` devices have at least one bundle withheld. `judged` devices' sessions of 7 days are known: they had
    `sessions` and, as far as known, `errors`."""

    devices: int = 0
    running: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    judged: int = 0
    sessions: int = 0
    errors: int = 0


@dataclass(slots=True)
class SegmentCounts:
    """`both` counts the devices in two segments, by their names in order. `unjudged` devices' sessions are unknown."""

    devices: int = 0
    in_any: int = 0
    unjudged: int = 0
    uses: dict[SegmentName, SegmentUse] = field(default_factory=dict)
    both: Counter[tuple[SegmentName, SegmentName]] = field(default_factory=Counter)


def count_segments(app: AppSnapshot, devices: Iterable[tuple[UpdateCheck, DeviceFacts]]) -> SegmentCounts:
    """Every segment of the app, by its saved expression."""
    counts = SegmentCounts(uses={name: SegmentUse() for name in sorted(app.segments)})
    for check, facts in devices:
        found = [name for name in counts.uses if app.segments[name][1](check, facts)]
        counts.devices += 1
        counts.in_any += bool(found)
        counts.unjudged += facts.behaviour.sessions_7d is None
        for at, name in enumerate(found):
            _note(counts.uses[name], check, facts)
            counts.both.update((name, other) for other in found[at + 1 :])
    return counts


def _note(use: SegmentUse, check: UpdateCheck, facts: DeviceFacts) -> None:
    use.devices += 1
    use.running[runs_now(check)] += 1
    use.withheld += any(each.withheld for each in facts.failures)
    if facts.behaviour.sessions_7d is not None:
        use.judged += 1
        use.sessions += facts.behaviour.sessions_7d
        use.errors += facts.behaviour.errors_7d or 0


def both_in(counts: SegmentCounts) -> Mapping[SegmentName, Mapping[SegmentName, int]]:
    """How many devices of each segment are also in each other one; of itself all."""
    pairs = counts.both
    return {
        one: {other: use.devices if one == other else pairs[min(one, other), max(one, other)] for other in counts.uses}
        for one, use in counts.uses.items()
    }
