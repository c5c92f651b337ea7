"""What the fold cannot make sense of costs itself, and nothing else: one line, one value of one row."""

import json
import logging
import sqlite3
from contextlib import closing

import pytest
from report_bodies import SENT
from telemetry_lines import APP, NOW, line, report_line, write_segment

from edge.domain.behaviour.daily_counts import NO_SEGMENTS
from edge.telemetry.behaviour.damaged_rows import DAMAGED_ROWS
from edge.telemetry.folding.batches.gathering import LAST_MS
from edge.telemetry.folding.batches.poisoned_lines import ALONE_LIMIT, SuspectLine, find_poisoned
from edge.telemetry.folding.counts import read_counts, read_totals
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.worker_records import COUNT_LIMIT
from edge.telemetry.upkeep.audit import audit

BAD_APP = "com.poisoned"


@pytest.fixture
def spool(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def counted(database, app=APP):
    return sum(each.n for each in read_counts(database, app))


def no_poison(app):
    """Names of bundles, which cannot be had for one app: as with any bug that one app's lines meet."""
    if app == BAD_APP:
        raise KeyError(app)
    return


def test_a_line_that_fails_is_malformed_and_all_beside_it_count(spool, database, caplog):
    bad = line(app=BAD_APP)
    write_segment(spool, [line(), bad, line(), line()], [line()] * 7, [line(), bad])
    write_segment(spool, [line()], worker=1)
    with caplog.at_level(logging.ERROR):
        report = fold(spool, database, now=NOW, names_of=no_poison)
    assert (report.folded, report.malformed, report.finished) == (12, 2, 2)
    assert counted(database) == 12
    assert "Traceback" in caplog.text and "line 2 of the frame" in caplog.text
    found = audit(spool, database)
    assert found.exact and {each.kind: each.dropped for each in found.kinds}["event"] == {"malformed": 2}
    write_segment(spool, [line()], worker=2)
    assert fold(spool, database, now=NOW, names_of=no_poison).folded == 1


def test_what_fails_whatever_is_read_is_no_lines_fault(spool, database):
    def broken(app):
        raise KeyError(app)

    write_segment(spool, [line()] * (ALONE_LIMIT + 1))
    for _ in range(2):
        with pytest.raises(KeyError):
            fold(spool, database, now=NOW, names_of=broken)
    assert fold(spool, database, now=NOW).folded == ALONE_LIMIT + 1


def test_a_batch_of_bad_lines_alone_stops_nothing(spool, database):
    write_segment(spool, [line(app=BAD_APP)] * (ALONE_LIMIT + 1))
    report = fold(spool, database, now=NOW, names_of=no_poison)
    assert (report.folded, report.malformed, report.finished) == (0, ALONE_LIMIT + 1, 1)


def heard_line(sequence, counts, n):
    entry = {"group": {}, "code": "up_to_date", "n": n}
    heard = {"stream": "n-0-1", "sequence": sequence, "app": APP, "of": [entry] * counts}
    return json.dumps({"received_ms": int(NOW * 1000), "heard": heard}).encode()


TOO_MUCH = {
    "counts in a line": [heard_line(1, 1_100, 2**53 - 1)],
    "counts in lines": [heard_line(number, 1, 2**53 - 1) for number in range(1, 1_100)],
    "counts within the limit": [heard_line(number, 1_100, COUNT_LIMIT - 1) for number in range(1, 30)],
    "values": [
        json.dumps({"received_ms": int(NOW * 1000), "outcomes": {"app": APP, "of": [outcome]}}).encode()
        for outcome in (
            {"name": "paid", "id": str(number), "at_ms": int(NOW * 1000), "custom_id": "c", "value": value}
            for number, value in enumerate([1.7e308] * 3 + [-1.7e308] * 30)
        )
    ],
    "times": [line(happened_ms=at) for at in [10**30, -(10**30), 2**63, -(2**63)] * ALONE_LIMIT],
}


@pytest.mark.parametrize("lines", TOO_MUCH.values(), ids=TOO_MUCH)
def test_numbers_that_no_node_writes_stop_nothing(spool, database, lines, caplog):
    write_segment(spool, lines)
    with caplog.at_level(logging.ERROR):
        fold(spool, database, now=NOW)
    write_segment(spool, [line()], worker=1)
    assert fold(spool, database, now=NOW).folded == 1
    assert "Traceback" not in caplog.text


def test_of_lines_that_fail_only_together_those_of_one_segment_are_left_out():
    honest = [SuspectLine("a", 1, number, b"") for number in range(50)]
    forged = [SuspectLine("b", 1, number, b"") for number in range(50)]
    assert find_poisoned([*honest, *forged], lambda some: sum(each.segment == "b" for each in some) > 30) == forged


def test_lines_are_found_by_halving_and_none_if_even_nothing_fails():
    lines = [SuspectLine("s", 1, number, b"") for number in range(1000)]
    bad = {3, 500, 999}
    found = find_poisoned(lines, lambda some: any(each.number in bad for each in some))
    assert {each.number for each in found} == bad
    assert find_poisoned(lines, lambda some: True) == []


@pytest.mark.parametrize("at", [3600.0, (LAST_MS + 1) / 1000, 5_690_000_000.0, 253_000_000_000.0, 9_000_000_000_000.0])
def test_a_time_that_no_day_has_counts_and_stops_nothing(spool, database, at):
    write_segment(spool, [report_line(SENT | {"timestamp": 1}, received=at), line()], [line()])
    assert fold(spool, database, now=NOW).folded == 3
    write_segment(spool, [report_line(SENT | {"timestamp": 2}, received=NOW)], worker=1)
    assert fold(spool, database, now=NOW).folded == 1
    assert audit(spool, database).exact


@pytest.mark.parametrize("now", [5_690_000_000.0, 253_000_000_000.0])
def test_a_node_whose_clock_is_beyond_all_days_counts(spool, database, now):
    write_segment(spool, [report_line(SENT, received=now)])
    assert fold(spool, database, now=now).folded == 1


DAMAGES = {
    "a sketch, another byte": "UPDATE sketches_hour SET sketch = x'00ff' || substr(sketch, 3)",
    "a sketch, a text": "UPDATE sketches_day SET sketch = CAST(x'ff00' AS TEXT)",
    "a device": "UPDATE devices SET state = x'0101'",
    "a device, a text": "UPDATE devices SET state = CAST(x'ffff' AS TEXT)",
    "a step": "UPDATE steps SET state = x'01'",
    "labels": "UPDATE words SET word = '[[x' WHERE kind = 5",
    "use": "UPDATE behaviour SET seconds = x'01'",
    "a judgement": "UPDATE behaviour SET judgement = x'01', judged_day = 1",
    "known reports": "UPDATE seen SET keys = x'010203'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_value_that_nobody_can_read_begins_anew_alone(spool, database, damage, caplog):
    names = {"names_of": lambda app: frozenset({"1.0.4"}), "judging_of": lambda app: NO_SEGMENTS}
    write_segment(spool, [report_line(SENT | {"timestamp": 1}, received=NOW)])
    fold(spool, database, now=NOW, **names)
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(damage).rowcount > 0
    write_segment(spool, [report_line(SENT | {"timestamp": 2}, received=NOW + 1)], worker=1)
    with caplog.at_level(logging.ERROR):
        report = fold(spool, database, now=NOW + 1, **names)
    assert (report.folded, report.malformed) == (1, 0)
    assert "cannot be read" in caplog.text and "Traceback" not in caplog.text
    assert read_totals(database)[DAMAGED_ROWS] >= 1 and counted(database) == 2
