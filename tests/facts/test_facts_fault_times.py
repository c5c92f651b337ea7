"""When this node itself failed downloads: how far each word reaches, and that memory has an end."""

import pytest

from edge.domain.attempts import ATTEMPT_SECONDS
from edge.domain.facts import name_hash
from edge.facts import fault_times as module
from edge.facts.changes import Faulted
from edge.facts.fault_times import APP_PREFIXES_LIMIT, BUNDLES_LIMIT, SLACK_SECONDS, FaultTimes

NOW = 1_760_000_000.0
APP, V, HERE = "com.acme.shop", name_hash("1.0.4"), "192.0.2.1"


@pytest.mark.parametrize(
    ("offered_after", "ours"),
    [(-60.0, True), (0.0, True), (SLACK_SECONDS - 0.01, True), (SLACK_SECONDS, False), (60.0, False)],
)
def test_a_fault_excuses_what_was_offered_before_it(offered_after, ours):
    faults = FaultTimes(NOW - 1000)
    faults.note(Faulted(APP, "1.0.4"), NOW)
    assert faults.since(APP, V, HERE, NOW + offered_after) is ours


def test_the_latest_fault_counts():
    faults = FaultTimes(NOW - 1000)
    for at in (NOW, NOW + 100):
        faults.note(Faulted(APP, "1.0.4"), at)
    assert faults.since(APP, V, HERE, NOW + 50)
    assert len(faults) == 1


@pytest.mark.parametrize(("offered_after", "ours"), [(-0.5, True), (0.0, False), (0.5, False)])
def test_what_was_offered_before_the_start_is_excused(offered_after, ours):
    assert FaultTimes(NOW + 0.9).since(APP, V, HERE, NOW + offered_after) is ours


OTHER_APP, W = "com.other.app", name_hash("1.0.5")


def crowd(faults, app, *, prefixes=1, bundles=1, now=NOW, address="2001:db8:{:x}::/64"):
    """Each of the prefixes in another /48, by default."""
    for prefix in range(prefixes):
        for bundle in range(bundles):
            faults.note(Faulted(app, f"2.0.{bundle}", address.format(prefix)), now)


def test_too_many_bundles_at_one_address_excuse_its_others_there_and_nowhere_else():
    faults, crowded = FaultTimes(NOW - 1000), "2001:db8:0::/64"
    crowd(faults, APP, bundles=BUNDLES_LIMIT)
    assert not faults.since(APP, V, crowded, NOW)
    crowd(faults, APP, bundles=BUNDLES_LIMIT + 1)
    assert len(faults) == 1
    assert faults.since(APP, V, crowded, NOW)
    assert not faults.since(APP, V, HERE, NOW) and not faults.since(OTHER_APP, V, crowded, NOW)


def test_too_many_addresses_of_an_app_excuse_that_app_alone(monkeypatch):
    monkeypatch.setattr(module, "APP_PREFIXES_LIMIT", 5)
    faults = FaultTimes(NOW - 1000)
    crowd(faults, APP, prefixes=5)
    assert not faults.since(APP, V, HERE, NOW)
    crowd(faults, APP, prefixes=6)
    assert faults.since(APP, V, HERE, NOW) and len(faults) == 1
    assert not faults.since(OTHER_APP, V, HERE, NOW)


@pytest.mark.parametrize(
    ("address", "own"), [("2001:db8:66:{:x}::/64", "2001:db8:66:ffff::/64"), ("203.0.113.{}", "203.0.113.200")]
)
def test_who_holds_many_addresses_excuses_no_failure_of_anyone_else(monkeypatch, address, own):
    monkeypatch.setattr(module, "APP_PREFIXES_LIMIT", 20)
    faults = FaultTimes(NOW - 1000)
    faults.note(Faulted(APP, "1.0.4", HERE), NOW - 60)
    crowd(faults, APP, prefixes=200, address=address)
    assert faults.since(APP, name_hash("2.0.0"), own, NOW)
    assert not faults.since(APP, name_hash("2.0.0"), HERE, NOW) and not faults.since(APP, V, own, NOW)
    assert faults.since(APP, V, HERE, NOW - 60) and not faults.since(APP, V, HERE, NOW)
    assert len(faults) <= 22


def test_too_many_of_all_apps_excuse_the_one_that_has_the_most(monkeypatch):
    monkeypatch.setattr(module, "PREFIXES_LIMIT", 5)
    faults = FaultTimes(NOW - 1000)
    crowd(faults, APP, prefixes=4)
    faults.note(Faulted(OTHER_APP, "1.0.4", HERE), NOW)
    assert not faults.since(APP, V, HERE, NOW)
    faults.note(Faulted(OTHER_APP, "1.0.4", "192.0.2.2"), NOW)
    assert faults.since(APP, V, HERE, NOW)
    assert faults.since(OTHER_APP, V, HERE, NOW) and not faults.since(OTHER_APP, W, HERE, NOW)


def test_a_flood_of_one_apps_faults_is_bounded_and_excuses_no_other_app():
    faults = FaultTimes(NOW - 1000)
    crowd(faults, APP, prefixes=3 * APP_PREFIXES_LIMIT, bundles=BUNDLES_LIMIT + 1)
    assert len(faults) <= (APP_PREFIXES_LIMIT + 1) * BUNDLES_LIMIT
    assert not faults.since("com.third.app", V, HERE, NOW - 10)


def test_only_the_node_itself_excuses_everything():
    faults = FaultTimes(NOW - 1000)
    faults.note(Faulted(), NOW)
    assert faults.since(APP, V, HERE, NOW) and not faults.since(APP, V, HERE, NOW + SLACK_SECONDS)


def test_old_faults_make_room_first(monkeypatch):
    monkeypatch.setattr(module, "PREFIXES_LIMIT", 5)
    faults = FaultTimes(NOW - 10_000)
    crowd(faults, OTHER_APP, prefixes=5)
    later = NOW + 2 * ATTEMPT_SECONDS + 1
    faults.note(Faulted(APP, "1.0.4", HERE), later)
    assert len(faults) == 1
    assert faults.since(APP, V, HERE, later) and not faults.since(APP, V, "192.0.2.9", later)
