"""The node as processes: real workers on a real port, told by a real supervisor."""

import asyncio
import gzip
import hashlib
import json
import os
import signal

import aiohttp
import pytest
from factories import APP, DEVICE, a_bundle, a_change, a_manifest
from node_world import PROMPT_SECONDS, WORKERS, a_config, a_truth, check, publish, running, upload

from edge.domain.changes.commands import ChannelSettings, CreateApp, PublishBundle, SetChannel
from edge.node.processes.listening import CannotListen, listen, port_of
from edge.store.damage import NotTaken
from edge.store.objects.port import blob_key, revision_key


async def test_what_was_announced_is_what_every_worker_answers(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        assert (await check(session, address))["kind"] == "up_to_date"
        for version in ("1.0.1", "1.0.2", "1.0.3"):
            committed = publish(truth, version)
            await supervisor.announce(APP, committed.head)
            answers = [await check(session, address) for _ in range(20)]
            assert {answer["version"] for answer in answers} == {version}


async def test_another_writers_change_is_found_by_polling(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        publish(truth, "1.0.1")  # nobody announces it
        async with asyncio.timeout(PROMPT_SECONDS):
            while (await check(session, address)).get("url") is None:
                await asyncio.sleep(0.05)


async def test_offered_bytes_can_be_fetched_and_others_cannot(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        offer = await check(session, address)
        async with session.get(offer["url"]) as response:
            assert await response.read() == b"zip 1.0.1"
        unpublished = hashlib.sha256(b"not for devices").hexdigest()
        truth.store.create(blob_key(unpublished), b"not for devices")
        for kind in ("zip", "file"):
            async with session.get(f"{address}/bundles/{APP}/{kind}/{unpublished}") as response:
                assert response.status == 404


async def test_a_dead_worker_is_replaced_and_serves_what_is_current(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        committed = publish(truth, "1.0.1")
        await supervisor.announce(APP, committed.head)
        victims = [worker.pid for worker in supervisor.pool.workers]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(PROMPT_SECONDS):
            while any(s.pid in victims or not s.ready for s in await supervisor.statuses()):
                await asyncio.sleep(0.02)
        answers = [await check(session, address) for _ in range(10)]
        assert {answer["version"] for answer in answers} == {"1.0.1"}
        assert [status.restarts for status in await supervisor.statuses()] == [1] * WORKERS


async def test_a_draining_worker_finishes_the_download_under_way(tmp_path):
    truth = a_truth(tmp_path)
    large = os.urandom(1 << 20) * 64
    digest = hashlib.sha256(large).hexdigest()
    truth.store.create(blob_key(digest), large)
    upload(truth, "1.0.1")
    truth.releases.commit(APP, a_change(PublishBundle(bundle=a_bundle("1.0.1", zip=digest), channel="production")))
    received = bytearray()
    async with aiohttp.ClientSession() as session:
        async with running(a_config(tmp_path, workers=1), truth) as (supervisor, address):
            url = (await check(session, address))["url"]
            response = await session.get(url)
            received += await response.content.read(1 << 16)
            port = port_of(supervisor.listening)
            await supervisor.drain()
            with pytest.raises(ConnectionRefusedError):  # while the download goes on
                await asyncio.open_connection("127.0.0.1", port)
            received += await response.read()
        assert hashlib.sha256(received).hexdigest() == digest
        with pytest.raises(aiohttp.ClientConnectionError):
            await check(session, address)


async def test_reports_survive_the_worker_that_took_them(tmp_path):
    truth = a_truth(tmp_path)
    event = {
        "platform": "android",
        "device_id": DEVICE,
        "app_id": APP,
        "version_build": "1.0.0",
        "version_name": "1.0.1",
        "version_os": "14",
        "plugin_version": "8.51.14",
        "is_emulator": False,
        "is_prod": True,
        "action": "set",
    }
    async with running(a_config(tmp_path, workers=1), truth) as (supervisor, address):
        async with aiohttp.ClientSession() as session, session.post(f"{address}/stats", json=[event] * 3) as response:
            assert (await response.json())["results"] == [{"status": "ok", "index": n} for n in range(3)]
        os.kill(supervisor.pool.workers[0].pid, signal.SIGKILL)
    stored = b"".join(path.read_bytes() for path in truth.spool_dir.iterdir())
    assert stored.count(b'"set"') == 3


async def test_events_of_apps_that_are_not_here_are_answered_and_not_stored(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path, workers=1), truth) as (supervisor, address):
        event = {
            "platform": "ios",
            "device_id": DEVICE,
            "app_id": "com.other.app",
            "version_name": "1",
            "action": "set",
        }
        async with aiohttp.ClientSession() as session, session.post(f"{address}/stats", json=event) as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        (status,) = await supervisor.statuses()
        assert status.counts.by_name()["events_of_unknown_apps"] == 1
    assert not any(path.stat().st_size > 200 for path in truth.spool_dir.glob("*"))


REFUSED = [
    ("POST", "/updates", b"{", 400, "invalid_json_parse_body"),
    ("POST", "/updates", b"x" * 70_000, 413, "body_too_large"),
    ("POST", "/stats", b"[", 400, "invalid_json_parse_body"),
    ("GET", "/nowhere", None, 404, "not_found"),
    ("GET", "/bundles/x/zip/y", None, 404, "not_found"),
    ("DELETE", "/updates", None, 405, "method_not_allowed"),
]


async def test_what_is_refused_has_one_shape(tmp_path):
    config, truth = a_config(tmp_path, workers=1), a_truth(tmp_path)
    async with running(config, truth) as (_, address), aiohttp.ClientSession() as session:
        for method, path, body, status, error in REFUSED:
            async with session.request(method, address + path, data=body) as response:
                assert (response.status, (await response.json())["error"]) == (status, error)


async def test_probes_greetings_and_web_clients(tmp_path):
    config, truth = a_config(tmp_path, workers=1), a_truth(tmp_path)
    async with running(config, truth) as (_, address), aiohttp.ClientSession() as session:
        for path, said in (
            ("/livez", {"status": "ok"}),
            ("/readyz", {"ready": True}),
            ("/updates", {"status": "ok"}),
        ):
            async with session.get(address + path, headers={"Origin": "capacitor://localhost"}) as response:
                assert (response.status, await response.json()) == (200, said)
                assert response.headers["Access-Control-Allow-Origin"] == "*"
        asks = {"Origin": "null", "Access-Control-Request-Method": "POST"}
        for path in ("/updates", "/stats", "/bundles/a.b/zip/x"):
            async with session.options(address + path, headers=asks) as response:
                assert response.status == 204
                assert "POST" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.long
async def test_a_big_offer_is_compressed_for_those_who_ask(tmp_path):
    truth = a_truth(tmp_path)
    manifest = a_manifest("1.0.1", files=300)
    upload(truth, "1.0.1", files=300)
    names = {"zip": hashlib.sha256(b"zip 1.0.1").hexdigest(), "manifest": hashlib.sha256(manifest).hexdigest()}
    truth.releases.commit(APP, a_change(PublishBundle(bundle=a_bundle("1.0.1", **names), channel="production")))
    async with running(a_config(tmp_path, workers=1, prefer="manifest"), truth) as (_, address):
        bodies = {}
        for encoding in ("gzip", "identity"):
            async with aiohttp.ClientSession(headers={"Accept-Encoding": encoding}, auto_decompress=False) as session:
                question = {"platform": "android", "device_id": DEVICE, "app_id": APP, "version_build": "1.0.0"}
                question |= {"version_name": "1.0.0", "plugin_version": "8.51.14"}
                async with session.post(f"{address}/updates", json=question) as response:
                    assert response.headers["Vary"] == "Accept-Encoding"
                    assert response.headers.get("Content-Encoding") == ("gzip" if encoding == "gzip" else None)
                    bodies[encoding] = await response.read()
        assert gzip.decompress(bodies["gzip"]) == bodies["identity"]
        assert len(json.loads(bodies["identity"])["manifest"]) == 300


async def test_a_change_to_one_app_leaves_the_others_snapshots_alone(tmp_path):
    truth = a_truth(tmp_path)
    other = "com.example.other"
    truth.releases.commit(other, a_change(CreateApp(app=other)))
    async with (
        running(a_config(tmp_path, workers=1), truth) as (supervisor, address),
        aiohttp.ClientSession() as session,
    ):
        publish(truth, "1.0.1")
        settings = ChannelSettings(bundle="builtin")
        committed = truth.releases.commit(APP, a_change(SetChannel(name="production", settings=settings)))
        await supervisor.announce(APP, committed.head)
        assert (await check(session, address))["kind"] == "up_to_date"
        (status,) = await supervisor.statuses()
        assert status.apps == 2


def test_a_taken_port_is_told_by_its_address():
    with listen("127.0.0.1", 0, 1) as taken, pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port_of(taken)}"):
        listen("127.0.0.1", port_of(taken), 1)


async def test_both_families_reach_a_port_without_a_host(tmp_path):
    async with running(a_config(tmp_path, host="", workers=1), a_truth(tmp_path)) as (supervisor, _):
        port = port_of(supervisor.listening)
        async with aiohttp.ClientSession() as session:
            for host in ("127.0.0.1", "[::1]"):
                answer = await check(session, f"http://{host}:{port}")
                assert answer["kind"] == "up_to_date"


async def test_an_announcement_says_what_workers_did_not_take(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path), truth) as (supervisor, address), aiohttp.ClientSession() as session:
        assert await supervisor.announce(APP, publish(truth, "1.0.1").head) == NotTaken()
        head = publish(truth, "1.0.2").head
        truth.store.path(revision_key(APP, head.revision, head.digest)).unlink()
        (damage,), silent = await supervisor.announce(APP, head)
        assert (damage.app, damage.grain, damage.name, silent) == (APP, "revision", str(head.revision), 0)
        assert {(await check(session, address))["version"] for _ in range(4)} == {"1.0.1"}


async def test_a_worker_that_does_not_answer_is_counted(tmp_path):
    truth = a_truth(tmp_path)
    async with running(a_config(tmp_path), truth) as (supervisor, _):
        stopped = supervisor.pool.workers[0].pid
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert (await supervisor.announce(APP, publish(truth, "1.0.1").head)).silent == 1
        finally:
            os.kill(stopped, signal.SIGCONT)
