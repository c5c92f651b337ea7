"""What followers hear at once: that documents moved, and which blobs are coming. Hints, in bounded memory.

What a subscriber has not taken yet is merged, so a slow one hears less and holds nothing up: blobs that are coming are
told before heads that moved, and the oldest of too many are forgotten.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.regions.source import BlobsComing, HeadsMoved, SourceEvent

SUBSCRIBERS_LIMIT = 256  # nodes that follow one node; more of them make a tree
OWNER_LIMIT = (
    4  # of one token: a node has one, and one more while it changes over or its last one is not known to be lost
)
COMING_LIMIT = 16  # releases whose blobs wait to be told to one subscriber
BLOBS_LIMIT = 2_000  # of one release that are told: the largest uses come first, and all are found without
HEARTBEAT_SECONDS = 10.0  # between two signs of life: half as many more without one, and the connection is lost
SEND_SECONDS = 10.0  # for one that reads nothing: it is let go, and finds what it missed when it asks
EVENT_LIMIT_BYTES = 256 << 10  # so many digests with their sizes


class _Moved(msgspec.Struct):
    shards: list[str] = []


class _Coming(msgspec.Struct):
    app: AppId
    blobs: list[tuple[str, int]]


class Subscription:
    """What one follower has still to hear."""

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self.is_over = False
        self._coming: deque[BlobsComing] = deque(maxlen=COMING_LIMIT)
        self._moved: dict[str, None] = {}
        self._waiting = asyncio.Event()

    def tell(self, event: SourceEvent) -> None:
        match event:
            case BlobsComing():
                self._coming.append(event)
            case HeadsMoved(shards):
                self._moved |= dict.fromkeys(shards)
        self._waiting.set()

    def end(self) -> None:
        self.is_over = True
        self._waiting.set()

    async def next(self, seconds: float) -> list[SourceEvent]:
        """What there is to hear, in order; empty if nothing happened for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._waiting.wait()
        except TimeoutError:
            return []
        self._waiting.clear()
        events: list[SourceEvent] = [*self._coming]
        if self._moved:
            events.append(HeadsMoved(tuple(self._moved)))
        self._coming.clear()
        self._moved.clear()
        return events


class FeedEvents:
    """Of one node. Belongs to one event loop."""

    def __init__(self, heartbeat_seconds: float = HEARTBEAT_SECONDS, send_seconds: float = SEND_SECONDS) -> None:
        self.heartbeat_seconds, self.send_seconds = heartbeat_seconds, send_seconds
        self._subscribers: dict[Subscription, None] = {}  # the oldest first

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._subscribers)

    @contextmanager
    def subscribed(self, owner: str = "") -> Iterator[Subscription]:
        """Hears what is told during the block. `owner`: the token, whose oldest subscription ends when it has too many;
        "" for this node itself. Raises Unavailable `busy`."""
        own = [each for each in self._subscribers if owner and each.owner == owner]
        for each in own[: max(0, len(own) - OWNER_LIMIT + 1)]:
            each.end()
            self._subscribers.pop(each)
        if len(self._subscribers) >= SUBSCRIBERS_LIMIT:
            raise Unavailable("busy", f"{SUBSCRIBERS_LIMIT} nodes hear this one, which is the limit: follow another")
        subscription = Subscription(owner)
        self._subscribers[subscription] = None
        try:
            yield subscription
        finally:
            self._subscribers.pop(subscription, None)

    def tell(self, event: SourceEvent) -> None:
        for each in self._subscribers:
            each.tell(event)

    def tell_coming(self, app: AppId, blobs: Sequence[tuple[str, int]]) -> None:
        """Blobs of a release that is about to be offered, with their sizes in bytes; they are in the store."""
        if blobs:
            self.tell(BlobsComing(app, tuple(blobs[:BLOBS_LIMIT])))

    def end(self) -> None:
        """The node leaves: its followers find it, or another, again."""
        for each in self._subscribers:
            each.end()


def encode_event(event: SourceEvent) -> bytes:
    """As a server-sent event."""
    match event:
        case HeadsMoved(shards):
            return _event(b"heads", _Moved(list(shards)))
        case BlobsComing(app, blobs):
            return _event(b"blobs", _Coming(app, list(blobs)))


def parse_event(kind: str, content: bytes) -> SourceEvent | None:
    """None for one that a newer release sends, or that cannot be read: all are hints."""
    try:
        match kind:
            case "heads":
                return HeadsMoved(tuple(msgspec.json.decode(content, type=_Moved).shards))
            case "blobs":
                found = msgspec.json.decode(content, type=_Coming)
                return BlobsComing(found.app, tuple(found.blobs[:BLOBS_LIMIT]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return None


def _event(kind: bytes, value: msgspec.Struct) -> bytes:
    return b"event: " + kind + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


HEARTBEAT = b":\n\n"
