"""The reading side of the device facts: a look-up in memory that another process writes.

No lock and no system call. A half-written slot is read again; a table that was replaced carries a mark and is opened
again by its path. Without a table nothing is known about any device.
"""

import contextlib
import mmap
import os
import struct
import threading
from pathlib import Path
from zlib import crc32

from xxhash import xxh3_128_digest

from edge.domain.facts import NO_FACTS, DeviceFacts, failure_of
from edge.facts.slot import (
    FORGOT,
    KEY_BYTES,
    MOVED,
    PAGE_BYTES,
    SLOT_BYTES,
    SLOTS,
    TAGS_BYTES,
    WHOLE,
    UnreadableFacts,
    facts_of,
    forgetful,
    is_whole,
    page_of,
    parse_header,
    read_forgot,
    tag_of,
)

TORN_READS_LIMIT = 100  # a slot is written in nanoseconds; one that stays torn was left by a writer that was killed

_FIRST_WORD = struct.Struct("<Q").unpack_from


class FactsTable:
    """`problem` states why an existing table cannot be read; "" otherwise. `torn` counts slots that stayed torn."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: each look-up tries until the file is there."""
        self.problem = ""
        self.torn = 0
        self._path = path
        # Replaced as one, and never closed under a look-up: look-ups of large reports are made on threads.
        self._open_table: tuple[mmap.mmap, int, int] | None = None

    def look_up(self, app: str, device: str) -> DeviceFacts:
        """The device's facts, with every change that the writer has acknowledged."""
        return self.look_up_name(f"{app}\0{device}".encode())

    def look_up_name(self, name: bytes) -> DeviceFacts:
        """`look_up` by the app and the device with a zero between them."""
        table = self._open_table
        if table is None or table[0][MOVED]:
            table = self._open()
            if table is None:
                return NO_FACTS
        held, pages, seed = table
        # key_of, page_of, tag_of, find_slot and is_whole inlined: their calls were a third of a look-up.
        key = xxh3_128_digest(name, seed)[:KEY_BYTES]
        start = PAGE_BYTES + _FIRST_WORD(key)[0] % pages * PAGE_BYTES
        tag = key[11:] if key[11] else b"\1"
        at = held.find(tag, start, start + SLOTS)
        while at >= 0:
            place = start + TAGS_BYTES + (at - start) * SLOT_BYTES
            slot = held[place : place + SLOT_BYTES]
            if slot[:KEY_BYTES] == key:
                return facts_of(slot) if crc32(slot) == WHOLE else self._read_again(held, start, key)
            at = held.find(tag, at + 1, start + SLOTS)
        return _nobody(held, start) if held[start + FORGOT] or held[start + FORGOT + 1] else NO_FACTS

    def is_withheld(self, key: bytes, bundle: int) -> bool:
        """Whether `bundle`, a `name_hash`, is or was withheld from the device with this key (`slot.key_of`)."""
        table = self._open_table
        if table is None or table[0][MOVED]:
            table = self._open()
            if table is None:
                return False
        held, pages, _ = table
        start = PAGE_BYTES + page_of(key, pages) * PAGE_BYTES
        slot = find_slot(held, start, key)
        if slot is None:
            return False
        failure = failure_of(facts_of(slot) if is_whole(slot) else self._read_again(held, start, key), bundle)
        return failure is not None and failure.withheld

    def close(self) -> None:
        """The table is unmapped when no look-up reads it any more."""
        self._open_table = None

    def _read_again(self, held: mmap.mmap, start: int, key: bytes) -> DeviceFacts:
        for _ in range(TORN_READS_LIMIT):
            os.sched_yield()
            slot = find_slot(held, start, key)
            if slot is None:
                return _nobody(held, start)
            if is_whole(slot):
                return facts_of(slot)
        self.torn += 1
        return NO_FACTS

    def _open(self) -> tuple[mmap.mmap, int, int] | None:
        """The table now at the path; the one already open if there is none."""
        try:
            with self._path.open("rb") as file:
                held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return self._open_table
        except (OSError, ValueError) as error:
            self.problem = f"facts table: {error}"
            return self._open_table
        try:
            header = parse_header(held[:PAGE_BYTES], len(held))
        except UnreadableFacts as error:
            held.close()
            self.problem = str(error)
            return self._open_table
        # Saves the first look-ups waiting for the disk. It takes tens of milliseconds for a gigabyte, and we may be on
        # a loop: a table that has grown is opened there.
        threading.Thread(target=_read_ahead, args=(self._path,), name="facts-read-ahead", daemon=True).start()
        table = (held, *header)
        self._open_table, self.problem = table, ""
        return table


def _read_ahead(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("rb") as file:  # only advice
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def find_slot(held: mmap.mmap, start: int, key: bytes) -> bytes | None:
    """The key's slot, perhaps torn, in the page at `start`."""
    tags = held[start : start + SLOTS]
    tag = tag_of(key)
    at = tags.find(tag)
    while at >= 0:
        place = start + TAGS_BYTES + at * SLOT_BYTES
        slot = held[place : place + SLOT_BYTES]
        if slot.startswith(key):
            return slot
        at = tags.find(tag, at + 1)
    return None


def _nobody(held: mmap.mmap, start: int) -> DeviceFacts:
    """The facts of a device that is not in its page."""
    return forgetful(read_forgot(held, start))
