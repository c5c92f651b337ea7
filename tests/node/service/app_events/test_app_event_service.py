"""Events of an app's own code: stored before they are answered, with the app's key, within limits of their own."""

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager

import pytest
from factories import APP, a_change
from node_world import a_truth
from telemetry_lines import no_sync, stored

from edge.domain.changes.commands import MakeEventKey
from edge.facts.table import FactsTable
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import BURST_SECONDS, EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Peer, Proxies
from edge.node.service.reports.networks import Networks
from edge.node.service.rollout_clock import SYSTEM, ServiceClock
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of
from edge.telemetry.spool.app_records import UsedLine
from edge.telemetry.spool.record import parse_line
from edge.telemetry.spool.spool import Spool
from edge.wire.app_events import AppEvent

PEER, OTHER_PEER = Peer("192.0.2.1", "192.0.2.1"), Peer("192.0.2.2", "192.0.2.2")
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
KEY, LATER_KEY = "pk_" + "a" * 24, "pk_" + "b" * 24
AT = 1_795_000_000_123
EVENT = {"name": "checkout", "kind": "purchase", "time": AT, "value": 9.5, "labels": {"currency": "EUR"}}
DAY = 86_400


def a_body(*events, **changes):
    return json.dumps({"app_id": APP, "device_id": DEVICE, "events": list(events) or [EVENT]} | changes).encode()


class World:
    def __init__(self, service, spool, folder):
        self.service, self.spool, self._folder = service, spool, folder

    async def send(self, body=None, key="", peer=PEER):
        reply = await self.service.app_events.take(a_body() if body is None else body, key, peer)
        return reply.status, json.loads(reply.body.plain)

    async def refused(self, **asked):
        status, said = await self.send(**asked)
        return status, said["error"]

    @property
    def counts(self):
        return +self.service.counts.app_events

    def lines(self):
        return [parse_line(line) for line in stored(self._folder / "spool")]


@asynccontextmanager
async def a_world(folder, *commands, sync=no_sync, app_rate=0.0, prefix_rate=0.0, clock=SYSTEM):
    truth = a_truth(folder)
    for command in commands:
        truth.releases.commit(APP, a_change(command, at=time.time()))
    current = ServedSnapshots(truth.store)
    current.swap([SnapshotBuilder(truth.store).build(APP, truth.releases.heads()[APP], time.time())])
    spool = Spool(folder / "spool", "node", 0, sync=sync)
    service = DeviceService(
        current,
        spool,
        public_url="",
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(app_rate, prefix_rate),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(folder / "no table"), lambda message: None),
        clock=clock,
    )
    try:
        yield World(service, spool, folder)
    finally:
        await spool.close()


async def test_events_are_stored_with_who_sent_them(tmp_path):
    async with a_world(tmp_path) as world:
        status, said = await world.send(a_body(EVENT, EVENT | {"name": "cart"}, custom_id="user-7", platform="web"))
        assert (status, said) == (200, {"status": "ok", "accepted": 2, "refused": []})
        (line,) = world.lines()
        assert isinstance(line, UsedLine)
        assert (line.used.app, line.used.device, line.used.custom_id, line.used.platform) == (
            *(APP, DEVICE),
            *("user-7", "web"),
        )
        assert line.used.of[0] == AppEvent("checkout", "purchase", AT, 9.5, {"currency": "EUR"})
        assert line.net == Networks(bytes(16)).number_of(PEER.prefix)
        assert (world.counts, world.spool.acknowledged) == ({"stored": 2}, 2)


async def test_nothing_is_answered_before_it_is_on_disk(tmp_path):
    writing, written = threading.Event(), threading.Event()

    def sync(descriptor):
        writing.set()
        written.wait()

    async with a_world(tmp_path, sync=sync) as world:
        sending = asyncio.ensure_future(world.send())
        await asyncio.to_thread(writing.wait)
        assert not sending.done()
        written.set()
        assert (await sending)[0] == 200


async def test_what_cannot_be_stored_comes_again(tmp_path):
    def sync(descriptor):
        raise OSError(28, "No space left on device")

    async with a_world(tmp_path, sync=sync) as world:
        assert await world.refused() == (503, "unavailable")
        assert world.counts == {"refused": 1}
        assert world.service.counts.refused_events == {"spool_failed": 1}


async def test_a_bad_event_is_told_and_counted(tmp_path):
    async with a_world(tmp_path) as world:
        status, said = await world.send(a_body(EVENT, EVENT | {"kind": "click"}))
        assert (status, said["accepted"], said["refused"][0]["error"]) == (200, 1, "invalid_kind")
        assert world.counts == {"stored": 1, "malformed": 1}
        assert await world.refused(body=a_body(EVENT | {"kind": "click"})) == (400, "invalid_kind")


async def test_an_unknown_app_is_told(tmp_path):
    async with a_world(tmp_path) as world:
        assert await world.refused(body=a_body(app_id="com.unknown")) == (404, "unknown_app")
        assert (world.counts, world.lines()) == ({"unknown_app": 1}, [])


@pytest.mark.parametrize("in_body", [True, False])
async def test_an_app_with_a_key_takes_events_with_it_alone(tmp_path, in_body):
    async with a_world(tmp_path, MakeEventKey(key=KEY, keep_seconds=0)) as world:

        def stating(key):
            return {"body": a_body(key=key)} if in_body else {"key": key}

        assert await world.refused() == (401, "missing_key")
        assert await world.refused(**stating("pk_wrong")) == (403, "wrong_key")
        assert (await world.send(**stating(KEY)))[0] == 200
        assert world.counts == {"wrong_key": 2, "stored": 1}


async def test_a_former_key_is_taken_until_it_ends(tmp_path):
    now = [time.time()]
    clock = ServiceClock(lambda: now[0], time.monotonic)
    commands = (MakeEventKey(key=KEY, keep_seconds=0), MakeEventKey(key=LATER_KEY, keep_seconds=DAY))
    async with a_world(tmp_path, *commands, clock=clock) as world:
        assert (await world.send(key=KEY))[0] == (await world.send(key=LATER_KEY))[0] == 200
        now[0] += 2 * DAY
        assert await world.refused(key=KEY) == (403, "wrong_key")
        assert (await world.send(key=LATER_KEY))[0] == 200


async def test_above_the_limit_of_an_address_or_of_an_app_events_come_later(tmp_path):
    async with a_world(tmp_path, app_rate=50 / BURST_SECONDS, prefix_rate=30 / BURST_SECONDS) as world:
        body = a_body(*[EVENT] * 20)
        assert (await world.send(body))[0] == 200
        assert await world.refused(body=body) == (429, "too_many_requests")
        assert (await world.send(body, peer=OTHER_PEER))[0] == 200
        assert await world.refused(body=body, peer=Peer("192.0.3.1", "192.0.3.1")) == (429, "too_many_requests")
        assert world.counts == {"stored": 40, "over_limit": 40}


async def test_events_take_nothing_of_the_limits_of_reports(tmp_path):
    async with a_world(tmp_path, prefix_rate=30 / BURST_SECONDS) as world:
        assert (await world.send(a_body(*[EVENT] * 30)))[0] == 200
        assert world.service.event_limits.admit(APP, PEER.prefix, 30, 30, time.monotonic())


async def test_without_the_right_key_nothing_of_the_limits_is_used_up(tmp_path):
    async with a_world(tmp_path, MakeEventKey(key=KEY, keep_seconds=0), app_rate=1 / BURST_SECONDS) as world:
        for _ in range(5):
            assert await world.refused(key="pk_wrong") == (403, "wrong_key")
        assert (await world.send(key=KEY))[0] == 200


async def test_an_app_that_cannot_be_read_keeps_the_sender_waiting(tmp_path):
    async with a_world(tmp_path) as world:
        world.service.current.unserved_shards = {shard_of("com.unknown"): "gone"}
        assert await world.refused(body=a_body(app_id="com.unknown")) == (503, "unavailable")
