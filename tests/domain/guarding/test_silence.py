"""Devices that install a release and are not heard of again."""

import pytest

from edge.domain.guarding.silence import InstallsSettled, SilenceCount, allowed_silence, judge_silence

HOUR_MS = 3_600_000
BEFORE = (InstallsSettled(5_000, 200), InstallsSettled(3_000, 90))


def count(installed: int, silent: int, earlier=BEFORE, control=None, age_ms: int = HOUR_MS) -> SilenceCount:
    return SilenceCount(age_ms, InstallsSettled(installed, silent), earlier, control)


def test_more_silence_than_any_earlier_release_had_is_evidence():
    found = judge_silence((count(500, 80),))
    assert found is not None and found.alarm and found.allowed == pytest.approx(0.0725, abs=0.0005)


def test_the_silence_of_an_earlier_release_is_none():
    found = judge_silence((count(5_000, 250),))
    assert found is not None and not found.alarm


def test_silence_that_the_control_shares_is_none():
    # The statistics address was down for everybody.
    found = judge_silence((count(500, 80, control=InstallsSettled(4_000, 700)),))
    assert found is not None and not found.alarm


def test_a_control_alone_is_a_comparison():
    found = judge_silence((count(500, 80, earlier=(), control=InstallsSettled(4_000, 120)),))
    assert found is not None and found.alarm


@pytest.mark.parametrize("earlier", [(), (InstallsSettled(99, 1),)], ids=["none", "too few"])
def test_silence_without_a_comparison_is_no_evidence(earlier):
    found = judge_silence((count(500, 400, earlier),))
    assert found is not None and found.allowed is None and not found.alarm


def test_where_nearly_all_fall_silent_nothing_can_be_seen():
    assert allowed_silence(count(500, 500, (InstallsSettled(1_000, 900),))) is None


def test_a_few_silent_devices_are_no_alarm():
    found = judge_silence((count(19, 19),))
    assert found is not None and not found.alarm


def test_as_many_as_two_networks_have_are_no_evidence():
    # Of 18 silent devices six may be forged, and the other twelve of sixty are too few.
    assert [judge_silence((count(60, silent),)).alarm for silent in (18, 20)] == [False, True]


def test_the_age_that_says_most_is_told():
    found = judge_silence((count(500, 20), count(400, 80, age_ms=24 * HOUR_MS)))
    assert found is not None and found.age_ms == 24 * HOUR_MS


def test_nothing_installed_is_nothing_found():
    assert judge_silence(()) is None and judge_silence((count(0, 0),)) is None


def test_no_node_hides_that_the_devices_of_others_fall_silent():
    """Not by devices that are well, and not by a control that is silent."""
    honest, loud = count(500, 80), count(20_500, 80)
    drowned = judge_silence((count(20_500, 80),), {1: (honest,)}, 1)
    assert drowned is not None and drowned.alarm and (drowned.installed, drowned.without) == (500, 1)
    excused = judge_silence((count(500, 80, control=InstallsSettled(9_000, 3_000)),), {1: (honest,)}, 1)
    assert excused is not None and excused.alarm and excused.allowed == pytest.approx(0.0725, abs=0.0005)
    well = judge_silence((loud,), {1: (count(500, 20),)}, 1)
    assert well is not None and not well.alarm
