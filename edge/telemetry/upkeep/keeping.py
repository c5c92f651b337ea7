"""Keeps the raw events of counted segments: compressed, for some days, and only as far as there is room for new ones.

What is not counted is never touched.
"""

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.store.disk.append_file import UNFINISHED
from edge.store.disk.room import is_full
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.spool.disk_budget import held_bytes
from edge.telemetry.spool.kept_segment import compress_segment
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments

DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class KeepReport:
    """How many segments were compressed and deleted."""

    compressed: int = 0
    deleted: int = 0


def keep_segments(directory: Path, database: Path, *, now: float, keep_seconds: float, keep_bytes: int) -> KeepReport:
    """Compress counted segments; delete those counted more than `keep_seconds` ago, and earlier ones, the first counted
    first, while the directory has more than `keep_bytes`. `now` is in epoch seconds. May be killed anywhere. Raises
    OSError; a disk without room is none."""
    report = KeepReport()
    finished = finished_segments(database)
    for path in list_segments(directory):
        if path.stem not in finished:
            continue
        if finished[path.stem] <= (now - keep_seconds) * 1000:
            _delete(path, report)
        elif path.suffix == SEALED and _compress(path):
            report.compressed += 1
    _make_room(directory, finished, keep_bytes, report)
    _delete_unfinished(directory, now - keep_seconds)
    return report


def finished_segments(database: Path) -> dict[str, int]:
    """When each segment that is counted to its end was finished, in epoch milliseconds, by its name."""
    connection = open_for_reading(database)
    if connection is None:
        return {}
    with closing(connection):
        return dict(connection.execute("SELECT name, finished_ms FROM segments WHERE finished_ms IS NOT NULL"))


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


def _make_room(directory: Path, finished: dict[str, int], keep_bytes: int, report: KeepReport) -> None:
    excess = held_bytes(directory) - keep_bytes
    counted = [path for path in list_segments(directory) if path.stem in finished]
    for path in sorted(counted, key=lambda path: finished[path.stem]):
        if excess <= 0:
            return
        with suppress(FileNotFoundError):
            excess -= path.stat().st_size
            _delete(path, report)


def _delete(path: Path, report: KeepReport) -> None:
    for form in (SEALED, KEPT):
        path.with_suffix(form).unlink(missing_ok=True)
    report.deleted += 1


def _delete_unfinished(directory: Path, before: float) -> None:
    """Delete files whose writer was killed before they were whole: old ones only, a young one may be in use."""
    for path in directory.glob(f"*{UNFINISHED}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= before:
                path.unlink()
