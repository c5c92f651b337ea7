"""The guard's promises in a simulated world: a few rounds here, hundreds in the long test, thousands in the drill."""

import numpy as np
import pytest

from edge.domain.guarding.networks import TRUSTED_NETWORK
from tests.drills import guard_rows as rows
from tests.drills.guard_bars import BAD, Bars, attempts, control, costs, false_alarms, forgers, silence
from tests.drills.guard_world import Ballots, Boundary, watch_of_steps


@pytest.mark.parametrize("limit", [0.005, 0.02])
def test_a_release_at_its_limit_is_left_alone(limit):
    assert rows.null_rows(limit, limit, rounds=12, devices=1_500).alarms <= 1


@pytest.mark.parametrize(("kind", "most"), [("mixed", 0.007), ("hard", 0.012)])
def test_a_release_that_fails_one_boot_in_ten_is_stopped_early(kind, most):
    found = rows.bad_rows(100_000, 0.05, kind, 0.10, rounds=8)
    assert all(each.at_seconds is not None for each in found)
    assert np.median([each.offered for each in found]) <= most * 100_000


def test_a_release_that_fails_half_of_its_boots_is_stopped_at_once():
    assert max(each.offered for each in rows.bad_rows(100_000, 0.05, "hard", 0.50, rounds=8)) <= 250


def test_a_change_for_the_worse_is_noticed_after_many_good_attempts():
    assert max(rows.attempts_until(0.10, rounds=1, good=20_000, phase=0.5, longest=6_000)) <= 1_500


def test_a_fleet_behind_one_address_is_judged_only_if_that_is_trusted():
    def alarms(network: int) -> bool:
        ballots = Ballots(watch_of_steps(0.02), Boundary(0.02))
        for number in range(400):
            ballots.attempt(number, network, float(number))
            if number % 5 == 0:
                ballots.fail(number)
        return ballots.judge(400.0).tests[0].alarm

    assert alarms(TRUSTED_NETWORK) and not alarms(1)


def test_a_count_against_offered_devices_finds_a_bad_release_a_little_later():
    found = rows.bad_rows(100_000, 0.05, "mixed", 0.10, rounds=6, of_offers=True)
    assert all(each.at_seconds is not None for each in found)
    assert np.median([each.offered for each in found]) <= 1_000


@pytest.mark.parametrize("honest", [0, 1_000, 20_000])
def test_one_host_stops_nothing(honest):
    assert not rows.one_host_alarms(honest, sent=300)


@pytest.mark.parametrize(("honest", "networks"), [(0, 9), (200, 5), (5_000, 10), (20_000, 17)])
def test_who_forges_failures_needs_many_networks(honest, networks):
    assert rows.forged_row(honest).networks >= networks
    assert rows.forged_row(honest, is_new_epoch=True).networks >= min(networks, 9)


@pytest.mark.parametrize("kind", ["even", "changes"])
def test_a_control_that_is_no_different_stops_nothing(kind):
    assert rows.control_nulls(kind, rounds=10, events=600).alarms == 0


def test_a_release_that_is_as_silent_as_those_before_is_left_alone():
    assert rows.silence_rows(0.10, 0.15, 0.0, rounds=20).alarms == 0
    assert rows.silence_rows(0.03, 0.15, 0.20, rounds=5).alarms == 5


@pytest.mark.long
def test_every_bar_of_the_drill_holds_with_a_tenth_of_its_rounds():
    bars = Bars()
    false_alarms(bars, 200)
    costs(bars, 30)
    attempts(bars, BAD)
    forgers(bars)
    control(bars, 200)
    silence(bars, 200)
    assert bars.missed == 0
