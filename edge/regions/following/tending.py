"""Keeps the copy whole and small: mends what is damaged or missing in it, fetches what an earlier process did not, and
lets go of what nothing needs.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from edge.domain.errors import EdgeError
from edge.domain.model import AppId
from edge.regions.following.announced import AnnouncedBlobs
from edge.regions.following.bringing import AppBringer
from edge.regions.following.cache import CacheRoom
from edge.regions.following.copying import StoreCopy
from edge.regions.following.needs import kept_blobs
from edge.regions.following.shards import ShardTaker
from edge.regions.source import SourceLost, SourceRefuses
from edge.store.heads import SHARDS, Head, Heads
from edge.store.stored_document import Untrusted

TEND_SECONDS = 5.0  # between two looks at what workers cannot serve
TRIED_SECONDS = 60.0  # between two readings of everything that one app is compiled from
WHOLE_ROUND_SECONDS = 3600.0  # between two over every app; the first is at the start
PAUSE_SHARE = 1.0  # of the time that an app took: half a core at most, beside what serves
FREED_AT_ONCE_BYTES = 64 * 2**20  # on a full disk

log = logging.getLogger("edge.follow")

_Announce = Callable[[Mapping[AppId, Head]], Awaitable[object]]


class Tending:
    """Belongs to the loop. `damaged` are the apps of which workers cannot serve something; `announce` has them look
    again. `forget_shard` has a shard looked for as if it were new. `keeps_history`: old revisions stay."""

    def __init__(
        self,
        copy: StoreCopy,
        heads: Heads,
        taker: ShardTaker,
        bringer: AppBringer,
        announce: _Announce,
        forget_shard: Callable[[str], None],
        announced: AnnouncedBlobs,
        cache_limit_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.damaged: Callable[[], Awaitable[Collection[AppId]]] = _none
        self.room = CacheRoom(copy.mirror, cache_limit_bytes, self._kept, announced.is_outstanding, clock)
        self.fetched_bytes: Callable[[], int] = lambda: 0  # since the start
        self.mended = 0
        self.keeps_history = False
        self._tried: dict[AppId, float] = {}  # until when an app is not read through again
        self._said: dict[AppId, str] = {}
        self._copy = copy
        self._heads = heads
        self._taker = taker
        self._bringer = bringer
        self._announced = announced
        self._announce = announce
        self._forget_shard = forget_shard
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        whole_at = 0.0
        while True:
            await self.look_at_heads()
            await self.mend(await self.damaged())
            if self._clock() >= whole_at:
                await self.go_round()
                whole_at = self._clock() + WHOLE_ROUND_SECONDS
            await asyncio.to_thread(self.room.drop, self._announced.take_overdue())
            await asyncio.to_thread(self.room.shrink, self.fetched_bytes())
            await asyncio.sleep(TEND_SECONDS)

    async def look_at_heads(self) -> None:
        """Have damaged or missing head shards of the copy taken from the source again."""
        for shard in SHARDS:
            try:
                held = await asyncio.to_thread(self._heads.shard, shard)
            except Untrusted:
                self._forget_shard(shard)
            else:
                if held.tag is None and held.shard.sequence:
                    self._forget_shard(shard)

    async def mend(self, apps: Collection[AppId]) -> None:
        """Read everything that these apps are compiled from, and fetch again what is missing or wrong."""
        heads, now = self.heads(), self._clock()
        self._tried = {app: until for app, until in self._tried.items() if until > now}
        for app in apps:
            if app in heads and app not in self._tried:
                self._tried[app] = now + TRIED_SECONDS
                await self._mend(app, heads[app], deep=True)

    async def go_round(self) -> None:
        """Over every app: fetch what is missing of what it is compiled from and of what it offers, and let go of old
        revisions."""
        for app, head in self.heads().items():
            began = time.monotonic()
            if not head.deleted:
                await self._mend(app, head, deep=False)
            if not self.keeps_history:
                await asyncio.to_thread(self._copy.let_go_of_revisions, {app: head})
            await asyncio.sleep((time.monotonic() - began) * PAUSE_SHARE)

    def heads(self) -> dict[AppId, Head]:
        """As they are served."""
        return self._taker.served()

    def make_room(self) -> bool:
        """On a full disk: whether some was made. Blocks."""
        return self.room.free(FREED_AT_ONCE_BYTES) > 0

    async def _mend(self, app: AppId, head: Head, *, deep: bool) -> None:
        with suppress(SourceLost, SourceRefuses):  # the next round is soon
            try:
                changed = await self._bringer.mend(app, head, deep=deep)
            except (EdgeError, OSError) as error:
                if self._said.get(app) != str(error):
                    self._said[app] = str(error)
                    log.warning("app %s cannot be mended now: %s", app, error)
                return
            self._said.pop(app, None)
            if changed:
                self.mended += 1
                log.info("mended revision %d of app %s in this node's copy", head.revision, app)
                await self._announce({app: head})

    def _kept(self) -> set[str] | None:
        """None where an app's revision cannot be read now: what it offers is not known. In a thread."""
        kept = set[str]()
        heads = self.heads()
        for app, head in heads.items():
            try:
                kept |= self._kept_of(app, head)
            except (EdgeError, OSError):
                return None
        for app, head in self._taker.coming().items():
            if head != heads.get(app):
                with suppress(EdgeError, OSError):  # it may not be here yet
                    kept |= self._kept_of(app, head)
        return kept

    def _kept_of(self, app: AppId, head: Head) -> set[str]:
        return kept_blobs(self._copy.mirror, self._copy.content(app, head), self._copy.read(app, head))


async def _none() -> Collection[AppId]:
    return ()
