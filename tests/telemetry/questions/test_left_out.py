"""What an answer has no room for is counted in it."""

from contextlib import closing

import pytest
from figures_world import APP, AT_MS, heard, observation, write_figures

from edge.domain.statistics.observation import Step
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.questions.app_answers import StatsQuestion
from edge.telemetry.questions.app_use import NAMES_LIMIT
from edge.telemetry.questions.bundle_reports import CHANGES_LIMIT, FAILURES_LIMIT
from edge.telemetry.questions.port import HOUR_MS
from edge.telemetry.questions.sqlite_figures import SqliteFigures
from edge.telemetry.questions.stats import BUNDLES_SHOWN, LABELS_SHOWN, answer_stats


@pytest.fixture
def stats(tmp_path):
    def ask(observations, **asked):
        write_figures(tmp_path / "counts.db", observations)
        with closing(open_for_reading(tmp_path / "counts.db")) as connection:
            question = StatsQuestion(app=APP, since_ms=AT_MS - HOUR_MS, until_ms=AT_MS + HOUR_MS, **asked)
            return answer_stats(SqliteFigures(connection), question)

    return ask


@pytest.mark.parametrize(("count", "more"), [(BUNDLES_SHOWN, 0), (BUNDLES_SHOWN + 3, 3)])
def test_bundles_at_a_glance(stats, count, more):
    found = stats([heard(each, bundle=f"1.0.{each}") for each in range(1, count + 1)])
    assert (len(found.bundles), found.more_bundles) == (BUNDLES_SHOWN, more)


@pytest.mark.parametrize(("count", "more"), [(LABELS_SHOWN, 0), (LABELS_SHOWN + 5, 5)])
@pytest.mark.parametrize("by", ["bundle", "channel"])
def test_rows_by_a_label(stats, by, count, more):
    said = {"bundle": lambda n: {"bundle": f"1.0.{n}"}, "channel": lambda n: {"group": {"channel": f"team-{n}"}}}[by]
    found = stats([heard(each, **said(each)) for each in range(1, count + 1)], by=by)
    assert (len(found.rows), found.more_rows) == (LABELS_SHOWN, more)


def test_rows_by_the_hour_are_whole(stats):
    found = stats([heard(1)], by="hour")
    assert found.rows and found.more_rows == 0


def test_failures_and_changes_of_outcomes_of_a_bundle(stats):
    failed = [
        observation("report:update_fail", device=each, os=f"{each}", steps=Step.OFFERED | Step.FAILED_BOOT)
        for each in range(1, FAILURES_LIMIT + 5)
    ]
    tickets = [
        observation(f"outcome:{name}", device=1, at_ms=AT_MS + 1, group={"segments": (f"s{segment}",)})
        for name in range(25)
        for segment in range(25)
    ]
    report = stats([*failed, *tickets], bundle="1.0.0").report
    assert (len(report.failures), report.more_failures) == (FAILURES_LIMIT, 4)
    places = 25 * 25 + 25  # in each segment, and in all
    assert (len(report.outcome_changes), report.more_outcome_changes) == (CHANGES_LIMIT, places - CHANGES_LIMIT)
    assert report.adoption.first_offer is not None


def test_events_beyond_the_limit_of_names_have_the_last_row(stats):
    named = [observation(f"event:screen:s{each}", device=each) for each in range(1, NAMES_LIMIT + 1)]
    found = stats([*named, *(observation("event:other", device=0) for _ in range(9))])
    last = found.features[-1]
    assert (len(found.features), last.name, last.events.value) == (NAMES_LIMIT + 1, "other", 9)
