"""The database keeps what is recent in detail, what is old as sums, and no more than that."""

import sqlite3
from contextlib import closing

import pytest
from figures_world import AT_MS, heard, observation, write_figures

from edge.domain.statistics.observation import Step
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.upkeep.ageing import DEVICE_DAYS, STEP_BUNDLES, age

DAY_MS = 86_400_000
NOW = AT_MS / 1000


@pytest.fixture
def database(tmp_path):
    return tmp_path / "figures.db"


def aged(database, now=NOW):
    with closing(open_for_folding(database)) as connection:
        return age(connection, now)


def rows(database, table):
    connection = sqlite3.connect(database)
    (n,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    return n


@pytest.mark.parametrize(("table", "kept"), [("sums_minute", 2), ("sums_hour", 90), ("sums_day", 10_000)])
def test_a_sum_stays_as_long_as_it_should_and_no_longer(database, table, kept):
    old, young = AT_MS - (kept + 1) * DAY_MS, AT_MS - (kept - 1) * DAY_MS
    write_figures(database, [observation(at_ms=max(old, 0)), observation(at_ms=max(young, 0))])
    before = rows(database, table)
    aged(database)
    assert rows(database, table) == (before if kept == 10_000 else 1)


def test_distinct_devices_and_durations_by_the_hour_go_with_the_hour_and_stay_by_the_day(database):
    of_old = [heard(7, at_ms=AT_MS - 91 * DAY_MS), observation("download", at_ms=AT_MS - 91 * DAY_MS, value=2.0)]
    write_figures(database, [*of_old, heard(7), observation("download", value=2.0)])
    by_day = rows(database, "sketches_day"), rows(database, "histograms_day")
    aged(database)
    assert (rows(database, "sketches_hour"), rows(database, "histograms_hour")) == (1, 1)
    assert (rows(database, "sketches_day"), rows(database, "histograms_day")) == by_day == (2, 2)


def test_a_device_that_is_not_heard_of_is_forgotten(database):
    write_figures(database, [heard(1, at_ms=AT_MS - (DEVICE_DAYS + 1) * DAY_MS), heard(2)])
    aged(database)
    assert rows(database, "devices") == 1


def test_steps_of_a_bundle_that_nobody_speaks_of_become_numbers_of_devices(database):
    old = AT_MS - 91 * DAY_MS
    write_figures(
        database,
        [
            *(observation("step", device=n, bundle="1.0.0", at_ms=old, n=0, steps=Step.OFFERED) for n in (1, 2)),
            observation("step", device=1, bundle="2.0.0", n=0, steps=Step.OFFERED),
        ],
    )
    report = aged(database)
    assert (report.bundles, rows(database, "steps"), rows(database, "steps_summary")) == (1, 1, 1)
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT bits, n FROM steps_summary").fetchall() == [(int(Step.OFFERED), 2)]
    connection.close()
    assert (aged(database).bundles, rows(database, "steps")) == (0, 1)


def test_an_app_has_the_steps_of_so_many_bundles_the_latest(database):
    offers = [
        observation("step", device=1, bundle=f"1.0.{n}", at_ms=AT_MS - n * 60_000, n=0, steps=Step.OFFERED)
        for n in range(STEP_BUNDLES + 3)
    ]
    write_figures(database, offers)
    assert (aged(database).bundles, rows(database, "steps")) == (3, STEP_BUNDLES)
