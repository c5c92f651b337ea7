"""What followers cost the node that they follow, and how fast it feeds them.

    python -m tests.drills.feed_costs [--apps 1000] [--followers 20] [--seconds 60] [--revisions 10000]

One node with many apps, as a process. Followers are sources of this process, which do what a region does: a question
every 5 s, and events. Measured as CPU time of the node's supervisor: idle, with and without them; a chain of revisions
read whole, with the memory of both ends; a large blob beside the same one from the device port; and all followers, and
many more, back at once after a restart, while changes go on. Exit code 1 where a follower costs more than 0.1% of a
core, a chain takes longer than promised, or a change waits behind those that return.
"""

import argparse
import asyncio
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing, suppress
from pathlib import Path

import aiohttp

from benchmarks.worlds.many_apps import app_id, open_scaled
from benchmarks.worlds.releases import Sizes, bundle_of, put_blob
from edge.cli.terminal.client import ControlClient, app_path
from edge.domain.changes.commands import Change, ChannelSettings, CreateApp, CreateChannel, PublishBundle, SetChannel
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, FileEntry
from edge.node.processes.data_directory import DataDirectory
from edge.regions.source import SourceLost
from edge.regions.sources.node import NodeSource
from edge.regions.upstream import Upstream
from edge.store.heads import Head
from edge.store.stored_document import digest_of
from tests.drills.many_apps import Node, a_node

POLL_SECONDS = 5.0
FOLLOWER_SHARE = 0.001  # of a core
CHAIN_CPU_SECONDS = 10.0  # of the node, where nothing else runs
WAITING_SECONDS = 3.0  # of a change while everybody returns
BLOB_BYTES = 64 << 20
ROUNDS = 5
APP = AppId("com.example.chain")
TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000


def supervisor_of(node: Node) -> int:
    lines = Path(f"/proc/{node.workers[0]}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def prepare(folder: Path, revisions: int) -> tuple[Head, str]:
    """A chain of so many revisions, whose bundle is one large zip; its head and the zip's digest."""
    now = time.time()
    truth = DataDirectory(folder, now)
    archive = put_blob(truth.store, random.Random(1).randbytes(BLOB_BYTES))
    page = put_blob(truth.store, b"<html></html>")
    manifest = put_blob(truth.store, encode_manifest([FileEntry("index.html", page, page, 13)]))
    bundle = bundle_of("1.0.1", archive, Sizes(BLOB_BYTES, 1, 13), manifest)
    commands = [
        CreateApp(app=APP),
        CreateChannel(name="production", settings=ChannelSettings(public=True)),
        PublishBundle(bundle=bundle, channel="production"),
    ]
    commands += [
        SetChannel(name="production", settings=ChannelSettings(emulator=bool(number % 2)))
        for number in range(revisions - len(commands))
    ]
    for number, command in enumerate(commands):
        change = Change(id=f"chain-{number}", at=now, by="drill", command=command)
        head = truth.releases.commit(APP, change).head
    return head, archive


class Followers:
    """A source for each token at one node, each with a connection of its own for events."""

    def __init__(self, control: str, tokens: Sequence[Path]) -> None:
        self.sources = [NodeSource(Upstream(control, token)) for token in tokens]
        self.known: list[dict[str, str]] = [{} for _ in self.sources]
        self._tasks: list[asyncio.Task[None]] = []

    async def ask_all(self) -> None:
        for number in range(len(self.sources)):
            await self._ask(number)

    def begin(self) -> None:
        for number in range(len(self.sources)):
            self._tasks += [asyncio.create_task(self._poll(number)), asyncio.create_task(self._hear(number))]

    async def end(self) -> None:
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for source in self.sources:
            await source.close()

    async def _ask(self, number: int) -> None:
        for document in await self.sources[number].documents(self.known[number]):
            self.known[number][document.key] = document.tag

    async def _poll(self, number: int) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.75, 1.25))
            with suppress(SourceLost):
                await self._ask(number)

    async def _hear(self, number: int) -> None:
        while True:
            with suppress(SourceLost):
                async with aclosing(self.sources[number].events()) as events:
                    async for _ in events:
                        with suppress(SourceLost):
                            await self._ask(number)
            await asyncio.sleep(random.uniform(0.75, 1.25))


async def idle_share(pid: int, seconds: float) -> float:
    before = cpu_seconds(pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds


async def cost_of_followers(node: Node, tokens: Sequence[Path], seconds: float) -> bool:
    pid, count = supervisor_of(node), len(tokens)
    alone = await idle_share(pid, seconds)
    followers = Followers(node.control, tokens)
    try:
        await followers.ask_all()
        followers.begin()
        await asyncio.sleep(POLL_SECONDS)
        share = await idle_share(pid, seconds)
    finally:
        await followers.end()
    each = (share - alone) / count
    print(f"idle: {alone:.2%} of a core alone, {share:.2%} with {count} followers: {each:.3%} each")
    return each <= FOLLOWER_SHARE


async def read_chain(node: Node, token: Path, head: Head) -> bool:
    pid, source = supervisor_of(node), NodeSource(Upstream(node.control, token))
    before, peak, count, size, expected = cpu_seconds(pid), peak_bytes(pid), 0, 0, head.digest
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    begun, used = time.perf_counter(), time.process_time()
    async for document in source.revisions(APP, head, 0):
        assert count or digest_of(document) == expected
        count, size = count + 1, size + len(document)
    took, used, cpu = time.perf_counter() - begun, time.process_time() - used, cpu_seconds(pid) - before
    await source.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - own
    print(
        f"{count:,} revisions, {size / MB:.1f} MB: {took:.1f} s; CPU {cpu:.1f} s of the node, {used:.1f} s "
        f"of the reader; peak memory +{(peak_bytes(pid) - peak) / MB:.0f} MB and +{grown / MB:.0f} MB"
    )
    return count == head.revision and cpu <= CHAIN_CPU_SECONDS


async def _drain(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
    async with session.get(url, headers=headers) as answer:
        assert answer.status == 200, answer.status
        while await answer.content.read(1 << 20):
            pass


async def blob_rates(node: Node, secret: str, digest: str) -> None:
    ways = {
        "feed": (supervisor_of(node), f"{node.control}/v1/feed/blobs/{digest}", {"Authorization": f"Bearer {secret}"}),
        "device port": (node.workers[0], f"{node.address}/bundles/{APP}/zip/{digest}", {}),
    }
    async with aiohttp.ClientSession(read_bufsize=1 << 20) as session:
        for name, (pid, url, headers) in ways.items():
            await _drain(session, url, headers)
            before, begun = cpu_seconds(pid), time.perf_counter()
            for _ in range(ROUNDS):
                await _drain(session, url, headers)
            took, cpu = time.perf_counter() - begun, cpu_seconds(pid) - before
            rate, cost = ROUNDS * BLOB_BYTES / MB / took, cpu / (ROUNDS * BLOB_BYTES / 2**30)
            print(f"blobs by the {name}: {rate:,.0f} MB/s, {cost:.2f} CPU s/GiB of the node")


async def all_return(node: Node, tokens: Sequence[Path], admin: str) -> bool:
    """Everybody asks for everything at once, as after a restart; an operator makes changes meanwhile."""
    pid, followers, count = supervisor_of(node), Followers(node.control, tokens), len(tokens)
    client, waited = ControlClient(node.control, admin), list[float]()
    before, begun = cpu_seconds(pid), time.perf_counter()
    asking = asyncio.gather(*(followers._ask(number) for number in range(count)))
    followers.begin()
    try:
        while not asking.done() or len(waited) < ROUNDS:
            at = time.perf_counter()
            settings = {"emulator": len(waited) % 2 == 0}
            await asyncio.to_thread(client.patch, app_path(app_id(0), "channels", "production"), settings)
            waited.append(time.perf_counter() - at)
        await asking
        took, cpu = time.perf_counter() - begun, cpu_seconds(pid) - before
    finally:
        client.close()
        await followers.end()
    print(
        f"{count} followers return at once: {took:.1f} s until all know, {cpu:.2f} CPU s; "
        f"{len(waited)} changes meanwhile, the slowest {max(waited):.2f} s"
    )
    return max(waited) <= WAITING_SECONDS


@asynccontextmanager
async def scaled(folder: Path, followers: int) -> AsyncIterator[tuple[Node, list[Path]]]:
    """With a token for each follower, as each region has: a token has a bounded share of the control port."""
    async with a_node(folder, 1) as node:
        yield node, await asyncio.to_thread(make_tokens, node, folder, followers)


def make_tokens(node: Node, folder: Path, count: int) -> list[Path]:
    tokens = [folder.with_suffix(f".{number}.token") for number in range(count)]
    with closing(ControlClient(node.control, node.token)) as client:
        for each in tokens:
            each.write_text(client.post("/v1/tokens", {"name": each.stem, "role": "node"})["token"])
    return tokens


async def run(args: argparse.Namespace, folder: Path) -> bool:
    data = open_scaled(folder, args.apps)
    head, archive = await asyncio.to_thread(prepare, data, args.revisions)
    async with scaled(data, 5 * args.followers) as (node, tokens):
        kept = [await cost_of_followers(node, tokens[: args.followers], args.seconds)]
        kept.append(await read_chain(node, tokens[0], head))
        await blob_rates(node, tokens[0].read_text(), archive)
        kept.append(await all_return(node, tokens, node.token))
    return all(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=1_000)
    parser.add_argument("--followers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--revisions", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not asyncio.run(run(args, Path(folder))):
            sys.exit(1)


if __name__ == "__main__":
    main()
