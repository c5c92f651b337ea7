"""A region's duty to its home: what devices reported is there exactly once, and home knows until when that is all.

Home's own word is the only truth about what it has: a piece is sent from the offset that home last said, and home takes
it at exactly its end or not at all, so that a lost answer, a repeat, or a crash of either end changes nothing. The
segments of one worker go in the order in which they were begun, since who counts them goes by that.

A round ends by saying that everything before its beginning is sent, in home's own time, as of home's last answer: a
clock that is wrong here makes no difference.
"""

import asyncio
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import zstandard

from edge.domain.errors import Conflict, EdgeError, Unavailable
from edge.domain.schedule.durations import rough_size
from edge.regions.sending.outgoing import read_piece
from edge.regions.sending.sent_erasing import SentErasing
from edge.regions.sending.sent_journal import SentJournal
from edge.regions.sending.sent_keeping import KeptForHome, keep_for_home
from edge.regions.sending.sent_words import (
    COMPRESSED,
    ERASURES_LIMIT,
    NAMES_LIMIT,
    AllSent,
    AllSentNoted,
    HeldOfSegment,
    SegmentsAsked,
    SegmentsKnown,
    SegmentTaken,
)
from edge.telemetry.spool.segment import UnreadableSegment, list_segments, parse_segment_name

IDLE_SECONDS = 10.0  # between two rounds
HURRY_SECONDS = 1.0  # while a guard may act on what is reported
# After a release changed, two rounds hear whether a guard acts: home looks at its own changes once a second.
HURRIED_SECONDS, HURRIED_PAUSE_SECONDS = 5.0, 2.5
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)  # after so many rounds in a row that failed; the last from then on
CHECK_SECONDS = 60.0  # between two questions what home has of everything: it may come back from a backup
SENDING_AT_ONCE = 4  # workers' segments: on a long way one after the other takes seconds
PIECE_SECONDS = 60.0  # for 4 MiB, compressed, on a poor line
TRIES_LIMIT = 3  # of one piece, of which home says that it has nothing
NAMED_LIMIT = 5  # segments that a line of the log names

T = TypeVar("T")
log = logging.getLogger("edge.regions")


class SentAnswer(Protocol):
    """A success."""

    @property
    def content(self) -> bytes: ...


class ReportsLine(Protocol):
    """Requests to home's control port, as `Upstream` makes them."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
    ) -> SentAnswer: ...


class SendingFrom(NamedTuple):
    """The node whose reports are sent: its spool, how much that may take, and for how many seconds what home has is
    kept."""

    directory: Path
    node: str
    region: str
    limit_bytes: int
    keep_seconds: float


class ReportSender:
    """For one event loop; `run` is a duty of the node. Counts since the start: `sent_bytes` of segments, `sent_pieces`,
    `lost_segments` that home had, and neither has now. `failing` is why the last round failed, "" if it did not;
    `sent_until_ms` until when home has everything, by its clock; `refused` why home refuses a segment, by its name."""

    def __init__(
        self,
        home: ReportsLine,
        sending: SendingFrom,
        journal: SentJournal,
        *,
        tell_notes: Callable[[], Awaitable[object]],
        refused_reports: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tell_notes` has workers store what they noted. `refused_reports` found no room."""
        self.sent_bytes = self.sent_pieces = self.lost_segments = self.sent_until_ms = 0
        self.failing = ""
        self.refused: dict[str, str] = {}
        self.kept = KeptForHome(0, 0)
        self.round_at = 0.0  # when a round last succeeded, in seconds since the epoch
        self._home, self._sending, self._journal = home, sending, journal
        self._tell_notes, self._refused_reports = tell_notes, refused_reports
        self._hurried_at = -HURRIED_SECONDS
        self._clock, self._monotonic = clock, monotonic
        self._held: dict[str, int] = {}  # home's offsets of segments that it does not have whole
        self._home_ms, self._heard_at = 0, 0.0  # home's time when it last answered, by our monotonic clock
        self._hurry = False
        self._checked: float | None = None
        self._failed_rounds = 0
        self._kept_at: float | None = None
        self._erasing = SentErasing(sending.directory)
        self._erased_until_ms = 0
        self._noting = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except (EdgeError, OSError) as error:
                self._note_failure(error)
            await self._pause(random.uniform(0.8, 1.0))  # noqa: S311  no secret

    def hurry(self) -> None:
        """A release changed here: home says with the next answers whether its guard may act."""
        self._hurried_at = self._monotonic()

    @property
    def pause_seconds(self) -> float:
        """Until the next round, at most."""
        if self._failed_rounds:
            return RETRY_SECONDS[min(self._failed_rounds, len(RETRY_SECONDS)) - 1]
        if self._hurry:
            return HURRY_SECONDS
        return HURRIED_PAUSE_SECONDS if self._monotonic() - self._hurried_at < HURRIED_SECONDS else IDLE_SECONDS

    async def _pause(self, share: float) -> None:
        """In steps: a guard may begin to act meanwhile."""
        ended = self._monotonic()
        for _ in range(int(max(RETRY_SECONDS) / HURRY_SECONDS)):
            left = ended + self.pause_seconds * share - self._monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, HURRY_SECONDS))

    async def round(self) -> None:
        """Send all that is there. Raises EdgeError, OSError: then the next one goes on."""
        try:
            await self._round()
        except BaseException:
            self._checked = None  # a home that comes back may have been restored from a backup
            raise

    async def _round(self) -> None:
        await self._keep_some()
        if self._checked is None or self._monotonic() - self._checked >= CHECK_SECONDS:
            await self._ask_home()
        until_ms = self._home_now_ms()
        await self._tell_notes()
        queues = await asyncio.to_thread(self._waiting)
        faults: list[Exception] = []
        gate = asyncio.Semaphore(SENDING_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for paths in queues:
                tasks.create_task(self._send_all(paths, gate, faults))
        await self._say_all_sent(0 if faults or self.refused else until_ms)
        if faults:
            raise faults[0]
        if self._failed_rounds:
            log.info("home has all reports of devices again")
        self._failed_rounds, self.failing, self.round_at = 0, "", self._clock()

    def _note_failure(self, error: Exception) -> None:
        self._failed_rounds += 1
        if str(error) != self.failing:  # each cause once, however long it lasts
            self.failing = str(error)
            size = rough_size(self.kept.waiting_bytes)
            log.warning("home does not take reports of devices now (%s wait): %s", size, error)

    async def _keep_some(self) -> None:
        if self._kept_at is None or self._monotonic() - self._kept_at >= IDLE_SECONDS:
            await asyncio.to_thread(self._keep)
            self._kept_at = self._monotonic()

    def _keep(self) -> None:
        from_ = self._sending
        self.kept = keep_for_home(
            from_.directory,
            self._journal.whole.keys(),
            now=self._clock(),
            keep_seconds=from_.keep_seconds,
            limit_bytes=from_.limit_bytes,
        )

    def _waiting(self) -> list[list[Path]]:
        """Segments that home does not have whole, of each worker, the first begun first."""
        queues: defaultdict[int, list[tuple[int, Path]]] = defaultdict(list)
        for path in list_segments(self._sending.directory):
            name = parse_segment_name(path.stem)
            if name is not None and name.node == self._sending.node and path.stem not in self._journal.whole:
                queues[name.worker].append((name.started_ms, path))
        return [[path for _, path in sorted(queue)] for queue in queues.values()]

    async def _send_all(self, paths: list[Path], gate: asyncio.Semaphore, faults: list[Exception]) -> None:
        """Stops at the first that does not arrive: what comes after it is not to be counted before."""
        async with gate:
            for path in paths:
                if faults:
                    return
                try:
                    await self._send(path)
                except UnreadableSegment as error:
                    self._refuse(path.stem, f"cannot be read: {error}")
                    return
                except (EdgeError, OSError) as error:
                    if isinstance(error, EdgeError) and not isinstance(error, Unavailable):
                        self._refuse(path.stem, f"{error.code}: {error.message}")
                        return
                    faults.append(error)

    async def _send(self, path: Path) -> None:
        """Until home has all that is whole by now. A segment that is still written holds up none: a writer has one, so
        what was begun later is another writer's."""
        name, idle = path.stem, 0
        while idle < TRIES_LIMIT:
            offset = self._held.get(name, 0)
            piece = await asyncio.to_thread(read_piece, path, offset)
            if not piece.content and not piece.lost and not piece.whole:
                return
            taken = await self._put(name, offset, piece.lost, piece.content, whole=piece.whole)
            self.sent_pieces += 1
            self.sent_bytes += max(taken.offset - offset, 0)
            self._held[name] = taken.offset
            if taken.whole:
                if await asyncio.to_thread(_has_more, path, taken.offset):
                    raise Conflict(
                        "segment_is_whole",
                        f"home has {taken.offset} bytes of it, less than is here, and takes no more: another node runs "
                        "with a copy of this data directory",
                    )
                await self._note_whole({name: taken.offset})
                return
            if taken.offset < offset:
                self._checked = None  # it has less than it had
            idle = 0 if taken.offset > offset else idle + 1
        raise Unavailable("no_progress", f"home says {TRIES_LIMIT} times that it has no more of {name}")

    async def _note_whole(self, names: Mapping[str, int]) -> None:
        for name in names:
            self._held.pop(name, None)
            self.refused.pop(name, None)
        async with self._noting:
            await asyncio.to_thread(self._journal.add, names)

    async def _put(self, name: str, offset: int, lost: int, content: bytes, *, whole: bool) -> SegmentTaken:
        compressed = await asyncio.to_thread(zstandard.ZstdCompressor(level=1).compress, content)
        query = {"offset": str(offset)} | ({"lost": str(lost)} if lost else {}) | ({"whole": "true"} if whole else {})
        answer = await self._home.request(
            *("PUT", f"{self._address}/{name}"),
            query=query,
            body=compressed,
            headers={"Content-Type": COMPRESSED},
            seconds=PIECE_SECONDS,
        )
        return self._heard(answer.content, SegmentTaken)

    async def _ask_home(self) -> None:
        """What it has of every segment that is here or was: it may have less than it had."""
        paths = {path.stem: path for path in await asyncio.to_thread(list_segments, self._sending.directory)}
        here = paths.keys()
        own = [name for name in here | self._journal.whole.keys() if self._is_own(name)]
        names = sorted(own, reverse=True)[:NAMES_LIMIT]
        known = await self._ask(SegmentsAsked(names=names))
        gone = Counter({name: self._journal.whole[name] for name, of in known.items() if self._is_less(name, of)})
        if gone:
            await asyncio.to_thread(self._journal.take_back, [*gone])
            self._tell_gone({name: n for name, n in gone.items() if name not in here}, len(gone))
        new = {name: of.offset for name, of in known.items() if of.whole and name not in self._journal.whole}
        short = {name for name in new.keys() & here if await asyncio.to_thread(_has_more, paths[name], new[name])}
        await self._note_whole({name: offset for name, offset in new.items() if name not in short})
        self._held = {name: of.offset for name, of in known.items() if not of.whole}
        self.refused.clear()
        self._checked = self._monotonic()

    def _is_own(self, name: str) -> bool:
        found = parse_segment_name(name)
        return found is not None and found.node == self._sending.node

    def _is_less(self, name: str, of: HeldOfSegment) -> bool:
        return name in self._journal.whole and not of.whole

    def _tell_gone(self, lost: Mapping[str, int], missing: int) -> None:
        log.error("home no longer has %d segments of reports that it had: it gets again what is here", missing)
        if lost:
            self.lost_segments += len(lost)
            named = ", ".join(sorted(lost)[:NAMED_LIMIT])
            size = rough_size(sum(lost.values()))
            log.error("%d of them (%s) are here no longer, and lost: %s", len(lost), size, named)

    async def _ask(self, asked: SegmentsAsked) -> dict[str, HeldOfSegment]:
        answer = await self._home.request(
            "POST", self._address, body=msgspec.json.encode(asked), headers={"Content-Type": "application/json"}
        )
        return dict(zip(asked.names, self._heard(answer.content, SegmentsKnown).segments, strict=True))

    async def _say_all_sent(self, until_ms: int) -> None:
        said = AllSent(
            region=self._sending.region,
            until_ms=until_ms,
            now_ms=int(self._clock() * 1000),
            waiting_bytes=self.kept.waiting_bytes,
            refused=self._refused_reports(),
            erased_until_ms=self._erased_until_ms,
        )
        answer = await self._home.request(
            *("POST", f"/v1/feed/sent/{self._sending.node}"),
            body=msgspec.json.encode(said),
            headers={"Content-Type": "application/json"},
        )
        noted = self._heard(answer.content, AllSentNoted)
        self.sent_until_ms = until_ms or self.sent_until_ms
        await self._erase(noted)

    async def _erase(self, noted: AllSentNoted) -> None:
        """What home wants to be erased; with the next word it hears until when that is done."""
        done = await asyncio.to_thread(self._erasing.erase, noted.erasures, self._journal.whole)
        if done and len(noted.erasures) < ERASURES_LIMIT:
            self._erased_until_ms = noted.at_ms
        elif done:
            self._erased_until_ms = noted.erasures[-1].asked_ms

    @property
    def _address(self) -> str:
        return f"/v1/feed/segments/{self._sending.node}"

    def _heard(self, content: bytes, kind: type[T]) -> T:
        try:
            found: Any = msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable("bad_answer", f"home's answer cannot be read: {error}") from error
        self._home_ms, self._heard_at, self._hurry = found.at_ms, self._monotonic(), found.hurry
        return found  # type: ignore[no-any-return]

    def _home_now_ms(self) -> int:
        """At most what home's clock shows now."""
        return self._home_ms + int((self._monotonic() - self._heard_at) * 1000)

    def _refuse(self, name: str, why: str) -> None:
        if self.refused.get(name) != why:
            log.error("home does not take the segment %s, which is kept: %s", name, why)
        self.refused[name] = why


def _has_more(path: Path, offset: int) -> bool:
    """Whether the segment here has records from there on; False where it cannot be read. Blocks."""
    try:
        return bool(read_piece(path, offset).content)
    except (UnreadableSegment, OSError):
        return False
