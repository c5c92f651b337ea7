from contextlib import closing

import pytest
from observed import APP, NOON_MS, OutboxWorld, seen

from edge.domain.statistics.observation import Step
from edge.telemetry.clickhouse.erasing import DEVICE_TABLES, note_erasure, waiting_erasures
from edge.telemetry.clickhouse.server import ClickHouseFault
from edge.telemetry.clickhouse.sink import Sink
from edge.telemetry.folding.database import open_for_folding

NOW = NOON_MS / 1000


@pytest.fixture
def world(tmp_path):
    return OutboxWorld(tmp_path)


@pytest.fixture
def sink(world, server):
    return Sink(world.database, world.folder, server, "node-a")


def erase(world, device, app=APP):
    with closing(open_for_folding(world.database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            note_erasure(connection, app, device)


def waiting(world):
    with closing(open_for_folding(world.database)) as connection:
        return waiting_erasures(connection)


def devices_in(server, table):
    return sorted(device for (device,) in server.ask(f"SELECT DISTINCT device FROM {table}"))


def block(*devices):
    return [seen(device, steps=Step.WORD) for device in devices]


@pytest.mark.long
def test_an_erased_device_is_in_no_row_and_others_stay(world, sink, server):
    world.fold("s", 0, block(-7, 8))
    sink.send_waiting(NOW)
    erase(world, -7)
    sink.send_waiting(NOW)
    assert {table: devices_in(server, table) for table in DEVICE_TABLES} == {table: [8] for table in DEVICE_TABLES}
    assert server.ask("SELECT sum(n) FROM sums_day") == [(2,)]
    assert waiting(world) == 0


@pytest.mark.long
def test_another_apps_device_with_the_same_key_stays(world, sink, server):
    world.fold("s", 0, [seen(7), seen(7, app="com.other")])
    sink.send_waiting(NOW)
    erase(world, 7)
    sink.send_waiting(NOW)
    assert server.ask("SELECT app FROM observations") == [("com.other",)]


@pytest.mark.long
def test_what_waited_when_it_was_erased_is_erased_once_sent(world, sink, server):
    world.fold("s", 0, block(7, 8))
    erase(world, 7)
    sink.send_waiting(NOW)
    assert devices_in(server, "observations") == [8]
    assert waiting(world) == 0


@pytest.mark.long
def test_what_it_does_afterwards_is_kept(world, sink, server):
    world.fold("s", 0, block(7))
    erase(world, 7)
    sink.send_waiting(NOW)
    world.fold("s", 10, block(7))
    sink.send_waiting(NOW)
    assert devices_in(server, "observations") == [7]


@pytest.mark.long
def test_an_erasure_waits_for_a_server_that_is_away(world, server):
    world.fold("s", 0, block(7, 8))
    sink = Sink(world.database, world.folder, server, "node-a")
    sink.send_waiting(NOW)
    erase(world, 7)
    server.run("RENAME TABLE steps TO elsewhere")
    with pytest.raises(ClickHouseFault):
        sink.send_waiting(NOW)
    assert waiting(world) == 1
    server.run("RENAME TABLE elsewhere TO steps")
    sink.send_waiting(NOW)
    assert (waiting(world), devices_in(server, "steps")) == (0, [8])
