"""Keeps the table of behaviour as the rows in the database of figures: after each transaction, and at a start.

Workers that read an old table, or none, serve all the same: how devices are used is then as of an earlier day, or
unknown.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from edge.domain.facts import day_of
from edge.telemetry.behaviour.news import BehaviourNews
from edge.telemetry.behaviour.rows import Judgement, NotedBatch, all_judgements, all_places, forget_oldest
from edge.telemetry.behaviour.table_writer import CAPACITY_BEHAVIOURS, BehaviourTableWriter
from edge.telemetry.folding.database import open_for_folding

KEPT_DAYS = 90  # a device that was not heard of for so long is forgotten: it begins anew

log = logging.getLogger("edge.node")


class ShownBehaviour:
    """For one thread at a time. `failures` counts what could not be shown; the next `bring_up` makes up for it."""

    def __init__(self, database: Path, table: Path, news: Path | None = None) -> None:
        """`news` None: no other node is told."""
        self.failures = 0
        self._news = BehaviourNews(news) if news is not None else None
        self._is_other = False  # whether the table that is made next has other slots for the same devices
        self._database = database
        self._writer = BehaviourTableWriter(table)
        self._is_current = False  # whether the table is as the rows are
        self._upkept = 0  # the day on which devices were last forgotten

    @property
    def evicted(self) -> int:
        """How many devices had to make room for others in the table."""
        return self._writer.evicted

    def show(self, noted: NotedBatch) -> None:
        """After a committed batch."""
        if noted.is_whole_table:
            self._is_current, self._is_other = False, True
        if self._is_current:
            self._try(lambda: self._writer.show(noted))
            self._tell(lambda news: news.tell(noted.judgements, noted.places))

    def show_all(self, judgements: Iterable[Judgement]) -> None:
        """After a committed change of some devices, such as an erasure."""
        listed = list(judgements)
        if self._is_current:
            self._try(lambda: self._writer.show_all(listed))
        self._tell(lambda news: news.tell(listed))

    def begin_again(self) -> None:
        """The rows are others: they are shown from the next `bring_up` on."""
        self._is_current, self._is_other = False, True

    def bring_up(self, now: float) -> None:
        """Make the table if it is not as the rows are; once a day, forget devices first. After a fold, with nothing
        being folded. Raises sqlite3.Error."""
        day = day_of(now)
        if self._is_current and day <= self._upkept:
            return
        with closing(open_for_folding(self._database)) as connection:
            if day > self._upkept:
                self._forget(connection, day)
                self._upkept = day
            if not self._is_current:
                self._is_current = True
                self._try(lambda: self._make(connection))
                self._tell(lambda news: self._tell_made(news, connection, day))

    def _forget(self, connection: sqlite3.Connection, day: int) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            gone = forget_oldest(connection, day - KEPT_DAYS, CAPACITY_BEHAVIOURS)
        self.show_all(gone)

    def _make(self, connection: sqlite3.Connection) -> None:
        (expected,) = connection.execute("SELECT count(*) FROM behaviour").fetchone()
        self._writer.make(all_judgements(connection), all_places(connection), expected)

    def _tell_made(self, news: BehaviourNews, connection: sqlite3.Connection, day: int) -> None:
        """What the process before may have committed, and not told."""
        if self._is_other:
            self._is_other = False
            news.tell_all_again()
            return
        news.tell((each for each in all_judgements(connection) if each.last_day >= day - 1), all_places(connection))

    def _tell(self, work: Callable[[BehaviourNews], None]) -> None:
        if self._news is None:
            return
        try:
            work(self._news)
        except OSError as error:
            self._is_current, self._is_other = False, True
            self.failures += 1
            log.error("cannot tell other nodes how devices are used; they hear of it later: %s", error)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._is_current = False
            self.failures += 1
            log.error("cannot show workers how devices are used; segments go by what was shown before: %s", error)
