"""Follows the truth of another node or of a store, and keeps a verified copy of it on this node's disk.

Documents are looked for at a jittered interval, and sooner when somebody hints that they moved; nothing rests on hints.
What fails verification is refused, counted and said once; the last good copy goes on being served.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId
from edge.regions.following.announced import AnnouncedBlobs
from edge.regions.following.bringing import AppBringer
from edge.regions.following.copying import DocumentCheck, StoreCopy
from edge.regions.following.fetching import BlobFetcher, BlobPuller
from edge.regions.following.holding import ReleaseHolding
from edge.regions.following.shards import ShardTaker
from edge.regions.following.tending import Tending
from edge.regions.pace import wait_seconds
from edge.regions.source import BlobsComing, Document, HeadsMoved, SourceEvent, SourceLost, SourceRefuses, TruthSource
from edge.store.damage import NotTaken
from edge.store.disk.room import NoReserve, Reserve
from edge.store.heads import OLDER, SHARDS, Head, Heads, shard_of
from edge.store.held_heads import Apps, HeldHeads
from edge.store.key_set import KEY_SET_KEY, Trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import head_key
from edge.store.stored_document import Untrusted

LOOK_LIMIT_SECONDS = 60.0  # for the answer with all documents; a source that takes longer is lost
DOCUMENTS_LIMIT_BYTES = 256 * 2**20  # of one answer: the heads of a million apps
TELLING_SECONDS = 2.0  # that a look waits for the workers to have the news
LEAST_SECONDS = 0.1  # between two looks, however many hints come
APPS_LIMIT = 10_000  # of which it is remembered why their latest revision is not here

_SHARD_OF = {head_key(shard): shard for shard in SHARDS}

OnHeads = Callable[[Mapping[AppId, Head]], Awaitable[NotTaken]]

log = logging.getLogger("edge.follow")


class FollowStanding(NamedTuple):
    """As of now, for whoever asks: readiness, metrics, the list of nodes. Times are in seconds since the epoch, 0.0 for
    never. `verified_issued`: when the verified heads were signed, by shard. `refused` counts refused documents and
    blobs by code, each once; `refusal` is the latest of those that still stand, "" for none. `unreachable_since` None:
    the last look came to an end. `held_apps` are served from an older revision than the copy names."""

    source: str
    verified_issued: Mapping[str, float]
    last_look: float
    last_change: float
    refused: Counter[str]
    refusal: str
    waiting_blobs: int
    mirrored_bytes: int
    fetched_bytes: int
    unreachable_since: float | None
    trouble: str
    held_apps: int


class FollowTerms(NamedTuple):
    """How it is done. `clock` in seconds since the epoch; `draw` a number from 0 to below 1.

    `shared`: this node changes the source too, and has its changes in its copy before a look that goes on finds them;
    people read the history there, so the copy keeps it.
    """

    poll_seconds: float = 5.0
    cache_limit_bytes: int = 20 * 2**30
    clock: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random
    shared: bool = False


class Follower:
    """Belongs to the loop; one at a time runs on a copy, of which `held` is what is not served yet. `checks` verify
    documents by key that are neither heads nor keys; others are not copied. `on_heads` is told of the heads that are to
    be served. `heads` are those that the node serves from, so that a shard is verified and remembered once."""

    def __init__(
        self,
        source: TruthSource,
        mirror: FsStore,
        trust: Trust,
        on_heads: OnHeads,
        held: HeldHeads,
        *,
        heads: Heads | None = None,
        checks: Mapping[str, DocumentCheck] | None = None,
        reserve: Reserve | None = None,
        terms: FollowTerms | None = None,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self.source = source
        self._trust = trust
        self._on_heads = on_heads
        self._checks = checks or {}
        self._terms = terms = terms or FollowTerms()
        self._heads = heads or Heads(mirror, trust, self.refused, copied=True)
        self._copy = StoreCopy(mirror, reserve or NoReserve())
        self.fetcher = BlobFetcher(source, mirror, self.refused)
        self.puller = BlobPuller(self.fetcher, terms.clock)
        self.announced = AnnouncedBlobs(self.fetcher, terms.cache_limit_bytes, self.refused, terms.clock)
        self._bringer = AppBringer(source, self._copy, self.fetcher, self.announced.name, terms.clock)
        self.holding = ReleaseHolding(self._copy, self.fetcher, self._bringer, lambda: self._answers)
        self._taker = ShardTaker(
            *(self._copy, self._heads, held, self.fetcher, self._bringer, self.holding),
            announced=self.announced.is_expected,
            tell=self._tell_late,
            trouble=self._note_app,
        )
        self.tending = Tending(
            *(self._copy, self._heads, self._taker, self._bringer, on_heads, self._forget_shard, self.announced),
            *(terms.cache_limit_bytes, terms.clock),
        )
        self.tending.keeps_history = terms.shared
        self.tending.fetched_bytes = lambda: self.fetcher.fetched_bytes
        self.fetcher.on_full = self.tending.make_room
        self.on_reachable: Callable[[], Awaitable[None]] | None = None  # when a source that was lost answers again
        self.on_coming: Callable[[BlobsComing], None] = lambda coming: None  # for those that follow this node
        self.on_late: Callable[[HeadsMoved], None] = lambda moved: None  # for them: what the copy named is here now
        self._tags: dict[str, str] = {}  # of the documents that were taken
        self._stands: dict[str, tuple[str, str]] = {}  # by key: the tag of a refused document, and why
        self._outrun: dict[str, str] = {}  # tags of documents that were older than what is here, by key
        self._apps: dict[AppId, str] = {}  # why the latest of these is not here
        self._hinted = asyncio.Event()
        self._hears = False  # the source's events, now
        self._looking = asyncio.Lock()
        self._kept: set[asyncio.Future[Any]] = set()
        self._last_look = self._last_change = 0.0
        self._unreachable_since: float | None = None
        self._trouble, self._has_followed = "", False

    @property
    def standing(self) -> FollowStanding:
        """As of now."""
        return FollowStanding(
            source=self.source.name,
            verified_issued=self._heads.issued(),
            last_look=self._last_look,
            last_change=self._last_change,
            refused=Counter(self.refused),
            refusal=next(iter((*(why for _, why in reversed(self._stands.values())), *self._apps.values(), ""))),
            waiting_blobs=self.fetcher.waiting,
            mirrored_bytes=self.tending.room.held_bytes,
            fetched_bytes=self.fetcher.fetched_bytes,
            unreachable_since=self._unreachable_since,
            trouble=self._trouble,
            held_apps=self._taker.held_apps,
        )

    def order_of(self, shard: str) -> tuple[int, int]:
        """Of the shard as this node has it: a hint of no later one is no news."""
        return self._heads.known(shard).order

    @property
    def _answers(self) -> bool:
        return self._last_look > 0.0 and self._unreachable_since is None

    @property
    def is_hinted(self) -> bool:
        """Whether the next look waits for nothing."""
        return self._hinted.is_set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_on())
                tasks.create_task(self._hear_on())
                tasks.create_task(self.tending.run())
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends what is on its way, but for transfers; the next process goes on with it."""
        await self._taker.close()
        await self.announced.close()

    def hint(self, event: SourceEvent) -> None:
        """Somebody says that something moved, or is coming: look sooner, fetch ahead."""
        match event:
            case HeadsMoved():
                self._hinted.set()
            case BlobsComing(app, blobs):
                self.announced.expect(app, blobs)
                self.on_coming(event)

    async def look(self) -> None:
        """Take what has changed since the last look. Raises EdgeError for whatever the source answers, OSError."""
        async with self._looking:
            try:
                await self._look()
                await self._taker.resume()
            except (EdgeError, OSError) as error:
                self._note_trouble(error)
                raise

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_LIMIT_SECONDS):
                documents = await self.source.documents(dict(self._tags))
        except TimeoutError as error:
            raise SourceLost("source_lost", f"{self.source.name} does not answer") from error
        documents = [each for each in documents if each.key in _SHARD_OF or each.key in (KEY_SET_KEY, *self._checks)]
        if sum(len(each.content) for each in documents) > DOCUMENTS_LIMIT_BYTES:
            raise SourceLost("source_lost", f"{self.source.name} sends more than {DOCUMENTS_LIMIT_BYTES} bytes")
        self._last_look = self._terms.clock()
        # What is not sent is as it was taken: what was refused in its place is gone.
        self._stands = {key: why for key, why in self._stands.items() if any(each.key == key for each in documents)}
        heads = [each for each in documents if each.key in _SHARD_OF]
        # A head may be signed by a key that the set has only now.
        small = sorted(
            (each for each in documents if each.key not in _SHARD_OF), key=lambda each: each.key != KEY_SET_KEY
        )
        kept = [await self._kept_from(document, self._take_small) for document in small]
        kept += await asyncio.gather(*(self._kept_from(document, self._take_shard) for document in heads))
        lost = [error for error in kept if error is not None]
        if lost:
            raise lost[0]
        if self._unreachable_since is not None:
            log.info("following %s again", self.source.name)
            if self.on_reachable is not None:
                self._keep(asyncio.ensure_future(self.on_reachable()))
        elif not self._has_followed:
            log.info("following %s", self.source.name)
        self._unreachable_since, self._trouble, self._has_followed = None, "", True

    async def _kept_from(self, document: Document, take: Callable[[Document], Awaitable[None]]) -> Exception | None:
        """What kept the document from being taken, if that was not its own fault. One does not keep the others."""
        try:
            await self._take(document, take)
        except (SourceLost, SourceRefuses, OSError) as error:
            return error
        return None

    async def _take(self, document: Document, take: Callable[[Document], Awaitable[None]]) -> None:
        try:
            if document.content:
                await take(document)
            else:
                self._check_gone(document)
        except (SourceLost, SourceRefuses):
            raise
        except EdgeError as error:
            if not self._is_outrun(document, error):
                self._refuse(document, error)
            return
        self._stands.pop(document.key, None)
        self._tags[document.key] = document.tag

    async def _take_small(self, document: Document) -> None:
        check = self._checks.get(document.key)
        if document.key == KEY_SET_KEY:
            await asyncio.to_thread(self._trust.offer, document.content)
        elif check is not None:
            keep = partial(self._copy.put, document.key, document.content, check.order_of)
            await asyncio.to_thread(check.take, document.content, keep)

    async def _take_shard(self, document: Document) -> None:
        news = await self._taker.take(_SHARD_OF[document.key], document.content)
        if news:
            await self._tell(news)

    async def _tell(self, news: Apps) -> None:
        self._last_change = self._terms.clock()
        self._apps = {app: why for app, why in self._apps.items() if app not in news}
        telling = asyncio.ensure_future(self._on_heads(news))
        self._keep(telling)
        await asyncio.wait({telling}, timeout=TELLING_SECONDS)  # a stuck worker does not keep news from others

    async def _tell_late(self, news: Apps) -> None:
        await self._tell(news)
        self.on_late(HeadsMoved(tuple({shard_of(app) for app in news})))

    def _note_app(self, app: AppId, error: Exception) -> None:
        """It is served as before, and tried again at the next look. What is wrong is counted and said once."""
        why = f"app {app!r} is served as before: {error}"
        if isinstance(error, Untrusted) and self._apps.get(app) != why:
            self.refused[error.code] += 1
            log.error("refused from %s: %s", self.source.name, why)
        if len(self._apps) < APPS_LIMIT or app in self._apps:
            self._apps[app] = why

    def _check_gone(self, document: Document) -> None:
        """A document that this node has does not vanish. Raises Untrusted."""
        if self._copy.mirror.has(document.key):
            raise Untrusted("older_document", f"{document.key} has vanished from {self.source.name}")

    def _is_outrun(self, document: Document, error: EdgeError) -> bool:
        """Whether it may be older than what is here for no other reason than that this node has changed it since the
        source was asked; it is looked at once more, at once."""
        if not self._terms.shared or error.code != OLDER or self._outrun.get(document.key) == document.tag:
            return False
        self._outrun[document.key] = document.tag
        self._hinted.set()
        return True

    def _refuse(self, document: Document, error: EdgeError) -> None:
        """Counted and said once for each document and reason; it is looked at again, since what it lacks may come."""
        if self._stands.get(document.key) == (document.tag, error.message):
            return
        self._stands[document.key] = document.tag, error.message
        self.refused[error.code] += 1
        log.error("refused from %s: %s; the last good one is served%s", self.source.name, error.message, _way_on(error))

    def _note_trouble(self, error: Exception) -> None:
        if self._unreachable_since is None:
            self._unreachable_since = self._terms.clock()
            log.warning(
                "cannot follow %s now, so what is here is served: %s%s", self.source.name, error, _way_on(error)
            )
        self._trouble = str(error)

    def _keep(self, task: asyncio.Future[Any]) -> None:
        """Until it ends."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    def _forget_shard(self, shard: str) -> None:
        self._tags.pop(head_key(shard), None)

    async def _look_on(self) -> None:
        failures = 0
        await self._taker.resume()  # what is all here needs no source
        while True:
            self._hinted.clear()
            try:
                await self.look()
                failures = 0
            except (EdgeError, OSError):  # also what another release, or a liar, answers: in `trouble`
                failures += 1
            await asyncio.sleep(LEAST_SECONDS)
            try:
                pause = wait_seconds(self._terms.poll_seconds, failures, self._terms.draw, hears=self._hears)
                async with asyncio.timeout(pause):
                    await self._hinted.wait()
            except TimeoutError:
                continue

    async def _hear_on(self) -> None:
        """Hear of changes sooner, as long as the source tells."""
        failures = 0
        while True:
            try:
                async for event in self.source.events():
                    failures, self._hears = 0, True
                    self.hint(event)
            except EdgeError:
                failures += 1
            finally:
                self._hears = False
            await asyncio.sleep(wait_seconds(1.0, failures, self._terms.draw))
            self._hinted.set()  # what moved while nobody told


def _way_on(error: Exception) -> str:
    """What the operator can do about it, where that is known."""
    match error:
        case EdgeError(code="older_document" | "forked_history"):
            return " (if the origin was restored from a backup, there: edge store accept-restored --all)"
        case EdgeError(code="unauthorized" | "token_expired"):
            return " (on the origin: edge token create NAME --role node; into the file of upstream.token_file here)"
    return ""
