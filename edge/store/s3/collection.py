"""Garbage in a bucket that many processes write to: who may remove, and what is about to go.

A bucket has no locks, so one document says it all: who collects, until when, and which blobs are *condemned*. Whoever
commits reads it first, and takes what is condemned as gone already. Who removes waits for longer than a commit may
take, looks again at what is referred to by then, and removes the rest. Each step is a compare-and-swap.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from edge.domain.errors import Conflict
from edge.store.objects.port import AlreadyExists, Stale, StoreLost
from edge.store.s3.client import BucketClient, BucketObject, RefusedCall
from edge.store.s3.faults import FaultKind
from edge.store.s3.swapping import create, swap

COLLECTION_KEY = "locks/collection.json"  # no key of the store begins like this
COLLECTION_FORMAT = 1
REFER_SECONDS = 60.0  # from looking for blobs to the swap that refers to them; a commit that is slower is refused
SETTLE_SECONDS = 120.0  # REFER_SECONDS, the 40 s that the swap itself may take, and room for a clock that runs slow
LEASE_SECONDS = 1_800.0  # of a collection that says nothing
SKEW_SECONDS = 1_800.0  # between two clocks: a bucket refuses requests of one that is wrong by more than half of that


class Collection(msgspec.Struct, frozen=True):
    """`generation` rises with each change of `condemned`, `expires` within one; in seconds since the epoch."""

    format: int
    generation: int
    holder: str
    expires: float
    condemned: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, float]:
        """Of the versions of the document."""
        return self.generation, self.expires


NO_COLLECTION = Collection(COLLECTION_FORMAT, 0, "", 0.0)
_decoder = msgspec.json.Decoder(Collection)


class CollectionDesk:
    """`now` is in seconds since the epoch, `clock` monotonic. Safe among threads."""

    def __init__(
        self,
        bucket: BucketClient,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bucket = bucket
        self._now, self._clock, self._pause = now, clock, pause
        self._me = secrets.token_hex(8)
        self._held, self._tag = NO_COLLECTION, ""
        self._condemned: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._since = threading.local()
        self._unanswered = False

    def is_condemned(self, key: str) -> bool:
        """As of the last look. What a killed process condemned is free once its turn is surely over."""
        return key in self._condemned and self._now() < self._held.expires + SKEW_SECONDS

    def look(self) -> int:
        """Read the document if it has changed; returns its generation. Raises StoreLost."""
        found: BucketObject | None
        try:
            found = self._bucket.get(COLLECTION_KEY, self._tag)
        except RefusedCall as refused:
            if refused.fault.kind is not FaultKind.ABSENT:
                raise refused.error from refused
            found = BucketObject(b"", "", 0)
        if found is not None:
            self._hear(_parsed(found.data), found.tag)
        return self._held.generation

    @contextmanager
    def referring(self) -> Iterator[None]:
        """The block may take `REFER_SECONDS`; `check_time` refuses after that."""
        self._since.value = self._clock()
        try:
            yield
        finally:
            self._since.value = None

    def check_time(self) -> None:
        """Before a swap. Raises Conflict `busy` in a block of `referring` that took too long: what it looked for may
        be gone."""
        since = getattr(self._since, "value", None)
        if since is not None and self._clock() - since > REFER_SECONDS:
            raise Conflict("busy", f"{self._bucket} is slow: the change took over {REFER_SECONDS:.0f} s; try again")

    def check_kept(self, key: str) -> None:
        """Before a write. Raises Conflict `busy` in a block of `referring` for what is condemned: it may be deleted
        after it was written."""
        if getattr(self._since, "value", None) is not None and self.is_condemned(key):
            raise Conflict("busy", f"{key} is about to be deleted from {self._bucket} as garbage; try again in minutes")

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Raises Conflict `busy` while another process collects."""
        self.look()
        if self._held.holder and self._held.holder != self._me and self._held.expires > self._now():
            left = self._held.expires - self._now()
            who = f"another process collects garbage in {self._bucket}"
            raise Conflict("busy", f"{who}; if it was killed, its turn ends in {left / 60:.0f} minutes")
        self._write(holder=self._me)
        try:
            yield
        finally:
            self._settle()
            self._write(holder="", condemned=())

    @contextmanager
    def removing(self, keys: Sequence[str]) -> Iterator[None]:
        """In a block of `collecting`. Raises Conflict `busy` if another process took its turn."""
        self._write(holder=self._me, condemned=tuple(keys))
        self._pause(SETTLE_SECONDS)
        self.renew()
        yield
        self._settle()
        self._write(holder=self._me, condemned=())

    def note_unanswered(self) -> None:
        """A request that removes got no answer, and may be carried out yet."""
        self._unanswered = True

    def renew(self) -> None:
        """Before each step that removes. Raises Conflict `busy`."""
        if self._held.expires <= self._now():  # this process stood still
            raise Conflict("busy", f"the turn to collect garbage in {self._bucket} is over; try again")
        self._write(holder=self._me)

    def _settle(self) -> None:
        """What may still go stays condemned, until it surely has gone."""
        if self._unanswered:
            self._pause(SETTLE_SECONDS)
            self._unanswered = False

    def _write(self, *, holder: str, condemned: tuple[str, ...] | None = None) -> None:
        held = self._held
        wanted = msgspec.structs.replace(
            held,
            holder=holder,
            expires=self._now() + LEASE_SECONDS if holder else 0.0,
            generation=held.generation + (condemned is not None),
            condemned=held.condemned if condemned is None else condemned,
        )
        content = msgspec.json.encode(wanted)
        try:
            self._take(wanted, self._put(content))
        except (AlreadyExists, Stale) as error:
            raise Conflict("busy", f"another process collects garbage in {self._bucket} by now") from error

    def _put(self, content: bytes) -> str:
        try:
            if not self._tag:
                return create(self._bucket, COLLECTION_KEY, content)
            return swap(self._bucket, COLLECTION_KEY, content, self._tag)
        except RefusedCall as refused:
            raise refused.error from refused

    def _hear(self, held: Collection, tag: str) -> None:
        """What was read. Of two threads that ask at once, the one with the older answer may be the later one; what was
        in force does not vanish."""
        with self._lock:
            in_force = self._held.expires + SKEW_SECONDS > self._now()
            if held.order >= self._held.order or (held is NO_COLLECTION and not in_force):
                self._held, self._tag, self._condemned = held, tag, frozenset(held.condemned)

    def _take(self, held: Collection, tag: str) -> None:
        """What was written."""
        with self._lock:
            self._held, self._tag, self._condemned = held, tag, frozenset(held.condemned)


def _parsed(content: bytes) -> Collection:
    if not content:
        return NO_COLLECTION
    try:
        found = _decoder.decode(content)
    except msgspec.DecodeError as error:
        raise StoreLost("unreadable_document", f"{COLLECTION_KEY} cannot be read: {error}") from error
    if found.format > COLLECTION_FORMAT:
        raise StoreLost("newer_format", f"{COLLECTION_KEY} has format {found.format}: upgrade this node")
    return found
