"""A world for the guard: devices that are offered a release and report what became of it, and the votes they cast.

Devices start the app at rates of their own (Gamma, shape 0.6, mean 3 a day) and check at each start; the release goes
out at the daily peak, twice the mean. A download takes 8 s in the median; 3 of 10 install at once, the others when the
session ends (median 3 min); 1 of 10 never reports. A soft failure is reported after 10 s, a hard one at the next start:
within a minute by half of the people, by the others at their next natural one. Half of the devices are behind 256
networks of carriers (Zipf, exponent 0.8), each of the others has one of its own.

Votes are counted as the folding process counts them (`VotesOfTest`), one by one, and judged by the guard's own
`judge`. That is called only after a failure with which the plain count, with all its networks, would alarm: it cannot
alarm elsewhere (a test draws tallies to show it).
"""

import enum
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from edge.domain.guard_policy import GuardPolicy
from edge.domain.guarding.epochs import Epoch, epochs_through, open_epochs
from edge.domain.guarding.evidence import Evidence
from edge.domain.guarding.judging import judge
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS
from edge.domain.guarding.odds.threshold import LEAST_ATTEMPTS, LEAST_FAILURES, log_odds
from edge.domain.guarding.tally import VoteTally
from edge.domain.guarding.watch import Watch
from edge.domain.model import Rollout, VersionName
from edge.domain.shares import WHOLE_SHARE
from edge.telemetry.votes.counted_votes import UNHEARD, VotesOfTest

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


class Ballots:
    """The votes of one watch with one test. `of_offers`: every offered device is an attempt, whether it reports or not,
    as in the test of known devices."""

    def __init__(self, watch: Watch, boundary: Boundary, of_offers: bool = False) -> None:
        self.watch, self._boundary, self.of_offers = watch, boundary, of_offers
        self._ahead = list(reversed(_epochs_to_come(watch)))
        self.epochs: tuple[Epoch, ...] = (self._ahead.pop(),)
        self.votes = VotesOfTest()
        self._counted: dict[int, tuple[int, int, bool]] = {}  # by device: network, epoch of its `set`, and if it has it
        self._offered: dict[int, int] = {}
        self.capped = self.capped_failed = 0
        self.is_near = False

    def offer(self, device: int, at_seconds: float) -> None:
        """A device is offered the release."""
        if self.of_offers:
            self._offered[device] = epoch = self._epoch_at(at_seconds)
            self.votes.enter(UNHEARD, epoch, in_epoch=True)

    def attempt(self, device: int, network: int, at_seconds: float) -> bool:
        """A `set` arrives. Returns whether it is counted."""
        epoch = self._offered[device] if self.of_offers else self._epoch_at(at_seconds)
        counted, in_epoch = self.votes.has_room(network, epoch)
        if not counted:
            self.capped += 1
            return False
        (self.votes.place if self.of_offers else self.votes.enter)(network, epoch, in_epoch=in_epoch)
        self._counted[device] = network, epoch, in_epoch
        if self.votes.whole.attempts == LEAST_ATTEMPTS or self.votes.of_epoch(epoch).attempts == LEAST_ATTEMPTS:
            self._see(epoch)
        return True

    def fail(self, device: int) -> None:
        """A failure arrives, of a device whose `set` did."""
        if (vote := self._counted.get(device)) is None:
            self.capped_failed += 1
            return
        network, epoch, in_epoch = vote
        self.votes.fail(network, epoch, in_epoch=in_epoch)
        self._see(epoch)

    def _see(self, epoch: int) -> None:
        """Whether `judge` is to be asked: only a failure, or the attempt that is enough, can bring an alarm."""
        for count in (self.votes.whole, self.votes.of_epoch(epoch)):
            self.is_near = self.is_near or self._boundary.is_passed(count.attempts, count.failed)

    @property
    def attempts(self) -> int:
        return self.votes.whole.attempts

    def tally(self) -> VoteTally:
        return VoteTally(
            tests=(self.votes.tally([each.number for each in open_epochs(self.epochs)]),),
            latest_epoch=self.epochs[-1].number,
            attempts=self.attempts + self.capped,
            failed=self.votes.whole.failed + self.capped_failed,
            capped=self.capped,
            capped_failed=self.capped_failed,
        )

    def judge(self, at_seconds: float) -> Evidence:
        return judge("com.example.app", self.watch, self.tally(), int(at_seconds * 1000))

    def alarms(self, at_seconds: float) -> bool:
        is_near, self.is_near = self.is_near, False
        return is_near and self.judge(at_seconds).tests[0].alarm

    def _epoch_at(self, at_seconds: float) -> int:
        """Reports come in order, so the present epoch is that of each `set`."""
        while self._ahead and self._ahead[-1].began_ms <= at_seconds * 1000:
            self.epochs += (self._ahead.pop(),)
        return self.epochs[-1].number


@lru_cache
def _epochs_to_come(watch: Watch) -> tuple[Epoch, ...]:
    return epochs_through((), watch, int(7 * DAY_SECONDS * 1000))


class Told(enum.Enum):
    """What is heard of a device."""

    OFFER = 0  # the node's own note
    SET = 1
    FAILURE = 2


class Report(NamedTuple):
    """Of one device."""

    at_seconds: float
    device: int
    network: int
    told: Told


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


def day_of(draw: np.random.Generator, devices: int, failing: float, kind: str, tells_offers: bool = False) -> Day:
    """Of `devices` to which the release is offered at their next start; with the node's own notes of that, if asked."""
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
    times = np.stack([offered, np.where(reporting, set_at, np.inf), np.where(reporting & fails, failed_at, np.inf)])
    return Day(
        np.sort(offered), _reports(times if tells_offers else times[1:], networks, list(Told)[not tells_offers :])
    )


def _reports(times: np.ndarray, networks: np.ndarray, kinds: list[Told]) -> list[Report]:
    """`times` by what is told, and by device."""
    told, devices = np.nonzero(times < DAY_SECONDS)
    at = times[told, devices]
    order = np.argsort(at, kind="stable")
    whom = devices[order]
    what = [kinds[each] for each in told[order].tolist()]
    return list(map(Report, at[order].tolist(), whom.tolist(), networks[whom].tolist(), what))


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
        match report.told:
            case Told.OFFER:
                ballots.offer(report.device, report.at_seconds)
            case Told.SET:
                ballots.attempt(report.device, report.network, report.at_seconds)
            case Told.FAILURE:
                ballots.fail(report.device)
        if due is None and ballots.is_near:
            due = report.at_seconds if not look_seconds else (report.at_seconds // look_seconds + 1) * look_seconds
    else:
        if due is None or not ballots.alarms(due):
            return Outcome(None, int(np.searchsorted(day.offers, DAY_SECONDS)), ballots.attempts)
    acted = due + (ACT_SECONDS if look_seconds else 0.0)
    return Outcome(acted, int(np.searchsorted(day.offers, acted)), ballots.attempts)
