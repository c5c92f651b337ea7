"""Keeps the raw events of counted segments: compressed, for some days, and only as far as there is room for new ones.

What is not counted is never touched.
"""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic

from edge.store.disk.append_file import UNFINISHED
from edge.store.disk.room import is_full
from edge.telemetry.folding.database import open_for_folding, open_for_reading
from edge.telemetry.spool.disk_budget import held_bytes
from edge.telemetry.spool.kept_segment import compress_segment
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments
from edge.telemetry.upkeep.acknowledged import acknowledge, forget_deleted

DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class KeepReport:
    """How many segments were compressed and deleted."""

    compressed: int = 0
    deleted: int = 0


def keep_segments(
    directory: Path,
    database: Path,
    *,
    now: float,
    keep_seconds: float,
    keep_bytes: int,
    compress_seconds: float = inf,
) -> KeepReport:
    """Compress counted segments; delete those counted more than `keep_seconds` ago, and earlier ones, the first counted
    first, while the directory has more than `keep_bytes`. `now` is in epoch seconds. After
    `compress_seconds` no further one is compressed: the next call does. May be killed anywhere. Raises OSError; a disk
    without room is none."""
    report = KeepReport()
    finished = finished_segments(database)
    if finished:
        with closing(open_for_folding(database)) as connection:
            keeping = _Keeping(connection, directory, finished, report)
            keeping.tend((now - keep_seconds) * 1000, monotonic() + compress_seconds)
            keeping.make_room(keep_bytes)
    _delete_unfinished(directory, now - keep_seconds)
    return report


def finished_segments(database: Path) -> dict[str, int]:
    """When each segment that is counted to its end was finished, in epoch milliseconds, by its name."""
    connection = open_for_reading(database)
    if connection is None:
        return {}
    with closing(connection):
        return dict(connection.execute("SELECT name, finished_ms FROM segments WHERE finished_ms IS NOT NULL"))


@dataclass(frozen=True, slots=True)
class _Keeping:
    """`finished`: when each segment was counted, in epoch milliseconds."""

    connection: sqlite3.Connection
    directory: Path
    finished: dict[str, int]
    report: KeepReport

    def tend(self, expired_ms: float, compressing_ends: float) -> None:
        tried = False
        for path in self._counted():
            if self.finished[path.stem] <= expired_ms:
                self._delete(path)
            elif path.suffix == SEALED and (not tried or monotonic() < compressing_ends):
                tried = True
                self.report.compressed += _compress(path)

    def make_room(self, keep_bytes: int) -> None:
        excess = held_bytes(self.directory) - keep_bytes
        for path in sorted(self._counted(), key=lambda path: self.finished[path.stem]):
            if excess <= 0:
                return
            with suppress(FileNotFoundError):
                excess -= path.stat().st_size
                self._delete(path)

    def _counted(self) -> list[Path]:
        return [path for path in list_segments(self.directory) if path.stem in self.finished]

    def _delete(self, path: Path) -> None:
        acknowledge(self.connection, path)
        for form in (SEALED, KEPT):
            path.with_suffix(form).unlink(missing_ok=True)
        forget_deleted(self.connection, path.stem)
        self.report.deleted += 1


def _compress(path: Path) -> bool:
    try:
        compress_segment(path)
    except FileNotFoundError:  # another process of this node was first
        return False
    except OSError as error:
        if not is_full(error):
            raise
        return False
    return True


def _delete_unfinished(directory: Path, before: float) -> None:
    """Delete files whose writer was killed before they were whole: old ones only, a young one may be in use."""
    for path in directory.glob(f"*{UNFINISHED}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= before:
                path.unlink()
