"""The reading of an experiment from its rows: what is shown, its series, times within which devices count."""

from itertools import pairwise

import pytest
from trial_world import NEW, NOW_MS, OLD, TrialWorld, an_arm, an_experiment

from edge.domain.comparing.reading import ShownState
from edge.domain.errors import NotFound
from edge.telemetry.trials import trial_points, trial_reading
from edge.telemetry.trials.trials_schema import POINTS_LIMIT

HOUR = 3_600


def arms_of(count):
    """As many in each."""
    return [(number, "new" if number % 2 else "control") for number in range(count)]


def test_an_experiment_of_200_devices_ends_with_a_sentence(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("event:paid", "installed"))
    lines = [world.check(number, arm) for number, arm in arms_of(200)]
    paid = [world.event(number, "paid", 5) for number, arm in arms_of(200) if number % 10 < (8 if arm == "new" else 3)]
    world.fold(*lines, *paid, after=60)
    read = world.read(60)
    (each,) = read.measures[0].comparisons
    assert (each.state, read.split.doubted) == (ShownState.MORE, False)
    assert read.sentence.startswith("New has more devices with paid: 1.")
    assert (read.comparisons, read.confidence) == (2, 0.975)
    assert [(arm.name, arm.devices, arm.share) for arm in read.arms] == [("control", 100, "50%"), ("new", 100, "50%")]


def test_a_split_that_is_not_as_meant_shows_no_comparison(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("event:paid"))
    world.fold(*(world.check(number, "new" if number % 5 else "control") for number in range(200)))
    read = world.read(10)
    assert read.split.doubted
    assert read.sentence == read.split.sentence
    assert {each.state for measure in read.measures for each in measure.comparisons} == {ShownState.DOUBTED}


def test_devices_count_within_a_time_once_that_is_over(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("installed:1h", "install_time:1h"))
    checks = [world.check(1, offered=NEW), world.check(2), world.check(3, after=HOUR)]
    world.fold(*checks, world.report(1, "set", HOUR // 2), after=HOUR)
    world.fold(world.report(2, "set", 2 * HOUR), after=2 * HOUR)
    assert world.figures(HOUR - 1)["installed:1h"]["new"] == (0, 0, 0.0)
    assert world.figures(HOUR)["installed:1h"]["new"] == (2, 1, 1.0)
    assert world.figures(3 * HOUR)["installed:1h"]["new"] == (3, 1, 1.0)
    assert world.figures(3 * HOUR)["install_time:1h"]["new"] == (3, 3, 2.5)


def test_the_kind_says_what_else_differs(tmp_path):
    arms = (an_arm("now"), an_arm("night", windows=("daily 01:00-05:00 UTC",)))
    read = TrialWorld(tmp_path, an_experiment(arms=arms)).read(1)
    assert read.kind == "timing"
    assert [measure.id for measure in read.measures] == ["installed:24h", "install_time:24h", "failed"]
    assert "Who starts the app at night" in read.notes[0]
    assert read.arms[1].windows == ("daily 01:00-05:00 UTC",)


def test_points_are_apart_and_at_most_so_many(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_points, "POINTS_LIMIT", 10)
    world = TrialWorld(tmp_path, an_experiment("installed"))
    for number in range(30):
        world.fold(world.check(number, after=6 * number), world.check(100 + number, after=6 * number + 1))
    points = [at_ms for (at_ms,) in world.rows("SELECT at_ms FROM trial_points ORDER BY at_ms")]
    assert 5 <= len(points) <= 10 < POINTS_LIMIT
    assert min(later - earlier for earlier, later in pairwise(points)) >= 5_000
    assert points[-1] >= NOW_MS + 170_000


def test_a_series_of_many_comparisons_has_fewer_points_and_always_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_reading, "SERIES_POINTS", 12)
    world = TrialWorld(tmp_path, an_experiment("installed", "event:paid", "failed"))
    lines = [world.check(number, arm, runs=NEW if arm == "new" else OLD) for number, arm in arms_of(120)]
    world.fold(*lines)
    for number in range(1, 12):
        world.fold(world.check(500 + number, after=6 * number))
    (each,) = world.read(90).measures[0].comparisons
    assert len(each.series) <= 5
    assert [point.at_ms - NOW_MS for point in each.series][-2:] == [66_000, 90_000]


def test_a_damaged_point_is_left_out(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("installed"))
    lines = [world.check(number, arm, runs=NEW if arm == "new" else OLD) for number, arm in arms_of(120)]
    world.fold(*lines)
    (each,) = world.read(60).measures[0].comparisons
    assert [point.at_ms - NOW_MS for point in each.series] == [0, 60_000]
    world.change("UPDATE trial_points SET counts = x'ff'")
    (each,) = world.read(60).measures[0].comparisons
    assert [point.at_ms - NOW_MS for point in each.series] == [60_000]


def test_an_experiment_of_which_nothing_is_counted_has_a_reading_too(tmp_path):
    read = TrialWorld(tmp_path, an_experiment()).read(1)
    assert read.split.sentence == "No device has checked yet."
    assert {each.state for measure in read.measures for each in measure.comparisons} <= {
        *(ShownState.EARLY, ShownState.UNKNOWN)
    }


def test_a_channel_without_any_says_so(tmp_path):
    with pytest.raises(NotFound, match="nothing is kept of an earlier one"):
        TrialWorld(tmp_path).read(running=False)
