"""The rows of `guard_bars`: what the guard does in a world (`guard_world`), round after round, from fixed seeds."""

from typing import NamedTuple

import numpy as np

from edge.domain.guard_policy import GuardMetric, GuardPolicy
from edge.domain.guarding.judging import judge
from edge.domain.guarding.networks import cap_of
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS, TESTS_LIMIT
from edge.domain.guarding.odds.control import ArmEvents, control_log_odds
from edge.domain.guarding.silence import InstallsSettled, SilenceCount, judge_silence
from edge.domain.guarding.tally import ControlTally, ControlVotes, EpochEvents, VoteTally
from edge.domain.guarding.watch import Watch
from tests.drills.guard_world import Ballots, Boundary, Outcome, day_of, networks_of, play, watch_of_steps

SEED = 20261128
GOOD = 0.003  # the rate at which attempts of a good release fail
STEPPED = ((1_000, 5_000, 25_000, 100_000), 4 * 3_600)


class Null(NamedTuple):
    """Of releases that are within the limit: how many the guard stopped."""

    rounds: int
    alarms: int


def null_rows(limit: float, rate: float, rounds: int, devices: int = 5_000) -> Null:
    """Days of a rollout in four steps, looked at after each report."""
    draw, boundary, watch = np.random.default_rng(SEED), Boundary(limit), watch_of_steps(limit, *STEPPED)
    days = (day_of(draw, devices, rate, "mixed") for _ in range(rounds))
    return Null(rounds, sum(play(day, Ballots(watch, boundary), 0.0).at_seconds is not None for day in days))


def ten_tests(limit: float, rounds: int, devices: int = 5_000) -> Null:
    """As many tests as a watch may have, all at their limit and none with devices of another: any may alarm."""
    draw, boundary, watch = np.random.default_rng(SEED), Boundary(limit), watch_of_steps(limit, *STEPPED)

    def alarms() -> bool:
        days = (day_of(draw, devices, limit, "mixed") for _ in range(TESTS_LIMIT))
        return any(play(day, Ballots(watch, boundary), 0.0).at_seconds is not None for day in days)

    return Null(rounds, sum(alarms() for _ in range(rounds)))


def bad_rows(
    fleet: int, share: float, kind: str, failing: float, rounds: int, of_offers: bool = False
) -> list[Outcome]:
    """Days of a release that fails more than its limit of 2 %, at one share of a fleet; counted against offered devices
    if `of_offers`, as a rollback is."""
    draw, boundary, watch = np.random.default_rng(SEED), Boundary(0.02), watch_of_steps(0.02)
    days = (day_of(draw, int(fleet * share), failing, kind, tells_offers=of_offers) for _ in range(rounds))
    return [play(day, Ballots(watch, boundary, of_offers)) for day in days]


def attempts_until(failing: float, rounds: int, good: int = 0, phase: float = 0.0, longest: int = 20_000) -> list[int]:
    """Attempts until the alarm, failures known at once; after `good` attempts that fail at GOOD, spread over two days,
    with the change at `phase` (0 to 1) of an epoch."""
    draw, boundary, watch = np.random.default_rng(SEED), Boundary(0.02), watch_of_steps(0.02)
    found = []
    for _ in range(rounds):
        ballots, apart = Ballots(watch, boundary), 8.64
        networks = networks_of(draw, good + longest).tolist()
        rates = np.where(np.arange(good + longest) < good, GOOD, failing)
        failures = (draw.random(good + longest) < rates).tolist()
        shift = phase * 6 * 3_600
        for number, (network, fails) in enumerate(zip(networks, failures, strict=True)):
            at = shift + number * apart
            ballots.attempt(number, network, at)
            if fails:
                ballots.fail(number)
                if ballots.alarms(at):
                    break
        found.append(number + 1 - good)
    return found


class Forged(NamedTuple):
    """After `honest` attempts: forged failures that stop the release, of how many networks."""

    honest: int
    failures: int
    networks: int


def forged_row(honest: int, is_new_epoch: bool = False, places: int | None = None) -> Forged:
    """A forger who sends as many failures of each network as are counted (or `places`, if that is fewer), against
    honest attempts that fail at GOOD, each of a network of its own; right after them, or in the next epoch."""
    ballots = Ballots(watch_of_steps(0.02), Boundary(0.02))
    for number in range(honest):
        ballots.attempt(number, 1_000 + number, number * 0.1)
        if number % round(1 / GOOD) == round(1 / GOOD) - 1:
            ballots.fail(number)
    at = 21_700.0 if is_new_epoch else honest * 0.1
    device = forged = networks = 0
    while networks < 10_000:
        networks += 1
        for _ in range(min(cap_of(ballots.attempts), places or honest + 20)):
            device += 1
            if ballots.attempt(-device, 10_000_000 + networks, at):
                ballots.fail(-device)
                forged += 1
                if ballots.alarms(at):
                    return Forged(honest, forged, networks)
    raise AssertionError("no number of networks stops it")


def one_host_alarms(honest: int, sent: int = 2_000) -> bool:
    """Whether one network stops a release, however many failures it sends."""
    ballots = Ballots(watch_of_steps(0.02), Boundary(0.02))
    for number in range(honest):
        ballots.attempt(number, 1_000 + number, number * 0.1)
    for number in range(honest, honest + sent):
        ballots.attempt(number, 1, honest * 0.1)
        ballots.fail(number)
    return ballots.judge(honest * 0.1).tests[0].alarm


def control_watch() -> Watch:
    policy = GuardPolicy(metrics=(GuardMetric.CRASH,), versus_control=True)
    return Watch(
        **{**{each: getattr(watch_of_steps(0.02), each) for each in Watch.__struct_fields__}, "policy": policy}
    )


def control_alarm_at(draw: np.random.Generator, shares: np.ndarray, ratio: np.ndarray, watch: Watch) -> int | None:
    """The event, one after another, at which the control test alarms: `shares` of the arm and its true `ratio` at each.
    Every tenth part of the events is an epoch. None: at no event."""
    chances = shares * ratio / (shares * ratio + 1 - shares)
    arms = draw.random(len(shares)) < chances
    numbers = 1 + np.arange(len(shares)) * 10 // len(shares)
    counts: dict[float, list[int]] = {}
    epochs: dict[int, list[float]] = {}
    for event, (share, arm, number) in enumerate(zip(shares.tolist(), arms.tolist(), numbers.tolist(), strict=True)):
        of, epoch = counts.setdefault(share, [0, 0]), epochs.setdefault(number, [share, 0, 0])
        of[0 if arm else 1] += 1
        epoch[1 if arm else 2] += 1
        if not arm:
            continue
        whole = tuple(ArmEvents(each, *pair) for each, pair in counts.items())
        lately = ArmEvents(epoch[0], int(epoch[1]), int(epoch[2]))
        if control_log_odds(whole) < ALARM_LOG_ODDS and control_log_odds([lately]) < ALARM_LOG_ODDS:
            continue  # it cannot alarm: the odds of all are a mean of these and of earlier epochs, which did not
        opened = tuple(
            EpochEvents(each, ControlVotes((ArmEvents(one, int(a), int(b)),))) for each, (one, a, b) in epochs.items()
        )
        tally = VoteTally(tests=(ControlTally(ControlVotes(whole), opened[-8:]),), latest_epoch=number)
        if judge("com.example.app", watch, tally, 0).tests[0].alarm:
            return event + 1
    return None


def control_nulls(kind: str, rounds: int, events: int = 2_000) -> Null:
    """Nothing differs: "even" arms, a "small" arm of 5 %, a share that "changes" from 5 to 25 to 50 % while ever more
    devices crash, so that pooled steps would look like a difference."""
    draw, watch = np.random.default_rng(SEED), control_watch()
    steps = np.repeat([0.05, 0.25, 0.5], [events // 10, 3 * events // 10, events - 4 * events // 10])
    shares = {"even": np.full(events, 0.5), "small": np.full(events, 0.05), "changes": steps}[kind]
    alarms = (control_alarm_at(draw, shares, np.ones(events), watch) for _ in range(rounds))
    return Null(rounds, sum(each is not None for each in alarms))


def drifting_nulls(rounds: int, devices: int = 20_000) -> Null:
    """Both arms' devices crash at a rate that drifts from 0.5 to 5 %; arms drawn device by device, half and half."""
    draw, watch, alarms = np.random.default_rng(SEED), control_watch(), 0
    for _ in range(rounds):
        events = int((draw.random(devices) < np.linspace(0.005, 0.05, devices)).sum())
        alarms += control_alarm_at(draw, np.full(events, 0.5), np.ones(events), watch) is not None
    return Null(rounds, alarms)


def control_devices_until(base: float, worse: float, share: float, rounds: int) -> list[float]:
    """Devices of the rollout's arm until the alarm, if it crashes at `worse` and the control at `base`."""
    draw, watch = np.random.default_rng(SEED), control_watch()
    events = 6_000
    found = []
    for _ in range(rounds):
        shares, ratio = np.full(events, share), np.full(events, worse / base)
        at = control_alarm_at(draw, shares, ratio, watch)
        found.append((at or events) / (share * worse + (1 - share) * base) * share)
    return found


def silence_alarm_at(
    draw: np.random.Generator, base: float, spread: float, added: float, installs: int = 5_000, earlier: int = 3
) -> int | None:
    """The install at which silence alarms. Each release has a rate of its own, `base` times a log-normal factor of
    `spread`; of the release under guard `added` (0 to 1) more die at their start and are never heard of."""

    def own_rate() -> float:
        return min(0.9, base * float(np.exp(draw.normal(0, spread))))

    before = tuple(InstallsSettled(2_000, int(draw.binomial(2_000, own_rate()))) for _ in range(earlier))
    rate = own_rate()
    silent = np.cumsum(draw.random(installs) < rate + (1 - rate) * added)
    control = InstallsSettled(5_000, int(draw.binomial(5_000, own_rate())))
    for installed in range(20, installs + 1, 20):
        count = SilenceCount(3_600_000, InstallsSettled(installed, int(silent[installed - 1])), before, control)
        found = judge_silence((count,))
        if found is not None and found.alarm:
            return installed
    return None


class Silence(NamedTuple):
    """How many of `rounds` releases alarmed, and after how many installs in the median."""

    rounds: int
    alarms: int
    installs: float


def silence_rows(base: float, spread: float, added: float, rounds: int) -> Silence:
    """See `silence_alarm_at`."""
    draw = np.random.default_rng(SEED)
    at = [each for each in (silence_alarm_at(draw, base, spread, added) for _ in range(rounds)) if each is not None]
    return Silence(rounds, len(at), float(np.median(at)) if at else float("nan"))
