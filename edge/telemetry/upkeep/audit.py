"""The audit: what was acknowledged is what was counted, what was a duplicate, and what a named limit dropped.

What was acknowledged is on disk, and is recounted there (`recount`). What became of it is in the database, written with
the figures themselves (`segment_counts`). A segment that is deleted is recounted before, so the sums go back to the
database's beginning. The sums of the figures must add up to what was counted, too.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.folding.device_room import BEYOND
from edge.telemetry.folding.label_numbers import REFUSED
from edge.telemetry.folding.words import WordKind
from edge.telemetry.spool.segment import UnreadableSegment, list_segments, node_of
from edge.telemetry.upkeep.acknowledged import BEFORE, kind_of, settled_node
from edge.telemetry.upkeep.recount import KINDS, Recount, recount

COUNTED, DUPLICATE = "counted", "duplicate"
DIFFERENCES_SHOWN = 1_000
ATTEMPTS = 5  # segments are deleted now and then, and only some at once

# Which subjects of the sums by day each kind is counted under.
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "event": ("report:%", "withheld:%", "experiment_offer"),
    "check": ("check:%",),
    "delivery": ("delivery:%:complete", "delivery:%:cut"),
    "used": ("event:%",),
    "outcome": ("outcome:%", "outcome_unmatched:%"),
    "push": ("push:%",),
}


class KindAudit(msgspec.Struct, frozen=True):
    """Of one kind of records, in its units. `acknowledged` is `counted` + `duplicates` + all of `dropped`, and
    `counted` is `in_figures`, what the sums of the figures add up to, unless there are differences. `before` of the
    acknowledged were counted by a release without an audit: taken on its word. The raw form of `erased` ones is erased.
    """

    kind: str
    acknowledged: int
    counted: int
    duplicates: int
    dropped: dict[str, int]  # by limit, or "malformed"
    waiting: int
    erased: int
    before: int
    in_figures: int


class AuditDifference(msgspec.Struct, frozen=True):
    """Where it does not add up. `segment` is "figures" for the sums of the figures."""

    segment: str
    kind: str
    acknowledged: int
    accounted: int
    why: str = ""


class NodeAudit(msgspec.Struct, frozen=True):
    """Of one node's segments, in units of all kinds: what it acknowledged, as they have it, and what is accounted for
    here. `node` "" has what was settled before there were several."""

    node: str
    acknowledged: int
    accounted: int


class Audit(msgspec.Struct, frozen=True):
    """Of one node, and of those that send their reports to it, since the beginning of its database of figures."""

    kinds: list[KindAudit]
    segments: int  # on disk
    deleted_segments: int
    lost_places: int  # of files on disk: damaged, or torn by a crash before anyone was told that it is stored
    lost_bytes: int
    differences: list[AuditDifference]  # the first `DIFFERENCES_SHOWN`
    exact: bool
    nodes: tuple[NodeAudit, ...] = ()  # by id
    devices_beyond_limit: int = 0  # that told something in a batch, counted as everybody, and got no row: `device_room`
    groups_beyond_limit: int = 0  # kinds of devices whose labels found no room, each once a batch: `label_numbers`


class _Books:
    """What the database says, at one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # one moment for all of these
        rows = connection.execute("SELECT name, offset, finished_ms FROM segments")
        self.segments: dict[str, tuple[int, bool]] = {
            name: (offset, finished is not None) for name, offset, finished in rows
        }
        self.fates: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self.begin: dict[str, int] = {}
        for segment, name, n in connection.execute("SELECT segment, name, n FROM segment_counts"):
            if name == BEFORE:
                self.begin[segment] = n
                continue
            self.fates[segment][kind_of(name), name.partition("/")[2]] += n
        self.deleted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for segment, kind, n in connection.execute("SELECT segment, kind, n FROM acknowledged"):
            self.deleted[segment][kind] += n
        self.in_figures = {kind: _sum_of(connection, likes) for kind, likes in _SUBJECTS.items()}
        totals = dict(connection.execute("SELECT name, n FROM totals").fetchall())
        self.devices_beyond, self.groups_beyond = (int(totals.get(name, 0)) for name in (BEYOND, REFUSED))
        connection.execute("COMMIT")


def audit(directory: Path, database: Path) -> Audit:
    """Fold first, or what is not folded is `waiting`. Blocks: it reads every segment. Raises OSError, sqlite3.Error."""
    for _ in range(ATTEMPTS):
        connection = open_for_reading(database)
        if connection is None:
            return Audit([], 0, 0, 0, 0, [], exact=True)
        with closing(connection):
            auditing = _Auditing(_Books(connection))
        for path in list_segments(directory):
            auditing.take_file(path)
        if not auditing.missed:
            break
    auditing.take_deleted()
    auditing.compare_figures()
    return auditing.result()


class _Auditing:
    def __init__(self, books: _Books) -> None:
        self._books = books
        self._differences: list[AuditDifference] = []
        self._acknowledged, self._waiting, self._erased = Counter[str](), Counter[str](), Counter[str]()
        self._fates = Counter[tuple[str, str]]()
        self._told, self._accounted = Counter[str](), Counter[str]()  # by node
        self._before = Counter[str]()
        self._on_disk: set[str] = set()
        self._places = self._bytes = 0
        self.missed = False  # a segment: the books are older than the files

    def take_file(self, path: Path) -> None:
        name = path.stem
        offset, finished = self._books.segments.get(name, (0, False))
        try:
            found = recount(path, passed=None if finished else offset, since=self._books.begin.get(name, 0))
        except FileNotFoundError:  # deleted since the books were read
            self.missed = True
            return
        except (OSError, UnreadableSegment) as error:
            self._on_disk.add(name)
            self._accuse(name, Recount(), f"cannot be read: {error}")
            return
        self._on_disk.add(name)
        self._places += found.lost_places
        self._bytes += found.lost_bytes
        self._waiting += found.waiting
        self._erased += found.erased
        self._accuse(name, found, f"{found.lost_bytes} bytes of it are damaged" if found.lost_places else "")

    def take_deleted(self) -> None:
        """What is no longer on disk was recounted before it was deleted; what was not, somebody else has deleted."""
        for name, acknowledged in self._books.deleted.items():
            if name not in self._on_disk:
                found = Recount(counted=acknowledged)
                if settled_node(name) is None:
                    self._accuse(name, found, "deleted")
                else:
                    self._take_settled(name, found)
        for name in self._books.fates.keys() - self._books.deleted.keys() - self._on_disk:
            if settled_node(name) is None:
                self._accuse(name, Recount(), "is gone, and was not recounted before")
            else:
                self._take_settled(name, Recount())

    def _take_settled(self, name: str, found: Recount) -> None:
        """Deleted segments that added up, and what a release without an audit had counted."""
        fates, node = self._books.fates.get(name, Counter()), settled_node(name) or ""
        self._fates.update(fates)
        for kind in KINDS:
            accounted = sum(n for (of, _), n in fates.items() if of == kind)
            self._acknowledged[kind] += accounted
            self._told[node] += accounted
            self._accounted[node] += accounted
            self._before[kind] += accounted - found.counted[kind]

    def _accuse(self, name: str, found: Recount, why: str) -> None:
        """Compare one segment."""
        fates = self._books.fates.get(name, Counter())
        self._fates.update(fates)
        for kind in KINDS:
            accounted = sum(n for (of, _), n in fates.items() if of == kind)
            acknowledged = found.counted[kind]
            # A database that was made anew after an erasure has counted what is left alone.
            if accounted != acknowledged:
                acknowledged += found.erased[kind]
            self._acknowledged[kind] += acknowledged
            self._told[node_of(name)] += acknowledged
            self._accounted[node_of(name)] += accounted
            if accounted != acknowledged:
                self._differences.append(AuditDifference(name, kind, acknowledged, accounted, why))

    def compare_figures(self) -> None:
        for kind in KINDS:
            counted = self._fates[kind, COUNTED]
            if counted != self._books.in_figures[kind]:
                self._differences.append(AuditDifference("figures", kind, counted, self._books.in_figures[kind]))

    def result(self) -> Audit:
        return Audit(
            kinds=[self._kind(kind) for kind in KINDS],
            segments=len(self._on_disk),
            deleted_segments=sum(1 for name in self._books.segments if name not in self._on_disk),
            lost_places=self._places,
            lost_bytes=self._bytes,
            differences=self._differences[:DIFFERENCES_SHOWN],
            exact=not self._differences,
            nodes=tuple(NodeAudit(node, self._told[node], self._accounted[node]) for node in sorted(self._told)),
            devices_beyond_limit=self._books.devices_beyond,
            groups_beyond_limit=self._books.groups_beyond,
        )

    def _kind(self, kind: str) -> KindAudit:
        fates = {fate: n for (of, fate), n in self._fates.items() if of == kind}
        return KindAudit(
            kind=kind,
            acknowledged=self._acknowledged[kind],
            counted=fates.pop(COUNTED, 0),
            duplicates=fates.pop(DUPLICATE, 0),
            dropped={fate: n for fate, n in sorted(fates.items()) if n},
            waiting=self._waiting[kind],
            erased=self._erased[kind],
            before=self._before[kind],
            in_figures=self._books.in_figures[kind],
        )


def _sum_of(connection: sqlite3.Connection, likes: Iterable[str]) -> int:
    """Of the sums by day, under all subjects of these forms."""
    total = 0
    for like in likes:
        row = connection.execute(
            "SELECT coalesce(sum(n), 0) FROM sums_day WHERE subject IN"
            " (SELECT id FROM words WHERE kind = ? AND word LIKE ?)",
            (WordKind.SUBJECT, like),
        ).fetchone()
        total += int(row[0])
    return total
