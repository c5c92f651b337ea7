"""How devices are used, for nodes that fold nothing: what the table of behaviour shows, slot by slot, as it changes.

One node judges, so there is one order: a slot that comes later replaces the one before, and a slot of zeros takes the
device out. The news is numbered and bounded; who is behind its beginning is given the whole table, page by page, and
then goes on with the news from when that began. A node names its place, which only this module reads.
"""

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge.facts.sharing.evidence_log import EvidenceLog, EvidenceReader
from edge.telemetry.behaviour.judgements import JUDGEMENT_BYTES
from edge.telemetry.behaviour.pages import (
    BEHAVIOUR_SLOT_BYTES,
    PAGE_SLOTS,
    SLOTS_START,
    TABLE_PAGE_BYTES,
    UnreadableBehaviour,
    encode_behaviour_slot,
    encode_name_slot,
    packed_key,
    parse_table_header,
)
from edge.telemetry.behaviour.rows import Judgement

NEWS_BYTES = 32 * 2**20  # 750,000 judgements; who is further behind gets the table
RECORD_SLOTS = 1_000
PAGES_AT_ONCE = 64  # of the table: at most 250 kB
PLACE_LIMIT = 128  # characters
_ALL_AGAIN = b"again"  # the bits of names changed: every slot is another one
_GONE = bytes(JUDGEMENT_BYTES)


class BehaviourSlots(NamedTuple):
    """Slots in order, and the place after them. `more`: there is more now. `begins` and `ends`: the slots are the first
    and the last of a table that takes the place of what was known; those in between are neither, with `of_table`."""

    place: str
    more: bool
    slots: bytes
    of_table: bool = False
    begins: bool = False
    ends: bool = False


class BehaviourNews:
    """For the thread that writes the table. What cannot be written is told with the whole table, later."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log: EvidenceLog | None = None

    def tell(self, judgements: Iterable[Judgement], places: Mapping[tuple[str, str], int] | None = None) -> None:
        """Of devices that were judged, or are gone, and of names that got bits. Raises OSError."""
        slots = [encode_name_slot(app, name, place) for (app, name), place in (places or {}).items()]
        slots += [encode_behaviour_slot(packed_key(each.device), each.encoded or _GONE) for each in judgements]
        records = [b"".join(slots[at : at + RECORD_SLOTS]) for at in range(0, len(slots), RECORD_SLOTS)]
        if records:
            self._opened().append(records, durably=False)

    def tell_all_again(self) -> None:
        """Everybody is to have the whole table. Raises OSError."""
        self._opened().append([_ALL_AGAIN], durably=False)

    def _opened(self) -> EvidenceLog:
        if self._log is None:
            self._log = EvidenceLog(self._directory, limit_bytes=NEWS_BYTES)
        return self._log


class BehaviourPages:
    """What news there is, read beside the process that writes it. Blocks."""

    def __init__(self, table: Path, news: Path) -> None:
        self._table, self._news = table, news

    def read(self, place: str) -> BehaviourSlots:
        """What comes after `place`; "" or one that means nothing: everything. Raises OSError."""
        kind, _, words = place[:PLACE_LIMIT].partition(" ")
        parts = words.split(" ")
        if kind == "news" and len(parts) == 2 and parts[1].isdecimal():
            return self._news_after(parts[0], int(parts[1]))
        if kind == "table" and len(parts) == 4 and all(each.isdecimal() for each in parts[1:]):
            return self._table_from(parts[0], *map(int, parts[1:]))
        return self._from_the_beginning()

    def _news_after(self, epoch: str, number: int) -> BehaviourSlots:
        batch = EvidenceReader(self._news).read(epoch, number)
        if batch is None:
            if self._latest() != (epoch, number):
                return self._from_the_beginning()
            return BehaviourSlots(f"news {epoch} {number}", False, b"")
        if not batch.follows or _ALL_AGAIN in batch.records:
            return self._from_the_beginning()
        after = f"news {batch.epoch} {number + len(batch.records)}"
        return BehaviourSlots(after, True, b"".join(batch.records))

    def _from_the_beginning(self) -> BehaviourSlots:
        epoch, number = self._latest()
        return self._table_from(epoch, number, 0, 0)

    def _table_from(self, epoch: str, number: int, seed: int, page: int) -> BehaviourSlots:
        """From a page on, if the table is still the one that has this `seed`, else from its first."""
        try:
            with self._table.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
                header = parse_table_header(held[:TABLE_PAGE_BYTES], len(held))
                first = page if seed == header.seed else 0
                last = min(first + PAGES_AT_ONCE, header.pages)
                slots = b"".join(_slots_in(held, number) for number in range(first, last))
        except (FileNotFoundError, ValueError, UnreadableBehaviour):  # there is none yet, or it is made again soon
            return BehaviourSlots(f"news {epoch} {number}" if epoch else "", False, b"")
        ends = last == header.pages
        after = f"news {epoch} {number}" if ends else f"table {epoch} {number} {header.seed} {last}"
        return BehaviourSlots(after, True, slots, of_table=True, begins=first == 0, ends=ends)

    def _latest(self) -> tuple[str, int]:
        """The epoch of the news and its last number; of none, an epoch that no news has."""
        reader, place, latest = EvidenceReader(self._news), ("", 0), ("-", 0)
        while (batch := reader.read(*place)) is not None:
            place = latest = batch.epoch, batch.first + len(batch.records) - 1
        return latest


def _slots_in(held: mmap.mmap, number: int) -> bytes:
    start = TABLE_PAGE_BYTES * (number + 1)
    tags = held[start : start + PAGE_SLOTS]
    places = [start + SLOTS_START + at * BEHAVIOUR_SLOT_BYTES for at in range(PAGE_SLOTS) if tags[at]]
    return b"".join(held[place : place + BEHAVIOUR_SLOT_BYTES] for place in places)
