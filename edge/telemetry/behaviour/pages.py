"""The bytes of the table of behaviour: a header page, then pages of 4,096 bytes with one slot a device.

A page has 90 tags (one byte of each key's hash, 0 for a free slot), a gap, and 90 slots of 44 bytes: the key, its
judgement and a checksum, so that a reader in another process can tell a whole slot from a half-written one. A key's
page follows from a keyed hash: nobody can choose device ids that crowd one. The names of features have slots too.
"""

import struct
from typing import NamedTuple
from zlib import crc32

from xxhash import xxh3_64_intdigest

from edge.domain.facts import DAY_LIMIT, Behaviour
from edge.domain.statistics.device_key import device_key
from edge.telemetry.behaviour.judgements import JUDGEMENT_BYTES, encode_judgement

BEHAVIOUR_FORMAT = 1
TABLE_PAGE_BYTES = 4096
KEY_SIZE, CHECK_SIZE = 8, 4
BEHAVIOUR_SLOT_BYTES = KEY_SIZE + JUDGEMENT_BYTES + CHECK_SIZE
PAGE_SLOTS = 90
SLOTS_START = TABLE_PAGE_BYTES - PAGE_SLOTS * BEHAVIOUR_SLOT_BYTES
REPLACED = 64  # offset in the file of a byte; not 0: readers must open the path again
NAMES_STATE = slice(72, 80)  # changes when names of features got places
WHOLE_SLOT = 0x2144DF1C  # the CRC-32 of any bytes followed by their CRC-32

_MAGIC = b"edgebehv"
_HEADER = struct.Struct("<8sIIQQ")
_CHECKSUM = struct.Struct("<I")
_NEVER_OLD = DAY_LIMIT - 1  # the day of a name's slot, so that devices are evicted before


class UnreadableBehaviour(Exception):
    """The file has another format or is damaged. It can be made again."""


class BehaviourHeader(NamedTuple):
    """What a table's first page states."""

    pages: int
    seed: int  # random for each table


def encode_table_header(header: BehaviourHeader) -> bytes:
    """One page."""
    fields = _HEADER.pack(_MAGIC, BEHAVIOUR_FORMAT, BEHAVIOUR_SLOT_BYTES, header.pages, header.seed)
    return (fields + _CHECKSUM.pack(crc32(fields))).ljust(TABLE_PAGE_BYTES, b"\0")


def parse_table_header(page: bytes, size_bytes: int) -> BehaviourHeader:
    """The header in the first page of a file of `size_bytes`. Raises UnreadableBehaviour."""
    if len(page) < TABLE_PAGE_BYTES or not page.startswith(_MAGIC):
        raise UnreadableBehaviour("not a table of behaviour")
    _, number, slot_bytes, pages, seed = _HEADER.unpack_from(page)
    if number != BEHAVIOUR_FORMAT or slot_bytes != BEHAVIOUR_SLOT_BYTES:
        raise UnreadableBehaviour(f"behaviour table format {number} is not {BEHAVIOUR_FORMAT}")
    if crc32(page[: _HEADER.size]) != _CHECKSUM.unpack_from(page, _HEADER.size)[0]:
        raise UnreadableBehaviour("the header of the behaviour table is damaged")
    if not pages or size_bytes != (pages + 1) * TABLE_PAGE_BYTES:
        raise UnreadableBehaviour(f"a behaviour table of {pages} pages has the wrong size, {size_bytes} bytes")
    return BehaviourHeader(pages, seed)


def place_of_key(key: bytes, header: BehaviourHeader) -> tuple[int, int]:
    """Where the key's page begins in the file, and its tag."""
    digest = xxh3_64_intdigest(key, header.seed)
    return (digest % header.pages + 1) * TABLE_PAGE_BYTES, digest >> 56 or 1


def packed_key(device: int) -> bytes:
    """A `device_key` in bytes."""
    return device.to_bytes(KEY_SIZE, "little", signed=True)


def encode_behaviour_slot(key: bytes, judgement: bytes) -> bytes:
    fields = key + judgement
    return fields + _CHECKSUM.pack(crc32(fields))


def judged_day_of(slot: bytes) -> int:
    """0 for a torn slot, so that it goes first."""
    whole = len(slot) == BEHAVIOUR_SLOT_BYTES and crc32(slot) == WHOLE_SLOT
    return int.from_bytes(slot[KEY_SIZE : KEY_SIZE + 2], "little") if whole else 0


def is_name_day(day: int) -> bool:
    """Whether a slot of that day holds a name's bit."""
    return day == _NEVER_OLD


def name_key(app: str, name: str) -> bytes:
    """The key of the slot that holds which bit a feature's name has."""
    return packed_key(device_key(app, f"\0feature\0{name}"))


def encode_name_slot(app: str, name: str, place: int) -> bytes:
    judgement = encode_judgement(Behaviour(first_seen_days=0, judged_day=_NEVER_OLD, places=place), 0)
    return encode_behaviour_slot(name_key(app, name), judgement)
