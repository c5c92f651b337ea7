"""Reads device facts in format 1, a table and its logs, as the previous release wrote them.

A page has 63 tags and 63 slots of 64 bytes. A slot holds the key, the channel and the day, five names with the day on
which each failed (0: offered only), and the CRC-32 of all that. A log is a header of one slot's size, then slots. In
format 1 only a failed start withheld a bundle, and the time of an offer was not stored.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from edge.domain.facts import DAY_SECONDS, NAMES_LIMIT, Cause, DeviceFacts, Failure, FailureStage, hour_of

PAGE_BYTES = 4096
SLOT_BYTES = 64
SLOTS = 63
READ_SLOTS = 16_384

_TABLE = struct.Struct("<8sIIQQ")
_LOG = struct.Struct("<8sIQ40s")
_CHECKSUM = struct.Struct("<I")
_SLOT = struct.Struct("<12s6QI")


class OldSlot(NamedTuple):
    """A device's slot in format 1."""

    key: bytes
    facts: DeviceFacts
    day: int  # when the device last contacted us, in days since the epoch


def seed_of_table(path: Path) -> int | None:
    """None if the file is not a whole table in format 1."""
    with path.open("rb") as file:
        header = file.read(PAGE_BYTES)
    if len(header) < PAGE_BYTES:
        return None
    magic, version, slot_bytes, pages, seed = _TABLE.unpack_from(header)
    whole = crc32(header[: _TABLE.size]) == _CHECKSUM.unpack_from(header, _TABLE.size)[0]
    if (magic, version, slot_bytes) != (b"edgefact", 1, SLOT_BYTES) or not whole:
        return None
    return int(seed) if path.stat().st_size == (pages + 1) * PAGE_BYTES else None


def seed_of_log(path: Path) -> int | None:
    """None if the file is not a log in format 1."""
    with path.open("rb") as file:
        header = file.read(SLOT_BYTES)
    if len(header) < SLOT_BYTES or not _is_whole(header):
        return None
    magic, version, seed, _ = _LOG.unpack_from(header)
    return int(seed) if (magic, version) == (b"edgeflog", 1) else None


def read_table(path: Path) -> Iterator[OldSlot]:
    """Every device of the table. A slot without its tag was being written or removed, and is skipped."""
    with path.open("rb") as file:
        file.seek(PAGE_BYTES)
        while page := file.read(PAGE_BYTES):
            for at in range(SLOTS):
                slot = page[SLOT_BYTES * (at + 1) : SLOT_BYTES * (at + 2)]
                if page[at] and _is_whole(slot):
                    yield _read(slot)


def read_log(path: Path) -> Iterator[OldSlot]:
    """Every whole slot, in the order written."""
    with path.open("rb") as file:
        file.seek(SLOT_BYTES)
        while chunk := file.read(READ_SLOTS * SLOT_BYTES):
            for at in range(0, len(chunk), SLOT_BYTES):
                slot = chunk[at : at + SLOT_BYTES]
                if _is_whole(slot):
                    yield _read(slot)


def _is_whole(slot: bytes) -> bool:
    return len(slot) == SLOT_BYTES and crc32(slot[:-4]) == _CHECKSUM.unpack_from(slot, SLOT_BYTES - 4)[0]


def _read(slot: bytes) -> OldSlot:
    key, first, *names, _ = _SLOT.unpack(slot)
    failures = tuple(_failed(name >> 16, name & 0xFFFF) for name in names if name & 0xFFFF)
    offered = tuple(name >> 16 for name in names if name and not name & 0xFFFF)
    kept = offered[-(NAMES_LIMIT - len(failures)) :]  # five names fitted
    return OldSlot(key, DeviceFacts(first >> 16, failures, kept), first & 0xFFFF)


def _failed(bundle: int, day: int) -> Failure:
    return Failure(bundle, FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, hour=hour_of(day * DAY_SECONDS))
