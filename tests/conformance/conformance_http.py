"""The cases over HTTP: against the aiohttp application in this process, and against a node of real processes.

Both serve one store, in which every state of the vectors is an app; every case has its own device.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from conformance_cases import BASE, OTHER_APP, Answer, Case, Exchange, Request, faults_of
from conformance_states import Dated, blobs, changes_of, event_faults, fact_changes, states, stored_faults
from proving import open_files
from yarl import URL

from edge.config import Config, Devices, Telemetry
from edge.domain.errors import Unavailable
from edge.domain.facts import DAY_SECONDS, DeviceFacts
from edge.domain.model import AppId
from edge.facts.changes import FactChange, Record, Recorded
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter
from edge.node.delivery.files import OpenFiles
from edge.node.delivery.pace import DEFAULT_PATIENCE
from edge.node.http.app import build_device_app
from edge.node.http.device_routes import Readiness
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.limits.rate_limits import DEVICE_REQUESTS
from edge.node.service.peers import Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.objects.port import blob_key
from edge.telemetry.spool.record import parse_events
from edge.telemetry.spool.segment import list_segments, read_frames, read_header
from edge.telemetry.spool.spool import Spool
from edge.wire.stats import Event

AT_ONCE = 16  # cases; each on its own connection
COMMITTERS = 16  # threads, one a shard: what a commit waits for is the disk
PROMPT_SECONDS = 60.0  # for what takes milliseconds on a quiet machine
OPEN_FILES = 64
ATTEMPTS = 50  # at asking within a second, on a machine with forty tasks waiting
IN_PROGRESS = 1000

Send = Callable[[list[FactChange]], Awaitable[None]]


class Node(NamedTuple):
    """What a run needs of a node, wherever it is."""

    address: str
    record: Callable[[list[Dated]], Awaitable[None]]
    facts_of: Callable[[str, str], DeviceFacts]
    spool_dir: Path


class Clock:
    """The writer's clock: now, or as many days ago as a fact is old."""

    def __init__(self) -> None:
        self.days_ago = 0

    def __call__(self) -> float:
        return time.time() - self.days_ago * DAY_SECONDS


def make_truth(folder: Path, cases: Iterable[Case]) -> DataDirectory:
    """A store with an app for every state, committed like any other change."""
    now = time.time()
    truth = DataDirectory(folder, now)
    for digest, content in blobs().items():
        truth.store.create(blob_key(digest), content)

    def make(app: str, of_app: list[Case]) -> None:
        for change in changes_of(app, of_app, now):
            truth.releases.commit(AppId(app), change)

    with ThreadPoolExecutor(COMMITTERS) as pool:
        list(pool.map(lambda item: make(*item), [*states(cases).items(), (OTHER_APP, [])]))
    return truth


@asynccontextmanager
async def live_node(truth: DataDirectory, folder: Path) -> AsyncIterator[Node]:
    """Supervisor and worker, as `edge serve` starts them. One worker: how often a device asks is a worker's count."""
    clock = Clock()
    devices = Devices(host="127.0.0.1", port=0, workers=1, public_url=BASE, connections_per_address=0)
    telemetry = Telemetry(app_events_per_second=0, address_events_per_second=0)
    supervisor = Supervisor(Config(data_dir=str(folder), devices=devices, telemetry=telemetry), truth, clock)
    ready = asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready))

    async def record(changes: list[Dated]) -> None:
        await _record_dated(supervisor.record, changes, clock)

    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            await ready.wait()
        address = f"http://127.0.0.1:{port_of(supervisor.listening)}"
        yield Node(address, record, supervisor.facts_of, truth.spool_dir)
    finally:
        await supervisor.drain()
        async with asyncio.timeout(2 * PROMPT_SECONDS):
            await running


@asynccontextmanager
async def application(truth: DataDirectory, folder: Path) -> AsyncIterator[Node]:
    """The worker's application, in this process; a writer of device facts beside it."""
    clock, loop = Clock(), asyncio.get_running_loop()
    writer = FactsWriter(folder / "facts", clock=clock)
    table, own = FactsTable(writer.table_path), FactsTable(writer.table_path)
    answering: set[asyncio.Task[None]] = set()

    def send(message: msgspec.Struct) -> None:
        assert isinstance(message, Record)
        task = loop.create_task(_settle(writer, facts, message))
        answering.add(task)
        task.add_done_callback(answering.discard)

    async def record(changes: list[Dated]) -> None:
        await _record_dated(writer.record, changes, clock)

    facts = FactsClient(table, send)
    current, spool = ServedSnapshots(truth.store), Spool(folder / "spool", truth.node, 0)
    files = open_files(truth.store, limit=OPEN_FILES)
    heads = await asyncio.to_thread(truth.releases.heads)
    current.swap([SnapshotBuilder(truth.store).build(app, head, time.time()) for app, head in heads.items()])
    server = TestServer(_application(current, spool, facts, files))
    try:
        await server.start_server(access_log=None)
        address = str(server.make_url("")).rstrip("/")
        yield Node(address, record, own.look_up, folder / "spool")
    finally:
        await server.close()
        facts.flush()
        await asyncio.gather(*answering)
        await spool.close()
        await files.close()
        facts.close()
        own.close()
        await writer.close()


async def run_cases(node: Node, cases: Iterable[Case]) -> dict[str, list[str]]:
    """The faults of every case by its name; a case's exchanges follow each other, the cases run side by side."""
    cases = list(cases)
    await node.record([dated for case in cases for dated in fact_changes(case)])
    found: dict[str, list[str]] = {}
    turns = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    headers = ("Accept-Encoding", "User-Agent", "Content-Type")
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, skip_auto_headers=headers) as session:

        async def run(case: Case) -> None:
            async with turns:
                found[case.name] = [fault async for fault in _case_faults(session, node, case)]

        hurried = [case for case in cases if len(case.exchanges) > DEVICE_REQUESTS]
        await asyncio.gather(*(run(case) for case in cases if case not in hurried))
        for case in hurried:
            found[case.name] = await _hurried_faults(session, node, case)
    events = stored_events(node.spool_dir)
    for case in cases:
        found[case.name] += event_faults(events[case.device], case)
    return found


def stored_events(directory: Path) -> dict[str, list[Event]]:
    """What a node kept of the reports, by device, each device's in order."""
    found: dict[str, list[Event]] = defaultdict(list)
    for path in list_segments(directory):
        with path.open("rb") as file:
            read_header(file)
            for frame in read_frames(file):
                for line in frame.records:
                    for _, event in parse_events(line):
                        found[event.device].append(event)
    return found


async def _hurried_faults(session: aiohttp.ClientSession, node: Node, case: Case) -> list[str]:
    """Of a case that asks more often than a device may in a second: what came in two of them is asked again."""
    for _ in range(ATTEMPTS):
        begun = time.monotonic()
        faults = [fault async for fault in _case_faults(session, node, case)]
        if not faults or time.monotonic() - begun < 1.0:
            break
    return faults


async def _case_faults(session: aiohttp.ClientSession, node: Node, case: Case) -> AsyncIterator[str]:
    for number, exchange in enumerate(case.exchanges, 1):
        answer = await _ask(session, node.address, exchange.request)
        for fault in faults_of(answer, exchange.expect):
            yield f"exchange {number}: {fault}"
        for fault in await _stored_in_time(node, case, exchange):
            yield f"exchange {number}: {fault}"


async def _ask(session: aiohttp.ClientSession, address: str, request: Request) -> Answer:
    url = URL(address + request.target, encoded=True)
    async with session.request(
        request.method,
        url,
        data=BytesIO(request.body) if request.body else None,
        headers=request.headers,
        allow_redirects=False,
    ) as response:
        headers = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
        return Answer(response.status, headers, await response.read())


async def _stored_in_time(node: Node, case: Case, exchange: Exchange) -> list[str]:
    """Offers are told in batches that no answer waits for; everything else is stored before the answer."""
    try:
        async with asyncio.timeout(PROMPT_SECONDS if exchange.stored.get("offered") else 0.0):
            while faults := stored_faults(node.facts_of(case.app, case.device), exchange.stored):
                await asyncio.sleep(0.01)
    except TimeoutError:
        return faults
    return []


async def _record_dated(record: Send, changes: list[Dated], clock: Clock) -> None:
    for days_ago in sorted({dated.days_ago for dated in changes}, reverse=True):
        clock.days_ago = days_ago
        await record([dated.change for dated in changes if dated.days_ago == days_ago])
    clock.days_ago = 0


async def _settle(writer: FactsWriter, facts: FactsClient, message: Record) -> None:
    refused, withheld = "", []
    try:
        withheld = await writer.record(message.changes)
    except Unavailable as error:
        refused = error.code
    facts.settle(Recorded(message.number, refused, withheld))


def _application(current: ServedSnapshots, spool: Spool, facts: FactsClient, files: OpenFiles) -> web.Application:
    service = DeviceService(
        current,
        spool,
        public_url=BASE,
        allowed_hosts=frozenset(),
        proxies=Proxies((), ""),
        overload=Overload(IN_PROGRESS),
        event_limits=EventLimits(0, 0),
        net_key=bytes(16),
        facts=facts,
    )
    readiness = Readiness()
    readiness.ready = True
    return build_device_app(service, files, readiness, DEFAULT_PATIENCE)
