"""The room that fetched blobs take: what no channel offers goes when there is too little, the longest unused first.

When a file was used last is what the file system says of it, which is right to within a day or, where it notes no uses,
the time at which it was fetched. What is gone is fetched again when a device asks. Everything here blocks.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.schedule.durations import rough_size
from edge.store.objects.fs import FsStore

BLOBS_FOLDER = "blobs/sha256"
SHRUNK_TO = 0.9  # of the limit: each round reads every revision, so it makes room for a while
MEASURE_SECONDS = 600.0  # between two counts of the files, of which 100,000 take 0.3 s
YOUNG_SECONDS = 600.0  # a blob may have come ahead of the revision that names it

log = logging.getLogger("edge.follow")


class _Lying(NamedTuple):
    used: float
    fetched: float
    bytes: int
    path: Path


class CacheRoom:
    """`held_bytes` as of the last `measure`; `evicted` and `evicted_bytes` since the start. `kept` returns the blobs
    that must stay, by digest; None if that is not known of all apps: then nothing goes. Of the others, those go first
    that `goes_first`, however young."""

    def __init__(
        self,
        mirror: FsStore,
        limit_bytes: int,
        kept: Callable[[], set[str] | None],
        goes_first: Callable[[str], bool] = lambda digest: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.held_bytes = 0
        self.evicted = self.evicted_bytes = 0
        self._folder = mirror.root / BLOBS_FOLDER
        self._limit = limit_bytes
        self._kept = kept
        self._goes_first = goes_first
        self._clock = clock
        self._too_small = False
        self._measure_at, self._fetched_bytes = 0.0, 0

    def measure(self) -> int:
        """How many bytes the blobs take."""
        self.held_bytes = sum(each.bytes for each in self._lying())
        return self.held_bytes

    def shrink(self, fetched_bytes: int = 0) -> int:
        """Keep to the limit; returns how many bytes were freed. `fetched_bytes` grow with what is fetched: files are
        counted when it may have become too much, and now and then."""
        now = self._clock()
        if now < self._measure_at and self.held_bytes + fetched_bytes - self._fetched_bytes <= self._limit:
            return 0
        self._measure_at, self._fetched_bytes = now + MEASURE_SECONDS, fetched_bytes
        held = self.measure()
        return self._free(held - int(self._limit * SHRUNK_TO)) if held > self._limit else 0

    def free(self, wanted_bytes: int) -> int:
        """Make room on a full disk; returns how many bytes were freed."""
        return self._free(wanted_bytes)

    def drop(self, digests: Collection[str]) -> None:
        """Delete those of these that need not stay."""
        kept = self._kept() if digests else None
        if kept is not None:
            gone = set(digests) - kept
            self._delete(each for each in self._lying() if each.path.name in gone)

    def _free(self, wanted_bytes: int) -> int:
        kept, now = self._kept(), self._clock()
        may_go = (each for each in self._lying() if kept is not None and each.path.name not in kept)
        first, later = list[_Lying](), list[_Lying]()
        for each in sorted(may_go):
            if self._goes_first(each.path.name):
                first.append(each)
            elif now - each.fetched >= YOUNG_SECONDS:
                later.append(each)
        freed = self._delete((*first, *later), wanted_bytes)
        self._tell(freed, wanted_bytes)
        return freed

    def _delete(self, files: Iterable[_Lying], wanted_bytes: float = math.inf) -> int:
        """One after the other, until so many bytes are freed; returns how many were."""
        freed = 0
        for each in files:
            if freed >= wanted_bytes:
                break
            with suppress(OSError):
                each.path.unlink()
                freed += each.bytes
                self.evicted += 1
        self.evicted_bytes += freed
        self.held_bytes -= freed
        return freed

    def _tell(self, freed: int, wanted: int) -> None:
        if freed:
            log.info("deleted %s of files that no channel offers", rough_size(freed))
        short = freed < wanted
        if short and not self._too_small:
            log.warning(
                "what channels offer takes %s, more than upstream.cache_limit_bytes (%s): all of it is kept",
                *(rough_size(self.held_bytes), rough_size(self._limit)),
            )
        self._too_small = short

    def _lying(self) -> Iterator[_Lying]:
        with suppress(OSError):
            for folder in os.scandir(self._folder):
                with suppress(OSError):
                    for entry in os.scandir(folder.path):
                        with suppress(OSError):
                            status = entry.stat(follow_symlinks=False)
                            used = max(status.st_atime, status.st_mtime)
                            yield _Lying(used, status.st_mtime, status.st_blocks * 512, Path(entry.path))
