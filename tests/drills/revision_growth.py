"""What the revisions of an app with many bundles cost.

    python -m tests.drills.revision_growth [--bundles 1000] [--encrypted]

Each revision holds the whole state of its app, so what many publishes write grows with their square. Publishes into a
store of its own, one bundle after another, and at 100, 300 and all bundles also changes the channel some times. Prints
the bytes of revisions, what zstd would make of the last one, and the CPU time of a change: of a publish, of a change of
the channel, of a worker's reading it into a snapshot, and of what the document alone takes of these. At the end all but
10 bundles are pruned. Exit code 1 if a bundle, or 1,000 bundles and 2,000 changes, take more bytes than promised.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zstandard

from benchmarks.worlds.releases import put_blob
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    PruneBundles,
    PublishBundle,
    SetChannel,
)
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.encryption import BLOCK_BYTES, IV_BYTES, SessionKey, build_encryption, encode_session_key
from edge.domain.file_names import NameFacts
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Bundle, Encryption, FileEntry, VersionName
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.objects.port import ObjectStore, revision_key
from edge.store.releases import Releases
from edge.store.revision_document import encode_revision, parse_revision
from edge.store.stored_document import digest_of

APP = AppId("com.example.growing")
CHANNEL = "production"
NOW = 1_700_000_000.0
STOPS = (100, 300)  # bundles at which the costs are measured, besides the last
CHANGES = 20  # of the channel, at each stop; the median of their times counts
FILES = 10  # of a bundle; each is looked for when it is published, however large its revision is

PROMISED_BUNDLES = 1_000
KEPT_BUNDLES = 10  # by the prune at the end
LEVEL = 3  # zstd's default


class Promise(NamedTuple):
    """How many bytes a bundle may take of a revision, from STOPS[0] bundles on, and all revisions of PROMISED_BUNDLES
    that were published one by one and of as many other changes."""

    bundle: int
    total: int


PLAIN = Promise(1_000, 1_000 * 10**6)
ENCRYPTED = Promise(2_000, 2_500 * 10**6)  # each has a session key and a signed checksum


class Cost(NamedTuple):
    """CPU milliseconds of one change."""

    document: float
    commit: float
    load: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=int, default=PROMISED_BUNDLES)
    parser.add_argument("--encrypted", action="store_true", help="bundles with a session key and a signed checksum")
    options = parser.parse_args()
    promise, kept = ENCRYPTED if options.encrypted else PLAIN, True
    with tempfile.TemporaryDirectory() as folder:
        app = GrowingApp(Path(folder), encrypted=options.encrypted)
        for number in range(1, options.bundles + 1):
            app.publish(number)
            if number in {*STOPS, options.bundles}:
                kept = app.measure(number, promise) and kept
        app.prune(options.bundles)
    print(
        f"{'kept' if kept else 'FAILED'}: {promise.bundle:,} bytes a bundle, {promise.total / 1e9:.1f} GB of revisions"
    )
    return 0 if kept else 1


class GrowingApp:
    """An app in a data directory of its own, and the worker's side that builds its snapshots."""

    def __init__(self, folder: Path, *, encrypted: bool) -> None:
        truth = DataDirectory(folder, NOW)
        self._store: ObjectStore = truth.store
        self._releases: Releases = truth.releases
        self._folder = truth.store_dir / "apps"
        self._builder = SnapshotBuilder(truth.store)
        self._snapshot: AppSnapshot | None = None
        self._encrypted = encrypted
        self._changes = 0
        self._files = [put_blob(truth.store, f"file {at}".encode()) for at in range(FILES)]
        self._publishes: list[float] = []
        self._commit(CreateApp(app=APP))
        self._commit(CreateChannel(name=CHANNEL, settings=ChannelSettings(public=True)))

    def publish(self, number: int) -> None:
        command = PublishBundle(bundle=self._bundle(number), channel=CHANNEL)
        self._publishes.append(cpu_ms(lambda: self._commit(command)))

    def measure(self, bundles: int, promise: Promise) -> bool:
        """Print the costs with so many bundles; returns whether the promise is kept."""
        grown = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        made, published = self._releases.head(APP).revision, statistics.median(self._publishes[-CHANGES:])
        self._load()  # what is read once, such as manifests, costs a change nothing
        costs = [self._change() for _ in range(CHANGES)]
        document, commit, load = (statistics.median(each) for each in zip(*costs, strict=True))
        content = self._content()
        each, total = len(content) / bundles, grown + bundles * len(content)
        print(f"{bundles:,} bundles: a revision has {len(content):,} bytes, {each:.0f} a bundle")
        print(f"  all {made:,} revisions: {grown / 1e6:,.1f} MB; after {bundles:,} more changes {total / 1e6:,.1f} MB")
        print(
            f"  CPU: {published:.1f} ms a publish, {commit:.1f} ms a change of a channel; {load:.1f} ms in each worker"
        )
        print(f"  of a change and one worker, the document alone: {document:.1f} ms", flush=True)
        _print_compressed(content)
        small = bundles < STOPS[0] or each <= promise.bundle
        return small and (bundles > PROMISED_BUNDLES or total <= promise.total)

    def prune(self, bundles: int) -> None:
        before = len(self._content())
        self._commit(PruneBundles(keep=KEPT_BUNDLES))
        after = len(self._content())
        print(f"pruned to {KEPT_BUNDLES} of {bundles:,} bundles: {before:,} bytes, then {after:,}")

    def _change(self) -> Cost:
        settings = ChannelSettings(spread_seconds=60 + self._changes % 2)
        commit = cpu_ms(lambda: self._commit(SetChannel(name=CHANNEL, settings=settings)))
        return Cost(cpu_ms(self._document), commit, cpu_ms(self._load))

    def _commit(self, command: Command) -> None:
        self._changes += 1
        self._last = Change(id=f"change-{self._changes}", at=NOW + self._changes, by="ci", command=command)
        self._releases.commit(APP, self._last)

    def _load(self) -> None:
        head = self._releases.head(APP)
        loaded = self._builder.load(APP, head, NOW, self._snapshot)
        assert loaded.snapshot is not None, loaded.damages
        self._snapshot = loaded.snapshot

    def _document(self) -> None:
        """What a change costs for the document alone: the commit reads the last one and writes the next, a worker
        reads that."""
        head = self._releases.head(APP)
        content = self._content()
        for _ in ("the commit", "a worker"):
            digest_of(content)
            read = parse_revision(content, APP, head.revision, lambda _: b"")
        assert read.previous is not None
        digest_of(encode_revision(read.state, self._last, read.previous, {}))

    def _content(self) -> bytes:
        head = self._releases.head(APP)
        stored = self._store.get(revision_key(APP, head.revision, head.digest))
        assert stored is not None
        return stored.data

    def _bundle(self, number: int) -> Bundle:
        """As large in a revision as a real one. Its zip and its manifest are its own; all share the same files."""
        version = VersionName(f"1.0.{number}")
        entries = [FileEntry(f"assets/{number}-{at}.js", each, each, 10_000) for at, each in enumerate(self._files)]
        manifest = put_blob(self._store, encode_manifest(entries))
        archive = put_blob(self._store, f"zip {version}".encode())
        return Bundle(
            version=version,
            content=digest_of(f"content {version}".encode()),
            zip=archive,
            zip_bytes=3_000_000 + number,
            zip_crc32=archive[:8],
            manifest=manifest,
            files=FILES,
            plain_bytes=12_000_000 + number,
            names=NameFacts(longest_bytes=40, longest_listed_bytes=43, same=False, same_and_equal=False),
            plain_files=True,
            encryption=_encryption(number) if self._encrypted else None,
        )


def _encryption(number: int) -> Encryption:
    noise = random.Random(number)
    session = SessionKey(noise.randbytes(IV_BYTES), noise.randbytes(BLOCK_BYTES))
    return build_encryption(encode_session_key(session), noise.randbytes(BLOCK_BYTES).hex(), "MIIBCgKCAQEAqJikYizo")


def _print_compressed(content: bytes) -> None:
    packed = zstandard.ZstdCompressor(LEVEL).compress(content)
    packing = statistics.median(
        cpu_ms(lambda: zstandard.ZstdCompressor(LEVEL).compress(content)) for _ in range(CHANGES)
    )
    unpacking = statistics.median(
        cpu_ms(lambda: zstandard.ZstdDecompressor().decompress(packed)) for _ in range(CHANGES)
    )
    print(f"  zstd {LEVEL}: {len(packed):,} bytes, {len(content) / len(packed):.1f} times smaller; ", end="")
    print(f"{packing:.1f} ms more each writing, {unpacking:.1f} ms more each reading", flush=True)


def cpu_ms(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return (time.process_time() - begun) * 1_000


if __name__ == "__main__":
    sys.exit(main())
