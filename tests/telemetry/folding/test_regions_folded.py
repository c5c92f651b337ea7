"""Reports of other nodes in this node's figures: under the region of their node, and for its devices alone."""

import json
import sqlite3
from contextlib import closing

from telemetry_lines import APP, NOW, line, no_sync

from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding import fold as folding
from edge.telemetry.folding.batches import merged_segments
from edge.telemetry.folding.batches.merged_segments import OPEN_LIMIT
from edge.telemetry.folding.batches.segment_origins import SegmentOrigins
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.schema import SCHEMA_NUMBER
from edge.telemetry.folding.words import encode_cohort, parse_cohort
from edge.telemetry.questions.port import By, Where
from edge.telemetry.questions.sqlite_figures import SqliteFigures
from edge.telemetry.spool.segment import SegmentWriter
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count

ORIGINS = SegmentOrigins("home", "eu", {"away": "us", "quiet": ""})


def write(spool, node, *records, worker=0, now=NOW):
    spool.mkdir(exist_ok=True)
    writer = SegmentWriter(spool, node, worker, now=now, sync=no_sync)
    for start in range(0, len(records), 10):
        writer.append(list(records[start : start + 10]))
    writer.seal()


def of_device(device):
    return line().replace(b'"device": "d"', json.dumps(device).join(('"device": ', "")).encode())


def checked(stream, sequence, key, n=1):
    counted = heard_count(Cohort(Group("ios", "production")), "1.0.0", "up_to_date", "", n, key.to_bytes(8, "little"))
    return encode_heard(HeardChecks(stream, sequence, APP, [counted]), NOW)


def heard_by_region(database):
    with closing(open_for_folding(database)) as connection:
        found = SqliteFigures(connection).heard_since(APP, 0, Where(), (By.REGION,))
    return {labels[0]: devices for labels, devices in found}


def test_devices_are_counted_under_the_region_of_the_node_that_they_ask(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    write(spool, "home", of_device("a"), checked("home-0-1", 1, 11))
    write(spool, "away", of_device("b"), checked("away-0-1", 1, 12), checked("away-0-1", 2, 13))
    write(spool, "quiet", of_device("c"))
    write(spool, "unknown", of_device("e"))
    fold(spool, database, now=NOW, origins=ORIGINS)
    assert heard_by_region(database) == {"eu": 2, "us": 3, "": 2}


def test_a_device_that_moves_is_in_its_latest_region(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    write(spool, "home", checked("home-0-1", 1, 11))
    fold(spool, database, now=NOW, origins=ORIGINS)
    write(spool, "away", checked("away-0-1", 1, 11).replace(b"1760000000", b"1760000060"))
    fold(spool, database, now=NOW + 60, origins=ORIGINS)
    assert heard_by_region(database) == {"us": 1}


def test_no_node_goes_on_with_the_stream_of_another_ones_worker(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    write(spool, "away", checked("home-0-1", 1_000, 12, n=5), checked("quiet-0-1", 1_000, 13, n=5))
    fold(spool, database, now=NOW, origins=ORIGINS)
    write(spool, "home", checked("home-0-1", 1, 11, n=3))
    write(spool, "quiet", checked("quiet-0-1", 1, 14, n=3))
    fold(spool, database, now=NOW, origins=ORIGINS)
    totals = read_totals(database)
    assert totals["checks"] == 16 and totals.get("repeated_checks", 0) == 0


def seen_at_first_look(spool, database):
    """The regions with devices that are counted when a fold first lets others look."""
    seen = []
    fold(spool, database, now=NOW, origins=ORIGINS, look=lambda connection: seen.append(heard_by_region(database)))
    return seen[0]


def test_what_a_node_sends_in_bulk_and_dates_back_does_not_go_before_what_others_report(tmp_path, monkeypatch):
    monkeypatch.setattr(merged_segments, "TURN_BYTES", 4096)
    monkeypatch.setattr(folding, "BATCH_BYTES", 32 * 1024)
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    past = [checked("away-0-1", n, n).replace(b"1760000000", b"1750000000") for n in range(1, 1_000)]
    write(spool, "away", *past)
    write(spool, "home", checked("home-0-1", 1, 1_001))
    assert seen_at_first_look(spool, database)["eu"] == 1
    assert heard_by_region(database) == {"eu": 1, "us": 999}  # and all of it is counted in the end


def test_any_number_of_segments_of_a_node_leaves_a_place_for_those_of_others(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    for n in range(1, OPEN_LIMIT + 20):
        write(spool, "away", checked("away-0-1", n, n), now=NOW - 3_600 + n)
    write(spool, "home", checked("home-0-1", 1, 1_001))
    assert seen_at_first_look(spool, database)["eu"] == 1
    assert heard_by_region(database) == {"eu": 1, "us": OPEN_LIMIT + 19}


def test_the_words_of_schema_7_stay_as_they_are(tmp_path):
    """Without a region a cohort is the word that it was, so that no label is there twice."""
    spool, database = tmp_path / "spool", tmp_path / "counts.sqlite"
    before = Cohort(Group("android", "production"), "14", "DE", "8.51.14")
    word = '[["android","production",[],"","","device"],"14","DE","8.51.14"]'
    assert encode_cohort(before) == word and parse_cohort(word) == before
    there = before._replace(region="eu")
    assert parse_cohort(encode_cohort(there)) == there
    write(spool, "home", line())
    fold(spool, database, now=NOW)
    with closing(sqlite3.connect(database)) as connection:
        words = connection.execute("SELECT id, word FROM words ORDER BY id").fetchall()
        connection.execute("PRAGMA user_version = 7")
        connection.commit()
    write(spool, "home", line(), worker=1)
    fold(spool, database, now=NOW)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT id, word FROM words ORDER BY id").fetchall() == words
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)
