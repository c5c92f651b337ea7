"""Follows the truth of another node or of a store, and keeps a verified copy of it on this node's disk.

Documents are looked for at a jittered interval, and sooner when somebody hints that they moved; nothing rests on hints.
What fails verification is refused, counted and said once; the last good copy goes on being served.
"""

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import DEVICE_WAITS, BlobFetcher
from edge.regions.following.holding import HeldBack, ReleaseHolding
from edge.regions.following.shards import ShardTaker
from edge.regions.following.standing import FollowStanding
from edge.regions.following.tending import Tending
from edge.regions.following.transfer import BLOB_LIMIT_BYTES, WantedBlob
from edge.regions.pace import wait_seconds
from edge.regions.source import BlobsComing, Document, HeadsMoved, SourceEvent, SourceLost, SourceRefuses, TruthSource
from edge.store.damage import NotTaken
from edge.store.disk.room import NoReserve, Reserve
from edge.store.heads import OLDER, SHARDS, Head, Heads
from edge.store.key_set import KEY_SET_KEY, Trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import Stored, head_key
from edge.store.stored_document import Untrusted

LOOK_LIMIT_SECONDS = 60.0  # for the answer with all documents; a source that takes longer is lost
DOCUMENTS_LIMIT_BYTES = 256 * 2**20  # of one answer: the heads of a million apps
TELLING_SECONDS = 2.0  # that a look waits for the workers to have the news
ANNOUNCED_SECONDS = 600.0  # after the announcement of its blobs, a release is expected
ANNOUNCED_LIMIT = 10_000  # apps with announced releases; what does not fit is fetched once its revision is here
COMING_LIMIT = 20_000  # blobs of one announcement
LEAST_SECONDS = 0.1  # between two looks, however many hints come

FAILED_SECONDS = 10.0  # after a blob could not be pulled: devices that ask for it again cost the source nothing
FAILED_LIMIT = 10_000

ANNOUNCED = 2.0  # the priority of announced blobs: before what channels offer

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHARD_OF = {head_key(shard): shard for shard in SHARDS}

OnHeads = Callable[[Mapping[AppId, Head]], Awaitable[NotTaken]]

log = logging.getLogger("edge.follow")


class DocumentCheck(Protocol):
    """Of a document that is neither heads nor keys."""

    def take(self, sealed: bytes, keep: Callable[[], object]) -> None:
        """Accept a version from the source, which `keep` writes, and no older one after it. Raises Untrusted."""

    def order_of(self, stored: Stored) -> tuple[int, int]:
        """Of a version that is here; (0, 0) for one that is not to be believed."""


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
    """Belongs to the loop; one at a time runs on a copy. `checks` verify documents by key that are neither heads nor
    keys; others are not copied. `on_heads` is told of the heads whose revisions the copy has. `heads` are those that
    the node serves from, so that a shard is verified and remembered once."""

    def __init__(
        self,
        source: TruthSource,
        mirror: FsStore,
        trust: Trust,
        on_heads: OnHeads,
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
        self._taker = ShardTaker(source, self._copy, self._heads, self.fetcher, self._is_announced, terms.clock)
        self.holding = ReleaseHolding(self._copy, self.fetcher)
        self.tending = Tending(
            *(self._copy, self._heads, self._taker, on_heads, self._forget_shard),
            *(terms.cache_limit_bytes, terms.clock),
        )
        self.tending.keeps_history = terms.shared
        self.tending.fetched_bytes = lambda: self.fetcher.fetched_bytes
        self.fetcher.on_full = self.tending.make_room
        self.on_reachable: Callable[[], Awaitable[None]] | None = None  # when a source that was lost answers again
        self.on_coming: Callable[[BlobsComing], None] = lambda coming: None  # for those that follow this node
        self._tags: dict[str, str] = {}  # of the documents that were taken
        self._stands: dict[str, tuple[str, str]] = {}  # by key: the tag of a refused document, and why
        self._outrun: dict[str, str] = {}  # tags of documents that were older than what is here, by key
        self._failed: dict[str, float] = {}  # blobs that could not be pulled, and until when nobody asks again
        self._announced: dict[AppId, float] = {}
        self._hinted = asyncio.Event()
        self._hears = False  # the source's events, now
        self._looking = asyncio.Lock()
        self._kept: set[asyncio.Future[Any]] = set()
        self._held: set[asyncio.Task[None]] = set()  # releases whose files are on their way
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
            refusal=next((reason for _, reason in reversed(self._stands.values())), ""),
            waiting_blobs=self.fetcher.waiting,
            mirrored_bytes=self.tending.room.held_bytes,
            fetched_bytes=self.fetcher.fetched_bytes,
            unreachable_since=self._unreachable_since,
            trouble=self._trouble,
        )

    def order_of(self, shard: str) -> tuple[int, int]:
        """Of the shard as this node has it: a hint of no later one is no news."""
        return self._heads.known(shard).order

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
            for each in self._held:
                each.cancel()

    def hint(self, event: SourceEvent) -> None:
        """Somebody says that something moved, or is coming: look sooner, fetch ahead."""
        match event:
            case HeadsMoved():
                self._hinted.set()
            case BlobsComing(app, blobs):
                self._expect(app, blobs)
                self.on_coming(event)

    async def pull(self, digest: str, app: str) -> bool:
        """Whether the blob is here now, whole: fetched if it was missing, and again if it is damaged. All who ask at
        once share one transfer, which goes on if they leave."""
        now = self._terms.clock()
        if self._failed.get(digest, 0.0) > now:
            return False
        if await self.fetcher.fetch(WantedBlob(Digest(digest), None), DEVICE_WAITS, again=True):
            return True
        self._failed = {each: until for each, until in self._failed.items() if until > now}
        if len(self._failed) < FAILED_LIMIT:
            self._failed[digest] = now + FAILED_SECONDS
        return False

    async def look(self) -> None:
        """Take what has changed since the last look. Raises EdgeError for whatever the source answers, OSError."""
        async with self._looking:
            try:
                await self._look()
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

    async def _kept_from(self, document: Document, take: Callable[[Document], Awaitable[str]]) -> Exception | None:
        """What kept the document from being taken, if that was not its own fault. One does not keep the others."""
        try:
            await self._take(document, take)
        except (SourceLost, SourceRefuses, OSError) as error:
            return error
        return None

    async def _take(self, document: Document, take: Callable[[Document], Awaitable[str]]) -> None:
        try:
            if not document.content:
                self._check_gone(document)
            trouble = await take(document) if document.content else ""
        except (SourceLost, SourceRefuses):
            raise
        except EdgeError as error:
            if not self._is_outrun(document, error):
                self._refuse(document, error)
            return
        if trouble:
            self._stands[document.key] = document.tag, trouble
            return
        self._stands.pop(document.key, None)
        self._tags[document.key] = document.tag

    async def _take_small(self, document: Document) -> str:
        check = self._checks.get(document.key)
        if document.key == KEY_SET_KEY:
            await asyncio.to_thread(self._trust.offer, document.content)
        elif check is not None:
            keep = partial(self._copy.put, document.key, document.content, check.order_of)
            await asyncio.to_thread(check.take, document.content, keep)
        return ""

    async def _take_shard(self, document: Document) -> str:
        shard = _SHARD_OF[document.key]
        before = dict(self._heads.known(shard).apps)
        taken = await self._taker.take(shard, document.content)
        if taken.news:
            self._last_change = self._terms.clock()
            now, held = await self.holding.sort(taken.news, before)
            for each in held:
                later = asyncio.create_task(self._tell_later(each))
                self._held.add(later)
                later.add_done_callback(self._held.discard)
            if now:
                telling = asyncio.ensure_future(self._on_heads(now))
                self._keep(telling)
                await asyncio.wait({telling}, timeout=TELLING_SECONDS)  # a stuck worker does not keep news from others
        return "" if taken.whole else taken.trouble

    async def _tell_later(self, held: HeldBack) -> None:
        if await self.holding.wait(held):
            await self._on_heads({held.app: held.head})

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

    def _expect(self, app: AppId, blobs: tuple[tuple[str, int], ...]) -> None:
        """Believed as far as fetching goes: what does not have its digest is dropped, what nothing names, evicted."""
        now = self._terms.clock()
        self._announced = {each: at for each, at in self._announced.items() if now - at < ANNOUNCED_SECONDS}
        if len(self._announced) < ANNOUNCED_LIMIT:
            self._announced[app] = now
        wanted = [
            WantedBlob(Digest(digest), size)
            for digest, size in blobs[:COMING_LIMIT]
            if _DIGEST.fullmatch(digest) and 0 <= size <= BLOB_LIMIT_BYTES
        ]
        self.fetcher.ahead(wanted, (ANNOUNCED, -now))

    def _is_announced(self, app: AppId) -> bool:
        at = self._announced.get(app)
        return at is not None and self._terms.clock() - at < ANNOUNCED_SECONDS


def _way_on(error: Exception) -> str:
    """What the operator can do about it, where that is known."""
    match error:
        case EdgeError(code="older_document" | "forked_history"):
            return " (if the origin was restored from a backup, there: edge store accept-restored --all)"
        case EdgeError(code="unauthorized" | "token_expired"):
            return " (on the origin: edge token create NAME --role node; into the file of upstream.token_file here)"
    return ""
