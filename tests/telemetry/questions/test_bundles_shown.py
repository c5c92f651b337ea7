"""Which bundles an answer lists, and of how many devices their adoption is a share: alike from every database."""

import pytest
from clickhouse_engine import needs_chdb
from figures_stores import STORES
from observed import APP, HOUR_MS, MINUTE_MS, NOON_MS, seen

from edge.domain.statistics.observation import Cohort, Group, Step
from edge.telemetry.questions.app_answers import StatsQuestion
from edge.telemetry.questions.reach_times import ReachQuestion, answer_reach
from edge.telemetry.questions.stats import BUNDLES_SHOWN, answer_stats

UNTIL = NOON_MS + HOUR_MS
UNKNOWN = Cohort(Group("android", "", ()), "14", "", "8.51.14")  # no check was handed over yet


@pytest.fixture(params=["sqlite", pytest.param("clickhouse", marks=needs_chdb)])
def stats(request, tmp_path):
    with STORES[request.param](tmp_path) as add:

        def ask(observations, **asked):
            question = StatsQuestion(app=APP, since_ms=NOON_MS - HOUR_MS, until_ms=UNTIL, **asked)
            figures = add(observations)
            ask.figures = figures
            return answer_stats(figures, question)

        yield ask


def runs(device, bundle, minute=0, **fields):
    return seen(device, bundle=bundle, n=0, steps=Step.WORD, at_ms=NOON_MS + minute * MINUTE_MS, **fields)


def offered(device, bundle, steps=Step.OFFERED, **fields):
    return seen(device, "check:offer", bundle=bundle, steps=steps, **fields)


FAILED = [
    *(runs(device, "1.0.0") for device in (1, 2, 3)),
    *(offered(device, "1.0.1", Step.OFFERED | Step.INSTALLED | Step.FAILED_BOOT) for device in (1, 2, 3)),
]


@pytest.mark.long
@pytest.mark.parametrize("by", ["", "bundle"])
def test_a_bundle_that_failed_everywhere_is_listed_though_nobody_runs_it(stats, by):
    found = stats(FAILED, by=by)
    listed = {each.bundle: (each.running.value, each.release.failed.value) for each in found.bundles}
    assert listed == {"1.0.0": (3, 0), "1.0.1": (0, 3)}
    if by:
        assert [(each.label, each.running.value, each.release.failed.value) for each in found.rows] == [
            ("1.0.0", 3, 0),
            ("1.0.1", 0, 3),
        ]


def test_a_bundle_that_all_have_left_in_the_time_is_listed_with_its_sessions(stats):
    left = [seen(1, "session"), runs(1, "1.0.0"), runs(1, "1.1.0", 5), seen(1, "session", bundle="1.1.0")]
    found = stats(left, by="bundle")
    assert {each.label: each.quality.sessions.value for each in found.rows} == {"1.0.0": 1, "1.1.0": 1}
    assert sum(each.quality.sessions.value for each in found.rows) == found.activity.quality.sessions.value


def test_among_more_bundles_than_are_shown_the_most_offered_is(stats):
    many = [runs(device, f"1.{device}.0") for device in range(10, 10 + BUNDLES_SHOWN + 4)]
    found = stats([*many, *FAILED[3:]])
    assert "1.0.1" in {each.bundle for each in found.bundles}
    assert (len(found.bundles), found.more_bundles) == (BUNDLES_SHOWN, 5)


def test_devices_that_never_said_what_they_run_have_no_states_of_all_bundles(stats):
    found = stats([*FAILED, runs(9, "", cohort=Cohort(Group("web", "", ()), "", "", ""))], by="bundle")
    (unsaid,) = [each for each in found.bundles if not each.bundle]
    (row,) = [each for each in found.rows if not each.label]
    assert (unsaid.running.value, unsaid.release, row.release) == (1, None, None)


def test_no_share_is_above_all(stats):
    """Five that run it have reported, and their checks were not handed over yet."""
    early = [
        *(offered(device, "1.0.2") for device in (1, 2)),
        *(runs(device, "1.0.2", 1) for device in (1, 2)),
        *(runs(device, "1.0.2", 1, cohort=UNKNOWN) for device in (3, 4, 5, 6, 7)),
        runs(8, "1.0.0", 1),
        *(runs(device, "1.0.2", minute) for device in (9, 10) for minute in (1, 3)),
        *(runs(device, "1.0.0", 4, cohort=UNKNOWN) for device in (9, 10)),
    ]
    adoption = stats(early, bundle="1.0.2").report.adoption
    assert (adoption.running.value, adoption.now.of) == (7, 9)  # at most 9 at once
    assert max(each.share for each in adoption.curve) == 1.0
    (reached,) = answer_reach(stats.figures, ReachQuestion(app=APP, until_ms=UNTIL, bundles=["1.0.2"])).bundles
    assert reached.half == NOON_MS // MINUTE_MS + 1


@pytest.mark.long
def test_a_segment_that_devices_entered_after_the_offer_runs_the_bundle_in_its_row_and_on_its_page(stats):
    new = Cohort(Group("android", "production", ("new",)), "14", "DE", "8.51.14")
    bare = Cohort(Group("android", "production", ()), "14", "DE", "8.51.14")
    before = [each for device in (1, 2, 3) for each in (runs(device, "1.0.2", cohort=bare),)]
    history = [offered(1, "1.0.2", cohort=bare), *before, *(runs(device, "1.0.2", 2, cohort=new) for device in (1, 2))]
    rows = {each.label: each for each in stats(history, bundle="1.0.2", by="segment").rows}
    page = stats([], bundle="1.0.2", segment="new").report
    assert rows["new"].running.value == page.adoption.running.value == 2
    assert (page.adoption.first_offer, page.adoption.now.of) == (NOON_MS // 1000, 2)
    assert page.release.offered.value == 0
