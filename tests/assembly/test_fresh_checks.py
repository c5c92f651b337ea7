"""A question about figures on a live node: what its workers noted of checks by then is in the answer."""

import asyncio
import os
import signal

import aiohttp
import pytest
from factories import DEVICE, a_change
from node_world import APP, PROMPT_SECONDS, check, info, publish

from edge.assembly.standalone import Standalone
from edge.config import Config, Control, Devices
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel

CHECKS = 12  # a connection each: over both workers


@pytest.fixture
def node(tmp_path):
    devices = Devices(host="127.0.0.1", port=0, workers=2)
    node = Standalone(Config(data_dir=str(tmp_path / "data"), devices=devices, control=Control(port=0)))
    releases = node.directory.releases
    releases.commit(APP, a_change(CreateApp(app=APP)))
    releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    publish(node.directory, "1.0.1")
    return node


async def report(session, address, action):
    sent = info(action=action, device_id=DEVICE, version_name="1.0.1")
    async with session.post(f"{address}/stats", json=sent) as response:
        assert response.status == 200


async def test_checks_and_the_report_after_them_are_counted_at_once(node):
    async with node.running(), aiohttp.ClientSession() as session, asyncio.timeout(4 * PROMPT_SECONDS):
        address = f"http://127.0.0.1:{node.device_port}"
        await node.telemetry.counts(APP)
        for n in range(1, 4):
            await asyncio.gather(*(check(session, address) for _ in range(CHECKS)))
            await report(session, address, "set")
            counts = await node.telemetry.counts(APP)
            assert node.telemetry.condition.totals["checks"] == n * CHECKS
            assert [(each.bundle, each.action, each.n) for each in counts] == [("1.0.1", "set", n)]


async def test_a_worker_that_does_not_answer_is_passed_over(node):
    async with node.running(), aiohttp.ClientSession() as session, asyncio.timeout(4 * PROMPT_SECONDS):
        address = f"http://127.0.0.1:{node.device_port}"
        await asyncio.gather(*(check(session, address) for _ in range(CHECKS)))
        await node.telemetry.counts(APP)
        stuck = node.supervisor.pool.workers[0].pid
        os.kill(stuck, signal.SIGSTOP)
        try:
            await node.telemetry.counts(APP)
            assert node.telemetry.condition.totals["checks"] == CHECKS
        finally:
            os.kill(stuck, signal.SIGCONT)
