"""Compaction of the log: the next file begins, and the ones before it go when the table is durable.

The committing thread begins it; a second thread syncs the table, removes the files and tidies the list of what was
withheld, so commits continue.
Until that has succeeded the files stay, and the next compaction takes them along.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from edge.facts.log import LogSeries
from edge.facts.pages import FactPages
from edge.facts.withholdings import IsWithheld, Withholdings
from edge.store.disk.group_commit import settle

ERASURE_SECONDS = 3600.0  # after it, the log too has forgotten an erased device

Compacted = asyncio.Future[None]  # what a caller of `compact` waits for


class Compaction:
    """Compactions of one log, one after the other. Not for the loop's thread. `failures` counts those that failed."""

    def __init__(
        self,
        pages: FactPages,
        logs: LogSeries,
        withholdings: Withholdings,
        is_withheld: IsWithheld,
        *,
        limit_slots: int,
        clock: Callable[[], float],
    ) -> None:
        """Due when the log has `limit_slots`, or ERASURE_SECONDS after an erasure by `clock` (epoch seconds).
        `is_withheld` looks into the table, from another thread."""
        self.failures = 0
        self._pages, self._logs = pages, logs
        self._withholdings, self._is_withheld = withholdings, is_withheld
        self._limit_slots, self._clock = limit_slots, clock
        self._erased_at: float | None = None  # the oldest erasure that the log still contradicts
        self._table_suspect = False  # a failed sync may have dropped pages that a later one calls synced
        self._thread: threading.Thread | None = None

    def note_erasure(self, now: float) -> None:
        """`now` is in epoch seconds."""
        self._erased_at = self._erased_at or now

    def is_due(self) -> bool:
        """Whether to begin one now; False while one runs."""
        if self._thread is not None and self._thread.is_alive():
            return False
        if self._erased_at is not None and self._clock() - self._erased_at >= ERASURE_SECONDS:
            return True
        return self._logs.slots >= self._limit_slots

    def begin(self, waiting: list[Compacted]) -> None:
        """Waits for a compaction that still runs. `waiting` are settled when it has ended, with the error if any."""
        self.join()
        try:
            if self._table_suspect:
                self._pages.swap(1)
                self._table_suspect = False
            kept, newer = self._logs.begin_next(), self._withholdings.begin_next()
        except OSError as error:
            self.failures += 1
            _settle_soon(waiting, error)
            return
        erased_at, self._erased_at = self._erased_at, None
        self._thread = threading.Thread(
            target=self._run, args=(kept, newer, erased_at is not None, waiting), name="facts-compaction", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Wait until no compaction runs."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, kept: int, newer: int, erasing: bool, waiting: list[Compacted]) -> None:
        error = self._remove_logs(kept, newer)
        if error is not None:
            self.failures += 1
            self._erased_at = self._clock() if erasing else self._erased_at
        _settle_soon(waiting, error)

    def _remove_logs(self, kept: int, newer: int) -> Exception | None:
        try:
            self._pages.sync()
        except Exception as error:  # the thread's boundary, here and below: the error belongs to those who wait
            self._table_suspect = True
            return error
        try:
            self._logs.remove_before(kept)
            self._withholdings.tidy(newer, self._is_withheld)
        except Exception as error:
            return error
        return None


def _settle_soon(waiting: list[Compacted], error: Exception | None) -> None:
    for done in waiting:
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
            done.get_loop().call_soon_threadsafe(settle, done, error)
