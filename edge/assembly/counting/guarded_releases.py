"""The releases under guard on this node, in the folding process: judged after each fold."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.reported import ReportedUntil
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.words import Words, read_cohort
from edge.telemetry.votes.vote_keeper import VoteKeeper, WatchesOf
from edge.telemetry.votes.watch_judging import forget_watches, judge_watch

MEANWHILE_SECONDS = 2.0  # between two looks at a backlog that is being counted

log = logging.getLogger("edge.node")


class GuardedReleases:
    """For the fold's thread. `acts`: a watch is running whose guard may act. `tell` is called once something is found
    that `take_found` has. `reported` says of other nodes until when all of their reports were here before the fold."""

    def __init__(self, database: Path, watches_of: WatchesOf) -> None:
        self.keeper = VoteKeeper(watches_of)
        self.acts = False
        self.reported: tuple[ReportedUntil, ...] = ()
        self.tell: Callable[[], object] | None = None
        self._database, self._watches_of = database, watches_of
        self._found: list[Evidence] = []
        self._counts_anew = False
        self._judged_at = 0.0  # in seconds since the epoch

    def begin_again(self) -> None:
        """The database was damaged: votes count from what the spool still has."""
        self.keeper, self._counts_anew = VoteKeeper(self._watches_of), True

    def judge_all(self, now: float) -> None:
        """In a transaction of its own, after those of a fold; `now` in seconds since the epoch. Raises sqlite3.Error,
        Unavailable."""
        now_ms = int(now * 1000)
        with closing(open_for_folding(self._database)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            self.keeper.begin_all(connection, now_ms)
            found = self._judged(connection, now_ms)
            forget_watches(connection, now_ms)
        self._take(found, now)

    def judge_meanwhile(self, connection: sqlite3.Connection, now: float) -> None:
        """Between two transactions of a fold, whose connection it is: a release that fails does not go on until an
        hour's backlog is counted. Nothing else is said: what is not counted yet may be that devices are well, or not.
        Raises sqlite3.Error."""
        if 0 <= now - self._judged_at < MEANWHILE_SECONDS:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            found = self._judged(connection, int(now * 1000), in_backlog=True)
        self._take([each for each in found if each.verdict is Verdict.FAILS], now)

    def _take(self, found: list[Evidence], now: float) -> None:
        self._judged_at = now
        self._found = [each for each in found if each.verdict is not Verdict.WATCHING]
        self.acts = any(book.watch.acts for _, book in self.keeper.books)
        if self._found and self.tell is not None:
            self.tell()

    def take_found(self) -> list[Evidence]:
        """What says more than to wait, since the last time."""
        found, self._found = self._found, []
        return found

    def _judged(self, connection: sqlite3.Connection, now_ms: int, *, in_backlog: bool = False) -> list[Evidence]:
        words = Words(connection)

        def cause_of(number: int) -> str:
            return words.word(number) if number > 0 else "unknown"

        return [
            judge_watch(
                *(connection, app, book, now_ms, lambda cohort: read_cohort(words.word(cohort)), cause_of),
                counts_anew=self._counts_anew,
                in_backlog=in_backlog,
                reported=self.reported,
            )
            for app, book in self.keeper.books
        ]
