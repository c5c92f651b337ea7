"""Requests to a bucket by kind, and what they cost: stores ask a price for each request, and not the same one."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

READS, WRITES = ("get", "head"), ("put", "list", "part")  # deletions are free


class RequestPrices(NamedTuple):
    """In dollars for a thousand requests. Amazon's for S3 Standard in us-east-1, in 2026."""

    write: float = 0.005
    read: float = 0.0004


USUAL_PRICES = RequestPrices()


class RequestCounts:
    """`put` counts creations and swaps, `part` requests of uploads in parts, `again` those of the others that were
    repeated, `failed` calls that ended without what they were for. Safe among threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self._counts[kind] += number

    def taken(self) -> dict[str, int]:
        """Since the start of the process."""
        with self._lock:
            return dict(self._counts)


def cost_of(counts: Mapping[str, int], prices: RequestPrices = USUAL_PRICES) -> float:
    """In dollars."""
    writes = sum(counts.get(kind, 0) for kind in WRITES)
    reads = sum(counts.get(kind, 0) for kind in READS)
    return (writes * prices.write + reads * prices.read) / 1000
