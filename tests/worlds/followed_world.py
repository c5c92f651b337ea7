"""A truth in a directory, and a follower of it in another one, with a source between them that may be told to lie.

world = FollowedWorld(tmp_path)
publish(world.truth, "1.0.1")
await world.follower.look()
"""

import asyncio
import time
from collections import Counter
from pathlib import Path

from edge.assembly.region.origin_bucket import checks_of
from edge.control.access.tokens import Tokens
from edge.node.processes.data_directory import DataDirectory, OpenedDirectory
from edge.regions.following.follower import Follower, FollowTerms
from edge.regions.source import SourceLost
from edge.regions.sources.first_sight import wait_for_first_sight
from edge.regions.sources.store import StoreSource
from edge.store.damage import NotTaken
from edge.store.held_heads import HeldHeads
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.reading import ReleaseReader


class TestedSource(StoreSource):
    """`asked` counts calls; each altering function, where set, replaces what the store has."""

    __test__ = False

    def __init__(self, store) -> None:
        super().__init__(store, "the truth")
        self.asked = Counter()
        self.starts = []
        self.lost = False
        self.alter_document = lambda document: document
        self.alter_revision = lambda content: content
        self.alter_piece = lambda digest, piece: piece
        self.gate = None  # an event that blobs wait for
        self.gated = ()  # the blobs that it is for; empty: all
        self.cut_after = None  # bytes of a blob, after which the line is cut, and with `then_lost` stays so
        self.then_lost = False

    async def documents(self, known):
        self.asked["documents"] += 1
        self._check()
        return [self.alter_document(each) for each in await super().documents(known)]

    async def revisions(self, app, until, after):
        self.asked["revisions"] += 1
        self._check()
        async for content in super().revisions(app, until, after):
            self.asked["revision"] += 1
            yield self.alter_revision(content)

    async def blob(self, digest, start=0):
        self.asked[digest] += 1
        self.starts.append(start)
        self._check()
        if self.gate is not None and (not self.gated or digest in self.gated):
            await self.gate.wait()
        sent = 0
        async for piece in super().blob(digest, start):
            for at in range(0, len(piece), 64 * 1024):
                part = piece[at : at + 64 * 1024]
                yield self.alter_piece(digest, part)
                sent += len(part)
                if self.cut_after is not None and sent >= self.cut_after:
                    self.lost = self.then_lost
                    raise SourceLost("source_lost", "the line was cut")

    def _check(self) -> None:
        if self.lost:
            raise SourceLost("source_lost", "nobody answers")


class FollowedWorld:
    """`told` are the heads that the follower announced, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth = DataDirectory(folder / "truth", time.time())
        self.source = TestedSource(self.truth.mirror)
        self.told = []
        self.now = time.time()

    async def start(self, wrap=lambda mirror: mirror, cache_limit_bytes: int = 2**40, shared: bool = False) -> Follower:
        """A follower as a process has it that starts now; it writes to its copy through what `wrap` returns."""
        directory = OpenedDirectory(self.folder / "copy", self.now)
        await wait_for_first_sight(self.source, directory.mirror, directory.node_dir, "", lambda: 0.5)
        self.directory, self.mirror = directory, directory.mirror
        self.trust = open_trust(directory.mirror, directory.node_dir, self.now)
        self.held = HeldHeads(directory.node_dir)
        self.reader = ReleaseReader(directory.mirror, self.trust, self.held, copied=True)
        self.tokens = Tokens(directory.mirror, self.trust, None)
        self.follower = Follower(
            self.source,
            wrap(directory.mirror),
            self.trust,
            self.hear,
            self.held,
            heads=None if shared else self.reader.shards,
            checks=checks_of(self.tokens),
            terms=FollowTerms(
                cache_limit_bytes=cache_limit_bytes, clock=lambda: self.now, draw=lambda: 0.5, shared=shared
            ),
        )
        self.follower.fetcher.pause_seconds = 0.0
        return self.follower

    async def hear(self, heads) -> NotTaken:
        self.told.append(dict(heads))
        return NotTaken()

    async def settle(self) -> None:
        """Until nothing is on its way."""
        while self.follower.fetcher.waiting or self.follower._bringer._ahead:
            await asyncio.sleep(0.001)

    @property
    def revisions(self) -> dict:
        """Announced last, by app."""
        return {app: head.revision for heads in self.told for app, head in heads.items()}


def copy_of(store: FsStore) -> dict[str, bytes]:
    """Every object, by key."""
    return {key: store.get(key).data for key in store.keys("")}
