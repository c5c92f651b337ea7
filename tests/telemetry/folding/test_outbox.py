"""The outbox: what is counted is listed, what is listed has its file, and nothing of it stops a fold."""

from contextlib import closing

import msgspec
import pytest
import zstandard
from observed import OutboxWorld, seen

from edge.domain.statistics.observation import Observation, Step
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.outbox import OutboxTotals, block_file


@pytest.fixture
def world(tmp_path):
    return OutboxWorld(tmp_path)


def read_block(world, segment, offset):
    lines = zstandard.ZstdDecompressor().decompress(block_file(world.folder, segment, offset).read_bytes())
    return [_observation(*msgspec.json.decode(line)) for line in lines.splitlines()]


def _observation(*row):
    """Its region is last."""
    *fields, region = row
    found = msgspec.convert(fields, Observation)
    return found._replace(cohort=found.cohort._replace(region=region))


def test_a_block_has_every_observation_in_order(world):
    given = [
        seen(2**63 - 1, steps=Step.OFFERED | Step.WORD),
        seen(-(2**63), "download", value=1.25, n=3),
        seen(0, "outcome:ticket ü", value=0.0, bundle=""),
    ]
    world.fold("node-0-1-ab", 77, given)
    assert read_block(world, "node-0-1-ab", 77) == given
    assert world.rows("SELECT segment, offset, rows, batch FROM outbox") == [("node-0-1-ab", 77, 3, None)]
    size = block_file(world.folder, "node-0-1-ab", 77).stat().st_size
    assert world.totals == OutboxTotals(written=3, held_bytes=size)
    assert world.totals.waiting == 3


def test_a_batch_without_observations_makes_no_block(world):
    world.fold("s", 0, [])
    assert (world.files, world.totals) == ([], OutboxTotals())


def test_what_a_killed_fold_left_is_replaced_when_the_batch_is_repeated(world):
    with closing(open_for_folding(world.database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        world.outbox.write(connection, "s", 0, [seen(1)])
        connection.rollback()
    assert (world.files, world.totals) == (["s-0.rows"], OutboxTotals())
    world.fold("s", 0, [seen(1), seen(2)])
    assert read_block(world, "s", 0) == [seen(1), seen(2)]
    assert world.totals.written == 2


def test_beyond_the_limit_blocks_are_dropped_and_counted(tmp_path):
    world = OutboxWorld(tmp_path, limit_bytes=1)
    world.fold("s", 0, [seen(1)])
    world.fold("s", 10, [seen(2), seen(3)])
    assert world.files == ["s-0.rows"]
    assert (world.totals.written, world.totals.dropped, world.totals.waiting) == (1, 2, 1)


def test_a_folder_that_cannot_be_written_stops_no_fold(world, caplog):
    world.folder.rmdir()
    world.folder.write_text("in the way")
    world.fold("s", 0, [seen(1)])
    assert (world.totals.written, world.totals.dropped) == (0, 1)
    assert "1 rows for ClickHouse are dropped" in caplog.text
