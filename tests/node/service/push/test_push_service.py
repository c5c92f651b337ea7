"""Registrations for messages: stored before they are answered, with the app's key, within limits of their own."""

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
from edge.node.service.push.push_service import DEVICE_REQUESTS, REQUEST_COST
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.push_records import PushLeaving, PushOpening, PushRegistration
from edge.telemetry.spool.record import parse_line
from edge.telemetry.spool.spool import Spool

PEER, OTHER_PEER = Peer("192.0.2.1", "192.0.2.1"), Peer("198.51.100.2", "198.51.100.2")
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
TOKEN = "dQw4w9WgXcQ:APA91bH" + "x" * 120
KEY = "pk_" + "a" * 24
BODY = {"app_id": APP, "device_id": DEVICE, "provider": "fcm", "token": TOKEN, "consent": True}


class World:
    def __init__(self, service, spool, folder):
        self.service, self.spool, self._folder = service, spool, folder

    async def send(self, act="register", key="", peer=PEER, **changes):
        reply = await getattr(self.service.push, act)(json.dumps(BODY | changes).encode(), key, peer)
        return reply.status, json.loads(reply.body.plain)

    async def refused(self, **asked):
        status, said = await self.send(**asked)
        return status, said["error"]

    @property
    def counts(self):
        return +self.service.counts.push

    def records(self):
        return [parse_line(line).push for line in stored(self._folder / "spool")]


@asynccontextmanager
async def a_world(folder, *commands, sync=no_sync, prefix_rate=0.0):
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
        event_limits=EventLimits(0.0, prefix_rate),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(folder / "no table"), lambda message: None),
    )
    try:
        yield World(service, spool, folder)
    finally:
        await spool.close()


async def test_who_agrees_is_registered_and_who_does_not_leaves(tmp_path):
    async with a_world(tmp_path) as world:
        said = {"status": "ok", "registered": True, "timezone": "Asia/Tokyo"}
        assert await world.send(timezone="Asia/Tokyo", locale="ja") == (200, said)
        assert await world.send(consent=False) == (200, {"status": "ok", "registered": False, "timezone": None})
        assert await world.send("unregister", provider=None) == (200, {"status": "ok"})
        assert await world.send("opened", message_id="m-1") == (200, {"status": "ok"})
        assert world.records() == [
            PushRegistration(APP, DEVICE, "fcm", TOKEN, zone="Asia/Tokyo", locale="ja"),
            PushLeaving(APP, DEVICE, "fcm"),
            PushLeaving(APP, DEVICE),
            PushOpening(APP, DEVICE, "m-1"),
        ]
        assert world.counts == {"register": 1, "leave": 2, "open": 1}


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


async def test_an_app_with_a_key_takes_those_with_it(tmp_path):
    async with a_world(tmp_path, MakeEventKey(key=KEY, keep_seconds=0)) as world:
        assert await world.refused() == (401, "missing_key")
        assert await world.refused(key="pk_wrong") == (403, "wrong_key")
        assert (await world.send(key=KEY))[0] == 200
        assert (await world.send(token=TOKEN, key=KEY))[0] == 200
        assert await world.refused(app_id="com.elsewhere") == (404, "unknown_app")
        assert world.counts == {"register": 2, "missing_key": 1, "wrong_key": 1, "unknown_app": 1}


async def test_an_address_has_so_many_and_takes_none_of_anothers(tmp_path):
    rate = 1.0
    allowed = int(BURST_SECONDS * rate / REQUEST_COST)
    async with a_world(tmp_path, prefix_rate=rate) as world:
        found = [
            (await world.send(device_id=f"{number:08x}-eefe-490a-9c60-8e965132ae51"))[0]
            for number in range(allowed + 2)
        ]
        assert found.count(200) in (allowed, allowed + 1)
        assert found[-1] == 429
        assert (await world.send(peer=OTHER_PEER))[0] == 200


@pytest.mark.parametrize(("act", "other"), [("register", "unregister"), ("unregister", "register")])
async def test_a_device_in_a_loop_is_told_to_wait_and_may_still_leave(tmp_path, act, other):
    async with a_world(tmp_path) as world:
        found = [(await world.send(act))[0] for _ in range(DEVICE_REQUESTS + 1)]
        assert found == [200] * DEVICE_REQUESTS + [429]
        assert (await world.send(other))[0] == 200
