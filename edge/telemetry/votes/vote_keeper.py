"""What the folding process remembers of the watches that go on, from one batch to the next.

Truth are the rows: what is remembered is used only while its stamp is that of the row. Who begins knows which releases
are under guard now; a watch that is not among them any more is over.
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from edge.domain.guarding.watch import Watch
from edge.telemetry.votes.watch_book import WatchBook
from edge.telemetry.votes.watch_rows import (
    WatchRow,
    begin_row,
    carry_offers,
    close_row,
    open_rows,
    read_book,
    store_book,
    watched_apps,
)

VOTES_OF_NODE_LIMIT = 10_000_000  # of all watches together: 0.5 GB; devices beyond it are not counted
WATCHES_LIMIT = 1_000  # that go on at once on a node: each is judged after each fold, in a tenth of a millisecond

log = logging.getLogger("edge.guard")

WatchesOf = Callable[[str], Sequence[Watch] | None]


def no_watches(app: str) -> Sequence[Watch]:
    """A `WatchesOf` where nothing is under guard."""
    return ()


class VoteKeeper:
    """For one thread. `watches_of` says which releases of an app are under guard; None: that is not known now."""

    def __init__(self, watches_of: WatchesOf = no_watches) -> None:
        self._watches_of = watches_of
        self._books: dict[tuple[str, str], WatchBook] = {}
        self._unwatched: dict[str, set[str]] = {}  # by app, those beyond the limit

    @property
    def unwatched(self) -> int:
        """How many releases under guard are not counted, as `WATCHES_LIMIT` others are."""
        return sum(map(len, self._unwatched.values()))

    @property
    def books(self) -> list[tuple[str, WatchBook]]:
        """All that go on, with their apps."""
        return [(app, book) for (app, _), book in self._books.items()]

    def has_room(self, node: str = "") -> bool:
        """Whether one more vote can be kept: of another node, if `node` names it, at most half of all."""
        rows = sum(book.rows for book in self._books.values())
        if not node or rows < VOTES_OF_NODE_LIMIT // 2:
            return rows < VOTES_OF_NODE_LIMIT
        of_node = sum(book.rows_of[book.number_of(node)] for book in self._books.values() if node in book.nodes)
        return rows < VOTES_OF_NODE_LIMIT and of_node < VOTES_OF_NODE_LIMIT // 2

    def begin(self, connection: sqlite3.Connection, app: str, now_ms: int) -> list[WatchBook]:
        """The books of the app's watches as of now; those that are over are closed."""
        rows = {row.watch: row for row in open_rows(connection, app)}
        watches = self._watches_of(app)
        if not rows and not watches:
            self._unwatched.pop(app, None)
            return []
        if watches is None:
            return self._unknown(app, rows)
        found, beyond = [], set[str]()
        for watch in watches:
            row = rows.get(watch.id)
            if row is None:
                if len(self._books) >= WATCHES_LIMIT:
                    beyond.add(watch.id)
                    continue
                row = self._open(connection, app, watch, rows, now_ms)
            found.append(self._book(connection, app, watch, row, now_ms))
        for name in rows.keys() - {watch.id for watch in watches}:
            close_row(connection, rows[name].id, now_ms)
            self._books.pop((app, name), None)
        self._note_unwatched(app, beyond)
        return found

    def _note_unwatched(self, app: str, beyond: set[str]) -> None:
        """Each is one line."""
        for watch in sorted(beyond - self._unwatched.get(app, set())):
            reason = f"{WATCHES_LIMIT:,} others are on this node, its limit"
            log.error("nothing is counted for the guard of %s, release %s: %s", app, watch, reason)
        if beyond:
            self._unwatched[app] = beyond
        else:
            self._unwatched.pop(app, None)

    def begin_all(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Those of every app that has one."""
        for app in {*watched_apps(connection), *self._unwatched}:
            self.begin(connection, app, now_ms)
        open_now = {*watched_apps(connection)}
        for app, name in [*self._books]:
            if app not in open_now:
                del self._books[app, name]

    def _unknown(self, app: str, rows: dict[str, WatchRow]) -> list[WatchBook]:
        """Those that are remembered."""
        found = [self._books.get((app, name)) for name in rows]
        return [book for book in found if book is not None and book.stamp == rows[book.watch.id].stamp]

    def _open(
        self, connection: sqlite3.Connection, app: str, watch: Watch, rows: dict[str, WatchRow], now_ms: int
    ) -> WatchRow:
        row = begin_row(connection, app, watch, now_ms)
        before = [each for each in rows.values() if each.salt and each.salt == row.salt]
        if before:
            row = carry_offers(connection, before[-1], row)
        self._books.pop((app, watch.id), None)
        return row

    def _book(self, connection: sqlite3.Connection, app: str, watch: Watch, row: WatchRow, now_ms: int) -> WatchBook:
        book = self._books.get((app, watch.id))
        is_same = book is not None and book.id == row.id and book.stamp == row.stamp and book.is_of(watch)
        if book is None or not is_same:
            book = self._books[app, watch.id] = read_book(connection, row, watch, now_ms)
        book.watch = msgspec.structs.replace(watch, since_ms=min(row.began_ms, now_ms))
        known = book.epochs
        book.go_on(now_ms)
        if not row.stamp or known != book.epochs or row.began_ms > now_ms:
            store_book(connection, book)
        return book
