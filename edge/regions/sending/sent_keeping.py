"""What a region keeps of reports: all that home does not have, and of what it has as much as there is room for.

What home has is compressed, kept for some days, in case home comes back from an old backup, and deleted first when room
is needed. What home does not have is never deleted: it is compressed, to a tenth or less, once it takes a part of the
limit, and at the limit new reports are refused, which devices keep and send again. Blocks.
"""

from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from edge.store.disk.room import is_full
from edge.telemetry.spool.disk_budget import held_bytes
from edge.telemetry.spool.kept_segment import compress_segment
from edge.telemetry.spool.segment import KEPT, SEALED, list_segments

KEPT_SHARE = 0.75  # of the limit may be what home has already; the rest is for new reports
WAITING_SHARE = 0.1  # of the limit may wait as it was written; beyond it what waits is compressed
COMPRESS_SECONDS = 1.0  # at once: what is left is for the next time


class KeptForHome(NamedTuple):
    """Bytes on this node's disk: `waiting_bytes` of segments that home does not have whole, `held_bytes` of all."""

    waiting_bytes: int
    held_bytes: int


def keep_for_home(
    directory: Path, whole: Set[str], *, now: float, keep_seconds: float, limit_bytes: int
) -> KeptForHome:
    """`whole` are the segments that home has. `now` is in seconds since the epoch. Raises OSError; a disk without room
    is none."""
    paths = list_segments(directory)
    sizes = {path: _size_of(path) for path in paths}
    waiting = [path for path in paths if path.stem not in whole]
    waiting_bytes, held = sum(sizes[path] for path in waiting), held_bytes(directory)
    excess = held - int(limit_bytes * KEPT_SHARE)
    for path in sorted((path for path in paths if path.stem in whole), key=_written_at):
        if excess > 0 or _written_at(path) <= now - keep_seconds:
            for form in (SEALED, KEPT):
                path.with_suffix(form).unlink(missing_ok=True)
            excess -= sizes[path]
            held -= sizes[path]
            sizes[path] = 0
    kept = [path for path in paths if sizes[path] and path.stem in whole]
    crowded = waiting_bytes > limit_bytes * WAITING_SHARE
    _compress([*kept, *(waiting if crowded else ())])
    return KeptForHome(waiting_bytes, held)


def _compress(paths: list[Path]) -> None:
    ends = monotonic() + COMPRESS_SECONDS
    for path in paths:
        if path.suffix != SEALED:
            continue
        try:
            compress_segment(path)
        except FileNotFoundError:  # it took on another form since
            continue
        except OSError as error:
            if not is_full(error):
                raise
            return
        if monotonic() >= ends:
            return


def _size_of(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _written_at(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
