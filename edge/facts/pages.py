"""The writing side of the table: one process puts slots where readers find them, and makes the file larger.

A reader may look at any moment: a slot is in its place before its tag, a tag is gone before its slot, and a larger
file is whole and durable before it takes the path and the old one says that it moved. Full pages at the largest size
evict. Putting a slot twice is harmless, which is what makes the log replayable onto a table of any later moment.
"""

import contextlib
import mmap
import os
import secrets
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
    TableHeader,
    day_touched,
    encode_forgot,
    encode_header,
    facts_of,
    forgetful,
    is_empty,
    is_whole,
    key_of,
    page_of,
    parse_header,
    read_forgot,
    tag_of,
    worth,
)
from edge.facts.table import find_slot
from edge.store.disk.durable_files import sync_directory, sync_file

TABLE_NAME = "facts.table"  # what workers open, in the writer's directory
DEVICES_PER_PAGE = 38  # of 56 slots: then chance fills a page too early for one device in 10,000
FIRST_PAGES_LIMIT = 32  # a new table is 64 to 128 KiB
GROWTH_CHUNK_PAGES = 256  # read, parted and written at once
FREE_SLOT = bytes(SLOT_BYTES)
ALL = range(SLOTS)


class FactPages:
    """The table at `path`, for its only writer. Blocks on the disk when it grows. `evicted` counts devices."""

    def __init__(self, path: Path, capacity: int) -> None:
        """Opens what is there. `capacity` in devices says how far it may grow: a table that is larger stays so.

        Raises FileNotFoundError, facts_slot.UnreadableFacts.
        """
        self.evicted = 0
        self.growth_failures = 0
        self._path = path
        self._pages_limit = largest_pages(capacity)
        self._map, self._header = _open(path)

    @property
    def seed(self) -> int:
        return self._header.seed

    @property
    def pages(self) -> int:
        return self._header.pages

    def key_of(self, app: str, device: str) -> bytes:
        return key_of(app, device, self._header.seed)

    def read(self, key: bytes) -> tuple[DeviceFacts, int]:
        """The facts and the day they were last touched, 0 when there are none."""
        start = self._start(key)
        slot = find_slot(self._map, start, key)
        if slot and is_whole(slot):
            return facts_of(slot), day_touched(slot)
        return forgetful(read_forgot(self._map, start)), 0

    def put(self, slot: bytes) -> None:
        """Make a slot visible, in place of the key's own or in a free place; an empty one removes the key."""
        key = slot[:KEY_BYTES]
        if is_empty(slot):
            self._remove(key)
        elif not self._overwrite(slot, key) and not self._insert(slot, key):
            if not self._grow():
                self._evict(self._start(key))
            self.put(slot)

    def replay(self, slot: bytes) -> None:
        """Put a slot from the log, whatever a power cut has left of its page: tags and slots may disagree."""
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
        """A durable copy with `factor` (1 or 2) times the pages takes the file's place. Raises OSError."""
        larger = TableHeader(self.pages * factor, self.seed)
        unborn = self._path.with_suffix(".new")
        try:
            with _new_file(unborn, larger) as fd:
                _part(self._map, self.pages, fd, factor)
                os.fsync(fd)
            new, header = _open(unborn)
            unborn.rename(self._path)
        except OSError:
            unborn.unlink(missing_ok=True)
            raise
        old, self._map, self._header = self._map, new, header
        old[MOVED] = 1
        old.close()
        sync_directory(self._path.parent)

    def sync(self) -> None:
        """Everything that was put is durable when it returns. May be called while another thread puts."""
        sync_file(self._path)

    def close(self) -> None:
        self._map.close()

    def _start(self, key: bytes) -> int:
        return PAGE_BYTES + page_of(key, self._header.pages) * PAGE_BYTES

    def _has_room_for(self, slot: bytes) -> bool:
        """Whether a full page holds something of less worth: what had been evicted does not come back for others."""
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
        """Every slot of the page that begins with the key, tagged or not."""
        start = self._start(key)
        page = self._map[start : start + PAGE_BYTES]
        at = TAGS_BYTES - 1
        while (at := page.find(key, at + 1)) >= 0:
            if (at - TAGS_BYTES) % SLOT_BYTES == 0:
                yield start + at

    def _evict(self, start: int) -> None:
        """Free one slot of a full page. Equals go in turn, lest the newest of a day always makes room for the next."""
        turn = self.evicted % SLOTS
        order = [*ALL[turn:], *ALL[:turn]]
        page = self._map[start : start + PAGE_BYTES]
        at = min(order, key=lambda at: worth(_slot_at(page, at)))
        self._note_forgotten(start, _slot_at(page, at))
        self._map[start + at] = 0
        place = start + TAGS_BYTES + at * SLOT_BYTES
        self._map[place : place + SLOT_BYTES] = FREE_SLOT
        self.evicted += 1

    def _note_forgotten(self, start: int, slot: bytes) -> None:
        """A slot goes that says what failed: from now on nobody who is not in the page is known to have failed with
        nothing that was there by then."""
        forgot = forgotten_with(facts_of(slot)) if is_whole(slot) else 0
        if forgot > read_forgot(self._map, start):
            self._map[start + FORGOT : start + TAGS_BYTES] = encode_forgot(forgot).ljust(TAGS_BYTES - FORGOT, b"\0")

    def _may_grow(self) -> bool:
        return not self.growth_failures and self.pages * 2 <= self._pages_limit

    def _grow(self) -> bool:
        """Whether there is more room now. A disk without room makes the table evict at the size it has."""
        if not self._may_grow():
            return False
        try:
            self.swap(2)
        except OSError:
            self.growth_failures += 1  # not tried again before the next start: each attempt writes the whole table
            return False
        return True


def create_pages(path: Path, capacity: int, seed: int | None = None) -> None:
    """A small empty table at `path`, durably; readers of one that was there are told. Raises OSError."""
    header = TableHeader(_first_pages(capacity), secrets.randbits(64) if seed is None else seed)
    unborn = path.with_suffix(".new")
    with _new_file(unborn, header) as fd:
        os.fsync(fd)
    try:
        old = path.open("r+b")
    except FileNotFoundError:
        unborn.rename(path)
    else:
        with old:
            unborn.rename(path)
            os.pwrite(old.fileno(), b"\1", MOVED)
    sync_directory(path.parent)


def largest_pages(capacity: int) -> int:
    first = _first_pages(capacity)
    while first * DEVICES_PER_PAGE < capacity:
        first *= 2
    return first


def _first_pages(capacity: int) -> int:
    """What doubling leads from to just enough pages for the capacity."""
    pages = max(-(-capacity // DEVICES_PER_PAGE), 1)
    while pages > FIRST_PAGES_LIMIT:
        pages = -(-pages // 2)
    return pages


def _open(path: Path) -> tuple[mmap.mmap, TableHeader]:
    with path.open("r+b") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        header = parse_header(file.read(PAGE_BYTES), size_bytes)
        return mmap.mmap(file.fileno(), size_bytes), header


@contextlib.contextmanager
def _new_file(path: Path, header: TableHeader) -> Iterator[int]:
    """A file with its header and room for its pages: a hole would be filled, or not, when a page is first touched."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
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


def _part(table: mmap.mmap, pages: int, fd: int, factor: int) -> None:
    """Write every page's slots to where they belong among `factor` times as many pages."""
    for first in range(0, pages, GROWTH_CHUNK_PAGES):
        numbers = range(first, min(first + GROWTH_CHUNK_PAGES, pages))
        parted = [_parted_page(table, number, pages, factor) for number in numbers]
        for half in range(factor):
            chunk = b"".join([page[half] for page in parted])
            os.pwrite(fd, chunk, (1 + first + half * pages) * PAGE_BYTES)


def _parted_page(table: mmap.mmap, number: int, pages: int, factor: int) -> list[bytes]:
    start = (number + 1) * PAGE_BYTES
    page = table[start : start + PAGE_BYTES]
    tags = [bytearray() for _ in range(factor)]
    slots: list[list[bytes]] = [[] for _ in range(factor)]
    for at in ALL:
        if tag := page[at]:
            slot = _slot_at(page, at)
            half, home = divmod(page_of(slot, pages * factor), pages)
            if home == number:  # not what a power cut left there
                tags[half].append(tag)
                slots[half].append(slot)
    forgot = page[FORGOT:TAGS_BYTES]
    return [
        (bytes(tags[half]).ljust(FORGOT, b"\0") + forgot + b"".join(slots[half])).ljust(PAGE_BYTES, b"\0")
        for half in range(factor)
    ]
