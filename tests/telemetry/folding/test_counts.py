"""Reading counts: by day, in order, and without a hand on the database."""

import sqlite3

import pytest
from telemetry_lines import APP, DAY, NOW, line, write_segment

from edge.telemetry.folding.counts import Count, read_counts, read_totals
from edge.telemetry.folding.database import NewerSchema, open_for_folding, open_for_reading
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.schema import SCHEMA_NUMBER

MIDNIGHT = NOW - NOW % DAY


@pytest.fixture
def database(tmp_path):
    write_segment(
        tmp_path,
        [line(version="2.0.0"), line(action="delete"), line(platform="ios"), line(app="com.else")],
        [line(received=MIDNIGHT - 0.001), line(received=MIDNIGHT)],
    )
    fold(tmp_path, tmp_path / "counts.db", now=NOW)
    return tmp_path / "counts.db"


def test_counts_are_sums_over_days_in_order(database):
    assert read_counts(database, APP) == [
        Count("1.0.0", "delete", "android", 1),
        Count("1.0.0", "set", "android", 2),
        Count("1.0.0", "set", "ios", 1),
        Count("2.0.0", "set", "android", 1),
    ]


@pytest.mark.parametrize(
    "since, total",
    [(None, 5), (0, 5), (MIDNIGHT - 1, 5), (MIDNIGHT, 4), (NOW, 4), (MIDNIGHT + DAY - 0.001, 4), (MIDNIGHT + DAY, 0)],
)
def test_since_reaches_back_to_the_beginning_of_its_day(database, since, total):
    assert sum(count.n for count in read_counts(database, APP, since=since)) == total


def test_an_unknown_app_has_no_counts(database):
    assert read_counts(database, "com.unknown") == []


def test_nothing_folded_is_nothing_to_read_and_makes_no_file(tmp_path):
    assert read_counts(tmp_path / "counts.db", APP) == []
    assert read_totals(tmp_path / "counts.db") == {}
    assert list(tmp_path.iterdir()) == []


def test_a_database_just_being_made_has_no_counts_yet(tmp_path):
    (tmp_path / "counts.db").touch()
    assert read_counts(tmp_path / "counts.db", APP) == []


def test_reading_cannot_write(database):
    connection = open_for_reading(database)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM sums_day")
    connection.close()


def test_reading_waits_for_no_folder(database):
    folding = open_for_folding(database)
    folding.execute("BEGIN IMMEDIATE")
    folding.execute("DELETE FROM sums_day")
    assert sum(count.n for count in read_counts(database, APP)) == 5
    folding.execute("ROLLBACK")
    folding.close()


def test_a_database_of_a_newer_release_is_refused(database):
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA user_version = {SCHEMA_NUMBER + 1}")
    connection.close()
    with pytest.raises(NewerSchema):
        read_counts(database, APP)


def test_paths_with_characters_of_addresses_are_opened(tmp_path):
    odd = tmp_path / "a?b#c%20d"
    odd.mkdir()
    write_segment(odd, [line()])
    fold(odd, odd / "counts.db", now=NOW)
    assert len(read_counts(odd / "counts.db", APP)) == 1
