"""The writing side of the table: one process puts slots where readers find them, and grows the file.

A reader may look at any moment: a slot is written before its tag, a tag is cleared before its slot, and a larger file
is whole and durable before it takes the path and the old one is marked as moved. At the largest size, full pages evict.
Putting a slot twice is harmless, so the log can be replayed onto a table of any later moment.
"""

import contextlib
import errno
import mmap
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edge.domain.facts import DeviceFacts, forgotten_with
from edge.facts.slot import (
    FORGOT,
    KEY_BYTES,
    MOVED,
    PAGE_BYTES,
    SLOT_BYTES,
    SLOTS,
    TAGS_BYTES,
    SlotKind,
    TableHeader,
    day_touched,
    encode_forgot,
    encode_header,
    facts_of,
    forgetful,
    is_empty,
    is_whole,
    key_of,
    kind_of,
    page_of,
    parse_header,
    read_forgot,
    tag_of,
    worth,
)
from edge.facts.table import find_slot
from edge.store.disk.durable_files import sync_directory, sync_file
from edge.store.disk.room import DiskFull, cannot_write, is_full

TABLE_NAME = "facts.table"  # what workers open, in the writer's directory
DEVICES_PER_PAGE = 38  # of 56 slots: chance then overfills a page for one device in 10,000
FIRST_PAGES_LIMIT = 32  # a new table is 64 to 128 KiB
GROWTH_CHUNK_PAGES = 256  # read, split and written at once
FREE_SLOT = bytes(SLOT_BYTES)
ALL = range(SLOTS)


class FactPages:
    """The table at `path`, for its only writer. Blocks on the disk when it grows. `evicted` counts devices by what was
    known of them, `growth_failures` attempts to grow, `limit` is how many pages it may have."""

    def __init__(self, path: Path, capacity: int) -> None:
        """Opens an existing file. `capacity`, in devices, limits growth; a larger table keeps its size.

        Raises FileNotFoundError, UnreadableFacts.
        """
        self.evicted: Counter[SlotKind] = Counter()
        self.growth_failures = 0
        self._path = path
        self._map, self._header = _open(path)
        self.limit = max(largest_pages(capacity), self.pages)

    @property
    def seed(self) -> int:
        return self._header.seed

    @property
    def pages(self) -> int:
        return self._header.pages

    def key_of(self, app: str, device: str) -> bytes:
        return key_of(app, device, self._header.seed)

    def read(self, key: bytes) -> tuple[DeviceFacts, int]:
        """The facts, and the day they were last touched (since the epoch); 0 if the device is not in the table."""
        start = self._start(key)
        slot = find_slot(self._map, start, key)
        if slot and is_whole(slot):
            return facts_of(slot), day_touched(slot)
        return forgetful(read_forgot(self._map, start)), 0

    def prepare(self, slots: list[bytes]) -> None:
        """Grow if one of the slots has no place. Raises DiskFull if that is for lack of room alone: then the facts are
        refused that no others have to make room for."""
        for slot in slots:
            if self._is_crowded(slot) and not self._grow() and self._may_grow():
                size_bytes = 2 * self.pages * PAGE_BYTES
                raise DiskFull(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), self._path, size_bytes)

    def put(self, slot: bytes) -> None:
        """Make a slot visible: over the key's own, or in a free place. An empty slot removes the key."""
        key = slot[:KEY_BYTES]
        if is_empty(slot):
            self._remove(key)
        elif not self._overwrite(slot, key) and not self._insert(slot, key):
            if not self._grow():
                self._evict(self._start(key))
            self.put(slot)

    def replay(self, slot: bytes) -> None:
        """Put a slot from the log. After a power cut the tags and slots of its page may disagree."""
        key = slot[:KEY_BYTES]
        places = list(self._places(key))
        for place in places[1:]:
            self._map[place : place + SLOT_BYTES] = FREE_SLOT
        if places and not is_empty(slot):
            self._map[places[0] : places[0] + SLOT_BYTES] = slot
            self._map[_tag_place(places[0])] = tag_of(key)
        elif is_empty(slot) or self._has_room_for(slot):
            self.put(slot)
        else:
            self._note_forgotten(self._start(key), slot)

    def swap(self, factor: int) -> None:
        """Replace the file by a durable copy with `factor` (1 or 2) times the pages. Raises OSError."""
        larger = TableHeader(self.pages * factor, self.seed)
        unfinished = self._path.with_suffix(".new")
        try:
            with _new_file(unfinished, larger) as fd:
                _split_pages(self._map, self.pages, fd, factor)
                os.fsync(fd)
            new, header = _open(unfinished)
            unfinished.rename(self._path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        old, self._map, self._header = self._map, new, header
        old[MOVED] = 1
        old.close()
        sync_directory(self._path.parent)

    def sync(self) -> None:
        """Make everything that was put durable. May be called while another thread puts. Raises OSError."""
        sync_file(self._path)

    def close(self) -> None:
        self._map.close()

    def _start(self, key: bytes) -> int:
        return PAGE_BYTES + page_of(key, self._header.pages) * PAGE_BYTES

    def _is_crowded(self, slot: bytes) -> bool:
        """Whether the page of a device that is not in it is full, and the table may grow."""
        start = self._start(slot)
        if 0 in self._map[start : start + SLOTS] or is_empty(slot):
            return False
        return find_slot(self._map, start, slot[:KEY_BYTES]) is None and self._may_grow()

    def _has_room_for(self, slot: bytes) -> bool:
        """Whether the page has room, can grow, or holds a slot of less worth: replay must not undo an eviction."""
        start = self._start(slot)
        page = self._map[start : start + PAGE_BYTES]
        return 0 in page[:SLOTS] or self._may_grow() or worth(slot) >= min(worth(_slot_at(page, at)) for at in ALL)

    def _overwrite(self, slot: bytes, key: bytes) -> bool:
        start = self._start(key)
        tags = self._map[start : start + SLOTS]
        at = -1
        while (at := tags.find(tag_of(key), at + 1)) >= 0:
            place = start + TAGS_BYTES + at * SLOT_BYTES
            if self._map[place : place + KEY_BYTES] == key:
                self._map[place : place + SLOT_BYTES] = slot
                return True
        return False

    def _insert(self, slot: bytes, key: bytes) -> bool:
        start = self._start(key)
        at = self._map[start : start + SLOTS].find(0)
        if at < 0:
            return False
        place = start + TAGS_BYTES + at * SLOT_BYTES
        self._map[place : place + SLOT_BYTES] = slot
        self._map[start + at] = tag_of(key)
        return True

    def _remove(self, key: bytes) -> None:
        for place in self._places(key):
            self._map[_tag_place(place)] = 0
            self._map[place : place + SLOT_BYTES] = FREE_SLOT

    def _places(self, key: bytes) -> Iterator[int]:
        """Where slots with the key are in its page, tagged or not."""
        start = self._start(key)
        page = self._map[start : start + PAGE_BYTES]
        at = TAGS_BYTES - 1
        while (at := page.find(key, at + 1)) >= 0:
            if (at - TAGS_BYTES) % SLOT_BYTES == 0:
                yield start + at

    def _evict(self, start: int) -> None:
        """Free one slot of a full page. Slots of equal worth go in turn: else the newest of a day would always go."""
        turn = self.evicted.total() % SLOTS
        order = [*ALL[turn:], *ALL[:turn]]
        page = self._map[start : start + PAGE_BYTES]
        at = min(order, key=lambda at: worth(_slot_at(page, at)))
        slot = _slot_at(page, at)
        self._note_forgotten(start, slot)
        self._map[start + at] = 0
        place = start + TAGS_BYTES + at * SLOT_BYTES
        self._map[place : place + SLOT_BYTES] = FREE_SLOT
        self.evicted[kind_of(slot)] += 1

    def _note_forgotten(self, start: int, slot: bytes) -> None:
        """A slot with failures goes: a device not in the page may have failed with any bundle published by then."""
        forgot = forgotten_with(facts_of(slot)) if is_whole(slot) else 0
        if forgot > read_forgot(self._map, start):
            self._map[start + FORGOT : start + TAGS_BYTES] = encode_forgot(forgot).ljust(TAGS_BYTES - FORGOT, b"\0")

    def _may_grow(self) -> bool:
        return not self.growth_failures and self.pages * 2 <= self.limit

    def _grow(self) -> bool:
        """Whether the table has grown. Without room on the disk that is tried again: its blocks are allocated first."""
        if not self._may_grow():
            return False
        try:
            self.swap(2)
        except OSError as error:
            if not is_full(error):
                self.growth_failures += 1  # not tried again until the next start: each attempt writes the whole table
            return False
        return True


def create_pages(path: Path, capacity: int, seed: int | None = None) -> None:
    """Make a small empty table at `path`, durably; readers of an older one will move to it. Raises OSError."""
    header = TableHeader(_first_pages(capacity), secrets.randbits(64) if seed is None else seed)
    unfinished = path.with_suffix(".new")
    with _new_file(unfinished, header) as fd:
        os.fsync(fd)
    try:
        old = path.open("r+b")
    except FileNotFoundError:
        unfinished.rename(path)
    else:
        with old:
            unfinished.rename(path)
            os.pwrite(old.fileno(), b"\1", MOVED)
    sync_directory(path.parent)


def largest_pages(capacity: int) -> int:
    """How many pages a table for so many devices may grow to."""
    first = _first_pages(capacity)
    while first * DEVICES_PER_PAGE < capacity:
        first *= 2
    return first


def _first_pages(capacity: int) -> int:
    """The number from which doubling leads to just enough pages for the capacity."""
    pages = max(-(-capacity // DEVICES_PER_PAGE), 1)
    while pages > FIRST_PAGES_LIMIT:
        pages = -(-pages // 2)
    return pages


def _open(path: Path) -> tuple[mmap.mmap, TableHeader]:
    try:
        return _mapped(path, "r+b", mmap.ACCESS_WRITE)
    except OSError as error:
        if not cannot_write(error):
            raise
        return _mapped(path, "rb", mmap.ACCESS_COPY)  # read-only: nothing is acknowledged, and readers see the file


def _mapped(path: Path, mode: str, access: int) -> tuple[mmap.mmap, TableHeader]:
    with path.open(mode) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        header = parse_header(file.read(PAGE_BYTES), size_bytes)
        return mmap.mmap(file.fileno(), size_bytes, access=access), header


@contextlib.contextmanager
def _new_file(path: Path, header: TableHeader) -> Iterator[int]:
    """A file with its header and all its blocks: filling a hole on first touch could fail."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, (header.pages + 1) * PAGE_BYTES)
        os.pwrite(fd, encode_header(header), 0)
        yield fd
    finally:
        os.close(fd)


def _slot_at(page: bytes, at: int) -> bytes:
    place = TAGS_BYTES + at * SLOT_BYTES
    return page[place : place + SLOT_BYTES]


def _tag_place(place: int) -> int:
    start = place - place % PAGE_BYTES
    return start + (place - start - TAGS_BYTES) // SLOT_BYTES


def _split_pages(table: mmap.mmap, pages: int, fd: int, factor: int) -> None:
    """Write every page's slots to their places among `factor` times as many pages."""
    for first in range(0, pages, GROWTH_CHUNK_PAGES):
        numbers = range(first, min(first + GROWTH_CHUNK_PAGES, pages))
        halves = [_split_page(table, number, pages, factor) for number in numbers]
        for half in range(factor):
            chunk = b"".join([page[half] for page in halves])
            os.pwrite(fd, chunk, (1 + first + half * pages) * PAGE_BYTES)


def _split_page(table: mmap.mmap, number: int, pages: int, factor: int) -> list[bytes]:
    start = (number + 1) * PAGE_BYTES
    page = table[start : start + PAGE_BYTES]
    tags = [bytearray() for _ in range(factor)]
    slots: list[list[bytes]] = [[] for _ in range(factor)]
    for at in ALL:
        if tag := page[at]:
            slot = _slot_at(page, at)
            half, home = divmod(page_of(slot, pages * factor), pages)
            if home == number:  # else a power cut left it in the wrong page
                tags[half].append(tag)
                slots[half].append(slot)
    forgot = page[FORGOT:TAGS_BYTES]
    return [
        (bytes(tags[half]).ljust(FORGOT, b"\0") + forgot + b"".join(slots[half])).ljust(PAGE_BYTES, b"\0")
        for half in range(factor)
    ]
