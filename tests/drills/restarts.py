"""Restarts under load: what a device, a publisher or a report loses when a node changes over to a new process.

    python -m tests.drills.restarts [--restarts 10] [--stops 3] [--workers 2] [--tls]

First `edge restart`, again and again, then SIGTERM and a start while the parent holds the sockets, as systemd does.
Meanwhile there are checks on kept and on new connections, downloads that no single process outlives, reports, choices
of a channel, streams of features' changes, which end and are opened again, and a publisher. Nothing may fail; every
acknowledged report is counted once and every acknowledged choice is there in the end. No request is sent twice. With
`--tls` the device port speaks TLS 1.3.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.worlds.certificates import Files, a_certificate
from tests.worlds.running_node import Node, web_build, write_folder

APP = "com.example.drill"
OLD_PLUGIN = "6.14.0"  # keeps its choice on the node
DOWNLOAD_BYTES = 3_000_000
DOWNLOAD_SECONDS = 4.0  # a download takes this long, so that it sees a change-over
STREAMS = 50
PATIENCE_SECONDS = 60.0  # of a client; a node that takes longer has lost the request
PROGRAM = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"
# Puts the inherited sockets where systemd would, and names this process as the one that they are for.
ACTIVATED = """
import os, sys
for target, source in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(source, target)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "devices:control"}
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[2:]])
"""

Work = Callable[[], Coroutine[Any, Any, None]]


class Load:
    """Everything that asks the node, and what came of it. `failures` has the first of each kind."""

    def __init__(self, node: Node, pair: Files | None) -> None:
        self.node = node
        self.devices = node.devices if pair is None else node.devices.replace("http://", "https://")
        self._trusting = ssl.create_default_context(cafile=pair.certificate) if pair else None
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        self.seconds: list[float] = []  # of checks on new connections
        self.chosen: list[str] = []  # devices whose choice was acknowledged
        self.reported = 0
        self._devices = 0
        self._stream = ""
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self, *kinds: str) -> AsyncIterator[None]:
        work = {
            "check": self.check,
            "fresh check": self.check_on_a_new_connection,
            "download": self.download,
            "report": self.report,
            "choice": self.choose,
            "stream": self.stream,
            "publish": self.publish,
        }
        parallel = {"check": 4, "fresh check": 2, "download": 3, "stream": STREAMS}
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with self._session(timeout=timeout) as session:
            self.session = session
            tasks = [
                asyncio.create_task(self._repeat(kind, work[kind]))
                for kind in kinds
                for _ in range(parallel.get(kind, 1))
            ]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)
                self._stopping = False

    def _session(self, **options: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._trusting) if self._trusting else None
        return aiohttp.ClientSession(connector=connector, **options)

    async def _repeat(self, kind: str, work: Work) -> None:
        while not self._stopping:
            try:
                await work()
                self.done[kind] += 1
            except (aiohttp.ClientError, OSError, TimeoutError, AssertionError) as error:
                self.failed[kind] += 1
                self.failures.setdefault(kind, f"{type(error).__name__}: {error}")

    def question(self, **fields: Any) -> dict[str, Any]:
        self._devices += 1
        return {
            "platform": "android",
            "device_id": f"{self._devices:08x}-eefe-490a-9c60-8e965132ae51",
            "app_id": APP,
            "version_build": "1.0.0",
            "version_name": "1.0.0",
            "version_os": "14",
            "plugin_version": "8.51.14",
            "is_emulator": False,
            "is_prod": True,
        } | fields

    async def ask(self, method: str, path: str, body: Any, **options: Any) -> Any:
        async with self.session.request(method, self.devices + path, json=body, **options) as response:
            said = await response.json()
            assert response.status == 200, f"{response.status}: {said}"
            return said

    async def check(self) -> None:
        offer = await self.ask("POST", "/updates", self.question())
        assert "url" in offer, offer
        await asyncio.sleep(0.01)

    async def check_on_a_new_connection(self) -> None:
        begun = time.perf_counter()
        offer = await self.ask("POST", "/updates", self.question(), headers={"Connection": "close"})
        self.seconds.append(time.perf_counter() - begun)
        assert "url" in offer, offer
        await asyncio.sleep(0.01)

    async def download(self) -> None:
        offer = await self.ask("POST", "/updates", self.question())
        hashed = hashlib.sha256()
        async with self.session.get(offer["url"]) as response:
            assert response.status == 200, response.status
            async for block in response.content.iter_chunked(1 << 16):
                hashed.update(block)
                await asyncio.sleep(DOWNLOAD_SECONDS * len(block) / DOWNLOAD_BYTES)
        assert hashed.hexdigest() == offer["checksum"], "other bytes than announced"

    async def report(self) -> None:
        event = self.question(version_name="1.0.1", action="set")
        assert (await self.ask("POST", "/stats", event))["status"] == "ok"
        self.reported += 1

    async def choose(self) -> None:
        wish = self.question(plugin_version=OLD_PLUGIN, channel="beta")
        assert (await self.ask("POST", "/channel_self", wish))["status"] == "ok"
        self.chosen.append(wish["device_id"])
        await asyncio.sleep(0.02)

    async def stream(self) -> None:
        """Until its end, which is a clean one; it is opened again at the address that was told once."""
        if not self._stream:
            said = await self.ask("POST", f"/features/{APP}/ofrep/v1/evaluate/flags", {"context": {}})
            self._stream = said["eventStreams"][0]["endpoint"]["requestUri"]
        for_ever = aiohttp.ClientTimeout(total=None)
        async with self.session.get(self.devices + self._stream, timeout=for_ever) as response:
            assert response.status == 200, f"{response.status}: {await response.text()}"
            while not self._stopping:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        if not await response.content.readline():
                            return

    async def publish(self) -> None:
        """Another bundle on the channel; answered when every worker offers it."""
        version = f"1.0.{1 + self.done['publish'] % 2}"
        token = (self.node.data_dir / "node" / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{self.node.control}/v1/apps/{APP}/channels/production"
        async with self.session.patch(
            address, json={"bundle": version, "downgrade": True, "again": True}, headers=headers
        ) as response:
            assert response.status == 200, f"{response.status}: {await response.text()}"
        offer = await self.ask("POST", "/updates", self.question(), headers={"Connection": "close"})
        assert offer["version"] == version, f"stale: {offer['version']} after {version} was acknowledged"
        await asyncio.sleep(0.05)

    async def choices_there(self) -> int:
        """How many of the acknowledged choices the node has."""
        there = 0
        async with self._session() as self.session:
            for device in self.chosen:
                asked = self.question(plugin_version=OLD_PLUGIN, device_id=device)
                there += (await self.ask("PUT", "/channel_self", asked)).get("channel") == "beta"
        return there


def prepare(node: Node, folder: Path) -> None:
    """An app with two bundles of some megabytes, on a channel for all, and one that devices may choose."""
    node.text("app", "create", APP)
    for number in (1, 2):
        files = web_build(number) | {"assets/film.mp4": random.Random(number).randbytes(DOWNLOAD_BYTES)}
        build = write_folder(folder / f"build-{number}", files)
        node.text("bundle", "publish", APP, build, "--version", f"1.0.{number}", "--no-channel")
    node.text("channel", "create", APP, "production", "--public", "--bundle", "1.0.1", "--yes")
    node.text("channel", "create", APP, "beta", "--self-set", "--bundle", "1.0.1", "--yes")
    node.text("feature", "set", APP, "checkout", "--type", "boolean", "--default", "true")


def environ_of(workers: int, pair: Files | None, **settings: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    if pair is not None:
        own |= {"EDGE_DEVICES_TLS_CERTIFICATE": pair.certificate, "EDGE_DEVICES_TLS_KEY": pair.key}
    return own | {"EDGE_DEVICES_WORKERS": str(workers), "EDGE_DEVICES_HOST": "127.0.0.1"} | settings


def counted(node: Node) -> int:
    """Reports in the node's own counts."""
    return sum(each["n"] for each in node.json("stats", APP, "--events")["counts"] if each["action"] == "set")


async def restart_again_and_again(folder: Path, restarts: int, workers: int, pair: Files | None) -> bool:
    environ = environ_of(workers, pair, EDGE_DEVICES_PORT="0", EDGE_CONTROL_PORT="0")
    command = [sys.executable, "-c", PROGRAM, "serve", "--json"]
    with (folder / "log").open("wb") as log:
        first = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=log)
    assert first.stdout is not None
    node = Node(folder, json.loads(await asyncio.to_thread(first.stdout.readline)))
    latest, seconds = first.pid, []
    try:
        await asyncio.to_thread(prepare, node, folder)
        load = Load(node, pair)
        async with load.running("check", "fresh check", "download", "report", "choice", "stream", "publish"):
            for _ in range(restarts):
                await more(load, "check", 100)
                begun = time.perf_counter()
                latest = (await asyncio.to_thread(node.json, "restart"))["pid"]
                seconds.append(time.perf_counter() - begun)
            await more(load, "download", 3)
        there, total = await load.choices_there(), await asyncio.to_thread(counted, node)
    finally:
        os.kill(latest, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(first.wait, PATIENCE_SECONDS)
        first.stdout.close()
    print(f"{restarts} times `edge restart`: median {statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s")
    whole = show(load)
    print(
        f"  reports acknowledged {load.reported}, counted {total}; "
        f"choices acknowledged {len(load.chosen)}, there {there}"
    )
    if not whole or (total, there) != (load.reported, len(load.chosen)):
        print((folder / "log").read_text()[-4_000:])
        return False
    return True


async def stop_and_start(folder: Path, stops: int, workers: int, pair: Files | None) -> bool:
    """As `systemctl restart` with a socket unit: the parent keeps the sockets, and each node ends before the next."""
    with holding_sockets() as (sockets, environ):
        node = Node(folder, {name: each.getsockname()[1] for name, each in sockets.items()})
        node_of = lambda: activated(folder, sockets, environ_of(workers, pair, **environ))  # noqa: E731
        serving = await asyncio.to_thread(node_of)
        await asyncio.to_thread(prepare, node, folder)
        load = Load(node, pair)
        async with load.running("check", "fresh check", "report", "stream"):
            for _ in range(stops):
                await more(load, "check", 100)
                serving.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(serving.wait, PATIENCE_SECONDS) == 0
                serving = await asyncio.to_thread(node_of)
            await more(load, "check", 100)
        total = await asyncio.to_thread(counted, node)
        serving.send_signal(signal.SIGTERM)
        await asyncio.to_thread(serving.wait, PATIENCE_SECONDS)
    print(f"{stops} times SIGTERM and a start, the parent holding the sockets:")
    whole = show(load)
    print(f"  reports acknowledged {load.reported}, counted {total}")
    return whole and total == load.reported


@contextlib.contextmanager
def holding_sockets() -> Iterator[tuple[dict[str, socket.socket], dict[str, str]]]:
    """Listening sockets for both ports, and the variables that name these ports."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=4_096) as devices,
        socket.create_server(("127.0.0.1", 0)) as control,
    ):
        sockets = {"devices": devices, "control": control}
        yield sockets, {f"EDGE_{name.upper()}_PORT": str(each.getsockname()[1]) for name, each in sockets.items()}


def activated(folder: Path, sockets: dict[str, socket.socket], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """A node that was passed these sockets, once it serves."""
    numbers = [each.fileno() for each in sockets.values()]
    command = [sys.executable, "-c", ACTIVATED, ",".join(map(str, numbers)), PROGRAM, "serve", "--json"]
    with (folder / "log").open("ab") as log:
        serving = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=log, pass_fds=numbers
        )
    assert serving.stdout is not None
    with serving.stdout:
        assert serving.stdout.readline(), (folder / "log").read_text()
    return serving


async def more(load: Load, kind: str, count: int) -> None:
    """Wait until so many more were done, or failed."""
    until = load.done[kind] + load.failed[kind] + count
    while load.done[kind] + load.failed[kind] < until:
        await asyncio.sleep(0.05)


def show(load: Load) -> bool:
    """Print what came of the load; whether nothing failed."""
    for kind, done in load.done.items():
        print(f"  {kind:<12} {done:>6} done, {load.failed[kind]} failed {load.failures.get(kind, '')}")
    worst = max(load.seconds) * 1e3
    print(f"  a check on a new connection: median {statistics.median(load.seconds) * 1e3:.0f} ms, worst {worst:.0f} ms")
    return not load.failed.total()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tls", action="store_true")
    words = parser.parse_args()
    well = []
    for drill, times in ((restart_again_and_again, words.restarts), (stop_and_start, words.stops)):
        if times:
            with tempfile.TemporaryDirectory() as folder:
                pair = a_certificate(Path(folder)) if words.tls else None
                well.append(asyncio.run(drill(Path(folder), times, words.workers, pair)))
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
