"""Takes one head shard from the source: verified, then everything that it newly names, then the shard itself.

A fork holds the whole shard, and with it every app in it: somebody signed two histories. A revision that the source
cannot give holds its app alone, and after some looks no longer the shard.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState
from edge.regions.following.chain import FORKED, ChainedRevision, read_chain
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import AHEAD, BUILD_WAITS, BlobFetcher, Came
from edge.regions.following.needs import blobs_of, documents_to_build, documents_to_read, offered_now
from edge.regions.following.transfer import WantedBlob
from edge.regions.source import SourceLost, TruthSource
from edge.store.heads import Head, Heads
from edge.store.healing import is_intact
from edge.store.objects.port import head_key

APPS_AT_ONCE = 16  # brought of one shard; a cold region brings all
BRING_SECONDS = 10.0  # for the revisions of one app since the last look; the next look goes on with what has come
MISSED_LIMIT = 3  # looks at a revision that the source does not give, before its shard goes on without it
# For the blobs of a release of an app that is served already: at the latest then it is served. No look takes longer
# for it, since the next one may bring a pause.
OFFERED_WAIT_SECONDS = 2.0

log = logging.getLogger("edge.follow")


class TakenShard(NamedTuple):
    """`news`: heads whose revisions are here now. `whole`: the copy has the shard; else `trouble` says why not."""

    news: dict[AppId, Head]
    whole: bool
    trouble: str = ""


class _Judged(NamedTuple):
    """`moved`: each app's head, and the newest revision of it that the copy has. `accepted`: by an operator, after the
    store went back."""

    moved: dict[AppId, tuple[Head, Head | None]]
    accepted: bool


class ShardTaker:
    """Belongs to the loop. `announced(app)`: whether a release of it was announced lately."""

    def __init__(
        self,
        source: TruthSource,
        copy: StoreCopy,
        heads: Heads,
        fetcher: BlobFetcher,
        announced: Callable[[AppId], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._copy = copy
        self._heads = heads
        self._fetcher = fetcher
        self._announced = announced
        self._clock = clock
        self._here: dict[AppId, Head] = {}  # whose revisions are known to be in the copy
        self._missed: dict[AppId, tuple[Head, int]] = {}
        self._places = asyncio.Semaphore(APPS_AT_ONCE)
        self._ahead: set[asyncio.Future[None]] = set()
        self._one_ahead = asyncio.Lock()  # reading manifests must not keep threads from those that are served

    def forget(self, app: AppId) -> None:
        """Its revision is looked for again at the next take: it may be damaged."""
        self._here.pop(app, None)

    async def take(self, name: str, content: bytes) -> TakenShard:
        """Raises Untrusted for a shard of which nothing is used, SourceLost, OSError."""
        judged = await asyncio.to_thread(self._judge, name, content)
        moved, accepted = {app: head for app, (head, _) in judged.moved.items()}, judged.accepted
        waits_until = asyncio.get_running_loop().time() + OFFERED_WAIT_SECONDS
        with self._fetcher.releases_first():
            found = await asyncio.gather(
                *(
                    self._bring(app, head, before, waits_until, accepted=accepted)
                    for app, (head, before) in judged.moved.items()
                ),
                return_exceptions=True,
            )
        news, troubles = self._sort(moved, found)
        if troubles and any(self._holds(app, moved[app]) for app in troubles):
            if not news:
                raise next(iter(troubles.values()))
            return TakenShard(news, whole=False, trouble=str(next(iter(troubles.values()))))
        await asyncio.to_thread(self._write, name, content)
        return TakenShard(news, whole=True, trouble=str(next(iter(troubles.values()), "")))

    def _sort(
        self, moved: dict[AppId, Head], found: list[BaseException | None]
    ) -> tuple[dict[AppId, Head], dict[AppId, Exception]]:
        """What came, and why the others did not. Raises a fork, and what is a bug; then nothing counts as come."""
        news, troubles = dict[AppId, Head](), dict[AppId, Exception]()
        for (app, head), result in zip(moved.items(), found, strict=True):
            if result is None:
                news[app] = head
            elif not isinstance(result, EdgeError | OSError) or getattr(result, "code", "") == FORKED:
                raise result
            else:
                troubles[app] = result
        for app, head in news.items():
            self._here[app] = head
            self._missed.pop(app, None)
        return news, troubles

    def _holds(self, app: AppId, head: Head) -> bool:
        """Whether the shard still waits for the app's revision."""
        missed, count = self._missed.get(app, (head, 0))
        count = count + 1 if missed == head else 1
        self._missed[app] = head, count
        return count < MISSED_LIMIT

    def _judge(self, name: str, content: bytes) -> _Judged:
        """In a thread. Raises Untrusted."""
        shard, known = self._heads.judge(name, content), self._heads.known(name)
        moved = {
            app: (head, self._copy.known_of(app, known.apps.get(app)))
            for app, head in shard.apps.items()
            if self._here.get(app) != head
        }
        return _Judged(moved, accepted=shard.epoch > known.epoch)

    async def _bring(self, app: AppId, head: Head, before: Head | None, waits_until: float, *, accepted: bool) -> None:
        """Returns when the copy has the revision and what it is compiled from; and, for an app that is served already
        or was announced, what its channels offer, if that comes in time."""
        if before == head:
            return  # it was written whole; what is missing beside it is mended in the background
        async with self._places:
            # Of an app that is served already, the change is small: one that comes too slowly keeps none of the others.
            try:
                async with asyncio.timeout(None if before is None else BRING_SECONDS):
                    chain = await read_chain(self._source, app, head, before, accepted=accepted)
                    state = await self.complete(app, head, chain)
            except TimeoutError as error:
                raise SourceLost("source_lost", f"the revisions of app {app!r} come too slowly") from error
            if before is not None or self._announced(app):
                await self._await_offered(state, waits_until)
            else:
                self._look_ahead(state)

    async def complete(self, app: AppId, head: Head, chain: list[ChainedRevision]) -> AppState:
        """Write the revisions after what the latest needs; returns its state. Raises EdgeError, OSError."""
        await self._fetch(await asyncio.to_thread(self._missing_to_read, chain[0].content, app, head))
        state, missing = await asyncio.to_thread(self._written, app, head, chain)
        await self._fetch(missing)
        return state

    def _missing_to_read(self, content: bytes, app: AppId, head: Head) -> list[WantedBlob]:
        return self._fetcher.missing(documents_to_read(content, app, head.revision))

    def _written(self, app: AppId, head: Head, chain: list[ChainedRevision]) -> tuple[AppState, list[WantedBlob]]:
        """The state that is in the copy now, and the documents that a snapshot of it lacks. In a thread."""
        self._copy.add_revisions(app, chain)
        state = self._copy.read(app, head)
        return state, self._fetcher.missing(documents_to_build(state, self._clock()))

    async def mend(self, app: AppId, head: Head, *, deep: bool) -> bool:
        """Fetch again what the copy lacks of the app's revision and of what it is compiled from, and with `deep` what
        is wrong there; have what its channels offer fetched. Returns whether something was mended. Raises EdgeError,
        OSError."""
        try:
            content = await asyncio.to_thread(self._copy.content, app, head)
        except (EdgeError, OSError):
            self._look_ahead(await self.complete(app, head, await read_chain(self._source, app, head, None)))
            return True
        mended = await self._mend_all(await asyncio.to_thread(documents_to_read, content, app, head.revision), deep)
        state = await asyncio.to_thread(self._copy.read, app, head)
        mended += await self._mend_all(documents_to_build(state, self._clock()), deep)
        self._look_ahead(state)
        return bool(mended)

    async def _mend_all(self, documents: list[WantedBlob], deep: bool) -> int:
        def wrong() -> list[WantedBlob]:
            if not deep:
                return self._fetcher.missing(documents)
            return [each for each in documents if not is_intact(self._copy.mirror, each.digest)]

        asked = [self._fetcher.fetch(each, BUILD_WAITS, again=deep) for each in await asyncio.to_thread(wrong)]
        return sum(await asyncio.gather(*asked))

    async def _await_offered(self, state: AppState, until: float) -> None:
        """Fetch what the channels offer; returns when it is here, or at this time of the loop's clock. The transfers go
        on after it, but a pause and a withdrawal wait for none."""
        wanted = await asyncio.to_thread(self._missing, state)
        if not wanted:
            return
        waiting = asyncio.ensure_future(self._fetcher.fetch_missing(wanted, BUILD_WAITS))
        await asyncio.wait({waiting}, timeout=max(0.0, until - asyncio.get_running_loop().time()))
        if not waiting.done():
            waiting.cancel()

    def _look_ahead(self, state: AppState) -> None:
        """Have what the channels offer fetched, once there is nothing to do for those that are served."""
        looking = asyncio.ensure_future(self._fetch_ahead(state))
        self._ahead.add(looking)
        looking.add_done_callback(self._ahead.discard)

    async def _fetch_ahead(self, state: AppState) -> None:
        async with self._one_ahead:
            await self._fetcher.is_free()
            wanted = await asyncio.to_thread(self._missing, state)
            newest = max((bundle.published for bundle in offered_now(state)), default=0.0)
            self._fetcher.ahead(wanted, (AHEAD, -newest))

    def _missing(self, state: AppState) -> list[WantedBlob]:
        """In a thread."""
        blobs = (blob for bundle in offered_now(state) for blob in blobs_of(self._copy.mirror, bundle))
        return self._fetcher.missing(dict.fromkeys(blobs))

    async def _fetch(self, missing: list[WantedBlob]) -> None:
        """What the source does not have is left out: the node serves the app without it, and names it. Raises
        SourceLost if it did not answer."""
        found = await self._fetcher.fetch_missing(missing, BUILD_WAITS)
        lost = [each.digest for each, came in found.items() if came is Came.LOST]
        if lost:
            raise SourceLost("source_lost", f"blob {lost[0]} did not arrive")

    def _write(self, name: str, content: bytes) -> None:
        """The commit point of the copy. In a thread."""
        self._copy.put(head_key(name), content, lambda stored: self._heads.order_of(name, stored))
        self._heads.shard(name)
