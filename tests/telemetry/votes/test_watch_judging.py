"""What a watch shows after a fold: evidence, a series for charts, breakdowns; kept after the watch is over."""

from contextlib import closing

import msgspec
import pytest
from telemetry_lines import APP, NOW, write_segment
from voting_world import NOW_MS, VotingWorld, a_cohort, a_watch

from edge.assembly.counting.guarded_releases import GuardedReleases
from edge.domain.guarding.evidence import Verdict
from edge.telemetry.folding.batches.merged_segments import OPEN_LIMIT
from edge.telemetry.folding.database import open_for_folding, open_for_reading
from edge.telemetry.votes import vote_keeper
from edge.telemetry.votes.standing import POINTS_LIMIT, STANDING_DAYS, StandingQuestion
from edge.telemetry.votes.watch_judging import forget_watches, read_standing


class JudgedWorld(VotingWorld):
    def begin_again(self):
        self.guarded = GuardedReleases(self.database, lambda app: self.watches)
        return self.guarded.keeper

    def judge(self, after=60):
        self.guarded.judge_all(NOW + after)
        return {each.watch: each for each in self.guarded.take_found()}

    def fold(self, *lines, after=60):
        self.keeper = self.guarded.keeper
        super().fold(*lines, after=after)
        return self.judge(after)

    def standing(self, watch=""):
        with closing(open_for_reading(self.database)) as connection:
            return read_standing(connection, StandingQuestion(APP, "production", watch))


@pytest.fixture
def world(tmp_path):
    return JudgedWorld(tmp_path, a_watch())


def votes_of(world, numbers, *actions, **labels):
    cohort = a_cohort(**labels)
    return [
        line
        for n in numbers
        for line in (world.check(n, cohort=cohort), *(world.report(n, each, 1 + n / 10) for each in actions))
    ]


def test_a_release_that_fails_is_found_and_said_again_until_its_watch_is_over(world):
    assert world.fold(*votes_of(world, range(100), "set")) == {}
    assert world.guarded.acts
    found = world.fold(*votes_of(world, range(100, 140), "set", "update_fail"))
    assert found["r.0"].verdict is Verdict.FAILS and (found["r.0"].attempts, found["r.0"].failed) == (140, 40)
    assert world.judge(70)["r.0"].verdict is Verdict.FAILS
    world.begin_again()
    assert world.judge(80)["r.0"].verdict is Verdict.FAILS
    world.watches = ()
    assert world.judge(90) == {} and not world.guarded.acts


def a_backlog(world, *actions):
    """What sixty devices report, in more segments than are read at once; the later ones are of others."""
    world.begin_again()
    write_segment(world.spool, votes_of(world, range(60), *actions), worker=0)
    for n in range(OPEN_LIMIT):
        write_segment(world.spool, votes_of(world, [100 + n], "set"), worker=1 + n, now=NOW + 1 + n)


def test_a_release_that_fails_is_found_before_a_backlog_is_counted(world):
    a_backlog(world, "set", "update_fail")
    found, attempts = [], []

    def look(connection):
        world.guarded.judge_meanwhile(connection, NOW + 90_000)
        found.extend(world.guarded.take_found())
        attempts.append(found[-1].attempts)

    world.keeper = world.guarded.keeper
    VotingWorld.fold(world, look=look, after=90_000)
    assert [each.verdict for each in found] == [Verdict.FAILS] and attempts[0] < 60 + OPEN_LIMIT
    assert world.guarded.acts and world.standing().evidence == found[0]
    assert world.judge(90_000)["r.0"].attempts == 60 + OPEN_LIMIT


def test_nobody_is_silent_or_well_enough_while_a_backlog_is_counted(world):
    a_backlog(world, "set")
    found = []

    def look(connection):
        world.guarded.judge_meanwhile(connection, NOW + 90_000)
        found.extend(world.guarded.take_found())

    world.keeper = world.guarded.keeper
    VotingWorld.fold(world, look=look, after=90_000)
    assert found == [] and world.standing().evidence is None


def test_a_watch_that_is_paused_is_judged_and_acts_no_more(world):
    world.watches = (a_watch(acts=False),)
    assert world.fold(*votes_of(world, range(60), "set", "update_fail"))["r.0"].verdict is Verdict.FAILS
    assert not world.guarded.acts


def test_a_standing_tells_the_causes_and_who_fails_more_than_others(world):
    world.fold(
        *votes_of(world, range(150), "set"), *votes_of(world, range(200, 260), "set", "update_fail", country="FR")
    )
    standing = world.standing()
    (cause,) = standing.breakdowns["cause"]
    assert (cause.label, cause.failed, cause.attempts) == ("update_fail", 60, 210)
    countries = {row.label: row for row in standing.breakdowns["country"]}
    assert countries["FR"].stands_out and not countries["DE"].stands_out
    assert (countries["DE"].attempts, countries["DE"].failed) == (150, 0)
    point, test = standing.series[-1], standing.evidence.tests[0]
    assert (point.tested, point.tested_failed, point.log_odds) == (test.attempts, test.failed, test.log_odds)
    assert (point.attempts, point.failed) == (210, 60) and point.tested_failed < 60, "two networks less"
    assert {row.label for row in standing.breakdowns["os"]} == {"android 14"}
    assert standing.first_offer_ms == NOW_MS and standing.first_failure_ms == NOW_MS + 21_000
    assert standing.deciding_ms == NOW_MS + 26_900
    assert standing.networks == 210 and len(standing.worst_networks) == 2


def test_a_standing_is_kept_after_its_watch_and_forgotten_in_the_end(world):
    world.fold(*votes_of(world, range(60), "set", "update_fail"))
    kept = world.standing()
    world.watches = ()
    world.judge(100)
    ended = world.standing()
    assert ended == msgspec.structs.replace(kept, ended_ms=NOW_MS + 100_000)
    assert world.rows("SELECT count(*) FROM votes") == [(0,)]
    with closing(open_for_folding(world.database)) as connection, connection:
        assert forget_watches(connection, NOW_MS + STANDING_DAYS * 86_400_000) == 0
        assert forget_watches(connection, NOW_MS + (STANDING_DAYS + 1) * 86_400_000) == 1
    assert world.standing().evidence is None


def test_a_series_has_no_more_points_than_a_chart_shows(world):
    for n in range(2 * POINTS_LIMIT + 10):
        world.fold(world.check(n), world.report(n, "set", n), after=n + 1) if n < 8 else None
    points = world.standing().series
    assert [each.attempts for each in points] == [*range(1, 9)] and points[0].at_ms == NOW_MS + 1_000


def test_devices_that_fall_silent_are_counted_at_equal_ages(world):
    hour = 3_600
    world.fold(*votes_of(world, range(10), "set"))
    world.fold(*(world.report(n, "app_moved_to_background", 600) for n in range(4)), after=700)
    world.fold(world.report(4, "update_fail", 2 * hour), after=3 * hour)  # too late for the first hour
    soon, later = world.standing().silence
    assert (soon.hours, soon.devices, soon.silent) == (1, 10, 6) and later.devices == 0
    world.watches = ()
    world.judge(4 * hour)
    other = a_watch("s.0", since_ms=NOW_MS + 5 * hour * 1000)
    world.watches = (msgspec.structs.replace(other, bundle="1.0.1", rollout=None, channel="production"),)
    world.fold(world.check(50, 5 * hour), after=6 * hour)
    (soon, _) = world.standing("s.0").silence
    assert (soon.earlier_devices, soon.earlier_silent) == (10, 6)


def test_one_host_makes_no_release_silent(world):
    reports = (world.report(n, "set", 1, net=7) for n in range(30))
    world.fold(*(world.check(n) for n in range(30)), *reports, *votes_of(world, range(50, 60), "set"))
    world.fold(world.report(50, "app_moved_to_background", 600), after=3 * 3_600)
    (soon, _) = world.standing().silence
    assert (soon.devices, soon.silent) == (13, 12)


def test_a_release_that_failed_is_no_comparison_for_silence(world):
    hour = 3_600
    world.fold(*votes_of(world, range(60), "set", "update_fail"))
    world.fold(after=3 * hour)
    world.watches = ()
    world.judge(4 * hour)
    later = a_watch("s.0", since_ms=NOW_MS + 5 * hour * 1000)
    world.watches = (msgspec.structs.replace(later, bundle="1.0.1", rollout=None, channel="production"),)
    world.fold(world.check(80, 5 * hour), after=6 * hour)
    (soon, _) = world.standing("s.0").silence
    assert soon.earlier_devices == 0


def test_counts_that_were_damaged_say_that_they_count_anew(world):
    world.fold(*votes_of(world, range(5), "set"))
    world.guarded.begin_again()
    world.database.unlink()
    world.fold()
    assert world.standing().counts_anew and world.standing().evidence.attempts == 5


def test_a_channel_without_a_guard_has_an_empty_standing(world):
    world.watches = ()
    world.fold(*votes_of(world, range(5), "set"))
    assert world.standing().evidence is None


def test_a_channel_whose_release_finds_no_room_is_crowded(world, monkeypatch):
    world.fold(*votes_of(world, range(3), "set"))
    monkeypatch.setattr(vote_keeper, "WATCHES_LIMIT", 1)
    assert not world.standing().crowded
    with closing(open_for_folding(world.database)) as connection:
        assert read_standing(connection, StandingQuestion(APP, "beta")).crowded
