"""What a device tells has the labels of the check before it, though that is handed over up to 10 s later.

A check that was handed over within that time after a report may have come before it, or after: that it came before is
taken as true, since devices check first. What the check itself says, and how often, counts at its hand-over.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge.domain.statistics.observation import Cohort
from edge.telemetry.folding.batches.gathering import Checked, ToldThere, UsedThere
from edge.telemetry.spool.worker_records import HANDED_OVER_MS


class Placed(NamedTuple):
    """What follows is of this cohort, and of a device that was offered this bundle, 0 for none, at that time or later;
    `ability` and `told` as of Checked."""

    at_ms: int
    cohort: int
    ability: int
    offered: int
    told: Cohort


DeviceItem = ToldThere | Checked | UsedThere | Placed


def placed(items: Sequence[ToldThere | Checked | UsedThere], cohort: int) -> Iterator[DeviceItem]:
    """The items of a device that was of `cohort`, with what a check says of its labels before what they are of."""
    checks = [item for item in items if isinstance(item, Checked)]
    passed = 0
    for item in items:
        if isinstance(item, Checked):
            cohort = item.cohort
        else:
            while passed < len(checks) and checks[passed].at_ms <= item.at_ms + HANDED_OVER_MS:
                check = checks[passed]
                passed += 1
                if check.at_ms > item.at_ms and (check.offered or check.cohort != cohort):
                    cohort = check.cohort
                    yield Placed(check.at_ms - HANDED_OVER_MS, cohort, check.ability, check.offered, check.told)
        yield item
