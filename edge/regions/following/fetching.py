"""Fetches blobs into the copy: each once however many ask, a few at a time, what a device waits for before what is
fetched ahead.

A transfer that is cut off goes on where it was, also in the next process: what has arrived is a file named after the
digest. Nothing gets its place in the store before all of it has been hashed.
"""

import asyncio
import enum
import heapq
import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from edge.domain.errors import EdgeError, NotFound
from edge.domain.model import Digest
from edge.regions.following.transfer import KEPT_FROM_BYTES, BlobTransfer, WantedBlob
from edge.regions.source import SourceLost, SourceRefuses, TruthSource
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.stored_document import Untrusted

AHEAD_AT_ONCE = 6  # transfers ahead of devices: enough to fill a link with small files
AT_ONCE = 24  # with those that devices wait for
WAITING_LIMIT = 100_000  # blobs in line, 20 MB; what does not fit is pulled when a device asks
ATTEMPTS = 3  # at one blob in a row that bring nothing of it
PAUSE_SECONDS = 0.5  # before the second attempt; twice as long before the third

STILL_SECONDS = 4.0  # without a byte of a blob that a device waits for, it is not to be had now; a device waits 5 s
FAILED_SECONDS = 10.0  # after that: devices that ask for it again cost the source nothing
FAILED_LIMIT = 10_000

DEVICE_WAITS, BUILD_WAITS = (0.0, 0.0), (1.0, 0.0)  # before everything that is fetched ahead
AHEAD = 3.0  # the priority of what channels offer, behind what was announced

Priority = tuple[float, float]  # lowest first

log = logging.getLogger("edge.follow")


class Came(enum.Enum):
    """What became of a wanted blob."""

    HERE = "here"
    REFUSED = "refused"  # the source does not have it, or has other bytes
    LOST = "lost"  # the source did not answer, or this disk did not take it


class _Job:
    def __init__(self, wanted: WantedBlob, priority: Priority, *, again: bool) -> None:
        self.wanted = wanted
        self.again = again  # whatever lies there
        self.priority = priority
        self.done: asyncio.Future[Came] = asyncio.get_running_loop().create_future()
        self.running: asyncio.Task[None] | None = None
        self.transfer: BlobTransfer | None = None


class BlobFetcher:
    """Belongs to the loop. `refused` counts what was not what its digest says; `fetched_bytes` since the start;
    `on_full` is called when the disk has no room, and returns whether it made some."""

    def __init__(
        self,
        source: TruthSource,
        mirror: FsStore,
        refused: Counter[str],
        on_full: Callable[[], bool] = lambda: False,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.fetched_bytes = 0
        self.fetched = 0
        self._source = source
        self._mirror = mirror
        self._refused = refused
        self.on_full = on_full
        self.pause_seconds = pause_seconds
        self._jobs: dict[Digest, _Job] = {}
        self._line: list[tuple[Priority, int, Digest]] = []
        self._numbers = itertools.count()
        self._running = 0
        self._said: set[str] = set()
        self._closed = False
        self._releases = 0  # that are being brought
        self._free = asyncio.Event()
        self._free.set()

    @contextmanager
    def releases_first(self) -> Iterator[None]:
        """During the block, nothing is begun that is fetched ahead for its own sake."""
        self._releases += 1
        self._free.clear()
        try:
            yield
        finally:
            self._releases -= 1
            if not self._releases:
                self._free.set()
                self._start()

    async def is_free(self) -> None:
        """Returns when no block of `releases_first` runs."""
        await self._free.wait()

    @property
    def waiting(self) -> int:
        """Blobs in line or on their way."""
        return len(self._jobs)

    @property
    def arrived_bytes(self) -> int:
        """Fetched since the start, with what has come of the transfers on their way."""
        return self.fetched_bytes + sum(job.transfer.received for job in self._jobs.values() if job.transfer)

    def received(self, digest: Digest) -> int:
        """Bytes of the blob that the transfer on its way has brought."""
        job = self._jobs.get(digest)
        return job.transfer.received if job is not None and job.transfer is not None else 0

    async def fetch(self, wanted: WantedBlob, priority: Priority, *, again: bool = False) -> bool:
        """Whether the blob is here now. `again`: also if there is a file, which is known to be wrong. Goes on if the
        caller leaves."""
        if not again and await asyncio.to_thread(self._mirror.has, blob_key(wanted.digest)):
            return True
        job = self._enqueue(wanted, priority, again=again)
        return job is not None and await asyncio.shield(job.done) is Came.HERE

    def ahead(self, blobs: Iterable[WantedBlob], priority: Priority) -> None:
        """Have those that are not here fetched some time, in this order."""
        for place, wanted in enumerate(blobs):
            self._enqueue(wanted, (priority[0], priority[1] + place / WAITING_LIMIT))

    async def fetch_all(self, blobs: Iterable[WantedBlob], priority: Priority) -> Mapping[WantedBlob, Came]:
        """What became of those that were not here."""
        return await self.fetch_missing(await asyncio.to_thread(self.missing, dict.fromkeys(blobs)), priority)

    async def fetch_missing(self, missing: Iterable[WantedBlob], priority: Priority) -> Mapping[WantedBlob, Came]:
        """As `fetch_all`, of blobs that were just looked for."""
        jobs = [(each, self._enqueue(each, priority)) for each in missing]
        return {each: await asyncio.shield(job.done) if job is not None else Came.LOST for each, job in jobs}

    def missing(self, blobs: Iterable[WantedBlob]) -> list[WantedBlob]:
        """Those that are not here. Blocks."""
        return [each for each in blobs if not self._mirror.has(blob_key(each.digest))]

    async def close(self) -> None:
        """Ends every transfer; what has arrived stays for the next process."""
        self._closed = True
        running = [job.running for job in self._jobs.values() if job.running is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for job in self._jobs.values():
            if not job.done.done():
                job.done.set_result(Came.LOST)
        self._jobs.clear()

    def _enqueue(self, wanted: WantedBlob, priority: Priority, *, again: bool = False) -> _Job | None:
        job = self._jobs.get(wanted.digest)
        if job is None:
            if self._closed or (len(self._jobs) >= WAITING_LIMIT and priority > BUILD_WAITS):
                return None
            job = self._jobs[wanted.digest] = _Job(wanted, priority, again=again)
            heapq.heappush(self._line, (priority, next(self._numbers), wanted.digest))
        elif priority < job.priority and job.running is None:
            job.priority = priority
            heapq.heappush(self._line, (priority, next(self._numbers), wanted.digest))
        self._start()
        return job

    def _start(self) -> None:
        while self._line and not self._closed:
            priority, _, digest = self._line[0]
            job = self._jobs.get(digest)
            if job is None or job.running is not None or job.priority != priority:
                heapq.heappop(self._line)  # done, or in line again before
                continue
            if self._releases and priority >= (AHEAD, -math.inf):
                return
            if self._running >= (AT_ONCE if priority <= BUILD_WAITS else AHEAD_AT_ONCE):
                return
            heapq.heappop(self._line)
            self._running += 1
            job.running = asyncio.create_task(self._run(job))

    async def _run(self, job: _Job) -> None:
        came = Came.LOST
        try:
            await self._attempts(job)
            came = Came.HERE
        except (EdgeError, OSError) as error:
            came = Came.REFUSED if isinstance(error, Untrusted | NotFound) else Came.LOST
            self._say(job.wanted.digest, str(error))
        finally:
            self._running -= 1
            self._jobs.pop(job.wanted.digest, None)
            if not job.done.done():
                job.done.set_result(came)
            self._start()

    async def _attempts(self, job: _Job) -> None:
        """Raises what the last one raises."""
        pause, attempt = self.pause_seconds, 0
        while True:
            attempt += 1
            transfer = job.transfer = BlobTransfer(self._source, self._mirror, job.wanted)
            try:
                fetched = await transfer.run(again=job.again or attempt > 1)
            except NotFound:
                self._refused["missing_object"] += 1
                raise
            except Untrusted as error:
                self._refused[error.code] += 1
                if attempt == ATTEMPTS:
                    raise
            except SourceRefuses:
                raise
            except SourceLost:
                if transfer.received >= KEPT_FROM_BYTES:
                    attempt = 0  # what came counts: a line that is cut each minute gets there, too
                elif attempt == ATTEMPTS:
                    raise
            except OSError:
                if attempt == ATTEMPTS or not await asyncio.to_thread(self.on_full):
                    raise
            else:
                self.fetched += fetched
                return
            finally:
                self.fetched_bytes += transfer.received
                job.transfer = None
            await asyncio.sleep(pause * 2 ** max(0, attempt - 1))

    def _say(self, digest: Digest, reason: str) -> None:
        if reason not in self._said:
            if len(self._said) >= WAITING_LIMIT:
                self._said.clear()
            self._said.add(reason)
            log.warning("blob %s cannot be fetched: %s", digest, reason)


class BlobPuller:
    """Fetches what a device waits for. Belongs to the loop. `on_pulled` is called with the blob and the app when
    something came that was not to be had at first."""

    def __init__(self, fetcher: BlobFetcher, clock: Callable[[], float] = time.time) -> None:
        self.on_pulled: Callable[[str, str], Awaitable[None]] = _say_nothing
        self.still_seconds = STILL_SECONDS
        self._fetcher = fetcher
        self._clock = clock
        self._failed: dict[str, float] = {}  # what could not be pulled, and until when nobody asks again
        self._late: set[asyncio.Task[None]] = set()

    async def pull(self, digest: str, app: str) -> bool:
        """Whether the blob is here now, whole: fetched if it was missing, and again if it is damaged. All who ask at
        once share one transfer. It goes on if they leave, and if nothing comes of it."""
        now = self._clock()
        if self._failed.get(digest, 0.0) > now:
            return False
        wanted = WantedBlob(Digest(digest), None)
        fetching = asyncio.ensure_future(self._fetcher.fetch(wanted, DEVICE_WAITS, again=True))
        if await self._comes(wanted.digest, fetching):
            return True
        if fetching.done():
            self._note_failed(digest, now)
        else:
            late = asyncio.create_task(self._tell(digest, app, fetching))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
        return False

    async def bring(self, digest: str) -> bool:
        """Whether the blob is here now, however long that takes; False: the source does not have it. For those that
        follow this node. Raises SourceLost."""
        now = self._clock()
        if self._failed.get(digest, 0.0) > now:
            raise SourceLost("not_yet", f"blob {digest} could not be fetched just now; try again")
        wanted = WantedBlob(Digest(digest), None)
        came = (await self._fetcher.fetch_missing([wanted], DEVICE_WAITS))[wanted]
        if came is Came.LOST:
            self._note_failed(digest, now)
            raise SourceLost("not_yet", f"blob {digest} cannot be fetched now; try again")
        return came is Came.HERE

    def _note_failed(self, digest: str, now: float) -> None:
        self._failed = {each: until for each, until in self._failed.items() if until > now}
        if len(self._failed) < FAILED_LIMIT:
            self._failed[digest] = now + FAILED_SECONDS

    async def _comes(self, digest: Digest, fetching: "asyncio.Future[bool]") -> bool:
        """Whether it came, before nothing of it came for `still_seconds`."""
        arrived = -1
        while not fetching.done():
            come = self._fetcher.received(digest)
            if come == arrived:
                return False
            arrived = come
            await asyncio.wait({fetching}, timeout=self.still_seconds)
        return fetching.result()

    async def _tell(self, digest: str, app: str, fetching: "asyncio.Future[bool]") -> None:
        if await fetching:
            self._failed.pop(digest, None)
            await self.on_pulled(digest, app)


async def _say_nothing(digest: str, app: str) -> None:
    return None
