"""Which reports become votes: of devices that were offered the release in this watch, each once, in any order."""

import sqlite3
from contextlib import closing

import pytest
from telemetry_lines import APP, NOW
from voting_world import NEW, NOW_MS, OLD, SEGMENT, VotingWorld, a_cohort, a_rollout, a_watch, device

from edge.domain.guard_policy import GuardAction, GuardMetric
from edge.domain.guarding.judging import judge
from edge.domain.guarding.tally import VoteTally
from edge.telemetry.folding import label_numbers
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.upkeep.erased_rows import erase_rows
from edge.telemetry.votes import vote_counting, vote_keeper
from edge.telemetry.votes.pending_reports import PENDING_LIMIT

DAY = 86_400


@pytest.fixture
def world(tmp_path):
    return VotingWorld(tmp_path, a_watch())


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([], (0, 0)),
        (["set"], (1, 0)),
        (["set", "update_fail"], (1, 1)),
        (["update_fail"], (1, 1)),
        (["set_fail"], (1, 1)),
        (["update_fail", "set"], (1, 1)),
        (["set", "update_fail", "set", "update_fail"], (1, 1)),
        (["unzip_fail"], (0, 0)),
        (["unzip_fail", "set"], (1, 0)),
        (["set", "app_crash"], (1, 0)),
    ],
)
def test_what_a_device_reports_is_one_vote_at_most(world, actions, expected):
    reports = [world.report(1, action, 1 + n, timestamp=NOW_MS + n) for n, action in enumerate(actions)]
    world.fold(world.check(1), *reports)
    assert world.count() == expected
    world.fold(*reports)  # again
    assert world.count() == expected


@pytest.mark.parametrize(
    ("cohort", "offered"),
    [
        (a_cohort("r/rest"), NEW),
        (a_cohort("r/control"), NEW),
        (a_cohort("other/new"), NEW),
        (a_cohort(), OLD),
        (a_cohort(kind="emulator"), NEW),
        (a_cohort(kind="development"), NEW),
        (a_cohort(plugin="4.9.0"), NEW),
    ],
)
def test_who_was_not_offered_it_in_this_rollout_or_cannot_be_told_from_an_emulator_has_no_vote(world, cohort, offered):
    world.fold(world.check(1, cohort=cohort, offered=offered), world.report(1, "set"), world.report(1, "update_fail"))
    world.fold(world.report(2, "update_fail"))
    assert world.count() == (0, 0)


def test_a_plain_publish_counts_who_was_offered_it_since(tmp_path):
    world = VotingWorld(tmp_path, a_watch("plain", plain=True))
    before, after = world.check(1, -5, cohort=a_cohort("")), world.check(2, 5, cohort=a_cohort(""))
    elsewhere = world.check(3, 5, cohort=a_cohort("", channel="beta"))
    world.fold(before, after, elsewhere, *(world.report(n, "set", 9) for n in (1, 2, 3)))
    assert world.count(id="plain") == (1, 0)


def test_a_report_waits_for_the_note_of_its_offer(world):
    world.fold(world.report(1, "set", 1), world.report(1, "update_fail", 2))
    assert world.count() == (0, 0)
    world.begin_again()
    world.fold(world.check(1, 10))
    assert world.count() == (1, 1)


def test_reports_without_an_offer_are_bounded_and_forgotten(world):
    world.fold(*(world.report(n, "set") for n in range(20)))
    assert world.rows("SELECT count(*) FROM votes") == [(20,)]
    world.fold(world.report(99, "app_moved_to_background", 700), after=700)
    assert world.rows("SELECT count(*) FROM votes") == [(0,)]
    assert PENDING_LIMIT > 20


def test_a_clock_that_was_ahead_freezes_nothing(tmp_path):
    ahead = 40 * DAY
    world = VotingWorld(tmp_path, a_watch(since_ms=NOW_MS + ahead * 1000))
    world.fold(world.check(1, ahead), world.report(1, "set", ahead + 1), after=ahead)
    world.fold(world.check(2, 5), world.report(2, "set", 6))  # its count begins again with this fold
    world.fold(world.check(3, 65), world.report(3, "set", 66), after=70)
    assert world.count() == (2, 0)
    (book,) = [book for _, book in world.keeper.books]
    assert book.watch.since_ms <= NOW_MS + 60_000 and len(book.epochs) == 1


def test_a_resume_counts_anew_and_keeps_who_was_offered_and_told_nothing(world):
    world.fold(*(world.check(n) for n in (1, 2, 3)), world.report(1, "set"), world.report(2, "set"))
    assert world.count() == (2, 0)
    resumed = a_watch("r.1", a_rollout(resumed=1, began=NOW_MS / 1000 + 100), since_ms=NOW_MS + 100_000)
    world.watches = (resumed,)
    late, new = world.report(1, "update_fail", 110), world.report(3, "set", 111)
    world.fold(late, new, world.report(3, "update_fail", 112), after=200)
    assert world.count(id="r.1") == (1, 1)
    world.fold(world.report(2, "set", 120), after=200)  # it was offered it before, and told so before
    assert world.count(id="r.1") == (1, 1)
    world.fold(world.check(2, 121), world.report(2, "set", 122), after=200)
    assert world.count(id="r.1") == (2, 1)


def test_what_was_reported_before_a_resume_and_counted_after_it_is_no_vote_of_the_new_watch(world):
    world.fold(world.check(1))
    world.watches = (a_watch("r.1", a_rollout(resumed=1), since_ms=NOW_MS + 100_000),)
    world.fold(world.report(1, "set", 50), world.report(1, "update_fail", 150), after=200)
    assert world.count(id="r.1") == (0, 0)


def test_the_end_of_a_watch_drops_its_votes_and_the_hashes_of_networks(world):
    world.fold(world.check(1), world.report(1, "set"))
    world.watches = ()
    world.fold(world.check(2))
    assert world.rows("SELECT count(*) FROM votes") == [(0,)] and world.keeper.books == []
    assert world.rows("SELECT watch, ended_ms > 0 FROM watches") == [("r.0", 1)]


def test_nothing_is_dropped_while_nobody_knows_what_is_under_guard(world):
    world.fold(world.check(1), world.report(1, "set"))
    watches, world.watches = world.watches, None
    world.begin_again()
    world.fold(world.check(2))
    world.watches = watches
    world.fold(world.check(3))
    assert world.count() == (1, 0)


def test_segments_and_known_devices_are_tests_of_their_own(tmp_path):
    world = VotingWorld(tmp_path, a_watch(segments=(SEGMENT,), action=GuardAction.ROLLBACK))
    world.fold(world.check(1, -2 * DAY, offered="", cohort=a_cohort("")))
    tester = a_cohort(segments=(SEGMENT,))
    world.fold(world.check(1, 0, cohort=tester), world.check(2), world.check(3))
    world.fold(*(world.report(n, "set") for n in (1, 2)), *(world.report(n, "update_fail", 2) for n in (1, 2)))
    (book,) = [book for _, book in world.keeper.books]
    found = {test.name: world.count(n) for n, test in enumerate(book.plan)}
    assert found == {
        "update_fail": (2, 2),
        "update_fail of known devices": (1, 1),
        "update_fail of segment testers": (1, 1),
    }
    world.begin_again()
    world.fold(world.check(9, 3))
    assert {test.name: world.count(n) for n, test in enumerate(book.plan)} == found


def test_another_policy_decides_again_what_counts(world):
    world.fold(world.check(1), world.check(2), world.report(1, "unzip_fail"), world.report(2, "set"))
    assert world.count() == (1, 0)
    world.watches = (a_watch(metrics=(GuardMetric.UPDATE_FAIL, GuardMetric.INSTALL_FAIL)),)
    world.fold(world.check(3))
    assert (world.count(0), world.count(1)) == ((1, 0), (2, 1))


def test_a_network_has_no_more_votes_than_its_share_and_a_trusted_one_has_all(tmp_path):
    world = VotingWorld(tmp_path, a_watch())
    votes = [line for n in range(10) for line in (world.check(n), world.report(n, "update_fail", 1, net=7))]
    world.fold(*votes)
    tally = world.tally()
    assert world.count() == (3, 3)
    assert (tally.attempts, tally.failed, tally.capped, tally.capped_failed) == (10, 10, 7, 7)
    trusted = [line for n in range(20, 30) for line in (world.check(n), world.report(n, "update_fail", 1, net=0))]
    world.fold(*trusted)
    assert world.count() == (13, 13)
    assert [each.network for each in world.tally().tests[0].whole.networks] == [7]


def test_a_capped_vote_stays_so_after_a_restart(world):
    votes = [line for n in range(10) for line in (world.check(n), world.report(n, "set", 1 + n, net=7))]
    world.fold(*votes)
    before = world.tally()
    world.begin_again()
    world.fold(world.check(50, offered=""), world.report(9, "update_fail", 30, net=9))
    after: VoteTally = world.tally()
    assert world.count() == (3, 0)
    assert (after.capped, after.capped_failed) == (before.capped, 1)


def test_events_are_compared_by_bucket_whatever_the_device_runs(tmp_path):
    world = VotingWorld(tmp_path, a_watch(metrics=(GuardMetric.CRASH,), versus_control=True))
    devices = range(200)
    world.fold(*(world.check(n, offered="", cohort=a_cohort("r/rest")) for n in devices))
    world.fold(*(world.report(n, "app_crash", 2, version=OLD) for n in devices))
    world.fold(*(world.report(n, "app_crash", 3, version=OLD) for n in devices))  # each once
    (step,) = world.tally().tests[0].whole.steps
    assert step.share == 0.5 and step.rollout + step.control == 200 and 70 < step.rollout < 130
    before = world.tally().tests
    world.begin_again()
    world.fold(world.check(1, 20, offered=""))
    assert world.tally().tests == before


def test_an_erased_device_has_no_vote(world):
    world.fold(*(world.check(n) for n in (1, 2)), *(world.report(n, "update_fail") for n in (1, 2)))
    with closing(open_for_folding(world.database)) as connection, connection:
        rows, _ = erase_rows(connection, APP, device(1), NOW_MS + 60_000)
    assert rows >= 3 and world.rows("SELECT count(*) FROM votes") == [(1,)]
    world.fold(world.check(3, 20, offered=""))
    assert world.count() == (1, 1)


def test_beyond_its_limit_a_watch_says_that_it_is_full(world, monkeypatch):
    monkeypatch.setattr(vote_counting, "VOTES_LIMIT", 2)
    world.fold(*(world.check(n) for n in range(4)), *(world.report(n, "set") for n in range(4)))
    (book,) = [book for _, book in world.keeper.books]
    assert world.count() == (2, 0) and book.is_full and book.rows == 2


def test_a_batch_that_finds_no_room_on_the_disk_counts_once_when_there_is_some(world, monkeypatch):
    world.fold(world.check(0), world.report(0, "set"))
    lines = [line for n in range(1, 5) for line in (world.check(n), world.report(n, "update_fail"))]

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(vote_counting, "store_votes", full)  # after all is counted in memory
        with pytest.raises(sqlite3.OperationalError, match="full"):
            world.fold(*lines)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            world.fold()
    world.fold(world.check(9, 20, offered=""))
    assert world.count() == (5, 4)
    assert world.tally().offered == 5


def test_ids_that_are_made_up_leave_devices_of_the_release_their_votes(world):
    made_up = [world.check(5_000_000 + n, offered="", cohort=a_cohort("r/rest")) for n in range(20)]
    world.fold(*made_up, devices_limit=20)
    checks = [world.check(n, 61) for n in range(40)]
    told = [world.report(n, "set", 72) for n in range(40)] + [world.report(n, "update_fail", 82) for n in range(10)]
    world.fold(*checks, *told, devices_limit=20, after=120)
    assert world.rows("SELECT count(*) FROM devices") == [(20,)]
    assert world.count() == (40, 10)
    with closing(open_for_folding(world.database)) as connection:
        erase_rows(connection, APP, device(3), NOW_MS)
    assert world.rows("SELECT count(*) FROM votes") == [(39,)]


def test_releases_beyond_how_many_a_node_counts_are_named_until_there_is_room(world, monkeypatch, caplog):
    monkeypatch.setattr(vote_keeper, "WATCHES_LIMIT", 1)
    other = a_watch("s.0", a_rollout(salt="s"))
    world.fold(world.check(1))
    world.watches = (*world.watches, other)
    for after in (61, 62):
        world.fold(world.check(2, after), after=after)
    assert world.keeper.unwatched == 1
    named = [each.getMessage() for each in caplog.records if "s.0" in each.getMessage()]
    assert named == [f"nothing is counted for the guard of {APP}, release s.0: 1 others are on this node, its limit"]
    world.watches = (other,)
    world.fold(world.check(3, 63), after=63)
    world.fold(world.check(4, 64), after=64)
    assert (world.keeper.unwatched, [book.watch.id for _, book in world.keeper.books]) == (0, ["s.0"])
    world.watches = ()
    world.fold(world.check(4, 65), after=65)
    assert world.keeper.unwatched == 0


def judged(world, after=60):
    (book,) = [book for _, book in world.keeper.books]
    at_ms = int((NOW + after) * 1000)
    return judge(APP, book.watch, book.tally(at_ms), at_ms)


@pytest.mark.parametrize("metrics", [("crash", "update_fail"), ("update_fail", "crash"), ("crash",)])
def test_the_figures_are_of_update_fail_in_any_order_of_metrics(tmp_path, metrics):
    world = VotingWorld(tmp_path, a_watch(metrics=tuple(map(GuardMetric, metrics)), versus_control=True))
    sets = [world.report(n, "set", 12) for n in range(300)]
    world.fold(*(world.check(n) for n in range(300)), *sets, *(world.report(n, "update_fail", 22) for n in range(6)))
    found = judged(world)
    assert (found.attempts, found.failed, found.step_attempts) == (300, 6, 300)
    assert [test.metric for test in found.tests] == [*metrics]
    assert "6 of 300 installs failed" in found.reason
    (book,) = [book for _, book in world.keeper.books]
    assert sum(book.cells.values()) == 300
    world.begin_again()
    world.fold(world.check(999, offered=""))
    assert judged(world) == found


def test_installs_of_one_network_are_capped_also_where_the_first_test_is_against_the_control(tmp_path):
    world = VotingWorld(tmp_path, a_watch(metrics=(GuardMetric.CRASH,), versus_control=True))
    world.fold(*(world.check(n) for n in range(500)), *(world.report(n, "set", 2, net=5) for n in range(500)))
    (book,) = [book for _, book in world.keeper.books]
    assert book.settled(NOW_MS + DAY * 1000)[0].installed == 3


@pytest.fixture
def no_labels(monkeypatch):
    """All places of labels are taken."""
    for name in ("GROUPS_LIMIT", "OWN_GROUPS_LIMIT", "NAMED_GROUPS_LIMIT", "FEWER_GROUPS_LIMIT"):
        monkeypatch.setattr(label_numbers, name, 0)


def test_votes_do_not_depend_on_places_for_labels(no_labels, tmp_path):
    world = VotingWorld(tmp_path, a_watch(segments=(SEGMENT,)))
    in_segment = [world.check(n, cohort=a_cohort(segments=(SEGMENT,))) for n in range(20)]
    world.fold(*in_segment, *(world.check(n) for n in range(20, 30)), world.check(40, cohort=a_cohort("r/rest")))
    world.fold(*(world.report(n, "set", 12) for n in range(41)), *(world.report(n, "update_fail", 22) for n in (1, 25)))
    assert (world.count(0), world.count(1)) == ((30, 2), (20, 1))
    refused = world.rows("SELECT n FROM totals WHERE name = 'groups_beyond_limit'")
    assert refused == [(4,)], "three of checks, and one of what reports say"


def test_a_segment_that_the_guard_names_keeps_its_place_among_labels(monkeypatch, tmp_path):
    monkeypatch.setattr(label_numbers, "GROUPS_LIMIT", 0)
    monkeypatch.setattr(label_numbers, "NAMED_GROUPS_LIMIT", 5)
    watch = a_watch(metrics=(GuardMetric.CRASH,), versus_control=True, segments=(SEGMENT,))
    world = VotingWorld(tmp_path, watch)
    world.fold(world.check(99, offered=""))  # from now on the watch is remembered
    both = ("made up", SEGMENT)
    world.fold(*(world.check(n, cohort=a_cohort(segments=both)) for n in range(20)), after=2)
    world.fold(*(world.report(n, "app_crash", 20) for n in range(20)))
    crashed = [sum(sum(each[1:]) for each in test.whole.steps) for test in world.tally().tests]
    assert crashed == [20, 20]


def test_what_a_device_can_tell_is_learned_from_its_reports_where_its_labels_were_refused(tmp_path):
    world = VotingWorld(tmp_path, a_watch(metrics=(GuardMetric.UPDATE_FAIL, GuardMetric.CRASH)))
    unknown = a_cohort(plugin="other", os="other")
    world.fold(*(world.check(n, cohort=unknown) for n in range(5)))
    world.fold(*(world.report(n, "set", 5) for n in range(5)), world.report(1, "app_crash", 20))
    assert world.count(1) == (5, 1)


def test_crashes_of_devices_whose_labels_were_refused_are_compared_with_the_control(tmp_path):
    world = VotingWorld(tmp_path, a_watch(metrics=(GuardMetric.CRASH,), versus_control=True))
    world.fold(*(world.check(n, cohort=a_cohort(plugin="other", os="other")) for n in range(20)), after=2)
    world.fold(*(world.report(n, "app_crash", 20) for n in range(20)))
    (steps,) = world.tally().tests[0].whole.steps
    assert steps.rollout + steps.control == 20
