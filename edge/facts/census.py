"""How full the table of device facts is, and with what: from a sample of its pages, read beside the writer.

Keys are hashes, so every page is as good a sample as any other. Blocks on the disk: not for the loop.
"""

import os
from collections import Counter
from pathlib import Path

from edge.facts.slot import PAGE_BYTES, SLOT_BYTES, SLOTS, TAGS_BYTES, SlotKind, kind_of, parse_header

SAMPLE_PAGES = 256  # 1 MiB and some 10 ms; a table of fewer pages is counted whole


def count_devices(path: Path, sample_pages: int = SAMPLE_PAGES) -> dict[SlotKind, int]:
    """Devices by what is known of them; estimated if the table has more than `sample_pages`. Empty without a table.
    Raises UnreadableFacts, OSError."""
    counts = Counter({kind: 0 for kind in SlotKind if kind})
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return dict(counts)
    with file:
        pages = parse_header(file.read(PAGE_BYTES), os.fstat(file.fileno()).st_size).pages
        sampled = min(sample_pages, pages)
        for number in range(sampled):
            page = os.pread(file.fileno(), PAGE_BYTES, (1 + number * pages // sampled) * PAGE_BYTES)
            counts.update(kind_of(slot) for slot in _slots_of(page))
    return {kind: round(counts[kind] * pages / sampled) for kind in SlotKind if kind}


def _slots_of(page: bytes) -> list[bytes]:
    starts = (TAGS_BYTES + at * SLOT_BYTES for at in range(SLOTS) if page[at])
    return [page[start : start + SLOT_BYTES] for start in starts]
