"""Brings what one app's revision needs into the copy: the revisions since the known one, and what they are compiled
from. What its channels offer is fetched beside that, or later.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState
from edge.regions.following.chain import ChainedRevision, read_chain
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import AHEAD, BUILD_WAITS, BlobFetcher, Came
from edge.regions.following.needs import blobs_of, documents_to_build, documents_to_read, offered_now
from edge.regions.following.transfer import WantedBlob
from edge.regions.source import SourceLost, TruthSource
from edge.store.heads import Head
from edge.store.healing import is_intact


class AppBringer:
    """Belongs to the loop. `named` is called with the blobs that verified revisions name, in any thread."""

    def __init__(
        self,
        source: TruthSource,
        copy: StoreCopy,
        fetcher: BlobFetcher,
        named: Callable[[Iterable[str]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._named = named
        self._source = source
        self._copy = copy
        self._fetcher = fetcher
        self._clock = clock
        self._ahead: set[asyncio.Future[None]] = set()
        self._one_ahead = asyncio.Lock()  # reading manifests must not keep threads from those that are served

    async def bring(
        self, app: AppId, head: Head, known: Head | None, *, accepted: bool, proven: Callable[[], None]
    ) -> AppState:
        """Returns when the copy has the revision and what it is compiled from. Calls `proven` once it is known to
        follow the `known` one. Raises EdgeError, OSError."""
        content = await asyncio.to_thread(self._whole, app, head)
        if content is not None:
            proven()
            return await self._complete(app, head, content, [])
        before = await asyncio.to_thread(self._copy.known_of, app, known)
        chain = await read_chain(self._source, app, head, before, accepted=accepted)
        proven()
        return await self._complete(app, head, chain[0].content, chain)

    async def mend(self, app: AppId, head: Head, *, deep: bool) -> bool:
        """Fetch again what the copy lacks of the app's revision and of what it is compiled from, and with `deep` what
        is wrong there; have what its channels offer fetched. Returns whether something was mended. Raises EdgeError,
        OSError."""
        try:
            content = await asyncio.to_thread(self._copy.content, app, head)
        except (EdgeError, OSError):
            chain = await read_chain(self._source, app, head, None)
            self.look_ahead(await self._complete(app, head, chain[0].content, chain))
            return True
        mended = await self._mend_all(await asyncio.to_thread(documents_to_read, content, app, head.revision), deep)
        state = await asyncio.to_thread(self._copy.read, app, head)
        mended += await self._mend_all(documents_to_build(state, self._clock()), deep)
        self.look_ahead(state)
        return bool(mended)

    def look_ahead(self, state: AppState) -> None:
        """Have what the channels offer fetched, once there is nothing to do for those that are served."""
        looking = asyncio.ensure_future(self._fetch_ahead(state))
        self._ahead.add(looking)
        looking.add_done_callback(self._ahead.discard)

    def missing(self, state: AppState) -> list[WantedBlob]:
        """Of what the channels offer. Blocks."""
        return self._missing_of(blob for bundle in offered_now(state) for blob in blobs_of(self._copy.mirror, bundle))

    def _whole(self, app: AppId, head: Head) -> bytes | None:
        try:
            return self._copy.content(app, head)
        except (EdgeError, OSError):
            return None

    async def _complete(self, app: AppId, head: Head, content: bytes, chain: list[ChainedRevision]) -> AppState:
        """Write the revisions after what the latest needs; returns its state. Raises EdgeError, OSError."""
        await self._fetch(await asyncio.to_thread(self._missing_to_read, content, app, head))
        state, missing = await asyncio.to_thread(self._written, app, head, chain)
        await self._fetch(missing)
        return state

    def _missing_to_read(self, content: bytes, app: AppId, head: Head) -> list[WantedBlob]:
        return self._missing_of(documents_to_read(content, app, head.revision))

    def _written(self, app: AppId, head: Head, chain: list[ChainedRevision]) -> tuple[AppState, list[WantedBlob]]:
        """The state that is in the copy now, and the documents that a snapshot of it lacks. In a thread."""
        self._copy.add_revisions(app, chain)
        state = self._copy.read(app, head)
        return state, self._missing_of(documents_to_build(state, self._clock()))

    def _missing_of(self, named: Iterable[WantedBlob]) -> list[WantedBlob]:
        """Blocks."""
        blobs = dict.fromkeys(named)
        self._named(blob.digest for blob in blobs)
        return self._fetcher.missing(blobs)

    async def _fetch(self, missing: list[WantedBlob]) -> None:
        """What the source does not have is left out: the node serves the app without it, and names it. Raises
        SourceLost if it did not answer."""
        found = await self._fetcher.fetch_missing(missing, BUILD_WAITS)
        lost = [each.digest for each, came in found.items() if came is Came.LOST]
        if lost:
            raise SourceLost("source_lost", f"blob {lost[0]} did not arrive")

    async def _mend_all(self, documents: list[WantedBlob], deep: bool) -> int:
        def wrong() -> list[WantedBlob]:
            if not deep:
                return self._fetcher.missing(documents)
            return [each for each in documents if not is_intact(self._copy.mirror, each.digest)]

        asked = [self._fetcher.fetch(each, BUILD_WAITS, again=deep) for each in await asyncio.to_thread(wrong)]
        return sum(await asyncio.gather(*asked))

    async def _fetch_ahead(self, state: AppState) -> None:
        async with self._one_ahead:
            await self._fetcher.is_free()
            wanted = await asyncio.to_thread(self.missing, state)
            newest = max((bundle.published for bundle in offered_now(state)), default=0.0)
            self._fetcher.ahead(wanted, (AHEAD, -newest))
