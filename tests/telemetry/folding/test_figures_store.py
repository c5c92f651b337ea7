"""What a database holds is the sum of its observations, however they are split."""

import sqlite3
from contextlib import closing

import pytest
from figures_world import APP, AT_MS, heard, observation, write_figures
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.statistics.observation import Step
from edge.telemetry.folding.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.folding.sketches import distinct

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

SUMS = """
SELECT period, labels.word, bundles.word, subjects.word, n, total FROM sums_{} AS sums
JOIN words AS labels ON labels.id = grp JOIN words AS bundles ON bundles.id = bundle
JOIN words AS subjects ON subjects.id = subject ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def rows(database, query, *values):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, values).fetchall()


def sums(database, name="hour"):
    return {(bundle, subject): (n, total) for _, _, bundle, subject, n, total in rows(database, SUMS.format(name))}


def test_numbers_add_up_by_minute_hour_and_day(database):
    write_figures(database, [observation(at_ms=AT_MS + HOUR_MS * hour) for hour in (0, 0, 1)])
    write_figures(database, [observation(), observation("delivery:zip:gzip:complete", n=3, value=700.0)])
    for name, periods in (("minute", 2), ("hour", 2), ("day", 1)):
        found = [row for row in rows(database, SUMS.format(name)) if row[3] == "report:set"]
        assert len(found) == periods
        assert sum(row[4] for row in found) == 4
        assert sums(database, name)["1.0.0", "delivery:zip:gzip:complete"] == (3, 700.0)


def test_minutes_know_no_more_than_the_channel(database):
    write_figures(database, [observation(group={"segments": ("a",), "platform": each}) for each in ("ios", "android")])
    assert [row[1] for row in rows(database, SUMS.format("minute"))] == ['["","production",[],"","","device"]']
    assert len(rows(database, SUMS.format("hour"))) == 2


@pytest.mark.parametrize("devices", [1, 900, 40_000])  # where the classic formula is 2 % off
def test_distinct_devices_are_estimated_within_two_percent(database, devices):
    half = [heard(n * 0x9E3779B97F4A7C15 % (1 << 63) - (1 << 62), steps=Step(0), bundle="") for n in range(devices)]
    write_figures(database, half[: devices // 2 + 1])
    write_figures(database, half[devices // 3 :])
    (found,) = rows(database, "SELECT sketch FROM sketches_day")
    assert distinct(found) == pytest.approx(devices, rel=0.02, abs=0.1)


def test_durations_are_counted_in_buckets(database):
    values = [observation("session_end", value=value) for value in (10.0, 10.1, 300.0)]
    write_figures(database, [*values, observation("session_end", n=-1, value=-300.0)])
    assert [row[0] for row in rows(database, "SELECT n FROM histograms_day WHERE n ORDER BY bucket")] == [2]


STEPS = "SELECT bits, offered_min, failed_min, word_first_min, word_last_min FROM steps"


def test_steps_are_joined_and_first_times_kept(database):
    minute = AT_MS // 60_000
    write_figures(database, [observation("step", n=0, device=7, steps=Step.OFFERED, at_ms=AT_MS + 60_000)])
    write_figures(
        database,
        [
            observation("report:update_fail", device=7, steps=Step.FAILED_BOOT, at_ms=AT_MS + 120_000),
            heard(7, at_ms=AT_MS + 180_000),
            heard(7, at_ms=AT_MS + 600_000),
        ],
    )
    bits = Step.OFFERED | Step.FAILED_BOOT | Step.WORD
    assert rows(database, STEPS) == [(bits, minute + 1, minute + 2, minute + 3, minute + 10)]
    assert rows(database, "SELECT word FROM steps JOIN words ON words.id = cause") == [("update_fail",)]


def test_retention_counts_a_device_once_for_each_age(database):
    days = [0, 0, 1, 1, 3, 7, 30, 31]
    write_figures(database, [heard(1, at_ms=AT_MS + day * DAY_MS) for day in days])
    write_figures(database, [heard(1, at_ms=AT_MS + 30 * DAY_MS), heard(2)])
    assert rows(database, "SELECT age, n FROM retention ORDER BY age") == [(0, 2), (1, 1), (7, 1), (30, 1)]


OBSERVATIONS = st.lists(
    st.builds(
        lambda minute, device, bundle, kind: kind(device, at_ms=AT_MS + minute * 60_000, bundle=bundle),
        st.integers(0, 60 * 24 * 40),
        st.integers(1, 3),
        st.sampled_from(["1.0.0", "1.0.1"]),
        st.sampled_from(
            [
                heard,
                lambda device, **of: observation("report:set", device=device, steps=Step.INSTALLED, **of),
                lambda device, **of: observation("step", n=0, device=device, steps=Step.OFFERED, **of),
                lambda device, **of: observation("download", device=device, value=3.5, **of),
            ]
        ),
    ).map(lambda each: each),
    min_size=1,
    max_size=12,
).map(lambda found: sorted(found, key=lambda each: each.at_ms))

ALL = (
    *(SUMS.format(name) for name in ("minute", "hour", "day")),
    "SELECT period, bucket, n FROM histograms_day ORDER BY 1, 2",
    "SELECT key, first_ms, last_ms, bundle_ms, days, word FROM devices JOIN words ON words.id = bundle ORDER BY 1",
    "SELECT key, word, bits, offered_min, failed_min, word_first_min, word_last_min FROM steps"
    " JOIN words ON words.id = bundle ORDER BY 1, 2",
    "SELECT day, age, n FROM retention ORDER BY 1, 2",
)


@pytest.mark.long
@settings(max_examples=40)
@given(OBSERVATIONS, st.integers(0, 12), st.integers(0, 12))
def test_any_split_gives_the_same(tmp_path_factory, found, one, other):
    folder = tmp_path_factory.mktemp("split")
    write_figures(folder / "whole.db", found)
    first, second = sorted((one, other))
    for part in (found[:first], found[first:second], found[second:]):
        write_figures(folder / "parts.db", part)
    for query in ALL:
        assert rows(folder / "parts.db", query) == rows(folder / "whole.db", query)


def test_an_observation_of_no_device_makes_no_row_of_one(database):
    write_figures(database, [observation()])
    assert rows(database, "SELECT count(*) FROM devices") == rows(database, "SELECT count(*) FROM steps") == [(0,)]
    assert rows(database, "SELECT word FROM words WHERE kind = 1") == [(APP,)]


SCHEMA_4 = """
CREATE TABLE counts (
    app TEXT NOT NULL, day INTEGER NOT NULL, bundle TEXT NOT NULL, action TEXT NOT NULL, platform TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (app, day, bundle, action, platform)
) WITHOUT ROWID;
CREATE TABLE apps (app TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (name TEXT PRIMARY KEY, offset INTEGER NOT NULL, finished_ms INTEGER) WITHOUT ROWID;
CREATE TABLE seen (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, owner INTEGER NOT NULL DEFAULT 0);
CREATE INDEX seen_by_time ON seen (received_ms);
CREATE INDEX seen_by_owner ON seen (owner, received_ms);
CREATE TABLE duplicates (app TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE exposed (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, owner INTEGER NOT NULL DEFAULT 0);
CREATE INDEX exposed_by_owner ON exposed (owner, received_ms);
PRAGMA user_version = 4;
"""


def test_a_database_of_the_release_before_keeps_its_counts(database):
    day = AT_MS // DAY_MS
    counts = [("1.0.0", "set", "android", 41), ("1.0.0", "withheld_set_fail", "ios", 2), ("1.0.0", "other", "ios", 1)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(SCHEMA_4)
        connection.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?)", [(APP, day, *each) for each in counts])
        connection.execute("INSERT INTO exposed VALUES (5, 1, 2)")
        connection.execute("INSERT INTO duplicates VALUES (?, 3)", (APP,))
        connection.execute("INSERT INTO totals VALUES ('folded', 44)")
    write_figures(database, [observation()])
    assert [tuple(each) for each in read_counts(database, APP)] == sorted(
        [("1.0.0", "set", "android", 42), *counts[1:]]
    )
    assert sums(database, "day")["1.0.0", "withheld:set_fail"] == (2, 0)
    assert (read_duplicates(database, APP), read_totals(database)) == (3, {"folded": 44})
    assert rows(database, "SELECT key FROM exposed") == [(5,)]
    assert rows(database, "SELECT count(*) FROM sqlite_master WHERE name = 'counts'") == [(0,)]
