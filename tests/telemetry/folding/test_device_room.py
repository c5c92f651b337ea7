"""Devices beyond an app's limit count in sums and sketches, and take nothing from those that came before."""

import json
import sqlite3
from contextlib import closing

import pytest
from telemetry_lines import APP, NOW, line, write_segment

from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.counts import read_counts, read_totals
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.device_room import BEYOND
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.sketches import distinct
from edge.telemetry.upkeep.ageing import DEVICE_DAYS, age
from edge.telemetry.upkeep.audit import audit

OTHER_APP = "com.acme.other"
DAY = 86_400.0


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def told(device, *, app=APP, action="app_moved_to_foreground", received=NOW):
    record = json.loads(line(action=action, app=app, received=received))
    record["event"]["device"] = device
    return json.dumps(record).encode()


def count(spool, database, devices, *, limit, worker, received=NOW, app=APP):
    write_segment(spool, [told(device, app=app, received=received) for device in devices], worker=worker)
    names = {APP: {"1.0.0"}, OTHER_APP: {"1.0.0"}}
    return fold(spool, database, now=received, names_of=names.get, devices_limit=limit)


def ask(database, query, *values):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, values).fetchall()


def keys(database):
    return {key for (key,) in ask(database, "SELECT key FROM devices")}


def test_devices_beyond_the_limit_count_in_sums_and_sketches_alone(spool, database):
    report = count(spool, database, [f"d{number}" for number in range(5)], limit=3, worker=0)
    assert report.folded == 5 and len(keys(database)) == 3
    assert [each.n for each in read_counts(database, APP)] == [5]
    heard = "SELECT sketch FROM sketches_day WHERE subject = (SELECT id FROM words WHERE kind = 2 AND word = 'heard')"
    kind = ask(database, "SELECT kind FROM words WHERE word = 'heard'")[0][0]
    assert distinct(sketch for (sketch,) in ask(database, heard.replace("kind = 2", f"kind = {kind}"))) == 5
    assert len(ask(database, "SELECT key FROM behaviour")) == len(ask(database, "SELECT key FROM steps")) == 3
    assert ask(database, "SELECT sum(n) FROM retention WHERE age = 0") == [(3,)]
    assert read_totals(database)[BEYOND] == 2


def test_the_audit_adds_up_with_devices_beyond_the_limit(spool, database):
    count(spool, database, ["a", "b", "c"], limit=1, worker=0)
    found = audit(spool, database)
    (events,) = [each for each in found.kinds if each.kind == "event"]
    assert found.devices_beyond_limit == 2
    assert (found.exact, events.acknowledged, events.counted, events.in_figures) == (True, 3, 3, 3)


def test_many_ids_push_out_neither_known_devices_nor_another_app(spool, database):
    count(spool, database, ["ours"], limit=2, worker=0)
    count(spool, database, [f"forged{number}" for number in range(50)], limit=2, worker=1, received=NOW + 60)
    count(spool, database, ["ours"], limit=2, worker=2, received=NOW + 3_600)
    count(spool, database, ["theirs"], limit=2, worker=3, app=OTHER_APP, received=NOW + 3_600)
    ours, theirs = device_key(APP, "ours"), device_key(OTHER_APP, "theirs")
    assert {ours, theirs} < keys(database) and len(keys(database)) == 3
    assert ask(database, "SELECT last_ms FROM devices WHERE key = ?", ours) == [(int((NOW + 3_600) * 1000),)]


def test_a_device_gets_a_row_once_others_are_forgotten(spool, database):
    count(spool, database, ["old"], limit=1, worker=0)
    later = NOW + (DEVICE_DAYS + 1) * DAY
    with closing(open_for_folding(database)) as connection:
        age(connection, later)
    count(spool, database, ["new"], limit=1, worker=1, received=later)
    assert keys(database) == {device_key(APP, "new")}


def test_rows_that_are_there_before_they_were_limited_are_counted(spool, database):
    count(spool, database, ["a", "b"], limit=9, worker=0)
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("DROP TABLE device_counts; PRAGMA user_version = 5")
    count(spool, database, ["c"], limit=2, worker=1)
    assert keys(database) == {device_key(APP, "a"), device_key(APP, "b")}
