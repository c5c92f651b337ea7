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


def all_installed(world, count):
    for number, arm in arms_of(count):
        yield world.check(number, arm)
        yield world.report(number, "set", 1, version=NEW if arm == "new" else OLD)


def read_one(world, after=100):
    read = world.read(after)
    (each,) = read.measures[0].comparisons
    return read, each


def test_devices_without_a_session_count_whatever_their_plugin_tells_of_errors(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("sessions"))
    plugin = {"plugin": "8.30.0"}
    world.fold(*(world.check(number, arm, 1, **plugin) for number, arm in arms_of(800)))
    lively = [number for number, arm in arms_of(800) if arm == "control" or number % 4 == 1]
    twice = [(number, at) for number in lively for at in (60, 60 + 4_000 * (number % 3))]
    told = "app_moved_to_foreground"
    lines = [world.report(number, told, at, version=OLD, **plugin) for number, at in twice]
    world.fold(*lines, after=9_000)
    read, each = read_one(world, 9_000)
    assert [figure.devices for figure in read.measures[0].figures] == [400, 400]
    assert each.state is ShownState.FEWER


def test_a_control_that_installs_nothing_is_not_compared_in_installing(tmp_path):
    """A usual release: everybody has what the control keeps."""
    world = TrialWorld(tmp_path, an_experiment())
    world.fold(*(world.check(number, arm, runs=OLD) for number, arm in arms_of(400)))
    tried = [number for number, arm in arms_of(400) if arm == "new" and number % 8 != 1]
    failed = [world.report(number, "update_fail", 45) for number in tried[:60]]
    world.fold(*(world.report(number, "set", 30) for number in tried), *failed, after=100)
    read = world.read(100)
    by_id = {measure.id: measure for measure in read.measures}
    for what in ("failed", "installed"):
        (each,) = by_id[what].comparisons
        assert (each.state, each.says) == (ShownState.UNKNOWN, "Not compared")
        assert each.more == "control installs nothing, each arm's own rate stands alone"
    assert [(one.devices, one.having) for one in by_id["failed"].figures] == [(0, 0), (150, 60)]
    assert [(one.devices, one.having) for one in by_id["installed"].figures] == [(0, 0), (200, 150)]
    assert "Failing to start or having its bundle is not compared: control installs nothing" in read.sentence


def test_arms_that_both_install_are_compared_on_devices_that_had_neither_bundle(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("failed"))
    world.fold(*(world.check(number, arm) for number, arm in arms_of(400)))
    world.fold(*(world.check(number, arm, runs=OLD) for number, arm in arms_of(1_000)[400:]))
    bundles = {"new": NEW, "control": OLD}
    failing = [(number, arm) for number, arm in arms_of(400) if number % 20 < (16 if arm == "new" else 4)]
    world.fold(*(world.report(number, "update_fail", 9, version=bundles[arm]) for number, arm in failing), after=50)
    _, each = read_one(world)
    assert each.state is ShownState.MORE


def test_one_host_shows_nothing(tmp_path):
    """240 made-up devices of one network, of which those in one arm fail."""
    world = TrialWorld(tmp_path, an_experiment("failed"))
    world.fold(*(world.check(number, arm, 1) for number, arm in arms_of(2_240)))
    world.fold(*(world.report(number, "set", 10, net=number) for number in range(1, 2_000, 2)))
    world.fold(*(world.report(number, "update_fail", 20, net=7) for number in range(2_001, 2_240, 2)), after=100)
    read, each = read_one(world)
    assert each.state is ShownState.EARLY
    assert "of one network" in read.notes[-1].lower()
    assert "more reported from networks that are full" in read.notes[-1]


def test_what_rests_on_two_networks_is_not_shown(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("failed"))
    world.fold(*(world.check(number, arm, 1) for number, arm in arms_of(3_000)))
    world.fold(*(world.report(number, "set", 2, version=NEW if number % 2 else OLD) for number in range(2_940)))
    failing = dict.fromkeys(range(28))
    failing |= {number: 7 + number % 4 // 2 for number in range(2_941, 3_000, 2)}
    lines = [
        world.report(number, "update_fail", 9, version=NEW if number % 2 else OLD, net=net)
        for number, net in failing.items()
    ]
    world.fold(*lines, after=100)
    _, each = read_one(world)
    assert (each.state, each.could_be_ms) == (ShownState.OPEN, None)
    assert each.more == "it rests on at most 2 networks, or on devices that only checked"


def test_made_up_devices_that_only_check_make_no_mean_fall(tmp_path):
    """Some more devices of one arm, too few to make the split doubted."""
    world = TrialWorld(tmp_path, an_experiment("value:cart"))
    world.fold(*(world.check(number, arm) for number, arm in arms_of(2_000)))
    world.fold(*(world.check(number, "new") for number in range(5_000, 5_110)))
    world.fold(*(world.event(number, "cart", 5, 10.0 + number % 3) for number in range(2_000)), after=50)
    read, each = read_one(world)
    assert not read.split.doubted
    assert each.state is ShownState.OPEN


def test_made_up_devices_of_one_arm_do_not_silence_the_others(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("event:paid"))
    world.fold(*(world.check(number, arm) for number, arm in arms_of(2_000)))
    some = [number for number, arm in arms_of(2_000) if number % 10 < (8 if arm == "new" else 3)]
    world.fold(*(world.event(number, "paid", 5) for number in some))
    world.fold(*(world.check(number, "new", 20) for number in range(5_000, 5_300)))
    world.fold(*(world.event(number, "seen", 25, net=7) for number in range(5_000, 5_300)), after=50)
    read, each = read_one(world)
    assert (read.split.doubted, each.state) == (False, ShownState.MORE)


def test_large_values_that_differ_little_keep_their_variance(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("value:free"))
    world.fold(*(world.check(number, arm) for number, arm in arms_of(400)))
    values = [1.7e12 + 1_000 * (number * 7_919 % 11 - 5) for number in range(400)]
    world.fold(*(world.event(number, "free", 20, value) for number, value in enumerate(values)), after=100)
    _, each = read_one(world)
    assert each.state is ShownState.NO_DIFFERENCE
    assert each.difference_high - each.difference_low > 500


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
    world.fold(*all_installed(world, 120))
    for number in range(1, 12):
        world.fold(world.check(500 + number, after=6 * number))
    (each,) = world.read(90).measures[0].comparisons
    assert len(each.series) <= 5
    assert [point.at_ms - NOW_MS for point in each.series][-2:] == [66_000, 90_000]


def test_a_damaged_point_is_left_out(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("installed"))
    world.fold(*all_installed(world, 120))
    (each,) = world.read(60).measures[0].comparisons
    assert [point.at_ms - NOW_MS for point in each.series] == [1_000, 60_000]
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
