"""Raw events are kept as long as they should be, compressed, as far as there is room; what is not counted, always."""

import os

import pytest
from telemetry_lines import DAY, NOW, line, stored, write_segment

from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.disk_budget import held_bytes
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments
from edge.telemetry.upkeep.keeping import keep_segments

WEEK = 7 * DAY
PLENTY = 1 << 40


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def keep(spool, database, now, keep_bytes=PLENTY):
    return keep_segments(spool, database, now=now, keep_seconds=WEEK, keep_bytes=keep_bytes)


def test_a_counted_segment_is_compressed_and_has_the_same_records(spool, database):
    write_segment(spool, [line()] * 100)
    uncounted = write_segment(spool, [line()], worker=1, seal=False)
    fold(spool, database, now=NOW)
    before = sorted(stored(spool))
    assert keep(spool, database, NOW).compressed == 1
    assert sorted(path.suffix for path in list_segments(spool)) == [KEPT, ".seg"]
    assert sorted(stored(spool)) == before
    assert keep(spool, database, NOW).compressed == 0
    uncounted.seal()
    assert (keep(spool, database, NOW).compressed, list_segments(spool)[1].suffix) == (0, SEALED)


def test_a_long_backlog_is_compressed_some_at_a_time(spool, database):
    for n in range(3):
        write_segment(spool, [line()], worker=n)
    fold(spool, database, now=NOW)
    done = [
        keep_segments(spool, database, now=NOW, keep_seconds=WEEK, keep_bytes=PLENTY, compress_seconds=0).compressed
        for _ in range(4)
    ]
    assert done == [1, 1, 1, 0]


def test_it_is_deleted_after_its_time_and_never_before(spool, database):
    write_segment(spool, [line()])
    live = write_segment(spool, [line()], worker=1, seal=False)
    fold(spool, database, now=NOW)
    assert keep(spool, database, NOW + WEEK - 1).deleted == 0
    assert keep(spool, database, NOW + WEEK).deleted == 1
    assert list_segments(spool) == [live.path]
    live.seal()
    assert keep(spool, database, NOW + 2 * WEEK).deleted == 0


def test_what_is_counted_makes_room_the_first_counted_first(spool, database):
    for n in range(4):
        write_segment(spool, [line()] * 10, now=NOW + n)
        fold(spool, database, now=NOW + n)
        keep(spool, database, NOW + n)
    sizes = [path.stat().st_size for path in list_segments(spool)]
    write_segment(spool, [line()] * 10, now=NOW + 4, seal=False)
    report = keep(spool, database, NOW + 10, keep_bytes=held_bytes(spool) - sum(sizes[:2]))
    assert report.deleted == 2
    assert [int(path.stem.split("-")[2]) - int(NOW * 1000) for path in list_segments(spool)] == [2000, 3000, 4000]
    assert keep(spool, database, NOW + 11, keep_bytes=0).deleted == 2
    assert len(list_segments(spool)) == 1


def test_what_a_writer_left_before_its_file_was_whole_goes_when_it_is_old(spool, database):
    fold(spool, database, now=NOW)
    unborn = spool / "node-0-1-0.new"
    unborn.touch()
    os.utime(unborn, (NOW, NOW))
    keep(spool, database, NOW + WEEK - 1)
    assert unborn.exists()
    keep(spool, database, NOW + WEEK)
    assert not unborn.exists()


def test_kept_segments_are_counted_again_by_a_new_database(spool, database, tmp_path):
    write_segment(spool, [line()] * 100)
    fold(spool, database, now=NOW)
    keep(spool, database, NOW)
    assert fold(spool, tmp_path / "new.db", now=NOW).folded == 100


def test_without_a_database_nothing_is_touched(spool, tmp_path):
    write_segment(spool, [line()])
    assert keep(spool, tmp_path / "none.db", NOW + WEEK, keep_bytes=0).deleted == 0
    assert len(list_segments(spool)) == 1
