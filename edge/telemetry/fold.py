"""Folding: records from segments become counts, each exactly once.

A segment's offset moves in the transaction that adds its counts, so an interrupted batch is repeated whole or not at
all. What goes in comes out: `folded` is the sum of all counts, and `folded + duplicates + malformed` is every record
read. Labels come from devices, so each is bounded, with an explicit `other`. A record counts on the day this node
received it (UTC). Duplicates count once.
"""

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edge.domain.model import APP_ID_LIMIT, Platform
from edge.domain.versions import VERSION_LIMIT
from edge.store.disk.append_file import UNFINISHED
from edge.telemetry.database import open_for_folding
from edge.telemetry.disk_budget import held_bytes
from edge.telemetry.duplicates import EXPOSED_LIMIT, RememberedKeys
from edge.telemetry.record import EventFacts, parse_record
from edge.telemetry.segment import UnreadableSegment, is_live, list_segments, read_frames, read_header
from edge.wire.actions import ACTIONS, OF_NODE
from edge.wire.stats import bundle_of

SEGMENT_RETENTION_SECONDS = 7 * 86400.0  # a counted segment's raw events: time to investigate a bad day
BATCH_BYTES = 8 << 20  # read in one transaction: some 50,000 events, a fraction of a second
APPS_LIMIT = 10_000  # a node answers for its own apps only; beyond it something else is wrong
BUNDLES_PER_APP_AND_DAY_LIMIT = 200  # an app has a few live; invented versions spoil one day at most
OTHER = "other"  # neither an app id (`parse_app_id`) nor a release (a semantic version)

DAY_MS = 86_400_000
_COUNTED = ACTIONS | OF_NODE
_PLATFORMS = frozenset(platform.value for platform in Platform)


@dataclass(slots=True)
class FoldReport:
    """What one fold did: `folded`, `duplicates` and `malformed` count records, the others segments. `unreadable` lists
    the segments it could not read, and why."""

    folded: int = 0
    duplicates: int = 0
    malformed: int = 0
    torn_tails: int = 0
    finished: int = 0
    deleted: int = 0
    unreadable: list[str] = field(default_factory=list)


class _Labels(NamedTuple):
    app: str
    day: int
    bundle: str
    action: str
    platform: str


class _Batch(NamedTuple):
    counts: Counter[_Labels]
    duplicates: Counter[str]  # by app
    malformed: int
    end: int  # offset after the last whole frame
    more: bool  # the batch ended at its limit, not at the end of the file


def fold(directory: Path, database: Path, *, now: float, keep_bytes: int | None = None) -> FoldReport:
    """Count the records of the spools in `directory` that `database` does not have yet. Delete counted segments past
    their retention, and earlier ones, oldest first, while the directory has more than `keep_bytes`.

    `now` is in epoch seconds. Blocks. May be killed anywhere, and run twice at once. Raises NewerSchema `newer_schema`,
    OSError, sqlite3.OperationalError (a full disk): what was counted until then stays counted.
    """
    report = FoldReport()
    with closing(open_for_folding(database)) as connection:
        finished = dict(connection.execute("SELECT name, finished_ms FROM segments WHERE finished_ms IS NOT NULL"))
        exposed = RememberedKeys(connection, EXPOSED_LIMIT, table="exposed", window_seconds=None)
        folding = _Folding(connection, RememberedKeys(connection), exposed, int(now * 1000), report)
        for path in list_segments(directory):
            if path.stem in finished:
                folding.delete_expired(path, finished[path.stem])
            else:
                folding.fold_segment(path)
        folding.forget_seen()
        if keep_bytes is not None:
            folding.make_room(directory, keep_bytes)
    _delete_unfinished(directory, now)
    return report


@dataclass(frozen=True, slots=True)
class _Folding:
    """One fold of one directory into an open database."""

    connection: sqlite3.Connection
    seen: RememberedKeys
    exposed: RememberedKeys
    now_ms: int
    report: FoldReport

    def fold_segment(self, path: Path) -> None:
        # A file that is gone was sealed, so renamed, since the listing: the next fold reads it.
        with suppress(FileNotFoundError), path.open("rb") as file:
            live = is_live(path, file)
            try:
                read_header(file)
            except UnreadableSegment as error:
                self.report.unreadable.append(f"{path.name}: {error}")
                return
            first = file.tell()
            while self._fold_batch(path.stem, file, first, live=live):
                pass

    def _fold_batch(self, name: str, file: BinaryIO, first: int, *, live: bool) -> bool:
        """One transaction. Returns whether there is more to read."""
        self.connection.execute("BEGIN IMMEDIATE")
        with self.connection:
            row = self.connection.execute("SELECT offset, finished_ms FROM segments WHERE name = ?", (name,)).fetchone()
            offset, finished_ms = row or (first, None)
            if finished_ms is not None:  # another fold has finished it since
                return False
            batch = _read_batch(file, offset, self.seen, self.exposed)
            finish = not live and not batch.more
            torn = finish and file.seek(0, SEEK_END) > batch.end
            if batch.end > offset or finish:
                self._store(name, batch, torn=torn, finished_ms=self.now_ms if finish else None)
        self.report.folded += batch.counts.total()
        self.report.duplicates += batch.duplicates.total()
        self.report.malformed += batch.malformed
        self.report.torn_tails += torn
        self.report.finished += finish
        return batch.more

    def _store(self, name: str, batch: _Batch, *, torn: bool, finished_ms: int | None) -> None:
        _add_counts(self.connection, batch.counts, batch.duplicates)
        totals = {
            "folded": batch.counts.total(),
            "duplicates": batch.duplicates.total(),
            "malformed": batch.malformed,
            "torn_tails": int(torn),
        }
        self.connection.executemany(
            "INSERT INTO totals (name, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", totals.items()
        )
        self.connection.execute("INSERT OR REPLACE INTO segments VALUES (?, ?, ?)", (name, batch.end, finished_ms))

    def forget_seen(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        with self.connection:
            self.seen.forget(self.now_ms)

    def delete_expired(self, path: Path, finished_ms: int) -> None:
        if finished_ms <= self.now_ms - SEGMENT_RETENTION_SECONDS * 1000:
            path.unlink(missing_ok=True)
            self.report.deleted += 1

    def make_room(self, directory: Path, keep_bytes: int) -> None:
        """Delete counted segments, the first counted first, to make room for new events."""
        excess = held_bytes(directory) - keep_bytes
        if excess <= 0:
            return
        rows = self.connection.execute("SELECT name, finished_ms FROM segments WHERE finished_ms IS NOT NULL")
        finished = dict(rows.fetchall())
        counted = [path for path in list_segments(directory) if path.stem in finished]
        for path in sorted(counted, key=lambda path: finished[path.stem]):
            with suppress(FileNotFoundError):  # another folder deleted it first
                excess -= path.stat().st_size
                path.unlink()
                self.report.deleted += 1
            if excess <= 0:
                return


def _read_batch(file: BinaryIO, offset: int, seen: RememberedKeys, exposed: RememberedKeys) -> _Batch:
    found: list[EventFacts] = []
    malformed, more = 0, False
    end = file.seek(offset)
    for frame in read_frames(file):
        end = frame.end
        facts = [parse_record(record) for record in frame.records]
        found.extend(filter(None, facts))
        malformed += facts.count(None)
        if end - offset >= BATCH_BYTES:
            more = True
            break
    same_report = seen.find_duplicates((each.key, each.received_ms) for each in found)
    same_device = exposed.find_duplicates((each.exposure, each.received_ms) for each in found)
    again = [one or other for one, other in zip(same_report, same_device, strict=True)]
    counts = Counter(_labels(each) for each, repeated in zip(found, again, strict=True) if not repeated)
    duplicates = Counter(_labels(each).app for each, repeated in zip(found, again, strict=True) if repeated)
    return _Batch(counts, duplicates, malformed, end, more)


def _labels(facts: EventFacts) -> _Labels:
    """Bounded but for the numbers of apps and bundles, which `_Bounds` limits."""
    bundle = bundle_of(facts.version)
    return _Labels(
        facts.app if len(facts.app) <= APP_ID_LIMIT else OTHER,
        facts.received_ms // DAY_MS,
        bundle if len(bundle) <= VERSION_LIMIT else OTHER,
        facts.action if facts.action in _COUNTED else OTHER,
        facts.platform if facts.platform in _PLATFORMS else OTHER,
    )


def _add_counts(connection: sqlite3.Connection, counts: Counter[_Labels], duplicates: Counter[str]) -> None:
    bounds = _Bounds(connection)
    connection.executemany(
        "INSERT INTO counts (app, day, bundle, action, platform, n) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET n = n + excluded.n",
        ((*bounds.admit(labels), n) for labels, n in counts.items()),
    )
    connection.executemany(
        "INSERT INTO duplicates (app, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        ((bounds.admit_app(app), n) for app, n in duplicates.items()),
    )


class _Bounds:
    """Limits the apps, and the bundles of an app on a day, that are counted by name. First come, first served."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._apps = {app for (app,) in connection.execute("SELECT app FROM apps")}
        self._bundles: dict[tuple[str, int], set[str]] = {}

    def admit(self, labels: _Labels) -> _Labels:
        app = self.admit_app(labels.app)
        bundles = self._bundles_of(app, labels.day)
        bundle = labels.bundle
        if bundle not in bundles and len(bundles) >= BUNDLES_PER_APP_AND_DAY_LIMIT:
            bundle = OTHER
        bundles.add(bundle)
        return labels._replace(app=app, bundle=bundle)

    def admit_app(self, app: str) -> str:
        if app in self._apps:
            return app
        if len(self._apps) >= APPS_LIMIT:
            return OTHER
        self._connection.execute("INSERT INTO apps VALUES (?)", (app,))
        self._apps.add(app)
        return app

    def _bundles_of(self, app: str, day: int) -> set[str]:
        if (app, day) not in self._bundles:
            rows = self._connection.execute("SELECT DISTINCT bundle FROM counts WHERE app = ? AND day = ?", (app, day))
            self._bundles[app, day] = {bundle for (bundle,) in rows}
        return self._bundles[app, day]


def _delete_unfinished(directory: Path, now: float) -> None:
    """Delete files whose writer was killed before they had a header: old ones only, a young one may be in use."""
    for path in directory.glob(f"*{UNFINISHED}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= now - SEGMENT_RETENTION_SECONDS:
                path.unlink()
