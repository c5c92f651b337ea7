"""Rollouts through running workers: who is in by bucket gets the bundle, a pause holds, heads' times reach all."""

import asyncio
import uuid
from collections import Counter

import aiohttp
import pytest
from factories import APP, DEVICE, NOW, a_change
from node_world import PROMPT_SECONDS, a_config, a_truth, publish, running

from edge.domain.buckets import bucket_of
from edge.domain.changes.commands import ChannelSettings, MoveRollout, SetChannel, StartRollout, WithdrawBundle
from edge.domain.schedule.rollout import Move
from edge.node.processes.supervisor import Supervisor
from edge.store.heads import shard_of
from edge.store.releases import Releases

DEVICES = [str(uuid.UUID(int=number)) for number in range(60)]
SALT = f"rollout\0{APP}\0salt\0".encode()
IN = {device for device in DEVICES if bucket_of(SALT, device) < 50_000}


async def check(session, address, device=DEVICE, runs="1.0.1"):
    question = {
        "platform": "android",
        "device_id": device,
        "app_id": APP,
        "version_build": "1.0.0",
        "version_name": runs,
        "plugin_version": "8.51.14",
    }
    async with session.post(f"{address}/updates", json=question, headers={"Connection": "close"}) as response:
        assert response.status == 200
        return await response.json()


async def offers(session, address, runs=lambda device: "1.0.1"):
    """Whom the node offers which version."""
    answers = {device: await check(session, address, device, runs(device)) for device in DEVICES}
    return {device: answer["version"] for device, answer in answers.items() if "url" in answer}


def as_told(device):
    """What a device runs that has taken what it was offered."""
    return "1.1.0" if device in IN else "1.0.1"


def released(folder):
    """1.0.1 on the public channel, 1.1.0 published."""
    truth = a_truth(folder)
    publish(truth, "1.0.1")
    publish(truth, "1.1.0")
    truth.releases.commit(
        APP,
        a_change(SetChannel(name="production", settings=ChannelSettings(bundle="1.0.1"), downgrade=True, again=True)),
    )
    return truth


async def change(supervisor, truth, command, **said):
    committed = await asyncio.to_thread(truth.releases.commit, APP, a_change(command, **said))
    await supervisor.announce(APP, committed.head)


async def counted(supervisor) -> Counter:
    return sum((Counter(status.counts.decisions) for status in await supervisor.statuses()), Counter())


async def test_a_rollout_from_start_to_promotion(tmp_path):
    truth = released(tmp_path)
    start = StartRollout(again=True, channel="production", bundle="1.1.0", steps=(50_000, 100_000))
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        assert await offers(session, address) == {}
        await change(supervisor, truth, start, id="salt")
        assert await offers(session, address) == dict.fromkeys(IN, "1.1.0")
        assert 10 < len(IN) < 50
        # Who has it keeps it, and is offered nothing older; fresh devices get what everybody gets.
        assert await offers(session, address, as_told) == {}
        fresh = await offers(session, address, lambda device: "1.0.0")
        assert fresh == {device: "1.1.0" if device in IN else "1.0.1" for device in DEVICES}

        await change(supervisor, truth, MoveRollout(channel="production", move=Move.PAUSE))
        assert await offers(session, address) == {}  # nobody new, within the share neither
        assert await offers(session, address, as_told) == {}  # and who has it keeps it
        await change(supervisor, truth, MoveRollout(channel="production", move=Move.RESUME))
        assert await offers(session, address) == dict.fromkeys(IN, "1.1.0")
        await change(supervisor, truth, MoveRollout(channel="production", move=Move.PROMOTE))
        assert await offers(session, address) == dict.fromkeys(DEVICES, "1.1.0")
        counts = await counted(supervisor)
        assert counts["rollout_share_not_reached"] == 3 * (len(DEVICES) - len(IN))
        assert counts["rollout_paused"] == len(DEVICES) + len(DEVICES) - len(IN)


@pytest.mark.long
async def test_a_withdrawn_bundle_moves_its_devices_to_what_everybody_has(tmp_path):
    truth = released(tmp_path)
    start = StartRollout(again=True, channel="production", bundle="1.1.0", steps=(50_000,))
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        await change(supervisor, truth, start, id="salt")
        await change(supervisor, truth, WithdrawBundle(version="1.1.0", reason="white screen"))
        assert await offers(session, address, as_told) == dict.fromkeys(IN, "1.0.1")


async def test_the_times_of_the_heads_reach_the_workers(tmp_path):
    """The heads were signed long ago, so workers, whose clock says now, stay at the first step; until a fresh head is
    found, by polling, and told on."""
    truth = released(tmp_path)
    start = StartRollout(again=True, channel="production", bundle="1.1.0", steps=(1, 99_999), every_seconds=3_600)
    truth.releases.commit(APP, a_change(start, id="salt"))
    assert truth.releases.heads_issued()[shard_of(APP)] == NOW
    # By its clock the supervisor has nothing to sign anew.
    started = running(a_config(tmp_path), truth, clock=lambda: NOW)
    async with started as (_, address), aiohttp.ClientSession() as session:
        assert {(await check(session, address)).get("url") for _ in range(10)} == {None}
        truth.releases.refresh(NOW + 3_600)  # by another writer, and no app has changed
        async with asyncio.timeout(PROMPT_SECONDS):
            while "url" not in await check(session, address):
                await asyncio.sleep(0.05)


async def test_a_pause_that_is_heard_with_the_time_holds_whom_the_time_would_let_in(tmp_path):
    truth = released(tmp_path)
    start = StartRollout(again=True, channel="production", bundle="1.1.0", steps=(1, 99_999), every_seconds=3_600)
    truth.releases.commit(APP, a_change(start, id="salt"))
    async with (
        running(a_config(tmp_path), truth, clock=lambda: NOW) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        await change(supervisor, truth, MoveRollout(channel="production", move=Move.PAUSE), at=NOW + 3_599)
        truth.releases.refresh(NOW + 86_400)
        await supervisor.announce(APP, truth.releases.head(APP))
        assert {(await check(session, address)).get("url") for _ in range(10)} == {None}


async def test_a_worker_that_starts_later_knows_the_times_of_the_heads(tmp_path):
    truth = released(tmp_path)
    start = StartRollout(again=True, channel="production", bundle="1.1.0", steps=(1, 99_999), every_seconds=3_600)
    truth.releases.commit(APP, a_change(start, id="salt"))
    truth.releases.refresh(NOW + 3_600)
    started = running(a_config(tmp_path), truth, clock=lambda: NOW + 3_600)
    async with started as (_, address), aiohttp.ClientSession() as session:
        assert "url" in await check(session, address)


class HearingPool:
    """Keeps what a worker would be told, in order."""

    def __init__(self):
        self.heard = asyncio.Queue()
        self._left = asyncio.Event()

    async def run(self):
        await self._left.wait()

    async def ready(self):
        pass

    async def announce(self, heads):
        self.heard.put_nowait("heads")

    def learn(self, issued, heard):
        self.heard.put_nowait("times")

    async def drain(self, patient):
        self._left.set()


async def test_a_pause_is_told_before_the_time_that_would_let_more_in(tmp_path):
    """After an outage the time jumps ahead: who hears of it first would offer what a pause has long stopped."""
    truth, pool = released(tmp_path), HearingPool()
    other = Releases(truth.store, truth.writer, truth.trust)
    other.refresh(NOW)
    supervisor = Supervisor(a_config(tmp_path), truth, clock=lambda: NOW)
    supervisor.pool = pool
    ready = asyncio.Event()
    serving = asyncio.create_task(supervisor.run(ready))
    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            await ready.wait()
            start = StartRollout(
                again=True, channel="production", bundle="1.1.0", steps=(1, 99_999), every_seconds=3_600
            )
            await asyncio.to_thread(other.commit, APP, a_change(start, at=NOW + 30))
            assert [await pool.heard.get(), await pool.heard.get()] == ["heads", "times"]
    finally:
        await supervisor.drain()
        await serving
