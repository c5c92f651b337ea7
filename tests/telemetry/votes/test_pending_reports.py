"""Reports that come before the note of their check: nobody takes another's place, and what is lost is lost whole."""

import pytest
from voting_world import VotingWorld, a_watch

from edge.domain.guard_policy import GuardMetric
from edge.domain.guarding.networks import TRUSTED_NETWORK
from edge.telemetry.votes import pending_reports
from edge.telemetry.votes.pending_reports import PENDING_MS, PENDING_OF_NETWORK, PendingReports


@pytest.fixture
def world(tmp_path):
    return VotingWorld(tmp_path, a_watch())


@pytest.fixture
def few_places(monkeypatch):
    monkeypatch.setattr(pending_reports, "PENDING_LIMIT", 6)
    monkeypatch.setattr(pending_reports, "PENDING_OF_NETWORK", 5)


def held(pending, keys):
    return [key for key in keys if key in pending]


def test_the_network_that_holds_most_gives_up_its_latest(few_places):
    pending = PendingReports()
    for key, net in ((1, 5), (2, 5), (3, 5), (4, 5), (5, 9), (6, 9)):
        assert pending.has_room(net) and pending.make_room() is None
        pending.add(key, 1, net)
    assert pending.has_room(8) and pending.make_room() == 4
    pending.add(7, 1, 8)
    assert not pending.has_room(5), "it would take what it gives up"
    assert held(pending, range(1, 8)) == [1, 2, 3, 5, 6, 7]
    assert pending.beyond(PENDING_MS) == [] and len(pending.beyond(PENDING_MS + 1)) == 6
    for key in range(1, 8):
        pending.drop(key)
    assert len(pending) == 0 and pending.has_room(5)


def test_a_network_has_few_places_and_a_trusted_one_many():
    pending = PendingReports()
    for key in range(PENDING_OF_NETWORK):
        pending.add(key, 1, 5)
    assert not pending.has_room(5) and pending.has_room(6)
    for key in range(1_000, 1_500):
        pending.add(key, 1, TRUSTED_NETWORK)
    assert pending.has_room(TRUSTED_NETWORK)


def flood(world, n=300, net=5):
    return [world.report(1_000_000 + each, "set", 0.5, net=net) for each in range(n)]


def test_forged_reports_of_one_network_take_no_vote_of_others(few_places, world):
    """With all places taken, honest `set`s that come before their check's note would be lost, their failures not."""
    world.fold(*flood(world), after=1)
    for first in range(0, 40, 4):
        devices = range(first, first + 4)
        world.fold(*(world.report(n, "set", 1 + first) for n in devices), after=2 + first)
        world.fold(*(world.check(n, 3 + first) for n in devices), after=4 + first)
    world.fold(world.report(7, "update_fail", 50))
    assert world.count() == (40, 1)


@pytest.mark.parametrize(("metric", "failure"), [("update_fail", "update_fail"), ("install_fail", "checksum_fail")])
@pytest.mark.parametrize("again", [False, True])
def test_who_found_no_place_has_no_vote_whatever_follows(monkeypatch, tmp_path, metric, failure, again):
    monkeypatch.setattr(pending_reports, "PENDING_OF_NETWORK", 1)
    world = VotingWorld(tmp_path, a_watch(metrics=(GuardMetric(metric),)))
    early, late = ("set", failure) if metric == "update_fail" else (failure, "set")
    world.fold(*(world.report(n, early, 1, net=7) for n in (1, 2)), after=2)
    if again:  # a second one that finds a place, while the first did not
        world.fold(world.report(2, late, 2, net=8), after=3)
    world.fold(world.check(1, 4), world.check(2, 4), after=5)
    world.fold(*(world.report(n, late, 6, net=7) for n in (1, 2)), after=10)
    assert world.count() == (1, 1)
    (book,) = [book for _, book in world.keeper.books]
    assert (book.offered, book.lost) == (2, 1)
    world.begin_again()
    world.fold(world.check(9, 20, offered=""))
    (book,) = [book for _, book in world.keeper.books]
    assert (book.offered, book.lost, world.count()) == (2, 1, (1, 1))


def test_who_lost_its_place_to_another_network_has_no_vote(few_places, world):
    world.fold(*(world.report(n, "set", 1, net=5) for n in range(5)), after=2)
    world.fold(world.report(20, "set", 3), world.report(21, "set", 3), world.report(22, "set", 3), after=4)
    world.fold(*(world.check(n, 5) for n in (3, 4, 20, 21, 22)), after=6)
    world.fold(*(world.report(n, "update_fail", 8, net=1_000 + n) for n in (3, 4, 20)))
    assert world.count() == (3, 1)
