"""The audit adds up to the record, whatever is deleted, and names what does not."""

import sqlite3
from contextlib import closing

import pytest
from telemetry_lines import DAY, NOW, line, write_segment

from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments
from edge.telemetry.upkeep.acknowledged import acknowledge
from edge.telemetry.upkeep.audit import audit
from edge.telemetry.upkeep.keeping import keep_segments


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


def keep(spool, database, now=NOW, keep_bytes=1 << 40):
    return keep_segments(spool, database, now=now, keep_seconds=7 * DAY, keep_bytes=keep_bytes)


def of_events(found):
    (events,) = [each for each in found.kinds if each.kind == "event"]
    return events


def change(database, script):
    connection = sqlite3.connect(database)
    connection.executescript(script)
    connection.close()


def some(spool, database):
    """Three counted, of which one is a duplicate, one malformed, in two segments."""
    write_segment(spool, [line(happened_ms=5), b"no record"], [line(happened_ms=5), line(version="2.0.0")])
    write_segment(spool, [line()], worker=1, seal=False)
    fold(spool, database, now=NOW)


def test_what_was_acknowledged_is_counted_duplicate_or_malformed(spool, database):
    some(spool, database)
    found = audit(spool, database)
    events = of_events(found)
    assert (found.exact, found.differences, found.segments) == (True, [], 2)
    assert (events.acknowledged, events.counted, events.duplicates, events.dropped) == (5, 3, 1, {"malformed": 1})
    assert (events.waiting, events.in_figures, events.before) == (0, 3, 0)


def test_what_is_not_counted_yet_waits(spool, database):
    some(spool, database)
    write_segment(spool, [line()] * 7, worker=2)
    found = audit(spool, database)
    assert (of_events(found).acknowledged, of_events(found).waiting, found.exact) == (5, 7, True)


def test_it_is_the_same_when_segments_are_compressed_and_when_they_are_gone(spool, database):
    some(spool, database)
    before = of_events(audit(spool, database))
    keep(spool, database)
    assert of_events(audit(spool, database)) == before
    keep(spool, database, keep_bytes=0)
    found = audit(spool, database)
    assert (found.segments, found.deleted_segments, of_events(found), found.exact) == (1, 1, before, True)
    connection = sqlite3.connect(database)
    names = connection.execute("SELECT DISTINCT segment FROM segment_counts").fetchall()
    connection.close()
    assert len(names) == 2 and ("@node",) in names  # of the live one, and the sum of its node's others
    assert [(each.node, each.acknowledged, each.accounted) for each in found.nodes] == [
        ("node", before.acknowledged, before.acknowledged)
    ]


def test_a_crash_before_a_deletion_is_repeated_without_a_trace(spool, database):
    some(spool, database)
    before = of_events(audit(spool, database))
    keep(spool, database)
    (kept,) = [path for path in list_segments(spool) if path.suffix == KEPT]
    with closing(open_for_folding(database)) as connection:
        acknowledge(connection, kept)
    assert (of_events(audit(spool, database)), audit(spool, database).exact) == (before, True)
    keep(spool, database, keep_bytes=0)
    assert (of_events(audit(spool, database)), audit(spool, database).exact) == (before, True)
    assert not kept.exists()


def test_a_segment_of_which_less_was_counted_is_named_before_and_after_it_is_deleted(spool, database):
    some(spool, database)
    (sealed,) = [path for path in list_segments(spool) if path.suffix == SEALED]
    change(database, f"UPDATE segment_counts SET n = n - 1 WHERE segment = '{sealed.stem}' AND name = 'event/counted'")
    for _ in range(2):
        found = audit(spool, database)
        assert not found.exact
        assert [(each.segment, each.acknowledged, each.accounted) for each in found.differences] == [
            (sealed.stem, 4, 3),
            ("figures", 2, 3),
        ]
        keep(spool, database, keep_bytes=0)


def test_figures_that_do_not_add_up_are_named(spool, database):
    some(spool, database)
    change(database, "UPDATE sums_day SET n = n + 1")
    (difference,) = audit(spool, database).differences
    assert difference.segment == "figures" and difference.acknowledged < difference.accounted


def test_a_segment_that_somebody_deleted_is_named(spool, database):
    some(spool, database)
    keep(spool, database)
    (kept,) = [path for path in list_segments(spool) if path.suffix == KEPT]
    kept.unlink()
    (difference,) = audit(spool, database).differences
    assert (difference.segment, difference.acknowledged, difference.accounted) == (kept.stem, 0, 4)
    assert "gone" in difference.why


def test_damage_after_it_was_counted_is_named_and_damage_before_is_lost_bytes(spool, database):
    path = write_segment(spool, [line()], [line()], [line()]).path.with_suffix(SEALED)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    fold(spool, database, now=NOW)
    found = audit(spool, database)
    assert (found.exact, found.lost_places, of_events(found).acknowledged) == (True, 1, 2)
    content[200] ^= 1
    path.write_bytes(content)
    (difference,) = audit(spool, database).differences
    assert (difference.acknowledged, difference.accounted) == (1, 2) and "damaged" in difference.why


def test_a_database_that_a_release_without_an_audit_began_is_taken_on_its_word(spool, database):
    some(spool, database)
    first = list_segments(spool)[0].stem
    change(
        database,
        f"UPDATE segment_counts SET segment = '' WHERE segment = '{first}';"
        f"INSERT INTO segment_counts SELECT name, 'before', offset FROM segments WHERE name = '{first}'",
    )
    write_segment(spool, [line()] * 4, worker=2)
    fold(spool, database, now=NOW)
    found = audit(spool, database)
    assert (found.differences, of_events(found).before, of_events(found).acknowledged) == ([], 4, 9)


def test_nothing_is_exact(spool, database):
    assert audit(spool, database).exact
