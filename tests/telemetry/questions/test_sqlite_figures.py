"""Every question of the port, asked of a database of known observations."""

from contextlib import closing

import pytest
from figures_world import APP, AT_MS, heard, observation, write_figures

from edge.domain.errors import Invalid
from edge.domain.statistics.histogram import bucket_of
from edge.domain.statistics.observation import Step
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.questions import port
from edge.telemetry.questions.port import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    By,
    FailureCount,
    Firsts,
    Heard,
    Reached,
    Rollup,
    TimeSpan,
    TooManyFigures,
    Turn,
    Where,
)
from edge.telemetry.questions.sqlite_figures import SqliteFigures, empty_database

ANY = Where()
DAY = TimeSpan(AT_MS - DAY_MS, AT_MS + DAY_MS, Rollup.DAY)
HOURS = TimeSpan(AT_MS - HOUR_MS, AT_MS + 3 * HOUR_MS)
MINUTE = AT_MS // MINUTE_MS


@pytest.fixture
def ask(tmp_path):
    """The figures of some observations."""
    database = tmp_path / "counts.db"
    opened = []

    def figures(*observations):
        write_figures(database, observations)
        connection = open_for_reading(database)
        opened.append(connection)
        return SqliteFigures(connection)

    yield figures
    for connection in opened:
        connection.close()


def step(device, steps, subject="step", **changes):
    return observation(subject, **({"n": 0, "device": device, "steps": steps} | changes))


def test_sums_are_under_the_labels_that_are_asked_for(ask):
    figures = ask(
        observation("report:set", n=2),
        observation("report:set", n=3, group={"platform": "ios"}),
        observation("report:update_fail", bundle="1.1.0"),
        observation("session", n=7),
    )
    assert figures.sums(APP, ("report:*",), HOURS, ANY, ()) == [((), 0, 6, 0.0)]
    assert figures.sums(APP, ("report:*",), HOURS, ANY, (By.PLATFORM, By.SUBJECT)) == [
        (("android", "report:set"), 0, 2, 0.0),
        (("android", "report:update_fail"), 0, 1, 0.0),
        (("ios", "report:set"), 0, 3, 0.0),
    ]
    assert figures.sums(APP, ("report:set",), HOURS, ANY, (By.BUNDLE,)) == [(("1.0.0",), 0, 5, 0.0)]
    assert figures.sums(APP, ("report:*",), HOURS, Where(bundle="1.1.0"), ()) == [((), 0, 1, 0.0)]
    assert figures.sums(APP, ("report:*",), HOURS, Where(platform="ios"), ()) == [((), 0, 3, 0.0)]


def test_a_device_in_two_segments_is_in_both_rows_and_once_in_all(ask):
    figures = ask(
        observation("session", n=1, group={"segments": ("power", "vip")}),
        observation("session", n=2, group={"segments": ("vip",)}),
        observation("session", n=4),
    )
    rows = figures.sums(APP, ("session",), HOURS, ANY, (By.SEGMENT,))
    assert [(each.labels[0], each.n) for each in rows] == [("", 4), ("power", 1), ("vip", 3)]
    assert figures.sums(APP, ("session",), HOURS, Where(segment="vip"), ())[0].n == 3
    assert figures.sums(APP, ("session",), HOURS, ANY, ())[0].n == 7


def test_emulators_are_counted_only_where_they_are_asked_for(ask):
    figures = ask(observation("session", n=1), observation("session", n=5, group={"kind": "emulator"}))
    assert figures.sums(APP, ("session",), HOURS, ANY, ())[0].n == 1
    assert figures.sums(APP, ("session",), HOURS, Where(kind=""), ())[0].n == 6
    assert figures.sums(APP, ("session",), HOURS, Where(kind=""), (By.KIND,))[1].labels == ("emulator",)


@pytest.mark.parametrize("rollup", list(Rollup))
def test_periods_come_one_by_one_or_together(ask, rollup):
    later = rollup.value
    figures = ask(observation("session", value=1.5), observation("session", n=2, at_ms=AT_MS + later))
    span = TimeSpan(AT_MS, AT_MS + later + 1, rollup)
    begins = AT_MS // rollup.value * rollup.value
    rows = figures.sums(APP, ("session",), span, ANY, (), each=True)
    assert rows == [((), begins, 1, 1.5), ((), begins + later, 2, 0.0)]
    assert figures.sums(APP, ("session",), span, ANY, ()) == [((), 0, 3, 1.5)]
    assert figures.sums(APP, ("session",), TimeSpan(AT_MS - later, begins, rollup), ANY, ()) == []


def test_a_device_is_one_in_however_many_hours_and_bundles(ask):
    figures = ask(
        heard("a"), heard("b"), heard("a", at_ms=AT_MS + HOUR_MS), heard("a", bundle="1.1.0", at_ms=AT_MS + HOUR_MS)
    )
    assert figures.devices(APP, ("heard",), HOURS, ANY, ()) == [((), 0, 2)]
    assert figures.devices(APP, ("heard",), HOURS, ANY, (By.BUNDLE,)) == [(("1.0.0",), 0, 2), (("1.1.0",), 0, 1)]
    hours = figures.devices(APP, ("heard",), HOURS, ANY, (), each=True)
    assert [each.devices for each in hours] == [2, 1]
    assert figures.devices(APP, ("heard",), DAY, ANY, ())[0].devices == 2


def test_durations_come_as_buckets(ask):
    figures = ask(*(observation("session_end", value=value) for value in (10.0, 10.1, 300.0)))
    ((labels, buckets),) = figures.durations(APP, "session_end", HOURS, ANY, ())
    assert labels == () and buckets == {bucket_of(10.0): 2, bucket_of(300.0): 1}
    assert figures.durations(APP, "session_end", DAY, ANY, (By.PLATFORM,))[0].labels == ("android",)


def test_what_is_not_kept_by_the_minute_or_of_counts_is_refused_by_name(ask):
    figures, minutes = ask(observation("session")), TimeSpan(AT_MS, AT_MS + 1, Rollup.MINUTE)
    with pytest.raises(Invalid, match="minute"):
        figures.devices(APP, ("heard",), minutes, ANY, ())
    with pytest.raises(Invalid, match="minute"):
        figures.durations(APP, "session_end", minutes, ANY, ())
    with pytest.raises(Invalid, match="country"):
        figures.sums(APP, ("session",), HOURS, ANY, (By.COUNTRY,))
    with pytest.raises(Invalid, match="subject"):
        figures.steps(APP, "1.0.0", ANY, (By.SUBJECT,))


OFFERED = Step.OFFERED


def test_steps_count_each_device_once_by_all_that_it_did(ask):
    figures = ask(
        step("a", OFFERED, os="14", country="DE"),
        step("a", Step.DOWNLOADED | Step.INSTALLED, "report:set", os="14", country="DE"),
        step("b", OFFERED, os="13", country="DE"),
        step("c", OFFERED, os="13", country="FR", bundle="1.1.0"),
    )
    all_of_a = OFFERED | Step.DOWNLOADED | Step.INSTALLED
    assert figures.steps(APP, "1.0.0", ANY, ()) == [Reached((), OFFERED, 1), Reached((), all_of_a, 1)]
    by_os = figures.steps(APP, "1.0.0", ANY, (By.OS, By.COUNTRY))
    assert [(each.labels, each.devices) for each in by_os] == [(("13", "DE"), 1), (("14", "DE"), 1)]
    assert figures.steps(APP, "9.9.9", ANY, ()) == []


def test_failures_come_by_their_first_cause_the_most_frequent_first(ask):
    failed = Step.FAILED_BOOT
    figures = ask(
        *(step(device, failed, "report:update_fail", n=1, os="14") for device in "ab"),
        step("c", Step.FAILED_INSTALL, "report:checksum_fail", n=1, os="13"),
        step("d", OFFERED),
    )
    assert figures.causes(APP, "1.0.0", ANY, (By.OS,)) == [
        FailureCount(("14",), "update_fail", 2),
        FailureCount(("13",), "checksum_fail", 1),
    ]


def test_words_begin_and_end_by_the_minute(ask):
    figures = ask(
        heard("a"),
        heard("b"),
        heard("b", at_ms=AT_MS + 5 * MINUTE_MS),
        heard("b", bundle="1.1.0", at_ms=AT_MS + 9 * MINUTE_MS),
    )
    assert figures.words(APP, "1.0.0", ANY) == [Turn(MINUTE, 2, 0), Turn(MINUTE + 5, 0, 1)]
    assert figures.words(APP, "1.1.0", ANY) == [Turn(MINUTE + 9, 1, 0)]


def test_firsts_are_the_least_of_all_devices(ask):
    figures = ask(
        step("a", OFFERED, at_ms=AT_MS + 2 * MINUTE_MS),
        step("b", OFFERED),
        step("b", Step.FAILED_BOOT, "report:update_fail", at_ms=AT_MS + 7 * MINUTE_MS),
        step("a", Step.FAILED_BOOT, "report:update_fail", at_ms=AT_MS + 4 * MINUTE_MS),
        heard("c", bundle="0.9.0"),
    )
    assert figures.firsts(APP, "1.0.0", ANY) == Firsts(MINUTE, MINUTE + 4)
    assert figures.firsts(APP, "0.9.0", ANY) == Firsts(None, None)
    assert figures.firsts(APP, "1.0.0", Where(channel="beta")) == Firsts(None, None)


def test_who_was_heard_of_is_counted_by_latest_labels_and_bundle(ask):
    figures = ask(
        heard("a", at_ms=AT_MS - DAY_MS, country="DE"),
        heard("b", country="DE"),
        heard("b", at_ms=AT_MS + HOUR_MS, country="FR", bundle="1.1.0"),
    )
    assert figures.heard_since(APP, 0, ANY, ()) == [Heard((), 2)]
    assert figures.heard_since(APP, AT_MS, ANY, (By.COUNTRY,)) == [Heard(("FR",), 1)]
    assert figures.heard_since(APP, 0, ANY, (By.BUNDLE,)) == [Heard(("1.0.0",), 1), Heard(("1.1.0",), 1)]
    assert figures.heard_since(APP, 0, Where(bundle="1.1.0"), ()) == [Heard((), 1)]


def test_retention_has_a_row_for_each_first_day_and_age(ask):
    figures = ask(heard("a"), heard("b"), heard("a", at_ms=AT_MS + DAY_MS), heard("b", at_ms=AT_MS + 7 * DAY_MS))
    today, span = AT_MS // DAY_MS, TimeSpan(AT_MS - DAY_MS, AT_MS + DAY_MS)
    assert figures.retention(APP, span, ANY, ()) == [((), today, 0, 2), ((), today, 1, 1), ((), today, 7, 1)]
    assert figures.retention(APP, span, Where(platform="ios"), ()) == []
    assert figures.retention(APP, TimeSpan(0, AT_MS - DAY_MS), ANY, ()) == []


def test_apps_do_not_see_each_other(ask):
    figures = ask(observation("session"), observation("session", app="com.acme.other", n=9))
    assert figures.sums(APP, ("session",), HOURS, ANY, ())[0].n == 1
    for unknown in ("com.acme.none", ""):
        assert figures.sums(unknown, ("*",), HOURS, ANY, ()) == []
        assert figures.steps(unknown, "1.0.0", ANY, ()) == figures.heard_since(unknown, 0, ANY, ()) == []
        assert figures.retention(unknown, HOURS, ANY, ()) == figures.words(unknown, "1.0.0", ANY) == []


def test_nothing_is_asked_of_a_node_that_counted_nothing():
    with closing(empty_database()) as connection:
        figures = SqliteFigures(connection)
        assert figures.sums(APP, ("*",), HOURS, ANY, ()) == [] and figures.totals() == {}


def test_an_answer_that_is_too_long_is_refused_whole(ask):
    figures = ask(*(heard(f"d{at}", country=f"{at:03}") for at in range(30)))
    assert len(figures.heard_since(APP, 0, ANY, (By.COUNTRY,))) == 30
    countries = [observation(f"event:feature:f{at}") for at in range(port.ROWS_LIMIT // 1000)]
    hours = [each._replace(at_ms=AT_MS - hour * HOUR_MS, device=0) for each in countries for hour in range(1001)]
    figures = ask(*hours)
    long = TimeSpan(AT_MS - 1001 * HOUR_MS, AT_MS + HOUR_MS)
    with pytest.raises(TooManyFigures, match="shorter time"):
        figures.sums(APP, ("event:*",), long, ANY, (By.SUBJECT,), each=True)
    assert len(figures.sums(APP, ("event:*",), long, ANY, (By.SUBJECT,))) == 20


def test_too_many_subjects_are_refused(ask):
    with pytest.raises(Invalid, match="subjects"):
        ask(observation()).sums(APP, ("a",) * (port.SUBJECTS_LIMIT + 1), HOURS, ANY, ())
