"""The streams of changes that clients hold open at one worker, and requests that wait for a change.

A stream tells that an app's features changed, never how. Streams are bounded, of one address and of the worker: above
that, bulk answers name no stream, and clients ask when they are shown again. A change wakes them a few at a time, since
each asks at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from edge.domain.app_parts.feature_keys import FeatureKey, KeyFault
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.node.service.limits.holdings import Holdings
from edge.wire.ofrep.addresses import stream_address
from edge.wire.ofrep.conditions import ConfigTag, is_older, parse_config_tag
from edge.wire.ofrep.streams import (
    StreamPass,
    is_current,
    is_genuine,
    key_mark,
    read_pass,
    seal_pass,
    seen_mark,
    turn_of,
)

STREAMS_LIMIT = 4_000  # of a worker, some 20 kB each
CONNECTIONS_SHARE = 0.25  # of the connections that a worker takes: checks and downloads need the rest
ADDRESS_LIMIT = 200  # streams of one address: an office behind one, not a flood
SLICE, SLICE_SECONDS = 50, 0.02  # woken at once: 2,500 a second then ask a worker that answers tens of thousands
ADDRESSES_LIMIT = 4_096  # of streams that are kept ready, one for each key of an app and hour
# Requests that wait for a change at once: each holds a connection. Anyone can invent what he has heard of.
WAITERS_LIMIT, WAITERS_OF_ADDRESS = 4_000, 50
OPEN = "open"  # in place of the key's digest where an app gives its features without one


def config_tag(snapshot: AppSnapshot) -> ConfigTag:
    """Of the features that this snapshot gives."""
    return ConfigTag(snapshot.revision, snapshot.features_fingerprint)


class ChangeStream:
    """One client's. `tag` is the state that it is to hear of; None: it has heard of all."""

    __slots__ = ("_woken", "app", "is_over", "key", "seen", "tag")

    def __init__(self, app: AppId, key: bytes, seen: bytes) -> None:
        self.app, self.key, self.seen = app, key, seen
        self.tag: ConfigTag | None = None
        self.is_over = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self.is_over = True
        self._woken.set()

    async def next(self, seconds: float) -> ConfigTag | None:
        """The state to tell of; None if nothing changed for so long, or it is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return None
        self._woken.clear()
        tag, self.tag = self.tag, None
        return tag


class StreamRefused(Exception):
    """`status`: 401, another address is needed; 429, there is no room; 404, there is no such app."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class ChangeStreams:
    """Of one worker. `base_path` is what the path of the node's public address begins with."""

    def __init__(self, connections_limit: int, base_path: str = "") -> None:
        self._held = Holdings(min(STREAMS_LIMIT, int(connections_limit * CONNECTIONS_SHARE)), ADDRESS_LIMIT)
        self._base_path = base_path
        self._streams: dict[AppId, dict[ChangeStream, None]] = {}
        self._addresses: dict[tuple[str, str, int, str], str] = {}
        self._waiters: defaultdict[AppId, dict[asyncio.Future[AppSnapshot], None]] = defaultdict(dict)
        self._waiting = Holdings(WAITERS_LIMIT, WAITERS_OF_ADDRESS)
        self._due: dict[ChangeStream, None] = {}
        self._closed = False

    @property
    def open(self) -> int:
        """How many there are."""
        return self._held.held

    @property
    def has_room(self) -> bool:
        return self._held.has_room and not self._closed

    def address_of(self, snapshot: AppSnapshot, key: FeatureKey | None, now: float) -> tuple[int, str]:
        """Where a client with this key hears of changes, and the turn in which that is so; 0 and "" without room."""
        if not self.has_room:
            return 0, ""
        turn, fingerprint = turn_of(now), snapshot.features_fingerprint
        digest = OPEN if key is None else key.digest
        place = snapshot.app, digest, turn, fingerprint
        address = self._addresses.get(place)
        if address is None:
            if len(self._addresses) >= ADDRESSES_LIMIT:
                self._addresses.clear()
            given = StreamPass(turn, key_mark(digest), seen_mark(fingerprint))
            token = seal_pass(given, snapshot.app, digest.encode())
            address = self._addresses[place] = stream_address(snapshot.app, token, self._base_path)
        return turn, address

    @contextmanager
    def opened(
        self, snapshot: AppSnapshot, token: str, last_id: str, prefix: str, now: float
    ) -> Iterator[ChangeStream]:
        """A stream that hears of changes during the block; `last_id` is what its client heard of before, `prefix` the
        peer's. Raises StreamRefused. While the worker leaves it is over at once: a client opens an ended stream again,
        and finds the next worker; one that was refused it would not."""
        given = read_pass(token)
        if given is None or not is_current(given, now) or not self._is_held(snapshot, given, token, now):
            raise StreamRefused(401)
        stream = ChangeStream(snapshot.app, given.key, given.seen)
        if self._closed:
            stream.end()
            yield stream
            return
        if not self._held.take(prefix):
            raise StreamRefused(429)
        heard = parse_config_tag(last_id)
        if heard is not None:
            stream.seen = seen_mark(heard.fingerprint)
        self._streams.setdefault(snapshot.app, {})[stream] = None
        _note(stream, config_tag(snapshot), seen_mark(snapshot.features_fingerprint))
        if stream.tag is not None:
            stream.wake()
        try:
            yield stream
        finally:
            self._held.release(prefix)
            self._due.pop(stream, None)
            own = self._streams[snapshot.app]
            del own[stream]
            if not own:
                del self._streams[snapshot.app]

    def tell(self, snapshot: AppSnapshot) -> None:
        """This is served from now on: whoever does not know its features yet hears of them, one whose key has gone is
        let go."""
        for waiter in self._waiters.pop(snapshot.app, ()):
            if not waiter.done():
                waiter.set_result(snapshot)
        marks = {key_mark(digest) for digest in snapshot.feature_keys.digests} or {key_mark(OPEN)}
        if not snapshot.feature_keys.is_needed:
            marks.add(key_mark(OPEN))
        idle, tag, seen = not self._due, config_tag(snapshot), seen_mark(snapshot.features_fingerprint)
        for stream in self._streams.get(snapshot.app, ()):
            if stream.key not in marks:
                stream.end()
            elif _note(stream, tag, seen):
                self._due[stream] = None
        if idle and self._due:
            self._wake_some()

    async def newer(self, snapshot: AppSnapshot, heard: ConfigTag, seconds: float, prefix: str) -> AppSnapshot | None:
        """The app's snapshot once it is no older than what a client has heard of; None if that takes too long, or too
        many wait already, of this `prefix` or in all."""
        if self._closed or not self._waiting.take(prefix):
            return None
        try:
            async with asyncio.timeout(seconds):
                while is_older(config_tag(snapshot), heard):
                    snapshot = await self._next(snapshot.app)
        except TimeoutError:
            return None
        finally:
            self._waiting.release(prefix)
        return snapshot

    def close(self) -> None:
        """The worker leaves: clients find the next one by themselves."""
        self._closed = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end()

    def _wake_some(self) -> None:
        for stream in list(islice(self._due, SLICE)):
            del self._due[stream]
            stream.wake()
        if self._due:
            asyncio.get_running_loop().call_later(SLICE_SECONDS, self._wake_some)

    def _is_held(self, snapshot: AppSnapshot, given: StreamPass, token: str, now: float) -> bool:
        keys = snapshot.feature_keys
        digests = [digest for digest in keys.digests if not isinstance(keys.find(digest, now), KeyFault)]
        if not keys.is_needed:
            digests.append(OPEN)
        return any(
            key_mark(digest) == given.key and is_genuine(token, snapshot.app, digest.encode()) for digest in digests
        )

    async def _next(self, app: AppId) -> AppSnapshot:
        """The snapshot of which `tell` hears."""
        waiter: asyncio.Future[AppSnapshot] = asyncio.get_running_loop().create_future()
        self._waiters[app][waiter] = None
        try:
            return await waiter
        finally:
            if (left := self._waiters.get(app)) is not None:
                left.pop(waiter, None)
                if not left:
                    del self._waiters[app]


def _note(stream: ChangeStream, tag: ConfigTag, seen: bytes) -> bool:
    """Whether the client is to hear of this state."""
    if seen == stream.seen:
        return False
    stream.seen, stream.tag = seen, tag
    return True
