"""The writing side of the table of behaviour: the folding process shows workers what its rows say, after each commit.

The rows are the truth: the table is made again of them at a start, when the name of a feature lost its bit, and as a
larger one when a page is full. At the largest size, a full page evicts the device that was judged longest ago, which
is unknown to workers until its next judgement.
"""

import contextlib
import mmap
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from zlib import crc32

from edge.telemetry.behaviour.pages import (
    BEHAVIOUR_SLOT_BYTES,
    KEY_SIZE,
    NAMES_STATE,
    PAGE_SLOTS,
    REPLACED,
    SLOTS_START,
    TABLE_PAGE_BYTES,
    WHOLE_SLOT,
    BehaviourHeader,
    UnreadableBehaviour,
    encode_behaviour_slot,
    encode_name_slot,
    encode_table_header,
    is_name_day,
    judged_day_of,
    packed_key,
    parse_table_header,
    place_of_key,
)
from edge.telemetry.behaviour.rows import Judgement, NotedBatch

CAPACITY_BEHAVIOURS = 10_000_000  # devices: 1 GB at the largest; a table that few devices use is as small as they are
FILLED_SLOTS = 50  # of a page's 90, when a table is made: chance overfills one page in a million
GROWTH = 1.25  # a table has 25 % more pages than the one that got full: 100 bytes a device at most
SMALLEST_PAGES = 16


class BehaviourTableWriter:
    """The table at `path`, for its only writer. `evicted` counts devices that had to make room, `made` how often the
    table was made. Blocks."""

    def __init__(self, path: Path, *, capacity: int = CAPACITY_BEHAVIOURS) -> None:
        """Writes nothing: `make` does."""
        self.evicted = 0
        self.made = 0
        self._path = path
        self._limit = max(capacity // FILLED_SLOTS, SMALLEST_PAGES)
        self._header = BehaviourHeader(1, 0)
        self._map: mmap.mmap | None = None
        self._names = 0

    @property
    def size_bytes(self) -> int:
        return (self._header.pages + 1) * TABLE_PAGE_BYTES

    def make(self, judgements: Iterable[Judgement], places: Mapping[tuple[str, str], int], expected: int) -> None:
        """Replace the table by one of `judgements`, those judged last coming last, and of the bits of features.
        `expected` is how many devices there are, about. Raises OSError, with the old table in its place."""
        names = (encode_name_slot(app, name, place) for (app, name), place in places.items())
        slots = (_slot(each) for each in judgements if each.encoded is not None)
        pages = -(-(expected + len(places)) // FILLED_SLOTS)
        self._replace(pages, [*names], slots)

    def show(self, noted: NotedBatch) -> None:
        """Put what a committed batch judged, but for `is_whole_table`, after which the table is to be made again.
        Raises OSError."""
        for (app, name), place in noted.places.items():
            self._put(encode_name_slot(app, name, place))
        if noted.places:
            self._tell_names()
        self.show_all(noted.judgements)

    def show_all(self, judgements: Iterable[Judgement]) -> None:
        """Raises OSError."""
        for each in judgements:
            if each.encoded is None:
                self._remove(packed_key(each.device))
            else:
                self._put(_slot(each))

    def resume(self) -> bool:
        """Go on with the table at the path, if it can be read. Raises OSError."""
        try:
            with self._path.open("r+b") as file:
                held = mmap.mmap(file.fileno(), 0)
            self._header = parse_table_header(held[:TABLE_PAGE_BYTES], len(held))
        except (FileNotFoundError, ValueError, UnreadableBehaviour):
            return False
        self._map = held
        return True

    def take(self, slots: bytes) -> None:
        """Put slots that another node's table has; one without a judgement takes the device out. Those that are damaged
        are left out. Raises OSError."""
        named = False
        for at in range(0, len(slots) - BEHAVIOUR_SLOT_BYTES + 1, BEHAVIOUR_SLOT_BYTES):
            slot = slots[at : at + BEHAVIOUR_SLOT_BYTES]
            day = judged_day_of(slot)
            if day:
                self._put(slot)
                named = named or is_name_day(day)
            elif crc32(slot) == WHOLE_SLOT:
                self._remove(slot[:KEY_SIZE])
        if named:
            self._tell_names()

    def replace_by(self, other: "BehaviourTableWriter") -> None:
        """Show what `other` shows, and nothing else. Raises OSError."""
        held = other._held()
        self._replace(other._header.pages, _slots(held))

    def sync(self) -> None:
        """Make what was put durable. Raises OSError."""
        if self._map is not None:
            self._map.flush()

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None

    def _replace(self, pages: int, *groups: Iterable[bytes]) -> None:
        pages = max(min(pages, self._limit), SMALLEST_PAGES)
        header = BehaviourHeader(pages, secrets.randbits(64))
        unfinished = self._path.with_suffix(".new")
        try:
            new = _new_map(unfinished, header)
            for slots in groups:
                for slot in slots:
                    self.evicted += _put(new, header, slot)
            with _old_file(self._path) as replaced:
                unfinished.rename(self._path)
                replaced()
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        old, self._map, self._header = self._map, new, header
        self.made += 1
        self._tell_names()
        if old is not None:
            old.close()

    def _put(self, slot: bytes) -> None:
        held = self._held()
        if self._header.pages < self._limit and not _has_place(held, self._header, slot):
            self._replace(int(self._header.pages * GROWTH) + 1, _slots(held))
            held = self._held()
        self.evicted += _put(held, self._header, slot)

    def _remove(self, key: bytes) -> None:
        held = self._held()
        start, tag = place_of_key(key, self._header)
        at = _find(held, start, tag, key)
        if at >= 0:
            held[start + at] = 0
            place = start + SLOTS_START + at * BEHAVIOUR_SLOT_BYTES
            held[place : place + BEHAVIOUR_SLOT_BYTES] = bytes(BEHAVIOUR_SLOT_BYTES)

    def _held(self) -> mmap.mmap:
        if self._map is None:
            self._replace(SMALLEST_PAGES)
        assert self._map is not None, "it has just been made"
        return self._map

    def _tell_names(self) -> None:
        self._names = (self._names + 1) % (1 << 32)
        if self._map is not None:
            self._map[NAMES_STATE] = self._names.to_bytes(NAMES_STATE.stop - NAMES_STATE.start, "little")


def _slot(judgement: Judgement) -> bytes:
    assert judgement.encoded is not None, "the caller has looked"
    return encode_behaviour_slot(packed_key(judgement.device), judgement.encoded)


def _new_map(path: Path, header: BehaviourHeader) -> mmap.mmap:
    """A file of free slots; its pages have their blocks, so that writing one cannot meet a full disk."""
    with path.open("wb+") as file:
        size_bytes = (header.pages + 1) * TABLE_PAGE_BYTES
        os.posix_fallocate(file.fileno(), 0, size_bytes)
        held = mmap.mmap(file.fileno(), size_bytes)
    held[:TABLE_PAGE_BYTES] = encode_table_header(header)
    return held


def _find(held: mmap.mmap, start: int, tag: int, key: bytes) -> int:
    """The number of the key's slot in the page at `start`; -1: it has none."""
    tags = held[start : start + PAGE_SLOTS]
    at = tags.find(tag)
    while at >= 0:
        place = start + SLOTS_START + at * BEHAVIOUR_SLOT_BYTES
        if held[place : place + KEY_SIZE] == key:
            return at
        at = tags.find(tag, at + 1)
    return -1


def _has_place(held: mmap.mmap, header: BehaviourHeader, slot: bytes) -> bool:
    key = slot[:KEY_SIZE]
    start, tag = place_of_key(key, header)
    return 0 in held[start : start + PAGE_SLOTS] or _find(held, start, tag, key) >= 0


def _put(held: mmap.mmap, header: BehaviourHeader, slot: bytes) -> bool:
    """Over the key's own slot, else in a free one, else in that of the device judged longest ago: then True."""
    key = slot[:KEY_SIZE]
    start, tag = place_of_key(key, header)
    at = _find(held, start, tag, key)
    evicts = False
    if at < 0:
        at = held.find(b"\0", start, start + PAGE_SLOTS) - start
        if at < 0:
            at, evicts = _oldest(held, start), True
            held[start + at] = 0
    place = start + SLOTS_START + at * BEHAVIOUR_SLOT_BYTES
    held[place : place + BEHAVIOUR_SLOT_BYTES] = slot
    held[start + at] = tag
    return evicts


def _oldest(held: mmap.mmap, start: int) -> int:
    first = start + SLOTS_START
    places = range(first, first + PAGE_SLOTS * BEHAVIOUR_SLOT_BYTES, BEHAVIOUR_SLOT_BYTES)
    days = [judged_day_of(held[place : place + BEHAVIOUR_SLOT_BYTES]) for place in places]
    return days.index(min(days))


def _slots(held: mmap.mmap) -> Iterator[bytes]:
    """Every slot that is used."""
    for start in range(TABLE_PAGE_BYTES, len(held), TABLE_PAGE_BYTES):
        page = held[start : start + TABLE_PAGE_BYTES]
        for at in range(PAGE_SLOTS):
            if page[at]:
                place = SLOTS_START + at * BEHAVIOUR_SLOT_BYTES
                yield page[place : place + BEHAVIOUR_SLOT_BYTES]


@contextlib.contextmanager
def _old_file(path: Path) -> Iterator[Callable[[], None]]:
    """A function that marks the file which is at the path now as replaced, whoever wrote it."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield lambda: None
        return

    def replaced() -> None:
        os.pwrite(fd, b"\1", REPLACED)

    try:
        yield replaced
    finally:
        os.close(fd)
