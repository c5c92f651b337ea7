"""Home's end: takes other nodes' segments into its own spool, where they are counted as its own are.

A token speaks for one node, so it can say what it likes of that node's devices, and nothing of another's: names of
other nodes, and of this one, are refused. What a node may have at once, in a second and in one segment is bounded.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import zstandard

from edge.domain.errors import Conflict, Forbidden, Invalid, TooLarge, Unavailable
from edge.regions.sending.sent_ledger import SentLedger
from edge.regions.sending.sent_words import (
    ERASURES_LIMIT,
    SEND_LIMIT_BYTES,
    AllSent,
    AllSentNoted,
    ErasureWanted,
    HeldOfSegment,
    SegmentsAsked,
    SegmentsKnown,
    SegmentTaken,
)
from edge.telemetry.spool.coming_segment import (
    COMING_LIMIT_BYTES,
    HeldSegment,
    append_content,
    check_content,
    held_segment,
    seal_coming,
)
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.spool.segment import COMING, SpoolName, UnreadableSegment, parse_segment_name

NODE_AT_ONCE = 8  # requests of one node: it sends four at a time
AT_ONCE = 24  # of all: each holds what it brings in memory, SEND_LIMIT_BYTES at worst
UNFINISHED_SHARE = 0.25  # of the room for reports, in segments of one node that are not whole: these are never deleted
OPEN_LIMIT = 512  # segments of one node that are not whole: it has one for each worker, and has 256 at most
BYTES_PER_SECOND = 32 << 20  # of one node: a region of 32 full workers writes 10 MB/s, and after a gap more
BYTES_AT_ONCE = 8 * SEND_LIMIT_BYTES
SEGMENTS_PER_SECOND = 5.0  # new ones of one node: 256 workers begin 256 an hour; each leaves a row for good
SEGMENTS_AT_ONCE = 5_000.0  # after a gap of a day they come all together
KNOWN_LIMIT = 20_000  # ends of segments that are remembered; a forgotten one is read once more

CountedOf = Callable[[str], HeldSegment | None]


class Receiving:
    """For one event loop. `counted` is what the figures know of a segment whose file is gone; `acts` whether a guard
    may act on reports now, `erasures` those that are not done. `taken_bytes` counts since the start, by node."""

    def __init__(
        self,
        directory: Path,
        own_node: str,
        ledger: SentLedger,
        *,
        counted: CountedOf,
        budget: DiskBudget,
        acts: Callable[[], bool],
        erasures: Callable[[], Iterable[ErasureWanted]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = ledger
        self.taken_bytes = Counter[str]()
        self._directory, self._own_node = directory, own_node
        self._counted, self._budget, self._acts, self._clock = counted, budget, acts, clock
        self._erasures = erasures
        self._held: dict[str, HeldSegment] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._busy = Counter[str]()
        self._allowed = _Allowances()
        self._disk = asyncio.Lock()

    @contextmanager
    def room_for(self, node: str) -> Iterator[None]:
        """For one request, before its body is read. Raises Unavailable `busy`."""
        if self._busy[node] >= NODE_AT_ONCE or self._busy.total() >= AT_ONCE:
            raise Unavailable("busy", "too many requests with reports at once; the same one succeeds later")
        self._busy[node] += 1
        try:
            yield
        finally:
            self._busy[node] -= 1
            self._busy += Counter()  # without those that are at 0

    async def known(self, node: str, asked: SegmentsAsked) -> SegmentsKnown:
        """What is here of the node's segments. Raises Forbidden `other_node`, Invalid `invalid_segment`."""
        for name in asked.names:
            self.parse(node, name)
        await self._meet(node)
        found = await asyncio.to_thread(lambda: [self._find(name) for name in asked.names])
        held = [HeldOfSegment(offset=each.offset, whole=each.whole) for each in found]
        return SegmentsKnown(segments=held, at_ms=self._now_ms(), hurry=self._acts())

    async def take(
        self, node: str, segment: str, offset: int, lost: int, compressed: bytes, *, whole: bool
    ) -> SegmentTaken:
        """Take what begins exactly at the end of what is here; of all else nothing. Durable when it returns.

        Raises Forbidden `other_node`; Invalid `invalid_segment`, `bad_segment`, `newer_segment`; TooLarge; Conflict
        `too_many_segments`; Unavailable `too_fast`, `no_room`, `disk_full`; OSError.
        """
        name = self.parse(node, segment)
        await self._meet(node)
        async with self._locks.setdefault(segment, asyncio.Lock()):
            try:
                held = await asyncio.to_thread(self._find, segment)
                if held.offset == offset and not held.whole:
                    content = await asyncio.to_thread(_checked, name, offset, lost, compressed)
                    held = await self._add(name, segment, held, lost, content, whole=whole)
            finally:
                self._forget_lock(segment)
        return SegmentTaken(offset=held.offset, whole=held.whole, at_ms=self._now_ms(), hurry=self._acts())

    async def note_sent(self, node: str, said: AllSent) -> AllSentNoted:
        """Until when everything of the node is here, as it says."""
        now_ms = self._now_ms()
        async with self._disk:
            await asyncio.to_thread(self.ledger.note, node, said, now_ms)
        wanted = await asyncio.to_thread(lambda: sorted(self._erasures(), key=lambda each: each.asked_ms))
        return AllSentNoted(at_ms=now_ms, hurry=self._acts(), erasures=tuple(wanted[:ERASURES_LIMIT]))

    async def forget(self, node: str) -> None:
        """No release waits for the node any more, and what it has begun to send is all there is. Raises OSError."""
        async with self._disk:
            await asyncio.to_thread(self.ledger.forget, node, self._now_ms())
            for segment in await asyncio.to_thread(self._unfinished, node):
                self._held.pop(segment, None)
                await asyncio.to_thread(seal_coming, self._directory, segment)

    async def _add(
        self, name: SpoolName, segment: str, held: HeldSegment, lost: int, content: bytes, *, whole: bool
    ) -> HeldSegment:
        size = lost + len(content)
        if size:
            unfinished = await asyncio.to_thread(self._unfinished, name.node)
            if not whole:
                self._allow_unfinished(name.node, segment, size, unfinished)
            self._allow(name.node, size, is_new=held.offset == 0)
            await asyncio.to_thread(self._budget.take, size, self._clock())
            self._held.pop(segment, None)  # until it is known how that ends
            end = await asyncio.to_thread(append_content, self._directory, segment, held.offset, lost, content)
            self.taken_bytes[name.node] += size
            held = self._remember(segment, HeldSegment(end, whole=False))
        if whole:
            await asyncio.to_thread(seal_coming, self._directory, segment)
            held = HeldSegment(held.offset, whole=True)
            self._held.pop(segment, None)
        return held

    def parse(self, node: str, segment: str) -> SpoolName:
        """Raises Forbidden `other_node`, Invalid `invalid_segment`."""
        name = parse_segment_name(segment)
        if name is None:
            raise Invalid("invalid_segment", f"invalid name of a segment {segment[:128]!r}")
        if name.node != node or node == self._own_node:
            raise Forbidden("other_node", f"the segment {segment} is not one of node {node[:64]}")
        return name

    def _find(self, segment: str) -> HeldSegment:
        """Blocks. A file that cannot be read is no place to go on. Raises Unavailable `segment_unreadable`, OSError."""
        known = self._held.get(segment)
        if known is not None:
            return known
        try:
            found = held_segment(self._directory, segment)
        except UnreadableSegment as error:
            raise Unavailable("segment_unreadable", f"{segment} cannot be read here: {error}; remove it") from error
        if found is None:
            return self._counted(segment) or HeldSegment(0, whole=False)
        return found if found.whole else self._remember(segment, found)

    def _remember(self, segment: str, held: HeldSegment) -> HeldSegment:
        self._held[segment] = held
        while len(self._held) > KNOWN_LIMIT:
            del self._held[next(iter(self._held))]
        return held

    def _unfinished(self, node: str) -> dict[str, int]:
        """The bytes of its segments that are not whole. Blocks."""
        found = {}
        for path in self._directory.glob(f"{node}-*{COMING}"):
            with suppress(FileNotFoundError):  # it is whole now
                found[path.stem] = path.stat().st_size
        return found

    def _allow_unfinished(self, node: str, segment: str, size: int, unfinished: Mapping[str, int]) -> None:
        """The one that was begun first goes on in any case, so that it comes to its end."""
        if segment not in unfinished and len(unfinished) >= OPEN_LIMIT:
            raise Conflict("too_many_segments", f"{OPEN_LIMIT} segments of {node} are not whole: send their ends first")
        limit = max(self._budget.limit_bytes * UNFINISHED_SHARE, COMING_LIMIT_BYTES)
        if sum(unfinished.values()) + size > limit and segment != min(unfinished, key=_begun, default=segment):
            raise Conflict("too_many_segments", f"{limit:,.0f} bytes of {node} are not whole: send their ends first")

    def _allow(self, node: str, size: int, *, is_new: bool) -> None:
        now = time.monotonic()
        if is_new and not self._allowed.take(f"segments {node}", 1.0, SEGMENTS_PER_SECOND, SEGMENTS_AT_ONCE, now):
            raise Unavailable("too_fast", f"more than {SEGMENTS_PER_SECOND:.0f} new segments of {node} a second")
        if not self._allowed.take(f"bytes {node}", size, BYTES_PER_SECOND, BYTES_AT_ONCE, now):
            raise Unavailable("too_fast", f"more than {BYTES_PER_SECOND >> 20} MiB of {node} a second")

    async def _meet(self, node: str) -> None:
        async with self._disk:
            await asyncio.to_thread(self.ledger.meet, node, self._now_ms())

    def _forget_lock(self, segment: str) -> None:
        if len(self._locks) > KNOWN_LIMIT:
            for name in [each for each, lock in self._locks.items() if not lock.locked() and each != segment]:
                del self._locks[name]

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


class _Allowances:
    """What may come: each key a bucket, full at first."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, wanted: float, per_second: float, at_once: float, now: float) -> bool:
        left, since = self._left.get(key, (at_once, now))
        left = min(at_once, left + (now - since) * per_second)
        enough = left >= wanted
        self._left[key] = (left - wanted if enough else left, now)
        return enough


def _begun(segment: str) -> tuple[int, str]:
    name = parse_segment_name(segment)
    return name.started_ms if name is not None else 0, segment


def _checked(name: SpoolName, offset: int, lost: int, compressed: bytes) -> bytes:
    try:
        if zstandard.frame_content_size(compressed) > SEND_LIMIT_BYTES:  # what it says is allocated at once
            raise TooLarge("segment_too_large", f"at most {SEND_LIMIT_BYTES:,} bytes at once")
        content = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=SEND_LIMIT_BYTES)
    except zstandard.ZstdError as error:
        raise Invalid("bad_segment", f"the body is no zstd frame of at most {SEND_LIMIT_BYTES:,} bytes") from error
    check_content(name, offset, lost, content)
    return content
