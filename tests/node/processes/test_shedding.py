"""What devices hear when there is too much: from an overloaded worker, above the limits of events, without room."""

import asyncio
import hashlib
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from factories import APP, DEVICE, NOW, a_change
from node_world import a_truth, publish
from proving import open_files

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel
from edge.domain.model import AppId
from edge.facts.changes import Chose, Failed, Faulted, Offered, Recorded
from edge.facts.table import FactsTable
from edge.node.delivery.pace import DEFAULT_PATIENCE
from edge.node.http.app import build_device_app
from edge.node.http.device_routes import Readiness
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import BURST_SECONDS, EventLimits
from edge.node.service.limits.overload import LATE_SECONDS, LATE_TURNS, Overload
from edge.node.service.peers import Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.disk_budget import DiskBudget, held_bytes
from edge.telemetry.spool.spool import Spool

OTHER_APP = "com.example.other"
DOWNLOADS_LIMIT = 3


@asynccontextmanager
async def a_worker(tmp_path, *, app_rate=0.0, prefix_rate=0.0, proxies=(), budget=None, told=None):
    truth = a_truth(tmp_path)
    truth.releases.commit(OTHER_APP, a_change(CreateApp(app=OTHER_APP)))
    truth.releases.commit(APP, a_change(CreateChannel(name="beta", settings=ChannelSettings(self_set=True))))
    publish(truth, "1.0.1")
    current = ServedSnapshots(truth.store)
    current.swap(
        SnapshotBuilder(truth.store).build(AppId(app), head, NOW) for app, head in truth.releases.heads().items()
    )
    spool = Spool(truth.spool_dir, "node", 0, budget=budget)
    service = DeviceService(
        current,
        spool,
        public_url="https://updates.example.com",
        allowed_hosts=frozenset(),
        proxies=Proxies(proxies),
        overload=Overload(10, DOWNLOADS_LIMIT),
        event_limits=EventLimits(app_rate, prefix_rate),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(tmp_path / "no table"), told.append if told is not None else lambda message: None),
    )
    files = open_files(truth.store)
    app = build_device_app(service, files, Readiness(), DEFAULT_PATIENCE)
    async with TestClient(TestServer(app)) as client:
        yield client, service
    await spool.close()
    await files.close()


def overload(service, on=True):
    for _ in range(LATE_TURNS):
        service.overload.note_lag(LATE_SECONDS if on else 0.0)


def a_question(**changes):
    fields = {"platform": "android", "device_id": DEVICE, "app_id": APP, "version_build": "1.0.0"}
    return fields | {"version_name": "1.0.0", "plugin_version": "8.51.14"} | changes


def an_event(**changes):
    return a_question(action="set", version_os="14", is_emulator=False, is_prod=True) | changes


SILENT = {"version": "1.0.0", "url": "https://updates.example.com/noop.zip"}


@pytest.mark.parametrize(
    ("plugin_version", "expected"),
    [
        ("4.0.0", SILENT),
        ("6.0.1", SILENT),
        ("8.45.10", SILENT),
        ("10.0.0", SILENT),
        (
            "8.51.14",
            {
                "error": "no_new_version_available",
                "message": "No new version available",
                "kind": "up_to_date",
                "version": "1.0.0",
            },
        ),
    ],
)
@pytest.mark.parametrize("app", [APP, "com.unknown.app"])
async def test_an_overloaded_worker_has_nothing_new_for_any_release(tmp_path, plugin_version, expected, app):
    async with a_worker(tmp_path) as (client, service):
        question = a_question(plugin_version=plugin_version, app_id=app)
        overload(service)
        async with client.post("/updates", json=question) as response:
            assert (response.status, await response.json()) == (200, expected)
        assert service.counts.shed["checks"] == 1
        overload(service, on=False)
        async with client.post("/updates", json=a_question(plugin_version=plugin_version)) as response:
            assert (await response.json())["version"] != "1.0.0" or plugin_version == "4.0.0"
        assert service.counts.shed["checks"] == 1


@pytest.mark.parametrize(
    "changes",
    [{"version_build": "dev"}, {"app_id": ""}, {"app_id": "my app"}, {}],
    ids=["no number", "no app id", "an odd app id", "ordinary"],
)
@pytest.mark.parametrize("platform", ["android", "ios", "electron"])
async def test_an_overloaded_worker_has_nothing_new_for_a_device_on_builtin(tmp_path, platform, changes):
    async with a_worker(tmp_path) as (client, service):
        overload(service)
        question = a_question(platform=platform, plugin_version="8.43.11", version_name="builtin") | changes
        async with client.post("/updates", json=question) as response:
            answer = await response.json()
        silent = {"version": "", "url": SILENT["url"]}
        nothing = {"error": "no_new_version_available", "message": "No new version available", "kind": "up_to_date"}
        assert answer == (nothing | {"version": "builtin"} if platform == "electron" else silent)


async def test_a_malformed_check_gets_its_400_under_overload_too(tmp_path):
    async with a_worker(tmp_path) as (client, service):
        overload(service)
        async with client.post("/updates", data=b"{") as response:
            assert (response.status, (await response.json())["error"]) == (400, "invalid_json_parse_body")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_overloaded_worker_begins_no_download_and_says_when_to_come_again(tmp_path, method):
    zip_digest = hashlib.sha256(b"zip 1.0.1").hexdigest()
    path = f"/bundles/{APP}/zip/{zip_digest}"
    async with a_worker(tmp_path) as (client, service):
        overload(service)
        async with client.request(method, path) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "10")
            assert response.headers["Cache-Control"] == "no-store"
        assert service.counts.shed["downloads"] == 1
        overload(service, on=False)
        async with client.request(method, path) as response:
            assert response.status == 200


async def test_above_their_limit_downloads_hear_503_and_nothing_else_does(tmp_path):
    path = f"/bundles/{APP}/zip/{hashlib.sha256(b'zip 1.0.1').hexdigest()}"
    async with a_worker(tmp_path) as (client, service):
        service.overload.downloads = DOWNLOADS_LIMIT
        async with client.get(path) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "10")
        async with client.post("/updates", json=a_question()) as response:
            assert (await response.json())["version"] == "1.0.1"
        async with client.options(path) as response:
            assert response.status == 204
        service.overload.downloads -= 1
        async with client.get(path) as response:
            assert (response.status, await response.read()) == (200, b"zip 1.0.1")
        assert (service.counts.shed["downloads_over_limit"], service.counts.shed["downloads"]) == (1, 0)
        assert service.overload.downloads == DOWNLOADS_LIMIT - 1


async def test_what_is_shed_is_told_to_be_this_nodes_fault(tmp_path):
    path, told = f"/bundles/{APP}/zip/{hashlib.sha256(b'zip 1.0.1').hexdigest()}", []
    async with a_worker(tmp_path, told=told) as (client, service):
        async with client.get(path):
            assert changes_in(told, Faulted) == []
        async with asyncio.timeout(60):
            while service.overload.downloads:  # the client has it before the worker has counted its end
                await asyncio.sleep(0)
        service.overload.downloads = DOWNLOADS_LIMIT
        for _ in range(3):
            async with client.get(path) as response:
                assert response.status == 503
        assert set(changes_in(told, Faulted)) == {Faulted(APP, "1.0.1")}
        told.clear()
        overload(service)
        async with client.post("/updates", json=a_question()), client.get(path) as response:
            assert response.status == 503
        assert set(changes_in(told, Faulted)) == {Faulted()}


async def test_requests_are_in_progress_until_answered(tmp_path):
    async with a_worker(tmp_path) as (client, service):
        for path in ("/updates", "/nowhere", f"/bundles/{APP}/zip/x"):
            async with client.get(path):
                pass
        assert service.overload.in_progress == 0


async def test_forged_events_are_dropped_above_their_apps_limit_and_answered_as_kept(tmp_path):
    async with a_worker(tmp_path, app_rate=1.0) as (client, service):
        for _ in range(4):
            async with client.post("/stats", json=[an_event()] * 100) as response:
                assert response.status == 200
                assert [result["status"] for result in (await response.json())["results"]] == ["ok"] * 100
        async with client.post("/stats", json=an_event(app_id=OTHER_APP)) as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        assert service.counts.events["stored"] == BURST_SECONDS + 1
        assert service.counts.events["over_limit"] == 100


def changes_in(told, kind):
    return [change for message in told for change in message.changes if isinstance(change, kind)]


async def answered(service, told, posting):
    """The response to `posting`, while the writer of device facts answers what it is told."""
    while not posting.done():
        for message in told:
            service.facts.settle(Recorded(message.number, "", []))
        await asyncio.sleep(0)
    async with await posting as response:
        assert response.status == 200
        return await response.json()


async def say(client, service, told, path, body, **headers):
    """What the node answers to one device, as the address that `headers` name."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await answered(service, told, asyncio.create_task(client.post(path, json=body, headers=named)))


def a_device(number):
    return f"{number:08x}-eefe-490a-9c60-8e965132ae52"


async def test_events_above_their_limit_withhold_nothing_either(tmp_path):
    told = []
    async with a_worker(tmp_path, prefix_rate=100 / BURST_SECONDS, told=told) as (client, service):
        await say(client, service, told, "/stats", [an_event()] * 100)
        await say(client, service, told, "/stats", an_event(action="update_fail", version_name="1.0.1"))
        assert (service.counts.events["over_limit"], changes_in(told, Failed)) == (1, [])


SMALL = 0.01  # of the default rates: an address has 10 failures, 60 choices and 300 notes at once
PROXY = ("127.0.0.1",)
STORED_FOR = "6.0.1"  # a plugin release whose choice the node keeps


async def test_forged_failures_withhold_nothing_above_the_limit_of_their_address(tmp_path):
    """They are answered and counted as events, and an honest device at another address is still protected."""
    told = []
    async with a_worker(tmp_path, prefix_rate=SMALL * 2_000, proxies=PROXY, told=told) as (client, service):
        for number in range(50):
            event = an_event(action="update_fail", version_name="1.0.1", device_id=a_device(number))
            answer = await say(client, service, told, "/stats", event, X_Forwarded_For="192.0.2.66")
            assert answer == {"status": "ok"}
        assert 10 <= len(changes_in(told, Failed)) < 20
        assert service.counts.over_limit["failures"] == 50 - len(changes_in(told, Failed))
        assert service.counts.events["stored"] == 50
        honest = an_event(action="update_fail", version_name="1.0.1")
        await say(client, service, told, "/stats", honest, X_Forwarded_For="198.51.100.7")
        assert changes_in(told, Failed)[-1].device == DEVICE


async def test_above_their_limit_choices_hear_that_they_are_too_many_and_change_nothing(tmp_path):
    told = []
    async with a_worker(tmp_path, prefix_rate=SMALL * 2_000, proxies=PROXY, told=told) as (client, service):
        answers = []
        for number in range(100):
            body = a_question(device_id=a_device(number), channel="beta", plugin_version=STORED_FOR)
            answers.append(await say(client, service, told, "/channel_self", body, X_Forwarded_For="192.0.2.66"))
        errors = [answer.get("error") for answer in answers]
        assert errors[:60] == [None] * 60 and errors[-1] == "too_many_requests"
        assert service.counts.over_limit["choices"] == errors.count("too_many_requests")
        assert len(changes_in(told, Chose)) == errors.count(None) < 100
        body = a_question(channel="beta", plugin_version=STORED_FOR)
        other = await say(client, service, told, "/channel_self", body, X_Forwarded_For="198.51.100.7")
        assert other["status"] == "ok"


async def test_an_offer_is_given_above_the_limit_of_notes_and_not_noted(tmp_path):
    told = []
    async with a_worker(tmp_path, prefix_rate=SMALL * 2_000, proxies=PROXY, told=told) as (client, service):
        for number in range(350):
            body = a_question(device_id=a_device(number))
            answer = await say(client, service, told, "/updates", body, X_Forwarded_For="192.0.2.66")
            assert answer["version"] == "1.0.1"
        service.facts.flush()
        noted = len(changes_in(told, Offered))
        assert 300 <= noted < 350
        assert service.counts.over_limit["notes"] == 350 - noted


@pytest.mark.parametrize(("proxies", "kept"), [((), 300), (("127.0.0.1",), 400)])
async def test_an_address_counts_by_itself_when_a_proxy_of_ours_names_it(tmp_path, proxies, kept):
    async with a_worker(tmp_path, prefix_rate=1.0, proxies=proxies) as (client, service):
        for n in range(4):
            headers = {"X-Forwarded-For": f"192.0.2.{n}"}
            async with client.post("/stats", json=[an_event()] * 100, headers=headers) as response:
                assert response.status == 200
        assert service.counts.events["stored"] == kept
        assert service.counts.events["over_limit"] == 400 - kept


async def test_without_room_devices_keep_their_events(tmp_path):
    spool_dir = tmp_path / "node" / "telemetry" / "spool"
    async with a_worker(tmp_path, budget=DiskBudget(spool_dir, 20_000)) as (client, service):
        answers = []
        for _ in range(6):
            async with client.post("/stats", json=[an_event()] * 20) as response:
                answers.append(response.status)
        assert answers[0] == 200 and answers[-1] == 503
        assert service.counts.events["stored"] == 20 * answers.count(200)
        assert service.counts.events["refused"] == service.counts.refused_events["no_room"] == 20 * answers.count(503)
        assert held_bytes(spool_dir) <= 20_000
