"""A disk that rots while devices download: whether anything wrong is delivered whole, and how it heals.

    python -m tests.drills.rotten_blobs [--seconds 20] [--bundles 24] [--devices 16] [--workers 2]

Devices download the zips of a running node and compare each with its digest. Meanwhile bits are flipped in random zips,
files are cut, extended and replaced, and some time later the right bytes are uploaded again, as a publisher would.
Exits with 1 if a device that asked after the damage got wrong bytes with status 200, or if an upload healed nothing.
A file that is written to while it is sent is told apart: the end is withheld if the change comes before it, but what
the kernel holds for the peer by then are the file's own pages, which zero-copy means.
"""

import argparse
import asyncio
import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec

from edge.assembly.standalone import Standalone
from edge.config import Config, Control, Devices
from edge.domain.changes.commands import Change, ChannelSettings, Command, CreateApp, CreateChannel, PublishBundle
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Bundle, Digest, FileEntry
from edge.store.disk.file_proof import hash_file
from edge.store.objects.port import blob_key

APP = AppId("com.example.rotten")
SIZES = (20_000, 300_000, 2_000_000)  # sent at once, in two turns, in many
PAUSE_SECONDS = 0.05  # between two damages
HEALS_AFTER_SECONDS = 0.5
HASHED_BYTES = 64 * 2**20


class Zip(NamedTuple):
    digest: Digest
    content: bytes
    path: Path


def publish(node: Standalone, count: int, rng: random.Random) -> list[Zip]:
    """So many bundles of one app, each a zip, and a manifest of one page that all share."""

    def commit(command: Command) -> None:
        change = Change(id=rng.randbytes(8).hex(), at=time.time(), by="drill", command=command)
        node.directory.releases.commit(APP, change)

    store, zips, page = node.directory.store, list[Zip](), b"<!doctype html>"
    manifest = encode_manifest([FileEntry("index.html", digest_of(page), digest_of(page), len(page))])
    for content in (page, manifest):
        store.create(blob_key(digest_of(content)), content)
    commit(CreateApp(app=APP))
    commit(CreateChannel(name="production", settings=ChannelSettings(public=True)))
    for number in range(count):
        content = rng.randbytes(SIZES[number % len(SIZES)])
        digest = digest_of(content)
        store.create(blob_key(digest), content)
        bundle = Bundle(
            version=f"1.0.{number}",
            content=digest,
            zip=digest,
            zip_bytes=len(content),
            zip_crc32="00000000",
            manifest=digest_of(manifest),
            files=1,
            plain_bytes=len(content),
            published=time.time(),
        )
        commit(PublishBundle(bundle=bundle, channel="production"))
        zips.append(Zip(digest, content, store.path(blob_key(digest))))
    return zips


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def damage(zip: Zip, rng: random.Random) -> str:
    """One of five ways; returns which."""
    size, way = len(zip.content), rng.choice(("flip", "flip and keep the time", "cut", "extend", "replace"))
    if way == "replace":
        other = zip.path.with_suffix(".other")
        other.write_bytes(rng.randbytes(size))
        other.rename(zip.path)
        return way
    before = zip.path.stat()
    with zip.path.open("r+b") as file:
        if way == "cut":
            file.truncate(rng.randrange(size))
        elif way == "extend":
            file.seek(0, os.SEEK_END)
            file.write(b"x")
        else:
            at = rng.randrange(size)
            file.seek(at)
            file.write(bytes([zip.content[at] ^ 1 << rng.randrange(8)]))
    if way == "flip and keep the time":
        os.utime(zip.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return way


class Drill:
    """What devices got, what was damaged, and the seconds until it was served again."""

    def __init__(self, node: Standalone, zips: list[Zip], seed: int) -> None:
        self.got: Counter[str] = Counter()
        self.damaged: Counter[str] = Counter()
        self.heal_seconds: list[float] = []
        self.unhealed = 0
        self._zips = zips
        self._rng = random.Random(seed)
        self._devices = f"http://127.0.0.1:{node.device_port}/bundles/{APP}/zip"
        self._blobs = f"http://127.0.0.1:{node.control_port}/v1/apps/{APP}/blobs"
        self._token = {"Authorization": f"Bearer {node.admin_token_file.read_text().strip()}"}
        self._sick: set[Digest] = set()
        self._damaged_at: dict[Digest, float] = {}

    async def fetch(self, session: aiohttp.ClientSession, zip: Zip) -> str:
        """What a device got: right, WRONG, "changed under way", cut, or a status."""
        begun = time.monotonic()
        try:
            async with session.get(f"{self._devices}/{zip.digest}") as response:
                if response.status != 200:
                    return str(response.status)
                if await response.read() == zip.content:
                    return "right"
                return "changed under way" if self._damaged_at[zip.digest] > begun else "WRONG"
        except aiohttp.ClientError:
            return "cut"

    async def download(self, session: aiohttp.ClientSession, until: float) -> None:
        while time.monotonic() < until:
            self.got[await self.fetch(session, self._rng.choice(self._zips))] += 1

    async def rot(self, session: aiohttp.ClientSession, until: float) -> None:
        async with asyncio.TaskGroup() as healing:
            while time.monotonic() < until:
                zip = self._rng.choice(self._zips)
                if zip.digest not in self._sick:
                    self._sick.add(zip.digest)
                    self._damaged_at[zip.digest] = time.monotonic()
                    self.damaged[damage(zip, self._rng)] += 1
                    healing.create_task(self.heal(session, zip))
                await asyncio.sleep(PAUSE_SECONDS)

    async def heal(self, session: aiohttp.ClientSession, zip: Zip) -> None:
        await asyncio.sleep(HEALS_AFTER_SECONDS)
        begun = time.perf_counter()
        async with session.put(f"{self._blobs}/{zip.digest}", data=zip.content, headers=self._token) as response:
            response.raise_for_status()
        if await self.fetch(session, zip) == "right":
            self.heal_seconds.append(time.perf_counter() - begun)
        else:
            self.unhealed += 1
        self._sick.discard(zip.digest)


def cpu_ms_per_mb(folder: Path) -> float:
    """Of reading and hashing a cached file."""
    path = folder / "hashed"
    path.write_bytes(random.Random(1).randbytes(HASHED_BYTES))
    with path.open("rb") as file:
        hash_file(file.fileno())
        begun = time.thread_time()
        hash_file(file.fileno())
        return (time.thread_time() - begun) * 1e3 / (HASHED_BYTES / 1e6)


async def run(words: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        devices = Devices(host="127.0.0.1", port=0, workers=words.workers)
        node = Standalone(Config(data_dir=str(Path(folder) / "data"), devices=devices, control=Control(port=0)))
        zips = publish(node, words.bundles, random.Random(words.seed))
        # A connection each: the kernel spreads them over the workers.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with node.running(), aiohttp.ClientSession(connector=connector) as session:
            drill = Drill(node, zips, words.seed)
            until = time.monotonic() + words.seconds
            jobs = [drill.download(session, until) for _ in range(words.devices)]
            await asyncio.gather(drill.rot(session, until), *jobs)
            last = Counter([await drill.fetch(session, zip) for zip in zips])
            left = len(node.supervisor.prover.quarantine)
        print(msgspec.json.encode({"downloads": drill.got, "damaged": drill.damaged, "after_all": last}).decode())
        under_way = drill.got["changed under way"]
        print(f"wrong bytes with status 200: {drill.got['WRONG']}, of files that changed while sent: {under_way}")
        seconds = statistics.quantiles(drill.heal_seconds or [0.0, 0.0], n=20)
        print(f"healed by an upload: {len(drill.heal_seconds)}, not healed: {drill.unhealed}, in quarantine: {left}")
        print(f"from the upload's start to its bytes: median {seconds[9] * 1e3:.0f} ms, p95 {seconds[18] * 1e3:.0f} ms")
        print(f"reading and hashing: {cpu_ms_per_mb(Path(folder)):.2f} ms of CPU per MB, once for all workers")
        return last["right"] == len(zips) and not drill.got["WRONG"] + drill.unhealed + left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("seconds", 20), ("bundles", 24), ("devices", 16), ("workers", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
