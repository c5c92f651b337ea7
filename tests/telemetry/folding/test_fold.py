"""Folding: each record counts once, under bounded labels, whatever interrupts it."""

import os
import shutil
import signal
import sqlite3
import sys

import pytest
from report_bodies import DEVICE, SENT, body_of
from telemetry_lines import APP, DAY, NOW, line, report_line, write_segment

from edge.telemetry.folding import fold as fold_module
from edge.telemetry.folding.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.folding.database import NewerSchema
from edge.telemetry.folding.fold import fold
from edge.telemetry.folding.labels import MADE_UP_LIMIT, UNKNOWN_APPS_LIMIT
from edge.telemetry.folding.schema import SCHEMA_NUMBER
from edge.telemetry.spool.record import encode_record
from edge.telemetry.spool.segment import list_segments
from edge.wire.actions import ACTIONS
from edge.wire.stats import parse_stats

WEEK = 7 * 86_400.0


@pytest.fixture
def spool(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def counted(database, app=APP):
    return {(count.bundle, count.action, count.platform): count.n for count in read_counts(database, app)}


def test_records_count_by_bundle_action_and_platform(spool, database):
    write_segment(spool, [line(), line(), line(action="set_fail")], [line(version="2.0.0", platform="ios")])
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.malformed, report.torn_tails, report.finished) == (4, 0, 0, 1)
    assert counted(database) == {
        ("1.0.0", "set", "android"): 2,
        ("1.0.0", "set_fail", "android"): 1,
        ("2.0.0", "set", "ios"): 1,
    }


def test_a_repeat_changes_nothing(spool, database):
    write_segment(spool, [line()])
    live = write_segment(spool, [line()], worker=1, seal=False)
    fold(spool, database, now=NOW)
    for _ in range(3):
        assert fold(spool, database, now=NOW).folded == 0
    live.seal()
    assert fold(spool, database, now=NOW).folded == 0
    assert counted(database) == {("1.0.0", "set", "android"): 2}


def test_a_live_segment_is_folded_as_it_grows(spool, database):
    live = write_segment(spool, [line()], seal=False)
    assert fold(spool, database, now=NOW).folded == 1
    live.append([line(), line()])
    assert fold(spool, database, now=NOW).folded == 2
    live.seal()
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.finished) == (0, 1)


def test_a_big_segment_takes_several_transactions(spool, database):
    padding = b" " * (fold_module.BATCH_BYTES // 3)  # JSON may end in spaces
    write_segment(spool, *([line() + padding] for _ in range(8)))
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.finished) == (8, 1)
    assert counted(database) == {("1.0.0", "set", "android"): 8}


@pytest.mark.parametrize(
    "labels, expected",
    [
        ({"action": "set"}, ("1.0.0", "set", "android")),
        ({"action": "made_up"}, ("1.0.0", "other", "android")),
        ({"platform": "toaster"}, ("1.0.0", "set", "other")),
        ({"platform": "electron"}, ("1.0.0", "set", "electron")),
        ({"version": "1.2.3:main.js"}, ("1.2.3", "set", "android")),
        ({"version": ":main.js"}, (":main.js", "set", "android")),
        ({"version": ""}, ("", "set", "android")),
        ({"version": "builtin"}, ("builtin", "set", "android")),
        ({"version": "9" * 129}, ("other", "set", "android")),
        ({"version": "nul\0"}, ("nul\0", "set", "android")),
    ],
)
def test_labels_are_bounded(spool, database, labels, expected):
    write_segment(spool, [line(**labels)])
    fold(spool, database, now=NOW)
    assert counted(database) == {expected: 1}


def test_every_known_action_has_a_count_of_its_own(spool, database):
    write_segment(spool, [line(action=action) for action in ACTIONS])
    fold(spool, database, now=NOW)
    assert {count.action for count in read_counts(database, APP)} == ACTIONS


def test_too_many_bundles_of_a_day_become_other_and_the_next_day_is_free(spool, database):
    limit = MADE_UP_LIMIT
    write_segment(spool, *([line(version=f"1.0.{n}")] for n in range(limit)))
    fold(spool, database, now=NOW)
    tomorrow = NOW + DAY
    late = [line(version="2.0.0"), line(version="2.0.1"), line(version="1.0.7"), line(version="2.0.0", app="com.else")]
    write_segment(spool, late, [line(version="2.0.0", received=tomorrow)])
    fold(spool, database, now=tomorrow)
    counts = counted(database)
    assert len(counts) == limit + 2
    assert counts["other", "set", "android"] == 2
    assert counts["1.0.7", "set", "android"] == 2
    assert counts["2.0.0", "set", "android"] == 1
    assert counted(database, "com.else") == {("2.0.0", "set", "android"): 1}


@pytest.mark.long
def test_too_many_apps_become_other(spool, database):
    write_segment(spool, [line(app=f"com.app{n}") for n in range(UNKNOWN_APPS_LIMIT)])
    fold(spool, database, now=NOW)
    write_segment(spool, [line(app="com.late"), line(app="com.app5"), line(app="com." + "x" * 200)])
    fold(spool, database, now=NOW)
    assert counted(database, "com.late") == {}
    assert counted(database, "com.app5") == {("1.0.0", "set", "android"): 2}
    assert counted(database, "other") == {("1.0.0", "set", "android"): 2}


def test_what_is_no_record_is_counted_as_malformed(spool, database):
    write_segment(spool, [b"nonsense", line(), b"{}"])
    assert fold(spool, database, now=NOW).malformed == 2
    assert read_totals(database) == {"folded": 1, "duplicates": 0, "malformed": 2, "torn_tails": 0, "damaged": 0}


def test_a_torn_tail_waits_while_its_segment_lives_and_counts_when_it_is_sealed(spool, database):
    live = write_segment(spool, [line()], seal=False)
    with live.path.open("ab") as file:
        file.write(b"\x40\x00\x00\x00half")
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.torn_tails, report.finished) == (1, 0, 0)
    live.seal()
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.torn_tails, report.finished) == (0, 1, 1)
    assert read_totals(database)["torn_tails"] == 1


def flip(path, place):
    whole = bytearray(path.read_bytes())
    whole[place] ^= 0x41
    path.write_bytes(whole)


def test_damage_at_any_byte_of_a_sealed_segment_costs_one_group_and_is_told(spool, tmp_path):
    write_segment(spool, [line(version="1.0.0")], [line(version="2.0.0")], [line(version="3.0.0")])
    (path,) = list_segments(spool)
    whole, group = path.read_bytes(), len(line()) + 8
    start = len(whole) - 3 * group
    for place in range(0, start + 2 * group, 3):
        path.write_bytes(whole)
        flip(path, place)
        database = tmp_path / f"{place}.db"
        report = fold(spool, database, now=NOW)
        if report.unreadable:  # a header of another format, or of none with fields
            assert place < start and "format" in report.unreadable[0]
            continue
        hit = [place >= start, place >= start + group]
        lost = {0: None, 1: "1.0.0", 2: "2.0.0"}[sum(hit)]
        versions = {version for version, _, _ in counted(database)}
        assert versions == {"1.0.0", "2.0.0", "3.0.0"} - {lost}, place
        assert (report.torn_tails, report.finished) == (0, 1)
        if lost:
            assert report.damaged == read_totals(database)["damaged"] == 1
            assert report.faults == [f"{path.stem}: 1 damaged places of {group} bytes"]


@pytest.mark.parametrize("zeros", [4, 4096])
def test_frames_behind_a_zeroed_beginning_are_counted(spool, database, zeros):
    write_segment(spool, *([line()] for _ in range(100)))
    (path,) = list_segments(spool)
    whole = path.read_bytes()
    path.write_bytes(bytes(zeros) + whole[zeros:])
    report = fold(spool, database, now=NOW)
    assert (report.damaged, report.torn_tails, report.unreadable) == (1, 0, [])
    assert report.folded >= 100 - zeros // (len(line()) + 8) - 1


def test_a_damaged_last_group_waits_while_its_segment_lives_and_hides_nothing_after_it(spool, database):
    live = write_segment(spool, [line()], [line()], seal=False)
    flip(live.path, -20)
    assert fold(spool, database, now=NOW).folded == 1
    live.append([line(), line()])
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.damaged, report.torn_tails) == (2, 1, 0)
    live.append([line()])
    live.seal()
    (path,) = list_segments(spool)
    flip(path, -20)
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.damaged, report.torn_tails, report.finished) == (0, 1, 0, 1)
    assert read_totals(database)["damaged"] == 2


def test_what_cannot_be_opened_as_a_segment_is_named_and_the_others_are_counted(spool, database):
    (spool / "node-0-0-0.sealed").mkdir()
    write_segment(spool, [line()], worker=1)
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.unreadable) == (1, ["node-0-0-0.sealed: Is a directory"])


def test_torn_at_every_byte_a_sealed_segment_gives_its_whole_groups(spool, database):
    write_segment(spool, [line(), line()], [line()])
    (path,) = list_segments(spool)
    whole = path.read_bytes()
    path.unlink()
    first, second = 2 * len(line()) + 1 + 8, len(line()) + 8
    start = len(whole) - first - second
    expected_torn = 0
    for cut in range(start, len(whole) + 1):
        path.with_stem(f"cut-{cut:06}").write_bytes(whole[:cut])
        expected_torn += cut not in (start, start + first, len(whole))
    report = fold(spool, database, now=NOW)
    assert report.folded == 2 * second + 3
    assert report.torn_tails == expected_torn
    assert report.finished == first + second + 1


@pytest.mark.parametrize("number", [b"1", b"2"])
def test_segments_of_earlier_releases_are_counted(spool, database, number):
    """They name no networks, and in format 1 each event has a line of its own."""
    write_segment(spool, [line(), line(action="set_fail")])
    (path,) = list_segments(spool)
    path.write_bytes(path.read_bytes().replace(b'{"format":3,', b'{"format":' + number + b",", 1))
    assert path.read_bytes().startswith(b'{"format":' + number)
    write_segment(spool, [line(), report_line([SENT, SENT | {"action": "ping"}])])
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.malformed, report.unreadable) == (5, 0, [])
    assert counted(database) == {
        ("1.0.0", "set", "android"): 2,
        ("1.0.0", "set_fail", "android"): 1,
        ("1.0.4", "set", "ios"): 1,
        ("1.0.4", "ping", "ios"): 1,
    }


def test_an_event_that_comes_again_in_another_kind_of_line_is_a_duplicate(spool, database):
    sent = SENT | {"app_id": APP, "timestamp": 1_760_000_000_000}
    event = parse_stats(body_of(sent)).events[0]
    again = dict(reversed(sent.items())) | {"device_id": DEVICE.upper()}
    write_segment(spool, [encode_record(event, NOW)], [report_line(sent)], [report_line([again])])
    report = fold(spool, database, now=NOW)
    assert (report.folded, report.duplicates, report.malformed) == (1, 2, 0)


def test_a_segment_of_a_newer_format_is_left_alone_and_named(spool, database):
    newer = spool / "node-0-0-0.sealed"
    newer.write_bytes(b'{"format":4,"node":"node","worker":0,"started_ms":0}\n')
    write_segment(spool, [line()])
    report = fold(spool, database, now=NOW + 10 * WEEK)
    assert report.folded == 1
    assert report.unreadable == [f"{newer.name}: segment format 4 is not one of (1, 2, 3)"]
    assert newer.exists()


def test_a_deleted_segment_that_comes_back_is_not_counted_again(spool, database, tmp_path):
    write_segment(spool, [line()])
    shutil.copytree(spool, tmp_path / "backup")
    fold(spool, database, now=NOW)
    shutil.rmtree(spool)
    fold(spool, database, now=NOW + WEEK)
    shutil.copytree(tmp_path / "backup", spool, dirs_exist_ok=True)
    assert fold(spool, database, now=NOW + WEEK).folded == 0
    assert counted(database) == {("1.0.0", "set", "android"): 1}


def test_no_spool_is_nothing_to_fold(tmp_path, database):
    assert fold(tmp_path / "missing", database, now=NOW).folded == 0
    assert read_counts(database, APP) == []


def test_a_database_of_a_newer_release_is_refused_and_untouched(spool, database):
    write_segment(spool, [line()])
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA user_version = {SCHEMA_NUMBER + 1}")
    connection.close()
    before = database.read_bytes()
    with pytest.raises(NewerSchema, match=f"schema {SCHEMA_NUMBER + 1}; this release reads up to {SCHEMA_NUMBER}"):
        fold(spool, database, now=NOW)
    assert database.read_bytes() == before


def killed_at(step, work):
    """Run `work` in a child that is killed at the `step`-th line of the folding code; whether it got that far."""
    child = os.fork()
    if child == 0:
        left = [step]

        def trace(frame, event, _):
            if not frame.f_globals.get("__name__", "").startswith("edge.telemetry."):
                return None
            if event == "line":
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.long
def test_killed_at_any_line_a_fold_counts_each_record_once(spool, database):
    step, kills, expected = 1, 0, 0
    while True:
        now = NOW + kills * WEEK / 8  # so that deleting old segments is among what gets interrupted
        again = line(happened_ms=step, received=now)  # both of it in one segment, and in the one after a kill
        write_segment(spool, [line(), again], [line(), b"nonsense", again], now=now)
        expected += 3
        if not killed_at(step, lambda now=now: fold(spool, database, now=now)):
            break
        kills += 1
        step += 1 + step // 16
    fold(spool, database, now=now)
    assert kills > 30
    assert counted(database) == {("1.0.0", "set", "android"): expected}
    assert read_totals(database) == {
        "folded": expected,
        "duplicates": expected // 3,
        "malformed": expected // 3,
        "torn_tails": 0,
        "damaged": 0,
    }
    assert read_duplicates(database, APP) == expected // 3


def test_two_folders_at_once_count_each_record_once(spool, database):
    for _ in range(20):
        write_segment(spool, *([line(), line(happened_ms=n)] for n in range(20)))
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fold(spool, database, now=NOW)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert counted(database) == {("1.0.0", "set", "android"): 400 + 20}
    assert read_duplicates(database, APP) == 400 - 20
