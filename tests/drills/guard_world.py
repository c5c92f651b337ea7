"""A world for the guard: devices that are offered a release and report what became of it, and the votes they cast.

Devices start the app at rates of their own (Gamma, shape 0.6, mean 3 a day) and check at each start; the release goes
out at the daily peak, twice the mean. A download takes 8 s in the median; 3 of 10 install at once, the others when the
session ends (median 3 min); 1 of 10 never reports. A soft failure is reported after 10 s, a hard one at the next start:
within a minute by half of the people, by the others at their next natural one. Half of the devices are behind 256
networks of carriers (Zipf, exponent 0.8), each of the others has one of its own.

Votes are kept as a database keeps them, one by one, and judged by the guard's own `judge`. That is called only where
the plain count, with all its networks, would alarm: it cannot alarm elsewhere (a test draws tallies to show it).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from edge.domain.guard_policy import GuardPolicy
from edge.domain.guarding.epochs import Epoch, epoch_of, epochs_through, open_epochs
from edge.domain.guarding.evidence import Evidence
from edge.domain.guarding.judging import judge
from edge.domain.guarding.networks import TRUSTED_NETWORK, NetworkVotes, is_counted
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS
from edge.domain.guarding.odds.threshold import LEAST_ATTEMPTS, LEAST_FAILURES, log_odds
from edge.domain.guarding.tally import CountedVotes, EpochVotes, ThresholdTally, VoteTally
from edge.domain.guarding.watch import Watch
from edge.domain.model import Rollout, VersionName
from edge.domain.shares import WHOLE_SHARE

DAY_SECONDS = 86_400.0
LOOK_SECONDS = ACT_SECONDS = 5.0
CARRIERS, CARRIER_DEVICES, ZIPF = 256, 0.5, 0.8
SHAPE, STARTS_A_DAY = 0.6, 3.0
SOFT = {"soft": 1.0, "mixed": 0.6, "hard": 0.0}
REPORTING, AT_ONCE = 0.9, 0.3


def watch_of_steps(limit: float, steps: tuple[int, ...] = (5_000,), every_seconds: int = 0) -> Watch:
    """A rollout under guard that began at the epoch."""
    policy = GuardPolicy(max_failure=round(limit * WHOLE_SHARE))
    rollout = Rollout(bundle=VersionName("1.2.0"), salt="salt", steps=steps, every_seconds=every_seconds)
    return Watch(
        id="salt.0", channel="production", bundle="1.2.0", rollout=rollout, since_ms=0, acts=True, policy=policy
    )


class Boundary:
    """The fewest failures of n attempts that the threshold test could alarm at, for n = 0, 1, …"""

    def __init__(self, limit: float) -> None:
        self._limit, self._least = limit, [LEAST_FAILURES] * LEAST_ATTEMPTS

    def is_passed(self, attempts: int, failed: int) -> bool:
        if attempts < LEAST_ATTEMPTS or failed < LEAST_FAILURES:
            return False
        least = self._least
        while len(least) <= attempts:
            number = least[-1]
            while log_odds(len(least), number, self._limit) < ALARM_LOG_ODDS:
                number += 1
            least.append(number)
        return failed >= least[attempts]


@dataclass(slots=True)
class KeptCount:
    """Since the start, or of one epoch."""

    attempts: int = 0
    failed: int = 0
    networks: dict[int, list[int]] = field(default_factory=dict)

    def add(self, network: int, attempts: int, failed: int) -> None:
        self.attempts += attempts
        self.failed += failed
        of = self.networks.setdefault(network, [0, 0])
        of[0] += attempts
        of[1] += failed

    def has_place(self, network: int) -> bool:
        return network == TRUSTED_NETWORK or is_counted(self.attempts, self.networks.get(network, (0, 0))[0])

    def counted(self) -> CountedVotes:
        worst: dict[int, list[tuple[int, int]]] = {}
        for network, (attempts, failed) in self.networks.items():
            if failed and network != TRUSTED_NETWORK:
                worst.setdefault(failed, []).append((attempts, network))
        few = [NetworkVotes(of[1], of[0], failed) for failed, all_of in worst.items() for of in sorted(all_of)[:2]]
        return CountedVotes(self.attempts, self.failed, tuple(few))


class Ballots:
    """The votes of one watch with one test."""

    def __init__(self, watch: Watch, boundary: Boundary) -> None:
        self.watch, self._boundary = watch, boundary
        self.epochs: tuple[Epoch, ...] = epochs_through((), watch, watch.since_ms)
        self.whole, self._counts = KeptCount(), {1: KeptCount()}
        self._votes: dict[
            int, tuple[int, KeptCount | None]
        ] = {}  # of a device: its network, and the count of its epoch
        self.capped = self.capped_failed = 0

    def attempt(self, device: int, network: int, at_seconds: float) -> bool:
        """A `set` arrives. Returns whether it is counted."""
        if not self.whole.has_place(network):
            self.capped += 1
            return False
        self.whole.add(network, 1, 0)
        epoch = self._counts[self._epoch_at(at_seconds)]
        if is_placed := epoch.has_place(network):
            epoch.add(network, 1, 0)
        self._votes[device] = network, epoch if is_placed else None
        return True

    def fail(self, device: int) -> None:
        """A failure arrives, of a device whose `set` did."""
        if (vote := self._votes.get(device)) is None:
            self.capped_failed += 1
            return
        network, epoch = vote
        self.whole.add(network, 0, 1)
        if epoch is not None:
            epoch.add(network, 0, 1)

    def may_alarm(self) -> bool:
        is_passed = self._boundary.is_passed
        return is_passed(self.whole.attempts, self.whole.failed) or any(
            is_passed(each.attempts, each.failed) for each in self._counts.values()
        )

    def tally(self) -> VoteTally:
        numbers = [each.number for each in open_epochs(self.epochs)]
        epochs = tuple(EpochVotes(number, self._counts[number].counted()) for number in numbers)
        return VoteTally(
            tests=(ThresholdTally(self.whole.counted(), epochs),),
            latest_epoch=numbers[-1],
            attempts=self.whole.attempts + self.capped,
            failed=self.whole.failed + self.capped_failed,
            capped=self.capped,
            capped_failed=self.capped_failed,
        )

    def judge(self, at_seconds: float) -> Evidence:
        return judge("com.example.app", self.watch, self.tally(), int(at_seconds * 1000))

    def alarms(self, at_seconds: float) -> bool:
        return self.may_alarm() and self.judge(at_seconds).tests[0].alarm

    def _epoch_at(self, at_seconds: float) -> int:
        at_ms = int(at_seconds * 1000)
        last = self.epochs[-1].number
        self.epochs = epochs_through(self.epochs, self.watch, at_ms)
        for each in self.epochs[last:]:
            self._counts[each.number] = KeptCount()
        return epoch_of(self.epochs, at_ms).number


class Report(NamedTuple):
    """A `set`, or the failure of a device that has sent one."""

    at_seconds: float
    device: int
    network: int
    is_failure: bool


class Day(NamedTuple):
    """A day of one release: when devices were offered it, in order, and what they reported, in order."""

    offers: np.ndarray
    reports: list[Report]


class Clock:
    """Starts of the app over a day: twice the mean at the peak, at 0 s."""

    def __init__(self) -> None:
        self._seconds = np.linspace(0.0, 4 * DAY_SECONDS, 40_001)
        turn = 2 * np.pi / DAY_SECONDS
        self._days = (self._seconds + np.sin(turn * self._seconds) / turn) / DAY_SECONDS

    def next_start(self, draw: np.random.Generator, rates: np.ndarray, after: np.ndarray | float = 0.0) -> np.ndarray:
        """Seconds of the first start after `after`, of devices with `rates` a day; four days: none."""
        begun = np.interp(after, self._seconds, self._days)
        return np.interp(begun + draw.exponential(size=len(rates)) / rates, self._days, self._seconds)


CLOCK = Clock()
_CARRIER_WEIGHTS = np.arange(1, CARRIERS + 1) ** -ZIPF
_CARRIER_SHARES = _CARRIER_WEIGHTS / _CARRIER_WEIGHTS.sum()


def networks_of(draw: np.random.Generator, devices: int) -> np.ndarray:
    """1 to CARRIERS: of carriers; above: of one device alone."""
    own = CARRIERS + 1 + np.arange(devices)
    return np.where(draw.random(devices) < CARRIER_DEVICES, 1 + draw.choice(CARRIERS, devices, p=_CARRIER_SHARES), own)


def day_of(draw: np.random.Generator, devices: int, failing: float, kind: str) -> Day:
    """Of `devices` to which the release is offered at their next start."""
    rates = np.maximum(draw.gamma(SHAPE, STARTS_A_DAY / SHAPE, devices), 1e-9)
    offered = CLOCK.next_start(draw, rates)
    waited = np.where(draw.random(devices) < AT_ONCE, 0.0, draw.exponential(180 / np.log(2), devices))
    set_at = offered + draw.lognormal(np.log(8.0), 0.6, devices) + waited
    soft = draw.random(devices) < SOFT[kind]
    soon = draw.random(devices) < 0.5
    again = np.where(soon, set_at + draw.uniform(0, 60, devices), CLOCK.next_start(draw, rates, set_at))
    failed_at = np.where(soft, set_at + 10, again)
    fails, reporting = draw.random(devices) < failing, draw.random(devices) < REPORTING
    networks = networks_of(draw, devices)
    return Day(np.sort(offered), list(_reports(set_at, failed_at, networks, reporting, reporting & fails)))


def _reports(
    set_at: np.ndarray, failed_at: np.ndarray, networks: np.ndarray, reporting: np.ndarray, failing: np.ndarray
) -> Iterator[Report]:
    sets, failures = (
        np.flatnonzero(reporting & (set_at < DAY_SECONDS)),
        np.flatnonzero(failing & (failed_at < DAY_SECONDS)),
    )
    at = np.concatenate([set_at[sets], failed_at[failures]])
    devices = np.concatenate([sets, failures])
    order = np.argsort(at, kind="stable")
    return map(
        Report, at[order].tolist(), devices[order].tolist(), networks[devices[order]].tolist(),
        (order >= len(sets)).tolist(),
    )  # fmt: skip


class Outcome(NamedTuple):
    """When the pause took effect, in seconds, how many devices had been offered the release, and on how many counted
    attempts the guard acted. None of them: it did not act within the day."""

    at_seconds: float | None
    offered: int
    attempts: int


def play(day: Day, ballots: Ballots, look_seconds: float = LOOK_SECONDS) -> Outcome:
    """Until the guard acts, looking each `look_seconds`; 0: after each report."""
    due = None
    for report in day.reports:
        if due is not None and report.at_seconds > due:
            if ballots.alarms(due):
                break
            due = None
        if report.is_failure:
            ballots.fail(report.device)
        else:
            ballots.attempt(report.device, report.network, report.at_seconds)
        if due is None and ballots.may_alarm():
            due = report.at_seconds if not look_seconds else (report.at_seconds // look_seconds + 1) * look_seconds
    else:
        if due is None or not ballots.alarms(due):
            return Outcome(None, int(np.searchsorted(day.offers, DAY_SECONDS)), ballots.whole.attempts)
    acted = due + (ACT_SECONDS if look_seconds else 0.0)
    return Outcome(acted, int(np.searchsorted(day.offers, acted)), ballots.whole.attempts)
