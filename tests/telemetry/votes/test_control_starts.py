"""Devices outside a rollout, as what silence is compared with."""

import pytest
from telemetry_lines import APP, NOW
from voting_world import NEW, NOW_MS, OLD, VotingWorld, a_cohort, a_rollout, a_watch, device

from edge.domain.guarding.silence import InstallsSettled
from edge.telemetry.votes.arm_counts import draw
from edge.telemetry.votes.control_starts import CONTROL_LIMIT, ControlDevice, ControlStarts, NotedStart

HOUR = 3_600
DAY = 24 * HOUR
OUTSIDE = [n for n in range(200) if not draw(APP, a_rollout(), device(n), (), NOW_MS).in_arm][:40]
INSIDE = [n for n in range(200) if draw(APP, a_rollout(), device(n), (), NOW_MS).in_arm][:10]


@pytest.fixture
def world(tmp_path):
    """Devices that have been known for a day when the watch begins."""
    world = VotingWorld(tmp_path, a_watch())
    known = a_cohort(side="")
    world.fold(*(world.check(n, -DAY, offered="", cohort=known) for n in (*OUTSIDE, *INSIDE)))
    return world


def settled(world, after):
    (book,) = [book for _, book in world.keeper.books]
    return book.control.settled(int((NOW + after) * 1000))


def start(world, number, after=10, **more):
    return world.report(number, "app_moved_to_foreground", after, version=OLD, **more)


def end(world, number, after):
    return world.report(number, "app_moved_to_background", after, version=OLD)


def test_who_starts_the_app_and_is_not_heard_of_is_silent_at_that_age(world):
    world.fold(*(start(world, n) for n in OUTSIDE[:10]), *(end(world, n, 200) for n in OUTSIDE[:7]), after=300)
    assert settled(world, 300) == [InstallsSettled(0, 0)] * 2
    assert settled(world, 2 * HOUR) == [InstallsSettled(10, 3), InstallsSettled(0, 0)]
    world.fold(end(world, OUTSIDE[8], 3 * HOUR), after=3 * HOUR)
    assert settled(world, 25 * HOUR) == [InstallsSettled(10, 3), InstallsSettled(10, 2)]


def test_a_restart_knows_the_same(world):
    world.fold(*(start(world, n) for n in OUTSIDE[:10]), *(end(world, n, 200) for n in OUTSIDE[:7]), after=300)
    before = settled(world, 2 * HOUR)
    world.begin_again()
    world.fold(after=2 * HOUR)
    world.fold(start(world, OUTSIDE[20], 2 * HOUR), after=2 * HOUR)
    assert settled(world, 2 * HOUR + 60) == before


def test_devices_of_the_rollout_and_strangers_are_no_control(world):
    stranger = next(n for n in range(500, 600) if not draw(APP, a_rollout(), device(n), (), NOW_MS).in_arm)
    world.fold(world.check(stranger, 5), start(world, stranger), *(start(world, n) for n in INSIDE), after=60)
    assert settled(world, 2 * HOUR)[0].installed == 0


def test_one_network_has_its_cap_in_the_control_too(world):
    world.fold(*(start(world, n, net=7) for n in OUTSIDE), after=60)
    assert settled(world, 2 * HOUR)[0].installed == 3


def test_the_sample_ends_with_the_watch(world):
    world.fold(*(start(world, n) for n in OUTSIDE), after=60)
    assert world.rows("SELECT count(*) FROM control_starts") == [(len(OUTSIDE),)]
    world.watches = ()
    world.fold(world.check(1, 100, offered=NEW), after=120)
    assert world.rows("SELECT count(*) FROM control_starts") == [(0,)]


def test_the_sample_has_a_limit():
    starts = ControlStarts()
    for n in range(CONTROL_LIMIT):
        starts.take(ControlDevice(n, n, 0, 0))
    assert starts.is_full() and starts.apply([NotedStart(1, 10**9, 10**9, starts=True)]) == []
