"""Who has the token of one region cannot keep the guard from acting on what the other nodes' devices report."""

import sqlite3
from contextlib import closing

import pytest
from stolen_token import FORGED, HOME, NETS, RegionsWorld
from telemetry_lines import APP
from voting_world import NOW_MS, OLD, a_cohort, a_rollout, a_watch, device

from edge.domain.guard_policy import GuardAction, GuardMetric
from edge.domain.guarding.evidence import Verdict
from edge.telemetry.votes.arm_counts import draw

# Where real devices are, for each number of regions; the token of the first region is stolen.
PLACES = {1: [HOME], 2: ["us"], 5: ["us", "ap", "sa", "za"]}
REGIONS = ["eu", "us", "ap", "sa", "za"]


def a_world(folder, regions, watch=None):
    folder.mkdir()
    return RegionsWorld(folder, watch or a_watch(), *REGIONS[:regions])


@pytest.mark.long
@pytest.mark.parametrize("regions", PLACES)
@pytest.mark.parametrize("nets", NETS)
def test_forged_successes_hide_no_real_failures(tmp_path, regions, nets):
    honest = a_world(tmp_path / "honest", regions).failures_until_alarm(PLACES[regions])
    attacked = a_world(tmp_path / "attacked", regions)
    attacked.forge("eu", 2_000, nets)
    assert attacked.judge().verdict is not Verdict.FAILS
    found = attacked.failures_until_alarm(PLACES[regions])
    print(regions, nets, honest, found)
    assert honest <= found <= honest + 6 <= 60
    assert attacked.evidence.reason.startswith("without the reports of eu, ")


def test_a_thief_who_comes_last_hides_them_for_some_failures_more(tmp_path):
    world = a_world(tmp_path / "world", 5)
    for index, node in enumerate(PLACES[5]):
        world.send(node, world.tries(range(5_000 + 10 * index, 5_010 + 10 * index)))
    world.judge()
    world.forge("eu", 2_000, "many networks")
    assert world.failures_until_alarm(PLACES[5]) <= 20
    assert world.tally().nodes.index("eu") == 4


@pytest.mark.long
def test_twenty_thousand_forged_successes_hide_no_more(tmp_path):
    world = a_world(tmp_path / "world", 2)
    world.forge("eu", 20_000)
    assert world.failures_until_alarm(PLACES[2]) <= 16


def test_a_thief_who_goes_on_hides_no_failures_either(tmp_path):
    world = a_world(tmp_path / "world", 2)
    world.send("us", world.tries(range(200), range(20)))
    world.forge("eu", 500)
    assert world.judge().verdict is Verdict.FAILS
    world.forge("eu", 3_000, "many networks")
    assert world.judge(70).verdict is Verdict.FAILS
    world.begin_again()
    assert world.judge(80).verdict is Verdict.FAILS, "a process that reads the rows finds the same"


def test_rows_read_again_are_the_same_counts(tmp_path):
    world = a_world(tmp_path / "world", 5)
    for index, node in enumerate((HOME, *REGIONS)):
        # Networks that several nodes bring, and devices that report elsewhere than where they were offered it.
        offered = range(100 * index, 100 * index + 60)
        world.send(node, [world.checks(offered)])
        elsewhere = (HOME, *REGIONS)[index - 1]
        told = [world.report(n, "set", 5, net=2_000 + n % 40) for n in offered[10:50]]
        world.send(elsewhere, told + [world.report(n, "update_fail", 9, net=2_000 + n % 40) for n in offered[10:20]])
        world.judge()
    before = world.tally()
    assert before.step_without[0].waiting and len(before.tests[0].without) == 5
    world.begin_again()
    world.send(HOME, [world.checks([9_999])])
    world.judge()
    after = world.tally()
    assert after._replace(offered=before.offered) == before._replace(
        step_without=tuple(each._replace(waiting=each.waiting + 1) for each in before.step_without)
    )


def test_without_a_node_is_as_if_it_had_brought_nothing(tmp_path):
    world, other = a_world(tmp_path / "world", 2), a_world(tmp_path / "other", 2)
    for each in (world, other):
        each.send(HOME, each.tries(range(80), range(8), net=lambda n: 1_000 + n % 20))
        each.send("us", each.tries(range(100, 180), range(100, 104), net=lambda n: 1_000 + n % 30))
    world.forge("eu", 300, "networks of others")
    world.send("eu", world.tries(range(200, 300), range(200, 230), net=lambda n: 1_000 + n % 25))
    for each in (world, other):
        each.judge()
    (without,) = [each for each in world.tally().tests[0].without if world.tally().nodes[each.node - 1] == "eu"]
    plain = other.tally().tests[0]
    assert without.tally.whole._replace(networks=()) == plain.whole._replace(networks=())
    assert sorted(without.tally.whole.networks) == sorted(plain.whole.networks)
    assert without.tally.epochs[0].counted._replace(networks=()) == plain.epochs[0].counted._replace(networks=())


def arms(first, number):
    """Devices in the rollout's arm and outside."""
    drawn = {n: draw(APP, a_rollout(), device(n), (), NOW_MS).in_arm for n in range(first, first + number)}
    return [n for n in drawn if drawn[n]], [n for n in drawn if not drawn[n]]


def test_forged_crashes_outside_the_rollout_hide_none_in_it(tmp_path):
    world = a_world(tmp_path / "world", 1, a_watch(metrics=(GuardMetric.CRASH,), versus_control=True))
    inside, outside = arms(0, 200)
    _, forged = arms(FORGED, 2_000)
    for node, devices in ((HOME, inside[:60] + outside[:20]), ("eu", forged)):
        checks = [world.check(n, offered="", cohort=a_cohort("r/rest")) for n in devices]
        world.send(node, checks + [world.report(n, "app_crash", 2, version=OLD, net=1_000 + n) for n in devices])
    evidence = world.judge()
    assert evidence.verdict is Verdict.FAILS and evidence.reason.startswith("without the reports of eu, crash in the")


def test_votes_of_the_schema_before_are_all_of_this_node(tmp_path):
    world = a_world(tmp_path / "world", 2)
    world.send("us", world.tries(range(100), range(5)))
    world.judge()
    before = world.tally().tests[0].whole
    with closing(sqlite3.connect(world.database)) as connection:
        for table in ("votes", "arm_events", "control_starts"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN node")
        connection.execute("PRAGMA user_version = 8")
        connection.commit()
    world.begin_again()
    world.send(HOME, [world.checks([9_999])])
    world.judge(70)
    assert world.tally().tests[0].whole == before and world.tally().tests[0].without == ()
    world.send("us", world.tries(range(200, 300), range(200, 240)))
    assert world.judge(80).verdict is Verdict.FAILS


# The next step.


def waits_of(world, after=60):
    evidence = world.judge(after)
    return "" if evidence.verdict is Verdict.PASSES else evidence.waits


def test_a_step_does_not_go_on_by_the_word_of_one_node(tmp_path):
    world = a_world(tmp_path / "world", 2)
    world.send(HOME, [world.checks(range(400))])
    world.send("us", [world.checks(range(400, 800))])
    world.forge("eu", 2_000, "many networks")
    assert waits_of(world).startswith("waits for what others than eu report: without it, 300 attempts are wanted")
    world.send(HOME, world.tries(range(400)))
    assert waits_of(world, 70) == ""


def test_what_others_see_fail_holds_a_step_though_it_is_little(tmp_path):
    world = a_world(tmp_path / "world", 1)
    world.send(HOME, world.tries(range(30), [1, 2]))
    world.forge("eu", 2_000, "many networks")
    assert waits_of(world).startswith("waits until others than eu speak for it: without it, 2 of 30 attempts failed")


@pytest.mark.parametrize("others", [0, 10, 60])
def test_a_region_with_nearly_all_devices_is_not_kept_waiting(tmp_path, others):
    """Also one behind an origin that has none."""
    world = a_world(tmp_path / "world", 1)
    world.send("eu", world.tries(range(1_000, 1_600)))
    if others:
        world.send(HOME, [world.checks(range(2 * others))])
        world.send(HOME, world.tries(range(others)))
    assert waits_of(world) == ""


def test_a_failing_release_of_a_single_region_is_found(tmp_path):
    world = a_world(tmp_path / "world", 1)
    assert world.failures_until_alarm(["eu"]) <= 16
    assert world.evidence.reason.endswith("the limit is 2 %")


@pytest.mark.parametrize("nodes", [["eu"] * 9 + [HOME], ["eu"] * 8 + ["us", HOME]])
def test_a_region_with_nearly_all_devices_pauses_as_soon(tmp_path, nodes):
    world = a_world(tmp_path / "world", 2)
    assert world.failures_until_alarm(nodes) <= 16


@pytest.mark.parametrize(("net", "alarms"), [(0, True), (7, False)])
def test_a_trusted_network_of_a_region_is_judged_as_one_of_home_is(tmp_path, net, alarms):
    world = a_world(tmp_path / "world", 2)
    world.send("eu", world.tries(range(200), range(40), net=lambda n: net))
    assert (world.judge().verdict is Verdict.FAILS) is alarms


# Failures that are forged.


def test_forged_failures_of_one_node_pause_and_the_reason_says_whose_they_are(tmp_path):
    world = a_world(tmp_path / "world", 2)
    world.send("us", world.tries(range(300)))
    world.forge("eu", 100, "many networks", failing=True)
    evidence = world.judge()
    assert evidence.verdict is Verdict.FAILS
    assert evidence.reason.endswith("the limit is 2 %; what others than eu report does not show it")


def known_first(world, node, numbers):
    """Devices that were heard of two days before the rollout."""
    world.send(node, [world.check(n, -2 * 86_400, offered="") for n in numbers])


def test_one_node_alone_takes_no_release_back(tmp_path):
    watch = a_watch(action=GuardAction.ROLLBACK)
    world = a_world(tmp_path / "world", 2, watch)
    known_first(world, "us", range(100))
    known_first(world, "eu", range(FORGED, FORGED + 100))
    world.judge()
    world.send("us", world.tries(range(100)))
    world.forge("eu", 100, "many networks", failing=True)
    evidence = world.judge(70)
    assert evidence.verdict is Verdict.FAILS and not evidence.rolls_back
    assert [each.rests_on for each in evidence.tests if each.known] == ["eu"]


@pytest.mark.parametrize("places", [["eu"], ["eu", "us"]])
def test_a_release_that_fails_wherever_devices_are_is_taken_back(tmp_path, places):
    world = a_world(tmp_path / "world", 2, a_watch(action=GuardAction.ROLLBACK))
    for index, node in enumerate(places):
        known_first(world, node, range(100 * index, 100 * index + 100))
    world.judge()
    for index, node in enumerate(places):
        world.send(node, world.tries(range(100 * index, 100 * index + 100), range(100 * index, 100 * index + 30)))
    assert world.judge(70).rolls_back


# Places.


def test_forged_offers_take_no_more_than_half_of_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.telemetry.votes.vote_counting.VOTES_LIMIT", 200)
    monkeypatch.setattr("edge.telemetry.votes.vote_counting.VOTES_OF_ONE", 100)
    world = a_world(tmp_path / "world", 1)
    world.send("eu", [world.checks(range(FORGED, FORGED + 500), 0.5)])
    world.judge()
    world.send(HOME, world.tries(range(90), range(20)))
    assert world.judge(70).verdict is Verdict.FAILS
    assert world.tally().offered == 190


def test_forged_offers_leave_room_in_a_nodes_votes(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.telemetry.votes.vote_keeper.VOTES_OF_NODE_LIMIT", 200)
    world = a_world(tmp_path / "world", 1)
    world.send("eu", [world.checks(range(FORGED, FORGED + 500), 0.5)])
    world.judge()
    world.send(HOME, world.tries(range(90), range(20)))
    assert world.judge(70).verdict is Verdict.FAILS


def test_forged_reports_take_no_place_of_those_that_wait_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.telemetry.votes.pending_reports.PENDING_LIMIT", 200)
    world = a_world(tmp_path / "world", 1)
    world.send("eu", [world.report(FORGED + n, "set", 0.5, net=500_000 + n) for n in range(400)])
    world.judge()
    world.send(HOME, [world.report(n, "set", 1) for n in range(100)])
    world.judge(65)
    world.send(HOME, [world.checks(range(100), 2), *(world.report(n, "update_fail", 3) for n in range(20))])
    assert world.judge(70).verdict is Verdict.FAILS
