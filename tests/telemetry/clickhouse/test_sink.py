"""The sink: each block is in ClickHouse once, in every table, whatever happened on the way."""

import pytest
from observed import NOON_MS, OutboxWorld, seen

from edge.domain.statistics.observation import Step
from edge.telemetry.clickhouse.server import ClickHouseFault, ClickHouseServer
from edge.telemetry.clickhouse.sink import BATCH_ROWS, RETRY_MOST_SECONDS, SEND_SECONDS, Sink, wait_seconds

NOW = NOON_MS / 1000


@pytest.fixture
def world(tmp_path):
    return OutboxWorld(tmp_path)


@pytest.fixture
def sink(world, server):
    return sink_of(world, server)


def sink_of(world, server):
    return Sink(world.database, world.folder, server, "node-a")


def block(first, devices):
    """One of each: what feeds every table."""
    for device in range(first, first + devices):
        yield seen(device, steps=Step.OFFERED | Step.WORD)
        yield seen(device, "session_end", value=12.5)
        yield seen(device, "report:set_fail", steps=Step.FAILED_BOOT)


# Each counts or adds up something of its own table.
MEASURES = {
    "observations": "SELECT count() FROM observations",
    "sums_minute": "SELECT sum(n) FROM sums_minute",
    "sums_hour": "SELECT sum(n) FROM sums_hour",
    "seconds": "SELECT sum(total) FROM sums_day",
    "devices_day": "SELECT uniqCombined64Merge(devices) FROM devices_day",
    "durations_day": "SELECT sum(n) FROM durations_day",
    "devices": "SELECT uniqExact(device) FROM devices",
    "device_days": "SELECT uniqExact(device) FROM device_days",
    "steps": "SELECT uniqExact(device) FROM steps",
    "latest_words": "SELECT uniqExact(device) FROM latest_words",
}


def measured(server):
    return {name: server.ask(question)[0][0] for name, question in MEASURES.items()}


def expected(devices):
    sums = {"observations": 3, "sums_minute": 3, "sums_hour": 3, "seconds": 12.5}
    return {name: devices * sums.get(name, 1) for name in MEASURES}


class Lossy(ClickHouseServer):
    """The server, whose acknowledgements of inserts are lost `times` times: after they were carried out."""

    def __init__(self, server, times):
        super().__init__(server._connect, server.shown)
        self.left = times

    def insert(self, *given):
        super().insert(*given)
        if self.left:
            self.left -= 1
            raise ClickHouseFault("clickhouse_unavailable", "the connection broke")


@pytest.mark.long
def test_what_was_folded_is_sent_once_and_leaves_the_outbox(world, sink, server):
    world.fold("s", 0, [*block(1, 5)])
    world.fold("s", 900, [*block(6, 5)])
    assert sink.send_waiting(NOW) == 30
    assert sink.send_waiting(NOW) == 0
    assert measured(server) == expected(10)
    assert (world.files, world.rows("SELECT * FROM outbox")) == ([], [])
    assert (world.totals.written, world.totals.sent, world.totals.held_bytes) == (30, 30, 0)


@pytest.mark.long
def test_a_batch_whose_acknowledgement_is_lost_counts_once(world, server):
    world.fold("s", 0, [*block(1, 5)])
    sink = sink_of(world, Lossy(server, times=2))
    for _ in range(2):
        with pytest.raises(ClickHouseFault):
            sink.send_waiting(NOW)
        world.fold("t", world.totals.written, [*block(100 + world.totals.written, 1)])  # joins no batch that was tried
    assert sink.send_waiting(NOW) == 15 + 6
    assert measured(server) == expected(7)


@pytest.mark.long
def test_a_node_that_is_killed_between_sending_and_noting_it_sends_again_in_vain(world, server):
    world.fold("s", 0, [*block(1, 5)])
    with pytest.raises(ClickHouseFault):
        sink_of(world, Lossy(server, times=1)).send_waiting(NOW)
    sink_of(world, server).send_waiting(NOW)  # another process begins with what is on disk
    assert measured(server) == expected(5)


@pytest.mark.long
def test_an_acknowledged_batch_that_the_node_could_not_note_is_not_sent_again(world, sink, server):
    world.fold("s", 0, [*block(1, 5)])
    world.change("CREATE TRIGGER full BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(Exception, match="disk is full"):
        sink.send_waiting(NOW)
    world.change("DROP TRIGGER full")
    assert sink.send_waiting(NOW) == 0
    assert world.totals.sent == 15
    assert measured(server) == expected(5)


@pytest.mark.long
def test_many_batches_of_others_in_between_change_nothing(world, server, tmp_path):
    world.fold("s", 0, [*block(1, 5)])
    with pytest.raises(ClickHouseFault):
        sink_of(world, Lossy(server, times=1)).send_waiting(NOW)
    (tmp_path / "other").mkdir()
    other = OutboxWorld(tmp_path / "other")
    others = Sink(other.database, other.folder, server, "node-b")
    for n in range(20):
        other.fold("s", n, [*block(1000 + n, 1)])
        others.send_waiting(NOW)
    sink_of(world, server).send_waiting(NOW)
    assert measured(server) == expected(25)


@pytest.mark.long
def test_nodes_with_segments_of_one_name_are_told_apart(world, sink, server, tmp_path):
    (tmp_path / "other").mkdir()
    other = OutboxWorld(tmp_path / "other")
    world.fold("s", 0, [*block(1, 5)])
    other.fold("s", 0, [*block(6, 5)])
    sink.send_waiting(NOW)
    Sink(other.database, other.folder, server, "node-b").send_waiting(NOW)
    assert measured(server) == expected(10)


@pytest.mark.long
def test_a_node_that_lost_its_database_sends_only_what_clickhouse_does_not_have(world, sink, server, tmp_path):
    world.fold("s", 0, [*block(1, 2)])
    world.fold("s", 500, [*block(3, 2)])
    sink.send_waiting(NOW)
    (tmp_path / "again").mkdir()
    again = OutboxWorld(tmp_path / "again")
    again.fold("s", 0, [*block(1, 4)])  # the spool is counted again, in other pieces
    again.fold("s", 1000, [*block(5, 1)])
    assert sink_of(again, server).send_waiting(NOW) == 3
    assert measured(server) == expected(5)


@pytest.mark.long
def test_a_block_whose_file_is_lost_is_counted_and_holds_nothing_up(world, sink, server, caplog):
    world.fold("s", 0, [*block(1, 1)])
    world.fold("s", 10, [*block(2, 2)])
    world.fold("s", 20, [*block(4, 1)])
    (world.folder / "s-0.rows").unlink()
    (world.folder / "s-10.rows").write_bytes(b"damaged")
    assert sink.send_waiting(NOW) == 3
    assert (world.totals.sent, world.totals.lost, world.totals.waiting) == (3, 9, 0)
    assert "6 rows for ClickHouse are lost" in caplog.text
    assert measured(server) == expected(1)


@pytest.mark.long
def test_a_batch_ends_before_it_is_too_large(world, sink, server):
    half = [seen(n, "check:none", n=1) for n in range(BATCH_ROWS // 2 + 1)]
    world.fold("s", 0, half)
    world.fold("s", 1, half)
    assert sink.send_waiting(NOW) == 2 * len(half)
    # Two inserts: were it one, all moments would be distinct.
    assert server.ask("SELECT count() / uniqExact(moment) FROM observations") == [(2.0,)]


@pytest.mark.long
def test_the_largest_block_is_one_insert_with_distinct_moments(world, sink, server):
    world.fold("s", 0, [seen(n) for n in range(300_000)])
    sink.send_waiting(NOW)
    assert server.ask("SELECT count(), uniqExact(moment) FROM observations") == [(300_000, 300_000)]


@pytest.mark.long
def test_files_that_no_row_lists_go_after_an_hour(world, sink):
    world.fold("s", 0, [seen(1)])
    world.change("DELETE FROM outbox")
    written = (world.folder / "s-0.rows").stat().st_mtime
    sink.send_waiting(written + 3_500)
    assert world.files == ["s-0.rows"]
    sink.send_waiting(written + 3_700)
    assert world.files == []


@pytest.mark.long
def test_a_server_that_is_away_is_said_and_everything_waits(world):
    def connect():
        raise ConnectionRefusedError(111, "Connection refused")

    world.fold("s", 0, [seen(1)])
    sink = sink_of(world, ClickHouseServer(connect, "db.example.com:8443/edge"))
    for _ in range(2):
        with pytest.raises(ClickHouseFault, match=r"db\.example\.com:8443/edge.*Connection refused"):
            sink.send_waiting(NOW)
    found = sink.condition()
    assert (sink.attempts_failed, found.totals.waiting, found.erasures) == (2, 1, 0)
    assert "Connection refused" in found.failing


@pytest.mark.long
def test_attempts_come_less_often_and_never_end():
    assert [wait_seconds(n) for n in range(6)] == [SEND_SECONDS, 10, 20, 40, RETRY_MOST_SECONDS, RETRY_MOST_SECONDS]
    assert wait_seconds(10_000) == RETRY_MOST_SECONDS
