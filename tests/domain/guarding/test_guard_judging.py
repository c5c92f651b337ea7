"""From a tally to a verdict, and what is said of it."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.domain.guard_policy import GuardAction, GuardMetric, GuardPolicy
from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.judging import judge
from edge.domain.guarding.networks import NetworkVotes
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS
from edge.domain.guarding.odds.control import ArmEvents
from edge.domain.guarding.odds.threshold import log_odds
from edge.domain.guarding.silence import InstallsSettled, SilenceCount
from edge.domain.guarding.tally import (
    ControlTally,
    ControlVotes,
    CountedVotes,
    EpochVotes,
    ThresholdTally,
    VoteTally,
)
from edge.domain.guarding.watch import Watch
from edge.domain.model import Rollout, VersionName

ROLLOUT = Rollout(bundle=VersionName("1.2.0"), salt="salt", steps=(5_000, 100_000))


def judged(*tests: ThresholdTally | ControlTally, policy: GuardPolicy = GuardPolicy(), **more) -> Evidence:  # noqa: B008
    watch = Watch(
        id="salt.0", channel="production", bundle="1.2.0", rollout=ROLLOUT, since_ms=0, acts=True, policy=policy
    )
    whole = tests[0].whole
    if isinstance(whole, CountedVotes):
        more = {"attempts": whole.attempts, "failed": whole.failed, **more}
    return judge("com.example.app", watch, VoteTally(tests=tests, **more), 1_000)


def votes(attempts: int, failed: int, *networks: tuple[int, int]) -> CountedVotes:
    return CountedVotes(attempts, failed, tuple(NetworkVotes(7 + n, *each) for n, each in enumerate(networks)))


def threshold(attempts: int, failed: int, *networks: tuple[int, int]) -> ThresholdTally:
    counted = votes(attempts, failed, *networks)
    return ThresholdTally(counted, (EpochVotes(1, counted),))


def test_a_release_that_fails_too_often_is_said_to():
    evidence = judged(threshold(96, 14, (3, 2), (5, 2), (1, 1)))
    assert evidence.verdict is Verdict.FAILS
    assert evidence.reason == "14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %"
    assert (evidence.tests[0].attempts, evidence.tests[0].failed) == (88, 10)


def test_failures_of_two_networks_alone_are_no_alarm():
    evidence = judged(threshold(96, 14, (7, 6), (8, 6), (1, 1), (1, 1)))
    assert evidence.verdict is Verdict.WATCHING and evidence.tests[0].failed == 2


def test_a_trusted_network_is_not_left_out():
    # Its votes are in the count, and in no list of networks.
    assert judged(threshold(96, 14)).tests[0].failed == 14


@pytest.mark.parametrize(("attempts", "failed"), [(19, 19), (20, 4), (0, 0)])
def test_too_little_is_no_alarm(attempts, failed):
    evidence = judged(threshold(attempts, failed))
    assert evidence.verdict is Verdict.WATCHING and evidence.tests[0].log_odds <= 0


def test_a_change_for_the_worse_shows_in_its_epoch():
    tally = ThresholdTally(votes(20_000, 110), (EpochVotes(4, votes(5_000, 15)), EpochVotes(5, votes(400, 40))))
    evidence = judged(tally, latest_epoch=5)
    assert log_odds(20_000, 110, 0.02) < 0 and evidence.verdict is Verdict.FAILS
    assert (evidence.tests[0].epoch, evidence.tests[0].epoch_failed) == (5, 40)
    assert evidence.reason == "lately, 40 of 400 installs failed, 5.5 to 16 %; the limit is 2 %"


def test_capped_votes_are_in_no_rate():
    evidence = judged(threshold(96, 14), attempts=200, failed=60, capped=104, capped_failed=46)
    assert (evidence.attempts, evidence.failed, evidence.capped) == (96, 14, 104)


def test_enough_is_known_of_a_good_release():
    evidence = judged(threshold(6_810, 15), step_attempts=900)
    assert evidence.verdict is Verdict.PASSES and not evidence.waits


def test_a_step_without_attempts_of_its_own_waits():
    evidence = judged(threshold(6_810, 15), step_attempts=120)
    assert evidence.verdict is Verdict.WATCHING
    assert evidence.waits == (
        "waits for more attempts: it goes on at 300 attempts in this step and an upper end below 2 %; "
        "it has 120 and 0.57 %"
    )


def test_a_release_near_its_limit_waits():
    waits = judged(threshold(900, 17), step_attempts=900).waits
    assert waits.startswith("waits until it is known to be below its limit")


KNOWN = GuardPolicy(action=GuardAction.ROLLBACK)


def test_only_devices_known_for_a_day_take_a_bundle_back():
    assert judged(threshold(96, 14), threshold(300, 4), policy=KNOWN).rolls_back is False
    assert judged(threshold(96, 14), threshold(300, 30), policy=KNOWN).rolls_back is True


def test_known_devices_alone_are_an_alarm_too():
    evidence = judged(threshold(96, 2), threshold(300, 30), policy=KNOWN)
    assert evidence.verdict is Verdict.FAILS
    assert evidence.reason == "of devices known for a day, 30 of 300 installs failed, 5 to 17 %; the limit is 2 %"


def test_one_segment_that_fails_is_named():
    policy = GuardPolicy(segments=("vip",))
    evidence = judged(threshold(5_000, 40), threshold(96, 14), policy=policy)
    assert evidence.reason == "in segment vip, 14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %"


CONTROL = GuardPolicy(metrics=(GuardMetric.CRASH,), versus_control=True)


def crashes(*steps: tuple[float, int, int], networks: tuple[tuple[ArmEvents, ...], ...] = ()) -> ControlTally:
    return ControlTally(ControlVotes(tuple(ArmEvents(*each) for each in steps), networks))


def test_crashes_far_more_often_than_outside_are_an_alarm():
    evidence = judged(crashes((0.05, 15, 45)), policy=CONTROL)
    assert evidence.verdict is Verdict.FAILS and evidence.tests[0].versus_control
    assert evidence.reason == "crash in the rollout more often than outside: 15 of the 60 devices that had one"


def test_crashes_of_two_networks_alone_are_no_alarm():
    office = (ArmEvents(0.05, 6, 0),)
    assert judged(crashes((0.05, 15, 45), networks=(office, office)), policy=CONTROL).verdict is Verdict.WATCHING


def test_devices_that_fall_silent_are_said_to():
    counts = SilenceCount(3_600_000, InstallsSettled(500, 80), (InstallsSettled(5_000, 200),))
    evidence = judged(threshold(500, 2), silence=(counts,))
    assert evidence.verdict is Verdict.SILENT and evidence.silence is not None and evidence.silence.alarm
    assert evidence.reason.startswith(
        "80 of 500 devices that installed it were not heard of again within 1 h; expected"
    )


def test_a_release_that_falls_silent_does_not_go_on():
    counts = SilenceCount(3_600_000, InstallsSettled(500, 80), (InstallsSettled(5_000, 200),))
    evidence = judged(threshold(6_810, 15), step_attempts=900, silence=(counts,))
    assert evidence.verdict is Verdict.SILENT and evidence.waits == evidence.reason


def test_evidence_crosses_between_processes():
    evidence = judged(threshold(96, 14), silence=(SilenceCount(3_600_000, InstallsSettled(50, 8)),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(evidence), type=Evidence) == evidence


def test_a_policy_without_a_rollout_is_not_compared_with_a_control():
    watch = Watch(
        id="p", channel="production", bundle="1.2.0", rollout=None, since_ms=0, acts=True,
        policy=replace(CONTROL, metrics=(GuardMetric.UPDATE_FAIL, GuardMetric.CRASH)),
    )  # fmt: skip
    evidence = judge("com.example.app", watch, VoteTally(tests=(threshold(96, 14),)), 0)
    assert [each.name for each in evidence.tests] == ["update_fail"]


counts = some.tuples(some.integers(0, 400), some.integers(0, 400)).map(lambda each: (sum(each), each[1]))


@given(counts, some.lists(counts, min_size=1, max_size=5), some.lists(counts, max_size=4))
def test_an_alarm_needs_a_plain_count_that_would_alarm(whole, epochs, networks):
    # What simulations rely on: they ask only there.
    tally = ThresholdTally(votes(*whole, *networks), tuple(EpochVotes(n, votes(*e)) for n, e in enumerate(epochs, 1)))
    fits = all(n <= whole[0] and k <= whole[1] and n - k <= whole[0] - whole[1] for n, k in networks)
    if fits and judged(tally, latest_epoch=len(epochs)).tests[0].alarm:
        assert any(log_odds(n, k, 0.02) >= ALARM_LOG_ODDS - 1e-9 for n, k in (whole, *epochs))
