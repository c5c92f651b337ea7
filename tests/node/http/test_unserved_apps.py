"""An app whose revision cannot be read is known all the same: nothing new, come again, and reports are kept."""

from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from factories import APP, a_change
from node_world import a_truth, info, publish
from proving import open_files

from edge.domain.changes.commands import CreateApp
from edge.facts.changes import Faulted
from edge.facts.table import FactsTable
from edge.node.delivery.pace import DEFAULT_PATIENCE
from edge.node.http.app import build_device_app
from edge.node.http.device_routes import READYZ_DAMAGES_LIMIT, Readiness
from edge.node.processes.snapshot_loader import SnapshotLoader
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.damage import Damage
from edge.store.objects.port import revision_key
from edge.telemetry.spool.spool import Spool

OTHER_APP = "com.example.other"
SILENT = "no_new_version_available"  # or, from old releases, nothing


def a_rotten_truth(folder):
    """Two apps; nothing of the first can be read."""
    truth = a_truth(folder)
    truth.releases.commit(OTHER_APP, a_change(CreateApp(app=OTHER_APP)))
    publish(truth, "1.0.1")
    for key in list(truth.store.keys(f"apps/{APP}/revisions/")):
        flip_a_bit(truth.store.path(key))
    return truth


def flip_a_bit(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@asynccontextmanager
async def a_worker(truth, heads=None, told=None):
    served = ServedSnapshots(truth.store)
    loader = SnapshotLoader(SnapshotBuilder(truth.store), served)
    await loader.load(truth.releases.heads() if heads is None else heads)
    spool, files, ready = Spool(truth.spool_dir, "node", 0), open_files(truth.store), Readiness()
    ready.ready = True
    service = DeviceService(
        served,
        spool,
        public_url="https://updates.example.com",
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(0.0, 0.0),
        net_key=bytes(16),
        facts=FactsClient(
            FactsTable(truth.spool_dir / "no table"), told.append if told is not None else lambda message: None
        ),
    )
    async with TestClient(TestServer(build_device_app(service, files, ready, DEFAULT_PATIENCE))) as client:
        yield client, service, loader
    await spool.close()
    await files.close()


@pytest.mark.parametrize("plugin", ["5.10.0", "6.40.0", "7.34.0", "8.51.14"])
async def test_its_devices_hear_that_there_is_nothing_new(tmp_path, plugin):
    async with a_worker(a_rotten_truth(tmp_path)) as (client, service, _):
        answer = await client.post("/updates", json=info(plugin))
        told = await answer.json()
        assert (answer.status, told.get("error", SILENT)) == (200, SILENT)
        assert service.counts.shed["unserved_checks"] == 1
        await client.post("/updates", json=info(plugin, app_id="com.example.unknown"))
        assert service.counts.decisions == {"on_premise_app": 1}


async def test_what_it_cannot_decide_comes_again(tmp_path):
    async with a_worker(a_rotten_truth(tmp_path)) as (client, _, _):
        asked = [
            client.get(f"/bundles/{APP}/zip/{'0' * 64}"),
            client.post("/channel_self", json=info(channel="production")),
            client.put("/channel_self", json=info()),
            client.post("/updates/manifest_size", json={"app_id": APP, "manifest": []}),
        ]
        for each in asked:
            answer = await each
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_a_download_that_it_cannot_serve_is_no_evidence_against_its_bundles(tmp_path):
    told = []
    async with a_worker(a_rotten_truth(tmp_path), told=told) as (client, _, _):
        for app in (APP, "com.example.unknown"):
            await client.get(f"/bundles/{app}/zip/{'0' * 64}")
    assert [change for message in told for change in message.changes] == [Faulted(APP)]


async def test_its_reports_are_kept(tmp_path):
    async with a_worker(a_rotten_truth(tmp_path)) as (client, service, _):
        event = info(action="update_fail", version="1.0.1", old_version_name="1.0.0")
        answer = await client.post("/stats", json=event)
        assert (answer.status, service.counts.events) == (200, {"unknown_app": 0, "stored": 1})


async def test_readyz_names_it_and_stays_green(tmp_path):
    async with a_worker(a_rotten_truth(tmp_path)) as (client, _, _):
        answer = await client.get("/readyz")
        told = await answer.json()
        assert (answer.status, told["ready"], told["damages"]) == (200, True, 1)
        assert told["damaged"] == [{"app": APP, "grain": "app", "name": "3", "effect": "devices get nothing new"}]


async def test_readyz_is_red_when_no_app_can_be_served_and_green_again_by_itself(tmp_path):
    truth = a_rotten_truth(tmp_path)
    async with a_worker(truth, {APP: truth.releases.head(APP)}) as (client, _, loader):
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["ready"]) == (503, False)
        for key in list(truth.store.keys(f"apps/{APP}/revisions/")):
            flip_a_bit(truth.store.path(key))  # back
        await loader.load({APP: truth.releases.head(APP)})
        answer = await client.get("/readyz")
        assert (answer.status, await answer.json()) == (200, {"ready": True})
        assert (await (await client.post("/updates", json=info())).json())["version"] == "1.0.1"


async def test_readyz_says_that_the_guard_is_blind_and_stays_green(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    async with a_worker(truth) as (client, service, _):
        service.current.guard_blind = True
        answer = await client.get("/readyz")
        assert (answer.status, await answer.json()) == (200, {"ready": True, "guard": "blind"})


async def test_readyz_is_bounded(tmp_path):
    async with a_worker(a_truth(tmp_path)) as (client, service, _):
        for number in range(READYZ_DAMAGES_LIMIT + 3):
            rotten = {"grain": "bundle", "name": f"1.0.{number}", "effect": "", "cause": "", "repair": ""}
            service.current.damages.note(Damage(app=APP, **rotten))
        told = await (await client.get("/readyz")).json()
        assert (len(told["damaged"]), told["damages"]) == (READYZ_DAMAGES_LIMIT, READYZ_DAMAGES_LIMIT + 3)


async def test_a_node_without_apps_is_ready(tmp_path):
    async with a_worker(a_truth(tmp_path), {}) as (client, _, _):
        assert (await client.get("/readyz")).status == 200


async def test_an_app_whose_latest_revision_is_gone_is_served_the_one_before(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    head = publish(truth, "1.0.2").head
    truth.store.path(revision_key(APP, head.revision, head.digest)).unlink()
    async with a_worker(truth) as (client, service, loader):
        assert (await (await client.post("/updates", json=info())).json())["version"] == "1.0.1"
        told = await (await client.get("/readyz")).json()
        assert [(each["grain"], each["name"], each["effect"]) for each in told["damaged"]] == [
            ("revision", str(head.revision), f"devices get revision {head.revision - 1}, which is older")
        ]
        await loader.load({APP: head})  # again, and still damaged
        assert service.current.damages.found == {"revision": 1}
