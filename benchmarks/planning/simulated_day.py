"""A day of a fleet after a publish, in one region: the decisions are the node's own, the network is a model.

A device that starts the app checks; `decide` says what it gets, from the old snapshot until the region has the release.
An offer is downloaded at the device's own rate, or as fast as the region's line lets it: that line is a queue in order
of arrival. What is not there when the session ends is begun again at the next start. What is there is installed at
once or when the session ends, and counts as updated then.

Each simulated device stands for `weight` real ones that would do the same at the same moment: lines and checks carry
that many times its load. That makes the load of one moment coarser than it is, never smaller.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.planning.fleet_day import DAY_SECONDS, Start
from edge.domain.decision.outcomes import Decision, Offer

SLOT_SECONDS = 60  # that peaks are means of


class DayRules(NamedTuple):
    """`ready_seconds` after the publish the region offers the release; `line_bps` is what the region may send."""

    update_bytes: int
    ready_seconds: float
    line_bps: float
    weight: float


@dataclass(slots=True)
class DayOfRegion:
    """In simulated devices, times in seconds after the publish."""

    devices: int
    active: int = 0
    updated_at: list[float] = field(default_factory=list)
    first_ask: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)  # from the first start with the release there to updated
    checks: Counter[int] = field(default_factory=Counter)  # by slot
    sent_bytes: Counter[int] = field(default_factory=Counter)  # by slot, of the sample
    decisions: Counter[str] = field(default_factory=Counter)
    queued_seconds: float = 0.0  # the longest that the line let a download wait
    broken_off: int = 0

    def updated_within(self, seconds: float) -> int:
        return sum(each <= seconds for each in self.updated_at)


Decide = Callable[[int, bool, bool, float], Decision]  # device, runs the new one, region has it, seconds after


def simulate(
    starts: Sequence[Start], devices: int, rates: Sequence[float], at_once: Sequence[bool], rules: DayRules, ask: Decide
) -> DayOfRegion:
    day = DayOfRegion(devices)
    updated: set[int] = set()
    pending: list[tuple[float, int]] = []  # installs to come, by time
    loading: dict[int, float] = {}  # until when
    free_at = 0.0
    seen: set[int] = set()
    for start in starts:
        while pending and pending[0][0] <= start.at:
            _install(day, updated, *heapq.heappop(pending))
        seen.add(start.device)
        day.checks[int(start.at // SLOT_SECONDS)] += 1
        ready = start.at >= rules.ready_seconds
        if ready:
            day.first_ask.setdefault(start.device, start.at)
        decision = ask(start.device, start.device in updated, ready, start.at)
        day.decisions[decision.code] += 1
        if not isinstance(decision, Offer) or loading.get(start.device, 0.0) > start.at:
            continue
        bits = rules.update_bytes * 8
        free_at = max(free_at, start.at) + bits * rules.weight / rules.line_bps
        own = start.at + bits / rates[start.device]
        finished = max(own, free_at)
        day.queued_seconds = max(day.queued_seconds, free_at - start.at)
        day.sent_bytes[int(finished // SLOT_SECONDS)] += rules.update_bytes
        loading[start.device] = finished
        ended = start.at + start.session_seconds
        if finished > ended:  # the app is closed: begun again at its next start
            day.broken_off += 1
            continue
        heapq.heappush(pending, (finished if at_once[start.device] else ended, start.device))
    while pending and pending[0][0] <= DAY_SECONDS:
        _install(day, updated, *heapq.heappop(pending))
    day.active = len(seen)
    return day


def _install(day: DayOfRegion, updated: set[int], at: float, device: int) -> None:
    if device not in updated:
        updated.add(device)
        day.updated_at.append(at)
        day.waits.append(at - day.first_ask[device])
