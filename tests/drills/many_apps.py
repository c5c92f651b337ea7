"""A node with many apps: when it is ready, what they cost that nobody asks for, and how long a first ask takes.

    python -m tests.drills.many_apps [--apps 10000] [--workers 2] [--pass-seconds 900]

Every app has 5 channels and 10 bundles of 300 files; the store is written directly, since 160,000 changes through the
API would take an hour. Three starts: one app, for comparison; all apps, of which some are asked for and the rest are
read in the background; all apps again, every one asked for at once while one loaded app is asked all the time. Prints
its figures; exit code 1 when a node is ready too late, the apps that nobody asked for take too much memory, a first ask
is not answered in time, or any answer calls an app unknown.
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from benchmarks.worlds.many_apps import VERSIONS, app_id, open_scaled
from edge.domain.model import AppId
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.first_asks import FIRST_ASK_SECONDS
from edge.store.objects.fs import FsStore
from edge.store.releases import Head

READY_SECONDS = 5.0
ALONE_SECONDS = 1.5  # what a start takes with one app where nothing else runs; a busy machine is slower by that much
UNASKED_BYTES = 300 * 10**6  # of all workers together
LATE_SECONDS = 0.5  # beyond the time that a first ask waits, where nothing else runs
SAMPLE_APPS = 50  # built one by one, for what loading all of them took before
ASKED_APPS = 50
ASKERS = 64  # connections
MB = 1_000_000


class Node(NamedTuple):
    address: str
    control: str
    token: str
    ready_seconds: float
    workers: list[int]


class Asked(NamedTuple):
    answers: Counter[str]
    seconds: list[float]


def question(app: str, number: int = 0) -> dict[str, str]:
    device = f"00009a6b-eefe-490a-9c60-{number:012x}"
    fields = {"platform": "android", "device_id": device, "app_id": app, "plugin_version": "8.51.14"}
    return fields | {"version_build": "1.0.0", "version_name": "1.0.0"}


@asynccontextmanager
async def a_node(folder: Path, workers: int) -> AsyncIterator[Node]:
    """`edge serve`, from the start of its process until `/readyz` is 200."""
    settings = folder.with_suffix(".toml")
    settings.write_text(
        f'data_dir = "{folder}"\n[devices]\nhost = "127.0.0.1"\nport = 0\nworkers = {workers}\n[control]\nport = 0\n'
    )
    begun = time.perf_counter()
    command = (sys.executable, "-m", "edge", "serve", "--config", str(settings), "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=2**20)
    try:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        address = f"http://127.0.0.1:{told['devices']}"
        async with aiohttp.ClientSession() as session, session.get(f"{address}/readyz") as answer:
            assert answer.status == 200, await answer.text()
        ready = time.perf_counter() - begun
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = [int(pid) for pid in children if b"processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        token = (folder / "node" / "admin.token").read_text().strip()
        yield Node(address, f"http://127.0.0.1:{told['control']}", token, ready, pids)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


def resident_bytes(pids: list[int]) -> int:
    """Of these processes together, without what they share."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


async def unread(node: Node) -> int:
    """Apps that a worker has not read yet, of the worker that is furthest behind."""
    headers = {"Authorization": f"Bearer {node.token}"}
    async with aiohttp.ClientSession() as session, session.get(f"{node.control}/v1/metrics", headers=headers) as answer:
        lines = (await answer.text()).splitlines()
    return max(int(line.split()[1]) for line in lines if line.startswith("edge_apps_unread{"))


async def ask(node: Node, apps: list[str], askers: int) -> Asked:
    """One check for each app; the answers by version or error."""
    answers: Counter[str] = Counter()
    seconds: list[float] = []
    waiting = list(reversed(apps))

    async def asking(session: aiohttp.ClientSession) -> None:
        while waiting:
            begun = time.perf_counter()
            async with session.post(f"{node.address}/updates", json=question(waiting.pop(), len(waiting))) as answer:
                told = await answer.json()
            seconds.append(time.perf_counter() - begun)
            answers[told.get("version" if "url" in told else "error", "?")] += 1

    connector = aiohttp.TCPConnector(limit=askers)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(asking(session) for _ in range(askers)))
    return Asked(answers, seconds)


async def ask_beside(node: Node, app: str, stopping: asyncio.Event) -> list[float]:
    """Seconds of each check for a loaded app until `stopping`."""
    seconds: list[float] = []
    async with aiohttp.ClientSession() as session:
        while not stopping.is_set():
            begun = time.perf_counter()
            async with session.post(f"{node.address}/updates", json=question(app)) as answer:
                assert "url" in await answer.json()
            seconds.append(time.perf_counter() - begun)
            await asyncio.sleep(0.01)
    return seconds


def seconds_an_app(folder: Path, apps: int) -> float:
    """CPU seconds to build one app's snapshot."""
    store = FsStore(folder / "store")
    builder = SnapshotBuilder(store)
    begun = time.process_time()
    for number in range(min(SAMPLE_APPS, apps)):
        app = AppId(app_id(number))
        name = next(iter(store.keys(f"apps/{app}/revisions/"))).rpartition("/")[2].removesuffix(".json")
        revision, _, digest = name.partition("-")
        builder.load(app, Head(int(revision), digest), time.time())
    return (time.process_time() - begun) / min(SAMPLE_APPS, apps)


class Promises:
    """Prints each promise with whether it holds; `kept` is whether all do. `slowness` is the machine's now, at least 1:
    times are judged by it."""

    def __init__(self) -> None:
        self.kept = True
        self.slowness = 1.0

    @property
    def first_ask_seconds(self) -> float:
        return FIRST_ASK_SECONDS + LATE_SECONDS * self.slowness

    def judge(self, what: str, holds: bool) -> None:
        self.kept = self.kept and holds
        print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {what}")


async def start_and_wait(node: Node, apps: int, alone: int, pass_seconds: float, promises: Promises) -> None:
    """What the apps take that nobody asks for; then what a first ask takes."""
    begun, ready_bytes = time.perf_counter(), resident_bytes(node.workers) - alone
    while (left := await unread(node)) and time.perf_counter() - begun < pass_seconds:
        await asyncio.sleep(1)
    took, read_bytes = time.perf_counter() - begun, resident_bytes(node.workers) - alone
    print(f"read in the background: all but {left:,} apps in {took:.0f} s")
    print(f"nobody asked: {ready_bytes / MB:+.0f} MB when ready, {read_bytes / MB:+.0f} MB after")
    promises.judge(f"at most {UNASKED_BYTES / MB:.0f} MB", max(ready_bytes, read_bytes) <= UNASKED_BYTES)
    asked = await ask(node, [app_id(apps - 1 - number) for number in range(min(ASKED_APPS, apps - 1))], 1)
    slowest = max(asked.seconds)
    print(f"first asks: median {statistics.median(asked.seconds) * 1e3:.0f} ms, slowest {slowest * 1e3:.0f} ms")
    in_time = slowest <= promises.first_ask_seconds
    promises.judge(f"each offered in at most {promises.first_ask_seconds:.1f} s", in_time)
    promises.judge("each offered its bundle", set(asked.answers) == {VERSIONS[-1]})


async def ask_for_all(node: Node, apps: int, alone: int, promises: Promises) -> None:
    """Devices of every app wake up at once."""
    stopping = asyncio.Event()
    beside = asyncio.create_task(ask_beside(node, app_id(0), stopping))
    every = await ask(node, [app_id(number) for number in range(apps)], ASKERS)
    stopping.set()
    loaded = sorted(await beside)
    p99 = loaded[len(loaded) * 99 // 100]
    print(f"all asked at once: {dict(every.answers)}, slowest {max(every.seconds):.2f} s")
    print(f"a loaded app beside it: median {statistics.median(loaded) * 1e3:.1f} ms, p99 {p99 * 1e3:.0f} ms")
    print(f"all asked for: {(resident_bytes(node.workers) - alone) / MB:+.0f} MB")
    promises.judge("no app is called unknown", set(every.answers) <= {VERSIONS[-1], "no_new_version_available"})
    in_time = max(every.seconds) <= promises.first_ask_seconds
    promises.judge(f"each answered in at most {promises.first_ask_seconds:.1f} s", in_time)


async def measure(cache: Path, apps: int, workers: int, pass_seconds: float) -> bool:
    promises = Promises()
    async with a_node(open_scaled(cache, 1), workers) as node:
        alone = resident_bytes(node.workers)
        slowness = promises.slowness = max(1.0, node.ready_seconds / ALONE_SECONDS)
        print(f"1 app: ready in {node.ready_seconds:.1f} s; {alone / MB:.0f} MB in {len(node.workers)} workers")
    folder = open_scaled(cache, apps)
    before = seconds_an_app(folder, apps) * apps
    async with a_node(folder, workers) as node:
        print(f"{apps:,} apps: ready in {node.ready_seconds:.1f} s; to build all first takes {before:.0f} s of CPU")
        on_time = node.ready_seconds <= READY_SECONDS * slowness
        promises.judge(
            f"ready in at most {READY_SECONDS:.0f} s, on a machine that is {slowness:.1f} times slower", on_time
        )
        await start_and_wait(node, apps, alone, pass_seconds, promises)
    async with a_node(folder, workers) as node:
        await ask_for_all(node, apps, alone, promises)
    return promises.kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pass-seconds", type=float, default=900.0, help="how long to wait for the background")
    parser.add_argument("--store", type=Path, help="keep the written stores here for the next run")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = words.store or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        sys.exit(0 if asyncio.run(measure(cache, words.apps, words.workers, words.pass_seconds)) else 1)


if __name__ == "__main__":
    main()
