"""Damaged counts and events end nothing: they are set aside or skipped, named, and counted again as far as they go."""

import sqlite3

import msgspec
import pytest
from factories import APP
from node_world import a_truth
from telemetry_lines import line, write_segment

from edge.assembly.counting.answers import OfApp, count_bundles
from edge.assembly.counting.figures_file import FiguresFile
from edge.assembly.counting.own_names import OwnNames
from edge.config import Telemetry
from edge.domain.errors import Unavailable
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.database import DAMAGED_LIMIT
from edge.telemetry.spool.segment import list_segments


@pytest.fixture
def truth(tmp_path):
    truth = a_truth(tmp_path)
    truth.spool_dir.mkdir(parents=True)
    write_segment(truth.spool_dir, [line(app=APP), line(app=APP, action="set_fail")])
    return truth


@pytest.fixture
def folding(truth):
    return FiguresFile(truth, Telemetry(), OwnNames(truth.releases).of)


def not_a_database(path):
    path.write_bytes(b"ZZZZ" + path.read_bytes()[4:])


def malformed(path):
    pages = bytearray(path.read_bytes())
    for start in range(4096, len(pages), 4096):
        pages[start : start + 64] = bytes(64)
    path.write_bytes(pages)


def cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def of_another_schema(path):
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE sums_day")
    connection.close()


def without_its_number(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 0")
    connection.close()


KINDS = [not_a_database, malformed, cut, of_another_schema, without_its_number]


def counted(truth, folding):
    folding.fold()
    asked = msgspec.json.encode(OfApp(APP))
    return {each.action: each.n for each in folding.read(lambda: count_bundles(truth, asked)).counts}


def totals_of(truth, folding):
    return folding.read(lambda: read_totals(truth.counts_database))


def set_aside(truth):
    found = sorted(truth.counts_database.parent.glob("counts.sqlite.damaged-*"))
    return [path for path in found if path.suffix.count("-") == 1]  # not SQLite's own, -wal and -shm


@pytest.mark.parametrize("damage", KINDS)
def test_damaged_counts_are_set_aside_and_made_again(truth, folding, caplog, damage):
    expected = {"set": 1, "set_fail": 1}
    assert counted(truth, folding) == expected
    damage(truth.counts_database)
    damaged = truth.counts_database.stat().st_ino
    assert counted(truth, folding) == expected
    (aside,) = set_aside(truth)
    assert (aside.stat().st_ino, folding.set_aside) == (damaged, 1)
    (told,) = [each.getMessage() for each in caplog.records if "damaged" in each.getMessage()]
    assert str(truth.counts_database) in told and str(aside) in told and ".recover" in told
    assert (totals_of(truth, folding))["folded"] == 2


@pytest.mark.parametrize("damage", KINDS[:3])
def test_totals_of_damaged_counts_answer(truth, folding, damage):
    assert counted(truth, folding)
    damage(truth.counts_database)
    assert totals_of(truth, folding) in (
        {},
        {"folded": 2, "duplicates": 0, "malformed": 0, "torn_tails": 0, "damaged": 0},
    )
    assert counted(truth, folding) == {"set": 1, "set_fail": 1}


def test_a_failing_disk_leaves_a_few_and_the_first_of_them(truth, folding):
    for number in range(DAMAGED_LIMIT + 2):
        assert counted(truth, folding)
        truth.counts_database.write_bytes(b"no database: %d" % number + bytes(4096))
    assert counted(truth, folding)
    numbers = [path.read_bytes()[:14].decode()[-1] for path in set_aside(truth)]
    assert numbers == ["0", "1", str(DAMAGED_LIMIT + 1)]


def test_counts_that_cannot_be_opened_are_refused_by_name(truth, folding):
    truth.counts_database.mkdir()
    with pytest.raises(Unavailable, match=r"counts\.sqlite"):
        counted(truth, folding)


def test_what_is_skipped_of_the_spool_is_told_once_by_name(truth, folding, caplog):
    (path,) = list_segments(truth.spool_dir)
    whole = bytearray(path.read_bytes())
    whole[-20] ^= 0x41
    path.write_bytes(whole)
    (truth.spool_dir / "node-0-0-0.sealed").write_bytes(b"no segment")
    for _ in range(2):
        assert counted(truth, folding) == {}
    told = [each.getMessage() for each in caplog.records if str(truth.spool_dir) in each.getMessage()]
    assert [path.stem in each or "node-0-0-0.sealed" in each for each in told] == [True, True]
    assert ((totals_of(truth, folding))["damaged"], folding.unreadable) == (1, 1)
