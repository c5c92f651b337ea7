"""An erased device is in no line of a segment any more; all else, and all offsets, are as they were."""

import zlib
from collections import Counter

import msgspec
import pytest
from telemetry_lines import APP, NOW, line, stored, write_segment

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.app_records import AppEvent, Outcome, Outcomes, Used, encode_outcomes, encode_used
from edge.telemetry.spool.kept_segment import compress_segment, open_segment
from edge.telemetry.spool.record import HeardLine, OutcomesLine, parse_line
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments, read_frames, read_header
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.upkeep.audit import audit
from edge.telemetry.upkeep.erased_lines import erased_device
from edge.telemetry.upkeep.erasing import Erasing, erase_from_segment
from edge.telemetry.upkeep.erasures import Erasure, note_erasure, pending_erasures, settle_erasure
from edge.telemetry.upkeep.keeping import finished_segments, keep_segments
from edge.telemetry.upkeep.raw_events import read_raw_events

WHO = "1b9c6ad5-0b5e-4c4c-9c0e-6a1f6d0f2a11"
OTHERS = [f"00000000-0000-4000-8000-{n:012d}" for n in range(7)]
NOW_MS = int(NOW * 1000)
COHORT = Cohort(Group("android", "production"))


def of(device, received=NOW, app=APP):
    return line(received=received, app=app).replace(b'"device": "d"', f'"device": "{device}"'.encode())


def used(device):
    return encode_used(Used(APP, device, [AppEvent("checkout", "feature", 5)] * 3), NOW)


def outcomes(*devices):
    return encode_outcomes(Outcomes(APP, [Outcome("ticket", f"T-{each}", 7, device=each) for each in devices]), NOW)


def heard(*devices):
    keys = b"".join(device_key(APP, each).to_bytes(8, "little", signed=True) for each in devices)
    return encode_heard(HeardChecks("s-1", 1, APP, [heard_count(COHORT, "1.0.0", "offer", "1.0.1", 9, keys)]), NOW)


def erase(path, until_ms=NOW_MS):
    return erase_from_segment(path, [erased_device(APP, WHO, until_ms)])


def sealed(folder, *groups):
    return write_segment(folder, *groups).path.with_suffix(SEALED)


LINES = [of(WHO), of(OTHERS[0]), used(WHO), used(OTHERS[1]), outcomes(OTHERS[0], WHO), heard(*OTHERS[:2], WHO)]


@pytest.mark.parametrize("compressed", [False, True])
def test_every_kind_of_line_loses_the_device_and_nothing_else(tmp_path, compressed):
    path = sealed(tmp_path, LINES[:3], LINES[3:])
    with path.open("rb") as file:
        read_header(file)
        ends = [frame.end for frame in read_frames(file)]
    if compressed:
        compress_segment(path)
    assert erase(path) == [4]
    (kept,) = list_segments(tmp_path)
    with open_segment(kept) as file:
        read_header(file)
        assert [frame.end for frame in read_frames(file, live=False)] == ends
        file.seek(0)
        whole = file.read()
    assert (kept.suffix, WHO.encode() in whole) == (KEPT, False)
    records = stored(tmp_path)
    assert [records[1], records[3]] == [LINES[1], LINES[3]]
    left = parse_line(records[4])
    assert isinstance(left, OutcomesLine) and [each.device for each in left.outcomes.of] == [OTHERS[0]]
    assert [each.device for each in read_raw_events(tmp_path, APP, 0, NOW_MS + 1)] == [
        OTHERS[0],
        *[OTHERS[1]] * 3,
        OTHERS[0],
    ]


@pytest.mark.parametrize("before", range(7))
def test_a_key_is_found_wherever_it_stands_among_others(tmp_path, before):
    path = sealed(tmp_path, [heard(*OTHERS[:before], WHO, *OTHERS[before:])])
    assert erase(path) == [1]
    (record,) = stored(tmp_path)
    left = parse_line(record)
    assert isinstance(left, HeardLine)
    (count,) = left.heard.of
    assert count.devices == b"".join(device_key(APP, each).to_bytes(8, "little", signed=True) for each in OTHERS)
    assert count.n == 9


def test_a_report_in_a_devices_own_bytes_goes_whole_in_capitals_too(tmp_path):
    body = msgspec.json.encode(
        {
            "app_id": APP,
            "device_id": WHO.upper(),
            "platform": "android",
            "action": "set",
            "version_name": "1.0.0",
            "version_build": "1.0.0",
            "plugin_version": "8.51.14",
        }
    )
    path = sealed(tmp_path, [b'{"received_ms":%d,"net":5,"events":1,"sent":%s}' % (NOW_MS, body), of(OTHERS[0])])
    assert erase(path) == [1]
    assert WHO.upper().encode() not in b"".join(stored(tmp_path))


def test_what_came_later_and_what_is_another_apps_stays(tmp_path):
    lines = [of(WHO, received=NOW + 1), of(WHO, app="com.else")]
    path = sealed(tmp_path, lines)
    assert erase(path) == [0]
    assert stored(tmp_path) == lines


def test_a_segment_that_does_not_name_it_is_left_alone(tmp_path):
    path = sealed(tmp_path, [of(OTHERS[0])])
    assert (erase(path), list_segments(tmp_path)) == ([0], [path])


def test_damaged_places_keep_their_length_and_tell_nothing(tmp_path):
    path = sealed(tmp_path, [of(WHO)], [of(WHO)], [of(OTHERS[0])])
    content = bytearray(path.read_bytes())
    content[content.index(b'"action"')] ^= 1
    path.write_bytes(bytes(content) + of(WHO)[:80])
    assert erase(path) == [1]
    with open_segment(path) as file:
        whole = file.read()
    assert len(whole) == len(content) + 80 and b"1b9c6ad5" not in whole
    with open_segment(path) as file:
        read_header(file)
        frames = list(read_frames(file, live=False))
    assert sum(1 for frame in frames if frame.lost) == 1 and zlib.crc32(whole)


def test_the_audit_and_a_new_database_agree_after_an_erasure(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.db"
    spool.mkdir()
    sealed(spool, [of(WHO)] * 3 + [of(OTHERS[0])])
    fold(spool, database, now=NOW)
    before = audit(spool, database)
    (path,) = list_segments(spool)
    for _ in range(2):
        erase(path)
        after = audit(spool, database)
        assert (after.exact, after.kinds[0].erased) == (True, 3)
        assert after.kinds[0].acknowledged == before.kinds[0].acknowledged == 4
    fold(spool, tmp_path / "new.db", now=NOW)
    renewed = audit(spool, tmp_path / "new.db")
    assert (renewed.exact, renewed.kinds[0].acknowledged) == (True, 1)
    keep_segments(spool, database, now=NOW, keep_seconds=1e6, keep_bytes=0)
    assert (audit(spool, database).exact, list_segments(spool)) == (True, [])


def test_an_erasure_waits_for_the_segment_that_is_being_written(tmp_path):
    spool, database = tmp_path / "spool", tmp_path / "counts.db"
    spool.mkdir()
    sealed(spool, [of(WHO)])
    live = write_segment(spool, [of(WHO)], worker=1, seal=False)
    later = write_segment(spool, [of(WHO, received=NOW + 60)], worker=2, now=NOW + 60, seal=False)
    fold(spool, database, now=NOW)
    erasing, erasure = Erasing(), Erasure(1, APP, WHO, NOW_MS)
    result = erasing.erase(spool, [erasure], finished_segments(database))[erasure]
    assert (result.lines, result.segments, result.open_segments) == (1, 1, [live.path.name])
    live.seal()
    fold(spool, database, now=NOW)
    result = erasing.erase(spool, [erasure], finished_segments(database))[erasure]
    assert (result.lines, result.segments, result.open_segments) == (1, 1, [])
    later.seal()
    assert Counter(each.received_ms for each in read_raw_events(spool, APP, 0, NOW_MS * 2)) == {NOW_MS + 60_000: 1}


def test_a_pass_ends_after_its_time_and_the_next_goes_on(tmp_path):
    for worker in range(3):
        write_segment(tmp_path, [of(WHO)], worker=worker)
    now = iter(range(0, 1_000, 3))  # a look at the clock takes three seconds
    erasing, erasure = Erasing(lambda: float(next(now))), Erasure(1, APP, WHO, NOW_MS)
    finished = [path.stem for path in list_segments(tmp_path)]
    left = []
    for _ in range(3):
        result = erasing.erase(tmp_path, [erasure], finished)[erasure]
        left.append((result.lines, len(result.open_segments)))
    assert left == [(1, 2), (1, 1), (1, 0)]


def test_a_pass_without_time_erases_from_one_segment(tmp_path):
    for worker in range(2):
        write_segment(tmp_path, [of(WHO)], worker=worker)
    erasing, erasure = Erasing(), Erasure(1, APP, WHO, NOW_MS)
    finished = [path.stem for path in list_segments(tmp_path)]
    left = [erasing.erase(tmp_path, [erasure], finished, 0)[erasure] for _ in range(2)]
    assert [(each.lines, len(each.open_segments)) for each in left] == [(1, 1), (1, 0)]


def test_a_noted_erasure_is_there_until_it_is_settled(tmp_path):
    first = note_erasure(tmp_path / "erasures", APP, WHO, NOW)
    assert list(pending_erasures(tmp_path / "erasures")) == [first]
    second = note_erasure(tmp_path / "erasures", APP, WHO, NOW + 1)
    settle_erasure(tmp_path / "erasures", first)
    assert list(pending_erasures(tmp_path / "erasures")) == [second]
    (tmp_path / "erasures" / "else.json").write_bytes(b"{")
    settle_erasure(tmp_path / "erasures", second)
    assert list(pending_erasures(tmp_path / "erasures")) == []
