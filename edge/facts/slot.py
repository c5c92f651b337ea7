"""The bytes of the facts table: header, pages, and the 72-byte slot of one device, which is also the log's record.

A file is a header page, then pages of 4,096 bytes: 56 tags (one byte of each key, 0 for a free slot), 8 bytes about
what was evicted from the page, and 56 slots. A key stays in one page for the life of a file. Each slot has a checksum,
so that a reader in another process, or of a log's torn tail, can tell a whole slot from a half-written one. Names of
apps and devices are never written. For format 1 see `format1`.
"""

import enum
import struct
from mmap import mmap
from typing import NamedTuple
from zlib import crc32

from xxhash import xxh3_128_digest

from edge.domain.facts import NAMES_LIMIT, NO_FACTS, NOT_JUDGED, Cause, DeviceFacts, Failure, FailureStage, Latest

FACTS_FORMAT = 2
PAGE_BYTES = 4096
SLOT_BYTES = 72
SLOTS = 56
TAGS_BYTES = 64  # before a page's first slot: its tags, and what it forgot
FORGOT = SLOTS  # offset of two bytes in a page: `Latest.forgot` of every device that is not in it
KEY_BYTES = 12  # 10 million devices share a key by accident once in 10**15 tables
MOVED = 64  # offset in the file of a byte; not 0: readers must open the path again

_MAGIC = b"edgefact"
_HEADER = struct.Struct("<8sIIQQ")
_CHECKSUM = struct.Struct("<I")
_FORGOT = struct.Struct("<H")
_SLOT = struct.Struct("<12s6Q4H")
_WORDS = struct.Struct("<12x6Q4H4x").unpack
# Of a failure, in 32 bits: hour 19, mark 6, cause 4, stage 3. The low half stands beside the name and is never 0.
_STAGE, _CAUSE, _MARK = 7, 15, 63
_STAGES = (None, *FailureStage)
_CAUSES = (None, *Cause)
_new = tuple.__new__
WHOLE = 0x2144DF1C  # the CRC-32 of any bytes followed by their CRC-32


class UnreadableFacts(Exception):
    """The file has a newer format or is damaged. It is left as it is."""


class NewerFacts(UnreadableFacts):
    """A newer release wrote the file: it is not damaged and must not be replaced."""


class TableHeader(NamedTuple):
    """What a table's first page states."""

    pages: int
    seed: int  # random per node, so that no one can choose device ids that crowd one page


def encode_header(header: TableHeader) -> bytes:
    """One page; its MOVED byte is 0."""
    fields = _HEADER.pack(_MAGIC, FACTS_FORMAT, SLOT_BYTES, header.pages, header.seed)
    return (fields + _CHECKSUM.pack(crc32(fields))).ljust(PAGE_BYTES, b"\0")


def parse_header(page: bytes, size_bytes: int) -> TableHeader:
    """The header in the first page of a file of `size_bytes`. Raises UnreadableFacts."""
    if len(page) < PAGE_BYTES or page[: len(_MAGIC)] != _MAGIC:
        raise UnreadableFacts("not a table of device facts")
    _, version, slot_bytes, pages, seed = _HEADER.unpack_from(page)
    if version != FACTS_FORMAT:
        raise NewerFacts(f"facts table format {version} is not {FACTS_FORMAT}")
    if crc32(page[: _HEADER.size]) != _CHECKSUM.unpack_from(page, _HEADER.size)[0] or slot_bytes != SLOT_BYTES:
        raise UnreadableFacts("the header of the facts table is damaged")
    if not pages or size_bytes != (pages + 1) * PAGE_BYTES:
        raise UnreadableFacts(f"a facts table of {pages} pages has the wrong size, {size_bytes} bytes")
    return TableHeader(pages, seed)


def key_of(app: str, device: str, seed: int) -> bytes:
    """KEY_BYTES."""
    return xxh3_128_digest(f"{app}\0{device}".encode(), seed)[:KEY_BYTES]


def page_of(key: bytes, pages: int) -> int:
    """The page's number, from 0. Doubling `pages` splits a page's keys between it and the page `pages` further on."""
    return int.from_bytes(key[:8], "little") % pages


def tag_of(key: bytes) -> int:
    """One byte of the key; never 0."""
    return key[KEY_BYTES - 1] or 1


def encode_slot(key: bytes, facts: DeviceFacts, day: int) -> bytes:
    """`day`: when the device last contacted us, in days since the epoch."""
    details = [each.hour << 13 | each.mark << 7 | each.cause << 3 | each.stage for each in facts.failures]
    names = [each.bundle << 16 | detail & 0xFFFF for each, detail in zip(facts.failures, details, strict=True)]
    names += [name << 16 for name in facts.offered]
    names += [0] * (NAMES_LIMIT - len(names))
    halves = [detail >> 16 for detail in details] + [0] * (NAMES_LIMIT - len(details))
    fields = _SLOT.pack(key, facts.channel << 16 | day, facts.latest, *names, *halves)
    return fields + _CHECKSUM.pack(crc32(fields))


def is_whole(slot: bytes) -> bool:
    """Whether the checksum is right; a free slot's zeros are not whole."""
    return len(slot) == SLOT_BYTES and crc32(slot) == WHOLE


def facts_of(slot: bytes) -> DeviceFacts:
    """The facts in a whole slot."""
    first, latest, oldest, second, third, fourth, a, b, c, d = _WORDS(slot)
    if not second and not oldest & 0xFFFF:  # the usual device: at most one bundle offered, nothing failed
        # What DeviceFacts(...) does, in half the time: this is a tenth of a look-up.
        return _new(DeviceFacts, (first >> 16, (), (oldest >> 16,) if oldest else (), latest, NOT_JUDGED))
    failures, offered = [], []
    for name, half in ((oldest, a), (second, b), (third, c), (fourth, d)):
        if not name:
            break
        if name & 0xFFFF:
            failures.append(_failure(name, half))
        else:
            offered.append(name >> 16)
    return _new(DeviceFacts, (first >> 16, tuple(failures), tuple(offered), latest, NOT_JUDGED))


def forgetful(forgot: int) -> DeviceFacts:
    """The facts of a device that is not in its page: it may have been evicted, with failures up to `forgot`."""
    return NO_FACTS._replace(latest=Latest(forgot=forgot).packed()) if forgot else NO_FACTS


def read_forgot(page: bytes | mmap, start: int = 0) -> int:
    """`Latest.forgot` of the page at `start`."""
    return int(_FORGOT.unpack_from(page, start + FORGOT)[0])


def encode_forgot(forgot: int) -> bytes:
    return _FORGOT.pack(forgot)


def day_touched(slot: bytes) -> int:
    """In days since the epoch."""
    return int.from_bytes(slot[KEY_BYTES : KEY_BYTES + 2], "little")


def is_empty(slot: bytes) -> bool:
    """Whether a whole slot holds no facts: in the log, an erasure."""
    return not any(slot[KEY_BYTES + 2 : _SLOT.size])


class SlotKind(enum.IntEnum):
    """What a slot is kept for, by what it holds that matters most; the least is evicted first from a full page.

    A torn slot holds nothing. An offer is a note for the hours in which its failure may be reported. A lost failure
    costs a device one more try of a bundle that fails on it, never a way back to it (`forgot`). A choice was promised
    to a user, the device keeps no copy, and nobody would notice that it is gone: it is evicted last.
    """

    TORN = 0
    OFFERS = 1
    FAILURES = 2
    CHOICES = 3

    @property
    def word(self) -> str:
        return self.name.lower()


def kind_of(slot: bytes) -> SlotKind:
    """`slot` may be torn."""
    if not is_whole(slot):
        return SlotKind.TORN
    if any(slot[KEY_BYTES + 2 : KEY_BYTES + 8]):
        return SlotKind.CHOICES
    # The low half of the first name's detail: failures come first.
    return SlotKind.FAILURES if any(slot[KEY_BYTES + 16 : KEY_BYTES + 18]) else SlotKind.OFFERS


def worth(slot: bytes) -> tuple[SlotKind, int]:
    """The least is evicted first: by kind, then by the day last touched."""
    kind = kind_of(slot)
    return kind, day_touched(slot) if kind else 0


def _failure(name: int, half: int) -> Failure:
    detail = half << 16 | name & 0xFFFF
    stage, cause = _STAGES[detail & _STAGE], _CAUSES[detail >> 3 & _CAUSE]
    return _new(Failure, (name >> 16, stage, cause, detail >> 7 & _MARK, detail >> 13))
