"""Devices in experiments: who is in, since when, and what counts of them."""

import pytest
from telemetry_lines import APP
from trial_world import NEW, NOW_MS, OLD, TrialWorld, an_experiment, device

from edge.domain.statistics.device_key import device_key
from edge.telemetry.spool.record import NET_OF_IPV6
from edge.telemetry.trials import trial_counting

ROWS = "SELECT key, arm, first_ms, installed_ms, sessions, errors, bits FROM trials ORDER BY key"


@pytest.fixture
def world(tmp_path):
    return TrialWorld(tmp_path, an_experiment("failed", "crashed", "errors", "sessions", "installed"))


def test_a_device_is_in_from_its_first_check_by_the_arm_of_its_bucket(world):
    world.fold(world.check(1, "new", 5), world.check(2, "control", 7), world.check(1, "new", 40))
    keys = [device_key(APP, device(number)) for number in (1, 2)]
    rows = {key: (arm, first - NOW_MS) for key, arm, first, *_ in world.rows(ROWS)}
    assert rows == {keys[0]: (1, 5_000), keys[1]: (0, 7_000)}


@pytest.mark.parametrize("of", [{"kind": "emulator"}, {"kind": "development"}, {"arm": ""}, {"salt": "other"}])
def test_emulators_and_devices_of_no_arm_or_of_another_experiment_are_not_in_it(world, of):
    world.fold(world.check(1, **of), world.report(1, "update_fail", 1))
    assert world.rows(ROWS) == []


def test_what_it_does_from_then_on_counts_in_its_arm_whether_it_installed_or_not(world):
    early = [world.report(1, "app_launch_start", -60, version=OLD), world.report(1, "update_fail", -50)]
    world.fold(*early)
    told = ("app_launch_start", "webview_javascript_error", "app_crash")
    world.fold(world.check(1), *(world.report(1, action, 5 + n, version=OLD) for n, action in enumerate(told)))
    world.fold(world.check(2, "control"))
    read = world.figures(60)
    assert read["errors"] == {"control": (1, 0, 0.0), "new": (1, 1, 1.0)}
    assert read["crashed"] == {"control": (1, 0, 0.0), "new": (1, 1, 1.0)}
    assert read["failed"]["new"] == (0, 0, 0.0)  # it has not tried to install it


def test_installed_is_the_bundle_of_its_own_arm(world):
    world.fold(world.check(1, offered=NEW), world.check(2, offered=NEW), world.check(3, "control"))
    world.fold(world.check(4, "control"), world.report(4, "set", 31, version=OLD))
    world.fold(world.report(1, "set", 30), world.report(3, "set", 31, version=NEW))
    world.fold(world.check(2, after=3_700, runs=NEW), world.report(2, "app_launch_start", 3_701), after=4_000)
    assert world.figures(4_000)["installed"] == {"control": (2, 1, 1.0), "new": (2, 2, 2.0)}
    assert sorted(installed - NOW_MS for _, arm, _, installed, *_ in world.rows(ROWS) if arm) == [30_000, 3_700_000]


def test_a_bundle_that_does_not_start_counts_once_a_device(world):
    world.fold(world.check(1, offered=NEW), world.report(1, "set", 3), world.report(1, "update_fail", 9))
    world.fold(world.report(1, "update_fail", 80), world.report(2, "update_fail", 9))
    assert world.figures(90)["failed"] == {"control": (0, 0, 0.0), "new": (1, 1, 1.0)}


def test_crashes_are_of_devices_that_can_tell_of_them(world):
    world.fold(world.check(1, os="9"), world.check(2), world.report(2, "app_crash", 4, version=OLD))
    assert world.figures(9)["crashed"]["new"] == (1, 1, 1.0)


def test_events_and_outcomes_of_the_app_count_by_name_one_number_a_device(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("event:paid", "outcome:ticket", "value:revenue"))
    paid = [world.event(1, "paid", 3), world.event(1, "paid", 9), world.event(1, "seen", 9)]
    world.fold(world.check(1), world.check(2), *paid)
    world.fold(world.event(3, "paid", 9), world.event(2, "revenue", 9, 4.0), world.event(2, "revenue", 10, 2.5))
    world.fold(world.outcome(1, "ticket", 20), world.outcome(2, "revenue", 20, 10.0), world.outcome(2, "ticket", -90))
    new = {name: arms["new"] for name, arms in world.figures(60).items()}
    assert new == {"event:paid": (2, 1, 1.0), "outcome:ticket": (2, 1, 1.0), "value:revenue": (2, 1, 16.5)}


def test_a_bundle_that_failed_before_the_experiment_fails_again_in_it(world):
    world.fold(world.report(1, "set", -3_700), world.report(1, "update_fail", -3_600), after=-3_500)
    world.fold(world.check(1, offered=NEW), world.report(1, "set", 10), world.report(1, "update_fail", 30))
    assert world.figures(90)["failed"]["new"] == (1, 1, 1.0)
    assert world.figures(90)["installed"]["new"] == (1, 1, 1.0)


def test_of_one_network_only_so_many_devices_are_counted_whatever_becomes_of_them(world):
    """By the time of their first report; a trusted network (0) and devices of their own have no cap."""
    world.fold(*(world.check(number) for number in range(30)))
    loud = [world.report(number, "update_fail", 30 - number, net=7) for number in range(10)]
    world.fold(*loud, *(world.report(number, "update_fail", 40, net=0) for number in range(10, 20)))
    world.fold(*(world.report(number, "update_fail", 50, net=7) for number in range(20, 25)))
    assert world.rows("SELECT net, devices FROM trial_networks") == [(-1, 13), (0, 10), (7, 3)]
    counted = [device_key(APP, device(number)) for number in (7, 8, 9)]
    assert {key for (key,) in world.rows("SELECT key FROM trials WHERE net = 7 AND bits & 32 = 0")} == {*counted}
    assert world.figures(90)["failed"]["new"] == (13, 13, 13.0)


def test_a_provider_has_a_cap_of_its_own(world):
    """All networks of one IPv6 /32 together, as for the guard."""
    world.fold(*(world.check(number) for number in range(60)))
    world.fold(*(world.report(number, "update_fail", 9, net=NET_OF_IPV6 | number) for number in range(60)))
    assert world.figures(90)["failed"]["new"] == (30, 30, 30.0)


def test_a_fold_that_is_repeated_counts_nothing_twice(world):
    lines = [world.check(1), world.report(1, "app_launch_start", 4), world.report(1, "webview_javascript_error", 5)]
    world.fold(*lines)
    before = world.rows(ROWS)
    world.fold(*lines)
    world.fold()
    assert world.rows(ROWS) == before


def test_a_batch_that_fails_leaves_nothing_of_it(world, monkeypatch):
    def fails(*_):
        raise OSError("the disk")

    with monkeypatch.context() as patched:
        patched.setattr(trial_counting, "keep_point", fails)
        with pytest.raises(OSError, match="the disk"):
            world.fold(world.check(1))
    assert world.rows(ROWS) == world.rows("SELECT * FROM experiments") == []
    world.fold()
    assert len(world.rows(ROWS)) == 1


def test_one_that_runs_no_more_has_ended_and_counts_no_more(world):
    world.fold(world.check(1))
    experiment, world.running = world.running, ()
    world.fold(world.check(2, after=20), after=20)
    world.fold(world.check(3, after=40), world.report(1, "app_launch_start", 41), after=50)
    assert world.rows("SELECT ended_ms FROM experiments") == [(NOW_MS + 20_000,)]
    read = world.read(9_000, running=False)
    assert (read.ended_ms, read.as_of_ms) == (NOW_MS + 20_000, NOW_MS + 20_000)
    assert sum(arm.devices for arm in read.arms) == 2  # the batch in which it ends is of the time before
    world.running = experiment  # its end was undone
    world.fold(world.check(4, after=60), after=60)
    assert world.read(70).ended_ms is None
    assert world.rows("SELECT ended_ms, devices FROM experiments") == [(0, 3)]


def test_two_experiments_of_an_app_count_a_device_each_for_itself(tmp_path):
    world = TrialWorld(tmp_path, an_experiment("sessions"), an_experiment("sessions", salt="y"))
    world.fold(world.check(1), world.report(1, "app_launch_start", 4))
    world.fold(world.check(1, after=8_000, salt="y"), world.report(1, "app_launch_start", 9_000), after=9_000)
    assert world.rows("SELECT experiment, sessions FROM trials ORDER BY experiment") == [(1, 2), (2, 1)]


def test_devices_beyond_the_limit_are_in_their_arms_and_not_counted(world, monkeypatch):
    monkeypatch.setattr(trial_counting, "TRIAL_DEVICES_LIMIT", 2)
    world.fold(*(world.check(number) for number in range(3)))
    world.fold(*(world.check(number, after=20) for number in range(5)))
    assert len(world.rows(ROWS)) == 2
