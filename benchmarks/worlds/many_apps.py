"""Many apps for the scale benchmark, written once and kept: 5 channels, 10 bundles with manifests of 300 files each.

States are built by the real commands, in memory; only the last revision of each app is stored and all heads are moved
at once, since making 160,000 commits would take an hour. A node reads such a store as any other; `edge history` would
find no older revisions. All apps share ten bundles' blobs on disk; a node that serves them shares nothing.
"""

import random
import shutil
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.worlds.releases import Sizes, bundle_of, put_blob
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import Change, ChannelSettings, Command, CreateApp, CreateChannel, PublishBundle
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, AppState, Bundle, Digest, FileEntry
from edge.node.processes.data_directory import DataDirectory
from edge.store.heads import Head, Heads, build_successor, encode_shard, shard_of
from edge.store.objects.port import ObjectStore, head_key
from edge.store.releases import Revisions

LAYOUT = 1  # of the cache between runs; a new number rebuilds it
CHANNELS = ("production", "beta", "alpha", "staging", "nightly")
VERSIONS = tuple(f"1.0.{number}" for number in range(1, 11))
SIZES = Sizes(zip_bytes=4096, files=300, file_bytes=10_000)
WRITERS = 16  # threads, which wait for the disk


def app_id(number: int) -> str:
    return f"com.example.app{number:05}"


def open_scaled(cache_dir: Path, apps: int) -> Path:
    """The data directory, from the cache or built now."""
    kept = cache_dir / f"scale-{LAYOUT}-{apps}"
    if not kept.exists():
        making = cache_dir / f"making-{LAYOUT}-{apps}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _make(making, apps)
        making.rename(kept)
    return kept


def _make(folder: Path, apps: int) -> None:
    now = time.time()
    truth = DataDirectory(folder, now)
    truth.releases.refresh(now)  # a store with revisions and no head shards has lost them, and is refused
    bundles = [_bundle(truth.store, version) for version in VERSIONS]
    revisions = Revisions(truth.store)

    def write(number: int) -> tuple[AppId, Head]:
        state, change = _state(app_id(number), bundles, now)
        return state.app, Head(state.revision, revisions.write(state, change, None, None))

    with ThreadPoolExecutor(WRITERS) as writers:
        _move_heads(truth, dict(writers.map(write, range(apps))), now)


def _state(app: str, bundles: list[Bundle], now: float) -> tuple[AppState, Change]:
    """Each channel offers another of the latest bundles. The last change comes along: a revision names it."""
    commands: list[Command] = [CreateApp(app=app)]
    commands += [CreateChannel(name=each, settings=ChannelSettings(public=each == CHANNELS[0])) for each in CHANNELS]
    latest = dict(zip(reversed(VERSIONS), CHANNELS, strict=False))
    commands += [PublishBundle(bundle=bundle, channel=latest.get(bundle.version)) for bundle in bundles]
    changes = [Change(id=f"scale-{at}", at=now, by="benchmarks", command=each) for at, each in enumerate(commands)]
    state = apply(None, changes[0])
    for change in changes[1:]:
        state = apply(state, change)
    return state, changes[-1]


def _bundle(store: ObjectStore, version: str) -> Bundle:
    """Its files are named but never stored: nothing downloads them here."""
    noise = random.Random(version)
    digests = [Digest(noise.randbytes(32).hex()) for _ in range(SIZES.files)]
    names = (f"assets/chunk-{at:04}-{digest[:8]}.js" for at, digest in enumerate(digests))
    entries = [FileEntry(name, each, each, SIZES.file_bytes) for name, each in zip(names, digests, strict=True)]
    archive = put_blob(store, noise.randbytes(SIZES.zip_bytes))
    return bundle_of(version, archive, SIZES, put_blob(store, encode_manifest(entries)))


def _move_heads(truth: DataDirectory, moved: dict[AppId, Head], now: float) -> None:
    """One signature for each shard instead of one for each app."""
    by_shard: defaultdict[str, dict[AppId, Head]] = defaultdict(dict)
    for app, head in moved.items():
        by_shard[shard_of(app)][app] = head
    heads = Heads(truth.store, truth.trust)
    for shard, apps in by_shard.items():
        held = heads.shard(shard)
        content = encode_shard(truth.writer, build_successor(held.shard, now, {**held.shard.apps, **apps}))
        if held.tag is None:
            truth.store.create(head_key(shard), content)
        else:
            truth.store.swap(head_key(shard), content, held.tag)
