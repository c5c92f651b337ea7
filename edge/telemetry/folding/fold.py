"""Folding: records from segments become counts, each exactly once.

A segment's offset moves in the transaction that adds its counts, so an interrupted batch is repeated whole or not at
all. What goes in comes out: `folded` is the sum of all counts, and `folded + duplicates + malformed` is every record
read. Labels come from devices, so each is bounded (`labels`). A record counts on the day this node received it (UTC).
Duplicates count once.
"""

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from errno import EIO, EISDIR, ELOOP
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edge.domain.statistics.observation import Cohort, Group
from edge.domain.statistics.tally import DAY_MS, Tally
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.duplicates import EXPOSED_LIMIT, RememberedKeys
from edge.telemetry.folding.figures_store import Retentions, store
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.folding.labels import LabelBounds, Labels, NamesOf, labels_of, no_names
from edge.telemetry.folding.schema import subject_of
from edge.telemetry.folding.seen_reports import SeenReports
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import EventFacts, parse_record
from edge.telemetry.spool.segment import (
    DamagedHeader,
    UnreadableSegment,
    is_live,
    list_segments,
    read_frames,
    read_header,
)

BATCH_BYTES = 8 << 20  # read in one transaction: some 50,000 events, a fraction of a second


@dataclass(slots=True)
class FoldReport:
    """What one fold did: `folded`, `duplicates` and `malformed` count records, `damaged` places that were skipped, the
    others segments. `unreadable` lists the segments it could not read, and why, `faults` what it skipped of others."""

    folded: int = 0
    duplicates: int = 0
    malformed: int = 0
    torn_tails: int = 0
    damaged: int = 0
    finished: int = 0
    unreadable: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class _Batch(NamedTuple):
    counts: Counter[Labels]
    duplicates: Counter[str]  # by app
    malformed: int
    end: int  # offset after the last whole frame
    more: bool  # the batch ended at its limit, not at the end of the file
    lost: list[int]  # the bytes of each damaged place


def fold(
    directory: Path,
    database: Path,
    *,
    now: float,
    names_of: NamesOf = no_names,
) -> FoldReport:
    """Count the records of the spools in `directory` that `database` does not have yet.

    `now` is in epoch seconds. `names_of` knows the apps' own bundles. Blocks. May be killed anywhere, and run twice at
    once. Raises NewerSchema `newer_schema`, OSError, sqlite3.OperationalError (a full disk): what was counted until
    then stays counted.
    """
    report = FoldReport()
    with closing(open_for_folding(database)) as connection:
        finished = {name for (name,) in connection.execute("SELECT name FROM segments WHERE finished_ms IS NOT NULL")}
        exposed = RememberedKeys(connection, EXPOSED_LIMIT, table="exposed")
        folding = _Folding(connection, SeenReports(connection), exposed, int(now * 1000), report, names_of)
        for path in list_segments(directory):
            if path.stem not in finished:
                folding.fold_segment(path)
        folding.forget_seen()
    return report


@dataclass(frozen=True, slots=True)
class _Folding:
    """One fold of one directory into an open database."""

    connection: sqlite3.Connection
    seen: SeenReports
    exposed: RememberedKeys
    now_ms: int
    report: FoldReport
    names_of: NamesOf

    def fold_segment(self, path: Path) -> None:
        # A file that is gone was counted and deleted by another folder.
        try:
            with suppress(FileNotFoundError), open_segment(path) as file:
                live = is_live(path, file)
                first = _first_frame(file)
                while self._fold_batch(path.stem, file, first, live=live):
                    pass
        except UnreadableSegment as error:
            self.report.unreadable.append(f"{path.name}: {error}")
        except OSError as error:
            if error.errno not in (EIO, EISDIR, ELOOP):  # else the segment's own: the others are counted
                raise
            self.report.unreadable.append(f"{path.name}: {error.strerror}")

    def _fold_batch(self, name: str, file: BinaryIO, first: int, *, live: bool) -> bool:
        """One transaction. Returns whether there is more to read."""
        self.connection.execute("BEGIN IMMEDIATE")
        with self.connection:
            row = self.connection.execute("SELECT offset, finished_ms FROM segments WHERE name = ?", (name,)).fetchone()
            offset, finished_ms = row or (first, None)
            if finished_ms is not None:  # another fold has finished it since
                return False
            batch = _read_batch(file, offset, self.seen, self.exposed, live=live)
            finish = not live and not batch.more
            torn = finish and file.seek(0, SEEK_END) > batch.end
            tail = file.tell() - batch.end if torn else 0
            if batch.end > offset or finish:
                self._store(name, batch, torn=torn, finished_ms=self.now_ms if finish else None)
        self.report.folded += batch.counts.total()
        self.report.duplicates += batch.duplicates.total()
        self.report.malformed += batch.malformed
        self.report.torn_tails += torn
        self.report.damaged += len(batch.lost)
        if batch.lost:
            self.report.faults.append(f"{name}: {len(batch.lost)} damaged places of {sum(batch.lost)} bytes")
        if torn:
            self.report.faults.append(f"{name}: {tail} bytes at its end are no whole record")
        self.report.finished += finish
        return batch.more

    def _store(self, name: str, batch: _Batch, *, torn: bool, finished_ms: int | None) -> None:
        _add_counts(self.connection, batch, self.names_of)
        self.seen.store()
        totals = {
            "folded": batch.counts.total(),
            "duplicates": batch.duplicates.total(),
            "malformed": batch.malformed,
            "torn_tails": int(torn),
            "damaged": len(batch.lost),
        }
        self.connection.executemany(
            "INSERT INTO totals (name, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", totals.items()
        )
        fates = {"event/counted": "folded", "event/duplicate": "duplicates", "line/malformed": "malformed"}
        self.connection.executemany(
            "INSERT INTO segment_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(name, fate, totals[total]) for fate, total in fates.items()],
        )
        self.connection.execute("INSERT OR REPLACE INTO segments VALUES (?, ?, ?)", (name, batch.end, finished_ms))

    def forget_seen(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        with self.connection:
            self.seen.forget(self.now_ms)


def _first_frame(file: BinaryIO) -> int:
    """Where to read from: after the header, or from the file's beginning if that is damaged and frames follow. Raises
    UnreadableSegment."""
    try:
        read_header(file)
    except DamagedHeader:
        file.seek(0)
        if next(read_frames(file), None) is None:
            raise
        return 0
    return file.tell()


def _read_batch(file: BinaryIO, offset: int, seen: SeenReports, exposed: RememberedKeys, *, live: bool) -> _Batch:
    found: list[EventFacts] = []
    lost: list[int] = []
    malformed, more = 0, False
    end = file.seek(offset)
    for frame in read_frames(file, live=live):
        end = frame.end
        if frame.lost:
            lost.append(frame.lost)
        facts = [each for record in frame.records for each in parse_record(record)]
        found.extend(filter(None, facts))
        malformed += facts.count(None)
        if end - offset >= BATCH_BYTES:
            more = True
            break
    again = [each.key is not None and seen.note(each.key, each.received_ms, each.app) for each in found]
    notes = [at for at, each in enumerate(found) if each.exposure is not None]
    same_device = exposed.find_duplicates(
        (found[at].exposure or 0, found[at].received_ms, found[at].app) for at in notes
    )
    for at, repeated in zip(notes, same_device, strict=True):
        again[at] |= repeated
    counts = Counter(labels_of(each) for each, repeated in zip(found, again, strict=True) if not repeated)
    duplicates = Counter(labels_of(each).app for each, repeated in zip(found, again, strict=True) if repeated)
    return _Batch(counts, duplicates, malformed, end, more, lost)


def _add_counts(connection: sqlite3.Connection, batch: _Batch, names_of: NamesOf) -> None:
    bounds = LabelBounds(connection, names_of)
    numbers = LabelNumbers(connection)
    tally = Tally()
    for labels, n in batch.counts.items():
        admitted = bounds.admit(labels)
        app = numbers.words.app(admitted.app)
        group = numbers.labels_of(numbers.cohort(app, Cohort(Group(platform=admitted.platform)))).group
        subject = numbers.subject(app, subject_of(admitted.action)).number
        tally.add(admitted.day * DAY_MS, (app, group, numbers.bundle(app, admitted.bundle), subject), n, None)
    store(connection, numbers, tally, Retentions(int))
    connection.executemany(
        "INSERT INTO duplicates (app, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        ((bounds.admit_app(app), n) for app, n in batch.duplicates.items()),
    )
