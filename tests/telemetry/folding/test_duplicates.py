"""The same report sent again counts once: what makes it the same, for how long, and in how much memory."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from telemetry_lines import APP, DAY, NOW, line, write_segment

from edge.telemetry.folding import duplicates
from edge.telemetry.folding.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.duplicates import KEPT_SECONDS, WINDOW_SECONDS, RememberedKeys
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.schema import SCHEMA_NUMBER
from edge.telemetry.folding.seen_reports import SeenReports
from edge.telemetry.spool.record import parse_record
from edge.wire.actions import EXPERIMENT_OFFER

AT = 1_760_000_000_000


@pytest.fixture
def spool(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def counted(database, app=APP):
    return sum(count.n for count in read_counts(database, app))


@pytest.mark.parametrize(
    ("first", "second", "times"),
    [
        ({"happened_ms": AT}, {"happened_ms": AT}, 1),
        ({}, {}, 2),  # two that do not say when may both have happened
        ({"happened_ms": AT}, {"happened_ms": AT + 1}, 2),
        ({"happened_ms": AT}, {"happened_ms": AT, "action": "reset"}, 2),
        ({"happened_ms": AT}, {"happened_ms": AT, "version": "1.0.1"}, 2),
        ({"happened_ms": AT}, {"happened_ms": AT, "platform": "ios"}, 1),  # what else it says decides nothing
        ({"happened_ms": AT}, {}, 2),
        ({"happened_ms": AT}, {"happened_ms": AT, "received": NOW + WINDOW_SECONDS}, 1),
        ({"happened_ms": AT}, {"happened_ms": AT, "received": NOW + WINDOW_SECONDS + 0.001}, 2),
        ({"happened_ms": AT, "received": NOW + 5}, {"happened_ms": AT}, 1),  # segments are read in no order of time
        ({"happened_ms": AT, "received": NOW + 2 * WINDOW_SECONDS}, {"happened_ms": AT}, 2),
    ],
)
def test_what_counts_once(spool, database, first, second, times):
    write_segment(spool, [line(**first), line(**second)])
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.duplicates) == (times, 2 - times)
    assert (counted(database), read_duplicates(database, APP)) == (times, 2 - times)


def test_another_apps_equal_report_counts(spool, database):
    write_segment(spool, [line(happened_ms=AT), line(app="com.else", happened_ms=AT)])
    fold(spool, database, now=NOW)
    assert (counted(database), counted(database, "com.else")) == (1, 1)


def test_what_came_again_after_the_hour_counts_and_then_once_more_within_it(spool, database):
    times = (0, 0.9, 1.1, 1.9, 2.2)  # hours
    write_segment(spool, [line(happened_ms=AT, received=NOW + hours * WINDOW_SECONDS) for hours in times])
    assert fold(spool, database, now=NOW).duplicates == 2


def test_a_duplicate_is_known_in_another_segment_and_after_a_restart(spool, database):
    write_segment(spool, [line(happened_ms=AT)])
    fold(spool, database, now=NOW)
    write_segment(spool, [line(happened_ms=AT, received=NOW + 60)], worker=1)
    assert fold(spool, database, now=NOW + 60).duplicates == 1
    assert counted(database) == 1


def test_what_nothing_can_repeat_any_more_is_forgotten(spool, database):
    write_segment(spool, [line(happened_ms=AT)])
    fold(spool, database, now=NOW)
    fold(spool, database, now=NOW + KEPT_SECONDS)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (1,)
    fold(spool, database, now=NOW + KEPT_SECONDS + 1)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (0,)


def test_a_backlog_of_days_is_told_apart_too(spool, database):
    write_segment(
        spool, *([line(happened_ms=n, received=NOW + n), line(happened_ms=n, received=NOW + n)] for n in range(9))
    )
    assert fold(spool, database, now=NOW + 3 * DAY).duplicates == 9


def test_beyond_the_limit_the_oldest_are_forgotten_first(spool, database):
    with closing(open_for_folding(database)) as connection:
        exposed = RememberedKeys(connection, 10, table="exposed")
        assert exposed.find_duplicates((key, key, APP) for key in range(15)) == [False] * 15
        assert connection.execute("SELECT min(key), count(*) FROM exposed").fetchone() == (5, 10)
        assert exposed.find_duplicates([(14, 14, APP), (4, 4, APP), (4, 4, APP)]) == [True, False, True]
        assert connection.execute("SELECT min(key), count(*) FROM exposed").fetchone() == (5, 10)
        assert RememberedKeys(connection, 10, table="exposed").find_duplicates([(5, 5, APP)]) == [True]


def noted(seen, keys, app=APP):
    found = [seen.note(key, key, app) for key in keys]
    seen.store()
    return found


def test_beyond_the_limit_the_oldest_reports_are_forgotten_first(database):
    with closing(open_for_folding(database)) as connection:
        seen = SeenReports(connection, limit=10)
        assert noted(seen, range(15)) == [False] * 15
        assert sorted(seen.times) == sorted(SeenReports(connection).times) == list(range(5, 15))
        assert noted(seen, [14, 4, 4]) == [True, False, True]
        assert sorted(SeenReports(connection).times) == sorted(seen.times)
        assert len(seen.times) <= 10
        assert SeenReports(connection, limit=10).note(12, 12, APP)


def test_one_app_drains_nothing_of_what_is_remembered_of_anothers_reports(database):
    with closing(open_for_folding(database)) as connection, connection:
        seen = SeenReports(connection, limit=100)
        noted(seen, range(20), "com.small")
        for first in range(1_000, 6_000, 50):
            noted(seen, range(first, first + 50), "com.flooded")
            assert connection.execute("SELECT sum(n) FROM seen").fetchone()[0] == len(seen.times) <= 100
        assert all(noted(seen, range(20), "com.small"))
        assert noted(seen, [5_999, 1_000], "com.flooded") == [True, False]


def test_no_device_can_make_the_key_of_another_devices_report(database):
    """What a device chooses are words and a time; the part of its id is keyed with what only the database has."""
    parts = []
    for each in (database, database.with_name("other.db")):
        with closing(open_for_folding(each)) as connection, connection:
            seen = SeenReports(connection)
            parts.append({seen.device_part(APP, f"d{n}") for n in range(100)} | {seen.device_part("com.else", "d1")})
    assert [len(each) for each in parts] == [101, 101]
    assert not parts[0] & parts[1]
    with closing(open_for_folding(database)) as connection:  # the secret stays
        assert SeenReports(connection).device_part(APP, "d1") in parts[0]


def test_one_app_drains_nothing_of_anothers_memory(database):
    """However many reports it has: the other's are all remembered."""
    with closing(open_for_folding(database)) as connection, connection:
        seen = RememberedKeys(connection, 100, table="exposed")
        seen.find_duplicates((key, key, "com.small") for key in range(20))
        for first in range(1_000, 6_000, 50):
            seen.find_duplicates((key, key, "com.flooded") for key in range(first, first + 50))
            assert connection.execute("SELECT count(*) FROM exposed").fetchone()[0] <= 100
        assert all(seen.find_duplicates((key, key, "com.small") for key in range(20)))
        assert seen.find_duplicates([(5_999, 5_999, "com.flooded"), (1_000, 1_000, "com.flooded")]) == [True, False]


@pytest.mark.parametrize(
    ("wanted", "room", "shares"),
    [
        ({1: 5, 2: 5}, 20, {1: 5, 2: 5}),
        ({1: 5, 2: 50}, 20, {1: 5, 2: 15}),
        ({1: 50, 2: 50}, 20, {1: 10, 2: 10}),
        ({1: 3, 2: 9, 3: 90}, 20, {1: 3, 2: 8, 3: 9}),
        ({}, 20, {}),
    ],
)
def test_room_is_shared_fairly(wanted, room, shares):
    assert duplicates.share_fairly(wanted, room) == shares


def test_a_fold_keeps_to_the_limit(spool, database, monkeypatch):
    monkeypatch.setattr(SeenReports.__init__, "__defaults__", (100,))
    for worker in range(5):
        write_segment(
            spool, [line(happened_ms=n + 50 * worker, received=NOW + worker) for n in range(80)], worker=worker
        )
        fold(spool, database, now=NOW)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT sum(n) FROM seen").fetchone()[0] <= 100
    totals = read_totals(database)
    assert totals["folded"] + totals["duplicates"] == 400


def test_the_key_is_of_the_event_alone_whenever_it_was_received():
    (now,), (later,) = (parse_record(line(happened_ms=AT, received=received)) for received in (NOW, NOW + 1))
    assert now.key == later.key is not None
    assert -(2**63) <= now.key < 2**63  # what SQLite holds as an integer
    assert [each.key for each in parse_record(line())] == [None]


SCHEMA_1 = """
CREATE TABLE counts (
    app TEXT NOT NULL, day INTEGER NOT NULL, bundle TEXT NOT NULL, action TEXT NOT NULL, platform TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (app, day, bundle, action, platform)
) WITHOUT ROWID;
CREATE TABLE apps (app TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (name TEXT PRIMARY KEY, offset INTEGER NOT NULL, finished_ms INTEGER) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def test_a_database_of_schema_1_is_read_and_goes_on(spool, database):
    """As the release before this one left it: one segment counted, another one half."""
    segment = write_segment(spool, [line()], [line(), line(happened_ms=AT)])
    first_frame = segment.path.with_suffix(".sealed").read_bytes().index(b"\n") + 1 + 8 + len(line())
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(SCHEMA_1)
        day = int(NOW // DAY)
        connection.execute("INSERT INTO counts VALUES (?, ?, '1.0.0', 'set', 'android', 41)", (APP, day))
        connection.execute("INSERT INTO apps VALUES (?)", (APP,))
        connection.execute("INSERT INTO totals VALUES ('folded', 41)")
        connection.execute("INSERT INTO segments VALUES ('gone', 99, 1)")
        connection.execute("INSERT INTO segments VALUES (?, ?, NULL)", (segment.path.stem, first_frame))
    assert read_counts(database, APP) == []  # nothing is guessed at before it is brought up
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.finished) == (2, 1)
    assert counted(database) == 43
    assert read_totals(database)["folded"] == 43
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)
        assert connection.execute("SELECT count(*) FROM segments").fetchone() == (2,)
    write_segment(spool, [line(happened_ms=AT)], worker=1)
    assert fold(spool, database, now=NOW).duplicates == 1


# --- devices of experiments ---


def exposure(device="d1", received=NOW, app=APP, runs="1.0.0", **metadata) -> bytes:
    named = {"experiment": "colours", "id": "change-1", "arm": "control"} | metadata
    event = {"app": app, "action": EXPERIMENT_OFFER, "version": "1.0.1", "platform": "android", "device": device}
    event |= {"old_version": runs, "metadata": named}
    return msgspec.json.encode({"received_ms": int(received * 1000), "event": event})


@pytest.mark.parametrize(
    ("second", "times"),
    [
        ({}, 1),
        ({"received": NOW + 90 * DAY}, 1),
        ({"received": NOW - DAY}, 1),
        ({"runs": "1.0.1"}, 1),
        ({"device": "d2"}, 2),
        ({"app": "com.else"}, 1),  # of this app
        ({"experiment": "sizes"}, 2),
        ({"id": "change-2"}, 2),  # another experiment of that name
    ],
)
def test_a_device_counts_once_in_an_experiment_whenever_it_is_noted(spool, database, second, times):
    write_segment(spool, [exposure()], worker=0)
    write_segment(spool, [exposure(**second)], worker=1)
    for now in (NOW, NOW + KEPT_SECONDS):
        fold(spool, database, now=now)
    write_segment(spool, [exposure()], worker=2, now=NOW + KEPT_SECONDS)
    report = fold(spool, database, now=NOW + KEPT_SECONDS)
    assert (report.folded, report.duplicates) == (0, 1)
    assert counted(database) == times


def test_a_note_of_an_arm_that_says_no_device_is_malformed(spool, database):
    write_segment(spool, [exposure().replace(b'"device"', b'"gadget"')])
    assert fold(spool, database, now=NOW).malformed == 1
