"""What a worker sent of bundles: answers with bytes, complete or cut, and how many bytes, in fixed memory.

Complete: all bytes of the answer were handed to the kernel, or to TLS; whether the peer read the last of them cannot be
known. An answer to a range is one of its own: who resumes gets one that is cut and one that is complete. Answers
without bytes, such as a 304, and to HEAD, are none. Counted by what was asked for; which bundle that belongs to is
found when the counts are handed over.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.telemetry.spool.worker_records import DeliveredCount

BLOBS_LIMIT = 8_192  # of a worker between two hand-overs, 0.5 kB each; beyond, answers are dropped and counted
OTHER = "other"  # of no bundle that can be offered now
IDENTITY, PATCH = "identity", "patch"


class SentBlob(NamedTuple):
    """What was asked for, and how it was sent."""

    app: str
    kind: str  # "zip" or "file"
    digest: str  # of the address
    encoding: str  # of the answer; "" if it has none


@dataclass(slots=True)
class SentSums:
    """Of the answers to one question; `seconds` are those of complete answers with a whole file."""

    complete: int = 0
    cut: int = 0
    bytes: int = 0
    seconds: float | None = None


class TakenDelivery(NamedTuple):
    """`snapshot` of the app is the one served when this was taken; None: none is."""

    sent: SentBlob
    sums: SentSums
    snapshot: AppSnapshot | None


class DeliveryCounts:
    """`snapshot_of` returns the snapshot of an app that is served, or None; `dropped` counts what found no room."""

    def __init__(self, snapshot_of: Callable[[AppId], AppSnapshot | None], dropped: Counter[str]) -> None:
        self._snapshot_of = snapshot_of
        self._dropped = dropped
        self._sums: dict[SentBlob, SentSums] = {}

    def note(self, sent: SentBlob, size_bytes: int, length: int, seconds: float | None) -> None:
        """An answer with `length` bytes of the file has ended, and `size_bytes` of these were sent. `seconds` is how
        long it took; None: it was not of a whole file."""
        sums = self._sums.get(sent)
        if sums is None:
            if len(self._sums) >= BLOBS_LIMIT:
                self._dropped["deliveries_dropped"] += 1
                return
            sums = self._sums[sent] = SentSums()
        sums.bytes += size_bytes
        if size_bytes < length:
            sums.cut += 1
            return
        sums.complete += 1
        if seconds is not None:
            sums.seconds = (sums.seconds or 0.0) + seconds

    def take(self) -> list[TakenDelivery]:
        """What was noted since the last time."""
        sums, self._sums = self._sums, {}
        return [TakenDelivery(sent, each, self._snapshot_of(AppId(sent.app))) for sent, each in sums.items()]


def by_bundle(taken: Sequence[TakenDelivery]) -> dict[str, list[DeliveredCount]]:
    """By app; a file that several bundles share is of the newest. On any thread: it may take a while."""
    added: dict[tuple[str, str, str, str], SentSums] = {}
    for sent, sums, snapshot in taken:
        form = PATCH if sent.encoding else sent.kind
        key = sent.app, _bundle_of(sent.digest, snapshot), form, sent.encoding or IDENTITY
        total = added.setdefault(key, SentSums())
        total.complete += sums.complete
        total.cut += sums.cut
        total.bytes += sums.bytes
        if sums.seconds is not None:
            total.seconds = (total.seconds or 0.0) + sums.seconds
    found: dict[str, list[DeliveredCount]] = {}
    for (app, bundle, form, encoding), of in added.items():
        count = DeliveredCount(bundle, form, encoding, of.complete, of.cut, of.bytes, of.seconds)
        found.setdefault(app, []).append(count)
    return found


def _bundle_of(digest: str, snapshot: AppSnapshot | None) -> str:
    with_it = snapshot.bundles_with(digest) if snapshot is not None else ()
    newest = max(with_it, key=lambda bundle: (bundle.published, bundle.version), default=None)
    return OTHER if newest is None else newest.version
