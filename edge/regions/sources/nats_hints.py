"""What is put into the bucket of hints, and what is read out of it: the order of a head, and blobs that are coming.

Whoever can write there can make nodes look and fetch, as often as is allowed here; never use anything.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from edge.regions.feed.events import FeedEvents, parse_event
from edge.regions.source import BlobsComing, HeadsMoved, SourceEvent
from edge.regions.sources.nats_link import VALUE_LIMIT_BYTES, NatsLink
from edge.store.heads import SHARDS

if TYPE_CHECKING:
    from nats.js.kv import KeyValue

PUT_SECONDS = 2.0  # for a hint to be taken; then the connection is made anew
WAIT_SECONDS = 5.0  # between two signs of the watch, before the connection is looked at
SILENT_SECONDS = 150.0  # heads are signed each minute: a watch that says nothing for so long is made anew
LEAST_PAUSE_SECONDS = 0.1  # between two looks that hints cause: a release is no sooner complete
COMING_PER_SECOND = 20  # announcements of blobs that are listened to; what is offered is found without
COMING_BURST = 100.0  # after a silence

Order = tuple[int, int]  # of a head: epoch and sequence

_SHARDS = frozenset(SHARDS)
_HEADS, _COMING, _OTHER = "heads", "coming", "other"
_order = msgspec.json.Decoder(tuple[int, int])


class NatsTelling:
    """Of a node that writes: what its feed tells, it puts into the bucket. `order_of` is of a shard, and may
    block."""

    def __init__(self, link: NatsLink, events: FeedEvents, order_of: Callable[[str], Order]) -> None:
        self._link, self._events, self._order_of = link, events, order_of

    async def run(self) -> None:
        await self._link.run(self._attend)

    async def _attend(self, bucket: "KeyValue") -> None:
        with self._events.subscribed() as heard:
            await self._put(bucket, HeadsMoved(tuple(SHARDS)))  # what moved while nobody was connected
            while not heard.is_over:
                for event in await heard.next(WAIT_SECONDS):
                    await self._put(bucket, event)

    async def _put(self, bucket: "KeyValue", event: SourceEvent) -> None:
        for key, value in await asyncio.to_thread(self._hints, event):
            async with asyncio.timeout(PUT_SECONDS):
                await bucket.put(key, value)

    def _hints(self, event: SourceEvent) -> list[tuple[str, bytes]]:
        match event:
            case HeadsMoved(names):
                return [self._hint_of(name) for name in names]
            case BlobsComing(app, blobs):
                value = msgspec.json.encode({"app": app, "blobs": blobs})
                return [(f"{_COMING}.{_short(app)}", value)] if len(value) <= VALUE_LIMIT_BYTES else []

    def _hint_of(self, name: str) -> tuple[str, bytes]:
        if name in _SHARDS:
            return f"{_HEADS}.{name}", msgspec.json.encode(self._order_of(name))
        return f"{_OTHER}.{_short(name)}", b"[]"


class NatsHearing:
    """Of a node that follows: `hint` is told what the bucket has, `order_of` a shard that it knows."""

    def __init__(
        self,
        link: NatsLink,
        hint: Callable[[SourceEvent], None],
        order_of: Callable[[str], Order],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._link, self._hint, self._order_of = link, hint, order_of
        self._clock, self._sleep = clock, sleep
        self._room, self._refilled = COMING_BURST, clock()
        self._moved: set[str] = set()
        self._waiting = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(self._attend))
            tasks.create_task(self._pass_on())

    def take(self, key: str, value: bytes) -> None:
        """A hint as it is in the bucket, believed as far as its form goes."""
        kind, _, name = key.partition(".")
        if len(value) > VALUE_LIMIT_BYTES:
            self._link.strange += 1
        elif kind == _HEADS and name in _SHARDS:
            self._take_head(name, value)
        elif kind == _COMING:
            self._take_coming(value)
        elif kind == _OTHER:
            self._look_at("")
        else:
            self._link.strange += 1

    async def _attend(self, bucket: "KeyValue") -> None:
        from nats.errors import TimeoutError as NothingYet

        watcher = await bucket.watchall()
        self._look_at("")  # what moved while nobody told
        silent_seconds = 0.0
        while silent_seconds < SILENT_SECONDS:
            try:
                entry = await watcher.updates(timeout=WAIT_SECONDS)  # type: ignore[no-untyped-call]
            except NothingYet:  # a line that is dead ends this task
                silent_seconds += WAIT_SECONDS
                continue
            silent_seconds = 0.0
            if entry is not None and entry.value is not None:
                self.take(entry.key, entry.value)

    def _take_head(self, shard: str, value: bytes) -> None:
        try:
            order = _order.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._link.strange += 1
            return
        if order > self._order_of(shard):
            self._look_at(shard)

    def _take_coming(self, value: bytes) -> None:
        event = parse_event("blobs", value)
        now = self._clock()
        self._room = min(self._room + (now - self._refilled) * COMING_PER_SECOND, COMING_BURST)
        self._refilled = now
        if event is None or self._room < 1:
            self._link.strange += 1
            return
        self._room -= 1
        self._hint(event)

    def _look_at(self, shard: str) -> None:
        self._moved.add(shard)
        self._waiting.set()

    async def _pass_on(self) -> None:
        """The first at once, those that come close behind it together."""
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            moved = tuple(sorted(each for each in self._moved if each)) if "" not in self._moved else ()
            self._moved.clear()
            self._hint(HeadsMoved(moved))
            await self._sleep(LEAST_PAUSE_SECONDS)


def _short(name: str) -> str:
    """As a part of a key, which an app's id need not be."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
