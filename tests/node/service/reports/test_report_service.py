"""Reports: both ways to the disk answer and store the same, and nothing that was answered with 200 is lost."""

import asyncio
import errno
import json
import threading
import time
from contextlib import asynccontextmanager

import pytest
from factories import APP
from node_world import a_truth, publish
from report_bodies import DEVICE, SENT, body_of
from spooled import events_of, lines_of
from telemetry_lines import no_sync, stored

from edge.facts.table import FactsTable
from edge.node.service.common_answers import Reply
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import BURST_SECONDS, EventLimits
from edge.node.service.limits.large_bodies import LARGE_BYTES, ON_LOOP_BYTES
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Peer, Proxies
from edge.node.service.reports.networks import Networks
from edge.node.service.rollout_clock import SYSTEM, ServiceClock
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool import spool as spool_module
from edge.telemetry.spool.record import parse_events, parse_line
from edge.telemetry.spool.spool import Spool

PEER = Peer("192.0.2.1", "192.0.2.1")
EVENT = SENT | {"app_id": APP, "action": "ping"}


class World:
    def __init__(self, folder, service, spool):
        self.folder, self.service, self.spool = folder, service, spool
        self.sent = []  # to the writer of facts

    @property
    def counts(self):
        return self.service.counts

    async def at_once(self, body: bytes) -> Reply | None:
        """The answer without a task; None if the report needs one."""
        answered = asyncio.get_running_loop().create_future()
        taken = self.service.reports.take_at_once(body, PEER, answered.set_result)
        assert not answered.done()
        return await answered if taken else None


@asynccontextmanager
async def a_world(folder, sync=no_sync, rate=0.0, clock=SYSTEM):
    truth = a_truth(folder)
    committed = publish(truth, "1.0.1")
    current = ServedSnapshots(truth.store)
    current.swap([SnapshotBuilder(truth.store).build(APP, committed.head, time.time())])
    spool, sent = Spool(folder / "spool", "node", 0, sync=sync), []
    service = DeviceService(
        current,
        spool,
        public_url="",
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(rate, 0.0),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(folder / "no table"), sent.append),
        clock=clock,
    )
    world = World(folder, service, spool)
    world.sent = sent
    try:
        yield world
    finally:
        await spool.close()


@pytest.mark.parametrize("sent", [EVENT, [EVENT], [EVENT, EVENT | {"device_id": DEVICE.upper()}] * 9])
async def test_an_ordinary_report_is_answered_and_stored_as_in_a_task(tmp_path, sent):
    found = []
    for name in ("at once", "slowly"):
        folder = tmp_path / name
        folder.mkdir()
        async with a_world(folder) as world:
            body = body_of(sent)
            reply = await (world.at_once(body) if name == "at once" else world.service.reports.take_slowly(body, PEER))
            found.append((reply, world.counts.events, events_of(folder / "spool"), world.spool.acknowledged))
    assert found[0] == found[1]
    assert found[0][0].status == 200 and found[0][0].app == APP and found[0][3] == len(found[0][2]) > 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_record_names_the_network_by_a_number_and_never_by_its_address(tmp_path, at_once):
    async with a_world(tmp_path) as world:
        body = body_of(EVENT)
        await (world.at_once(body) if at_once else world.service.reports.take_slowly(body, PEER))
        (line,) = stored(tmp_path / "spool")
        assert parse_line(line).net == Networks(bytes(16)).number_of(PEER.prefix)
        assert PEER.address.encode() not in line


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        body_of(EVENT | {"action": "made_up"}),
        body_of(EVENT | {"app_id": "com.unknown"}),
        body_of([EVENT] * (LARGE_BYTES // len(body_of(EVENT)) + 1)),
        body_of([EVENT | {"action": "set"}] * (ON_LOOP_BYTES // len(body_of(EVENT)) + 1)),
        body_of(EVENT | {"action": "update_fail", "version_name": "1.0.1"}),
    ],
    ids=["no JSON", "refused", "unknown app", "large", "large and about facts", "a failure"],
)
async def test_what_needs_a_task_is_left_alone(tmp_path, body):
    async with a_world(tmp_path) as world:
        assert await world.at_once(body) is None
        assert (world.spool.acknowledged, world.counts.events.total(), world.sent) == (0, 0, [])


async def test_a_download_is_noted_before_its_events_are_stored(tmp_path):
    async with a_world(tmp_path) as world:
        reply = await world.at_once(body_of(EVENT | {"action": "download_complete", "version_name": "1.0.1"}))
        assert reply.status == 200 and world.counts.events["stored"] == 1
        world.service.facts.flush()
        (record,) = world.sent
        assert [(change.app, change.device, change.version) for change in record.changes] == [(APP, DEVICE, "1.0.1")]


async def test_above_their_limit_events_are_dropped_counted_and_answered(tmp_path):
    async with a_world(tmp_path, rate=30 / BURST_SECONDS) as world:
        for _ in range(3):
            reply = await world.at_once(body_of([EVENT] * 20))
            assert reply.status == 200 and len(json.loads(reply.body.plain)["results"]) == 20
        assert (world.counts.events["stored"], world.counts.events["over_limit"]) == (20, 40)


async def test_a_full_queue_is_a_503_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "QUEUE_LIMIT_EVENTS", 30)
    opened = threading.Event()
    async with a_world(tmp_path, sync=lambda fd: opened.wait(60)) as world:
        first = asyncio.create_task(world.at_once(body_of([EVENT] * 20)))
        await asyncio.sleep(0)
        refused = await world.at_once(body_of([EVENT] * 20))
        assert (refused.status, refused.app) == (503, APP)
        assert not first.done()  # the disk is slow
        opened.set()
        assert (await first).status == 200
        assert (await world.at_once(body_of([EVENT] * 20))).status == 200
        assert (world.counts.events["stored"], world.counts.events["refused"]) == (40, 20)
        assert world.counts.refused_events["spool_full"] == 20
    assert len(events_of(tmp_path / "spool")) == 40


async def test_a_disk_that_fails_is_a_503(tmp_path):
    def fail(fd):
        raise OSError(errno.EIO, "the disk is gone")

    async with a_world(tmp_path, sync=fail) as world:
        replies = await asyncio.gather(*(world.at_once(body_of([EVENT] * 2)) for _ in range(3)))
        assert [reply.status for reply in replies] == [503] * 3
        assert (world.counts.events["stored"], world.counts.refused_events["spool_failed"]) == (0, 6)


async def test_a_client_that_left_costs_its_events_nothing(tmp_path):
    async with a_world(tmp_path) as world:
        asked = asyncio.create_task(world.service.reports.take(body_of(EVENT), PEER))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    await asyncio.sleep(0)
    assert len(events_of(tmp_path / "spool")) == world.counts.events["stored"] == 1


async def test_what_was_answered_with_200_is_counted_whichever_way_it_came(tmp_path):
    acknowledged = 0
    async with a_world(tmp_path, rate=100 / BURST_SECONDS) as world:
        for turn in range(40):
            again = EVENT | {"timestamp": 1_760_000_000_000 + turn // 4}
            body = body_of([EVENT | {"timestamp": None}, again, again | {"custom_id": 7 if turn % 2 else "7"}])
            ways = (world.service.reports.take, world.service.reports.take_slowly)
            reply = await ways[turn % 2](body, PEER)
            acknowledged += 3 * (reply.status == 200)
    fold(tmp_path / "spool", tmp_path / "counts.db", now=time.time())
    totals = read_totals(tmp_path / "counts.db")
    counted = totals["folded"] + totals["duplicates"]
    assert counted + world.counts.events["over_limit"] == acknowledged == 120
    assert totals["malformed"] == 0 and totals["duplicates"] and world.counts.events["over_limit"]
    assert counted == world.counts.events["stored"] == world.spool.acknowledged


async def test_events_are_received_and_limited_by_the_clock_that_the_service_is_given(tmp_path):
    now = [1_000.0]
    clock = ServiceClock(lambda: now[0], lambda: now[0])
    async with a_world(tmp_path, rate=20 / BURST_SECONDS, clock=clock) as world:
        for seconds in (0, 0, 86_400):
            now[0] += seconds
            assert (await world.at_once(body_of([EVENT] * 20))).status == 200
        assert (world.counts.events["stored"], world.counts.events["over_limit"]) == (40, 20)
    received = {ms for line in lines_of(tmp_path / "spool") for ms, _ in parse_events(line)}
    assert received == {1_000_000, 87_400_000}
