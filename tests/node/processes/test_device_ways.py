"""Devices change what they get: a choice left with the node, a bundle that failed, sizes asked for. On a real node."""

import asyncio
import hashlib
import os
import signal
import time

import aiohttp
import pytest
from factories import APP, DEVICE, a_bundle, a_change
from msgspec import UNSET
from node_world import PROMPT_SECONDS, a_config, a_truth, info, publish, running, upload
from spooled import events_of

from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    PublishBundle,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetSegment,
)
from edge.domain.facts import awaits, name_hash
from edge.store.objects.port import blob_key

OLD, NEW = "7.33.4", "8.51.14"


class Phone:
    """One device's requests, each on a new connection, so that the kernel spreads them over the workers."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self._address = address

    async def ask(self, method: str, path: str, body: object = None, **query: str) -> dict | list:
        headers = {"Connection": "close"}
        async with self.session.request(
            method, self._address + path, json=body, params=query, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def runs_next(self, plugin: str = NEW, **fields) -> str:
        """The version that a check is told, whichever worker takes it."""
        answers = [await self.ask("POST", "/updates", info(plugin, **fields)) for _ in range(6)]
        (version,) = {answer["version"] for answer in answers}
        return version


def with_beta(truth, name="beta") -> None:
    publish(truth, "1.0.1")
    upload(truth, "1.0.2")
    bundle = a_bundle("1.0.2", zip=hashlib.sha256(b"zip 1.0.2").hexdigest())
    truth.releases.commit(APP, a_change(CreateChannel(name=name, settings=ChannelSettings(self_set=True))))
    truth.releases.commit(APP, a_change(PublishBundle(bundle=bundle, channel=name)))


@pytest.mark.long
@pytest.mark.parametrize("name", ["beta", "feature/login"])
async def test_an_old_plugins_choice_is_kept_by_the_node_and_seen_by_every_worker(tmp_path, name):
    truth = a_truth(tmp_path)
    with_beta(truth, name)
    async with aiohttp.ClientSession() as session:
        async with running(a_config(tmp_path), truth) as (_, address):
            phone = Phone(session, address)
            assert await phone.runs_next(OLD) == "1.0.1"
            assert await phone.ask("POST", "/channel_self", info(OLD, channel=name)) == {"status": "ok"}
            assert await phone.runs_next(OLD) == "1.0.2"
            held = await phone.ask("PUT", "/channel_self", info(OLD))
            assert held == {"channel": name, "status": "override", "allowSet": True}
        async with running(a_config(tmp_path), truth) as (_, address):
            phone = Phone(session, address)
            assert await phone.runs_next(OLD) == "1.0.2"
            assert await phone.ask("DELETE", "/channel_self", info(OLD)) == {"status": "ok"}
            assert await phone.runs_next(OLD) == "1.0.1"


@pytest.mark.parametrize("name", ["beta", "feature/login"])
async def test_newer_plugins_are_only_told_whether_they_may(tmp_path, name):
    truth = a_truth(tmp_path)
    with_beta(truth, name)
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        assert await phone.ask("POST", "/channel_self", info(channel=name)) == {"status": "ok", "allowSet": True}
        assert await phone.runs_next() == "1.0.1"
        assert await phone.runs_next(defaultChannel=name) == "1.0.2"
        listed = await phone.ask("GET", "/channel_self", app_id=APP, platform="android", device_id=DEVICE)
        assert [each["name"] for each in listed] == [name, "production"]
        assert all(isinstance(each["id"], int) for each in listed)


@pytest.mark.long
@pytest.mark.parametrize(("never_yields", "answer"), [(True, "cannot_override"), (False, None), (None, None)])
async def test_a_choice_that_a_segment_overrules_is_refused(tmp_path, never_yields, answer):
    truth = a_truth(tmp_path)
    with_beta(truth)
    wanted = UNSET if never_yields is None else not never_yields
    settings = SegmentSettings(where='version_os == "14"', priority=1, channel="production", yield_to_self_set=wanted)
    truth.releases.commit(APP, a_change(SetSegment(name="fourteen", settings=settings)))
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        assert (await phone.ask("POST", "/channel_self", info(channel="beta"))).get("error") == answer
        assert await phone.runs_next(defaultChannel="beta") == ("1.0.2" if answer is None else "1.0.1")
        other = info(channel="beta", version_os="15", device_id=DEVICE.replace("0", "1"))
        assert (await phone.ask("POST", "/channel_self", other))["status"] == "ok"


@pytest.mark.long
@pytest.mark.parametrize("plugin", [NEW, OLD])
async def test_a_loop_of_choices_hears_an_error_and_never_a_429(tmp_path, plugin):
    truth = a_truth(tmp_path)
    with_beta(truth)
    errors = []
    async with running(a_config(tmp_path, workers=1), truth) as (_, address), aiohttp.ClientSession() as session:
        for _ in range(60):  # five in a second are an app's own business
            async with session.post(f"{address}/channel_self", json=info(plugin, channel="beta")) as response:
                assert (response.status, "Retry-After" in response.headers) == (200, False)
                errors.append((await response.json()).get("error"))
    assert errors[:3] == [None] * 3
    assert set(errors) == {None, "too_many_requests"}


def report(action: str, version: str) -> list[dict]:
    return [info(action=action, version_name=version, old_version_name="1.0.0")]


@pytest.mark.long
@pytest.mark.parametrize("action", ["update_fail", "set_fail"])
async def test_a_bundle_that_failed_is_not_offered_to_that_device_again(tmp_path, action):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        assert await phone.runs_next() == "1.0.1"
        async with asyncio.timeout(PROMPT_SECONDS):
            while not supervisor.facts_of(APP, DEVICE).offered:
                await asyncio.sleep(0.01)
        await phone.ask("POST", "/stats", report(action, "1.0.1"))
        answer = await phone.ask("POST", "/updates", info())
        assert (answer["error"], answer["kind"]) == ("no_new_version_available", "up_to_date")
        other = await phone.ask("POST", "/updates", info(device_id=DEVICE.replace("0", "3")))
        assert other["version"] == "1.0.1"
        committed = publish(truth, "1.0.2")
        await supervisor.announce(APP, committed.head)
        assert await phone.runs_next() == "1.0.2"


@pytest.mark.long
async def test_a_failure_right_after_the_offer_counts_where_one_worker_has_heard_both(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path, workers=1), truth) as (_, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        assert (await phone.ask("POST", "/updates", info()))["version"] == "1.0.1"
        await phone.ask("POST", "/stats", report("update_fail", "1.0.1"))
        assert (await phone.ask("POST", "/updates", info()))["kind"] == "up_to_date"


@pytest.mark.long
async def test_attempts_in_a_row_withhold_whichever_worker_hears_of_them(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        for number in range(1, 4):
            # Once, as a device asks: a second worker's note of the same offer may reach the table after the report.
            assert (await phone.ask("POST", "/updates", info()))["version"] == "1.0.1"
            async with asyncio.timeout(PROMPT_SECONDS):  # the offer reaches the table in a batch
                while not awaits(supervisor.facts_of(APP, DEVICE), name_hash("1.0.1")):
                    await asyncio.sleep(0.01)
            for _ in range(3):  # of one attempt
                await phone.ask("POST", "/stats", report("download_fail", "1.0.0"))
            assert supervisor.facts_of(APP, DEVICE).failures[0].attempts == number
        assert await phone.runs_next() == "1.0.0"
        counts = [each.counts.withheld.get("download_fail", 0) for each in await supervisor.statuses()]
        assert sum(counts) == 1
        (event,) = [event for event in events_of(truth.spool_dir) if event["action"] == "withheld_download_fail"]
        assert (event["version"], event["device"], event["app"]) == ("1.0.1", DEVICE, APP)


async def attempt(phone: Phone, action: str, address: str = "", digest: str = "") -> None:
    """An offer, a look at its zip, a report."""
    await phone.ask("POST", "/updates", info())
    if digest:
        async with phone.session.get(f"{address}/bundles/{APP}/zip/{digest}") as response:
            assert response.status == 503
    await phone.ask("POST", "/stats", report(action, "1.0.0"))


@pytest.mark.long
async def test_a_blob_that_this_node_lost_withholds_nothing(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    digest = hashlib.sha256(b"zip 1.0.1").hexdigest()
    async with (
        running(a_config(tmp_path, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        phone, zip_path = Phone(session, address), truth.store.path(blob_key(digest))
        zip_path.rename(zip_path.with_suffix(".away"))
        for _ in range(5):
            await attempt(phone, "checksum_fail", address, digest)
        assert supervisor.facts_of(APP, DEVICE).failures == ()
        zip_path.with_suffix(".away").rename(zip_path)
        async with session.get(f"{address}/bundles/{APP}/zip/{digest}") as response:
            assert response.status == 200


@pytest.mark.long
async def test_a_report_of_a_check_that_was_told_nothing_new_counts_for_nothing(tmp_path):
    """What runs is named by a failed check as well as by a failed download."""
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with (
        running(a_config(tmp_path, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        phone = Phone(session, address)
        await phone.ask("POST", "/updates", info())
        back = truth.releases.commit(APP, a_change(RollBack(channel="production", to="builtin")))
        await supervisor.announce(APP, back.head)
        assert await phone.runs_next() == "1.0.0"
        await phone.ask("POST", "/stats", report("download_fail", "1.0.0"))
        assert supervisor.facts_of(APP, DEVICE).failures == ()


@pytest.mark.long
async def test_a_device_that_runs_the_bundle_after_all_begins_from_the_beginning(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with (
        running(a_config(tmp_path, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        phone = Phone(session, address)
        await attempt(phone, "checksum_fail")
        assert supervisor.facts_of(APP, DEVICE).failures
        await supervisor.announce(APP, publish(truth, "1.0.2").head)
        await phone.ask("POST", "/updates", info(version_name="1.0.1"))
        async with asyncio.timeout(PROMPT_SECONDS):
            while supervisor.facts_of(APP, DEVICE).failures:
                await asyncio.sleep(0.01)


@pytest.mark.long
async def test_a_worker_that_dies_is_no_devices_fault(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with (
        running(a_config(tmp_path, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        phone = Phone(session, address)
        await phone.ask("POST", "/updates", info())
        async with asyncio.timeout(PROMPT_SECONDS):
            while not supervisor.facts_of(APP, DEVICE).offered:
                await asyncio.sleep(0.01)
        (victim,) = [worker.pid for worker in supervisor.pool.workers]
        os.kill(victim, signal.SIGKILL)
        async with asyncio.timeout(PROMPT_SECONDS):
            while any(s.pid == victim or not s.ready for s in await supervisor.statuses()):
                await asyncio.sleep(0.02)
        await phone.ask("POST", "/stats", report("checksum_fail", "1.0.1"))
        assert supervisor.facts_of(APP, DEVICE).failures == ()


async def test_a_failure_of_what_was_never_offered_changes_nothing(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        await phone.ask("POST", "/stats", report("update_fail", "1.0.1"))
        assert await phone.runs_next() == "1.0.1"


@pytest.mark.long
async def test_facts_outlive_workers_and_nodes_that_are_killed(tmp_path):
    truth = a_truth(tmp_path)
    with_beta(truth)
    async with aiohttp.ClientSession() as session, running(a_config(tmp_path), truth) as (supervisor, address):
        phone = Phone(session, address)
        await phone.ask("POST", "/channel_self", info(OLD, channel="beta"))
        victims = [worker.pid for worker in supervisor.pool.workers]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PROMPT_SECONDS):
            while any(s.pid in victims or not s.ready for s in await supervisor.statuses()):
                await asyncio.sleep(0.02)
        assert await phone.runs_next(OLD) == "1.0.2"


@pytest.mark.long
async def test_a_choice_follows_the_channel(tmp_path):
    truth = a_truth(tmp_path)
    with_beta(truth)
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        await phone.ask("POST", "/channel_self", info(OLD, channel="beta"))
        command = SetChannel(name="beta", settings=ChannelSettings(bundle="1.0.1"), downgrade=True)
        await supervisor.announce(APP, truth.releases.commit(APP, a_change(command)).head)
        assert await phone.runs_next(OLD) == "1.0.1"


@pytest.mark.long
async def test_sizes_are_told_by_digest_and_no_address_is_asked(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    stored = b"the file's stored bytes"
    async with running(a_config(tmp_path, workers=1), truth) as (_, address), aiohttp.ClientSession() as session:
        phone = Phone(session, address)
        offer = await phone.ask("POST", "/updates", info())
        listed = offer["manifest"][0]
        digest = listed["download_url"].rpartition("/")[2]
        truth.store.path(blob_key(digest)).unlink()
        async with session.get(listed["download_url"]) as response:
            assert response.status == 503  # named by the revision, and lost
        truth.store.create(blob_key(digest), stored)
        elsewhere = {"file_name": "x", "file_hash": "y", "download_url": "http://127.0.0.1:1/bundles/x.y/file/z"}
        body = info(version="1.0.1", manifest=[listed, elsewhere])
        sizes = await phone.ask("POST", "/updates/manifest_size", body)
        assert (sizes["totalSize"], sizes["knownFiles"], sizes["unknownFiles"]) == (len(stored), 1, 1)


@pytest.mark.long
async def test_the_facts_of_a_check_are_those_of_its_time(tmp_path):
    """What was withheld is offered once more after a day: the clock of the node decides, nothing has to run."""
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    past = [time.time() - 86_400 - 3_700.0]
    async with (
        running(a_config(tmp_path, workers=1), truth, clock=lambda: past[0]) as (_, address),
        aiohttp.ClientSession() as session,
    ):
        phone = Phone(session, address)
        for _ in range(2):
            await phone.ask("POST", "/updates", info())
            await phone.ask("POST", "/stats", report("checksum_fail", "1.0.1"))
        assert await phone.runs_next() == "1.0.1"  # the workers' clock is a day later
        past[0] = time.time()
        await phone.ask("POST", "/stats", report("checksum_fail", "1.0.1"))
        assert await phone.runs_next() == "1.0.0"
