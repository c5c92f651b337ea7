"""The reading side of the table of behaviour: a look-up in memory that another process writes.

No lock and no system call. A half-written slot is read again; a table that was replaced carries a mark and is opened
again by its path. Without a table, no device was judged.
"""

import mmap
import os
from pathlib import Path
from zlib import crc32

from xxhash import xxh3_64_intdigest

from edge.domain.facts import NOT_JUDGED, Behaviour
from edge.telemetry.behaviour.judgements import parse_judgement
from edge.telemetry.behaviour.pages import (
    BEHAVIOUR_SLOT_BYTES,
    CHECK_SIZE,
    KEY_SIZE,
    NAMES_STATE,
    PAGE_SLOTS,
    REPLACED,
    SLOTS_START,
    TABLE_PAGE_BYTES,
    WHOLE_SLOT,
    BehaviourHeader,
    UnreadableBehaviour,
    name_key,
    packed_key,
    parse_table_header,
    place_of_key,
)

TORN_READINGS_LIMIT = 100  # a slot is written in nanoseconds; one that stays torn was left by a writer that was killed
NAMES_LIMIT = 20_000  # places of names that are remembered, of all apps; then they are looked up again


class BehaviourTable:
    """`problem` states why an existing table cannot be read; "" otherwise."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: each look-up tries until the file is there."""
        self.problem = ""
        self._path = path
        # Replaced as one, and never closed under a look-up.
        self._open_table: tuple[mmap.mmap, BehaviourHeader] | None = None
        self._places: dict[tuple[str, str], int | None] = {}
        self._names_state = b""

    def look_up(self, app: str, device: str) -> Behaviour:
        """The device's latest judgement, as of the last fold; NOT_JUDGED if there is none."""
        return self.look_up_name(f"{app}\0{device}".encode())

    def look_up_name(self, name: bytes) -> Behaviour:
        """`look_up` by the app and the device with a zero between them."""
        judgement = self._judgement(xxh3_64_intdigest(name).to_bytes(KEY_SIZE, "little"))
        if judgement is None:
            return NOT_JUDGED
        app, _, _ = name.partition(b"\0")
        return parse_judgement(judgement, lambda feature: self._place_of(app.decode(), feature))

    def of_device(self, app: str, device: int) -> Behaviour:
        """`look_up` by the `device_key`."""
        judgement = self._judgement(packed_key(device))
        return NOT_JUDGED if judgement is None else parse_judgement(judgement, lambda name: self._place_of(app, name))

    def close(self) -> None:
        """The table is unmapped when no look-up reads it any more."""
        self._open_table = None

    def _place_of(self, app: str, name: str) -> int | None:
        table = self._table()
        if table is None:
            return None
        if table[0][NAMES_STATE] != self._names_state or len(self._places) >= NAMES_LIMIT:
            self._names_state = table[0][NAMES_STATE]
            self._places = {}
        if (app, name) not in self._places:
            judgement = self._judgement(name_key(app, name))
            self._places[app, name] = None if judgement is None else parse_judgement(judgement, _no_place).places
        return self._places[app, name]

    def _judgement(self, key: bytes) -> bytes | None:
        table = self._table()
        if table is None:
            return None
        held, header = table
        for _ in range(TORN_READINGS_LIMIT):
            slot = _find_slot(held, header, key)
            if slot is None or crc32(slot) == WHOLE_SLOT:
                return None if slot is None else slot[KEY_SIZE:-CHECK_SIZE]
            os.sched_yield()
        return None

    def _table(self) -> tuple[mmap.mmap, BehaviourHeader] | None:
        table = self._open_table
        return self._open() if table is None or table[0][REPLACED] else table

    def _open(self) -> tuple[mmap.mmap, BehaviourHeader] | None:
        """The table now at the path; the one already open if there is none."""
        try:
            with self._path.open("rb") as file:
                held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return self._open_table
        except (OSError, ValueError) as error:
            self.problem = f"behaviour table: {error}"
            return self._open_table
        try:
            header = parse_table_header(held[:TABLE_PAGE_BYTES], len(held))
        except UnreadableBehaviour as error:
            held.close()
            self.problem = str(error)
            return self._open_table
        self._names_state, self.problem = b"", ""
        self._open_table = table = held, header
        return table


def _find_slot(held: mmap.mmap, header: BehaviourHeader, key: bytes) -> bytes | None:
    """The key's slot, perhaps torn."""
    start, tag = place_of_key(key, header)
    tags = held[start : start + PAGE_SLOTS]
    at = tags.find(tag)
    while at >= 0:
        place = start + SLOTS_START + at * BEHAVIOUR_SLOT_BYTES
        slot = held[place : place + BEHAVIOUR_SLOT_BYTES]
        if slot.startswith(key):
            return slot
        at = tags.find(tag, at + 1)
    return None


def _no_place(name: str) -> None:
    return None
