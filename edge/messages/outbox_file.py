"""The outbox on disk: notices, and for each receiver what became of its delivery.

A call that changes something returns when that is on disk. Calls block and come from one thread at a time; two
processes may do so, as a node and its successor. It is bounded: what is given up for want of room is the oldest.
"""

import logging
import sqlite3
from collections.abc import Callable, Container, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from edge.domain.errors import Unavailable
from edge.messages.notice import Notice
from edge.store.disk.database_file import Tables, open_database, transaction
from edge.store.disk.set_aside import set_aside

SCHEMA_NUMBER = 1
WAITING_LIMIT = 10_000  # deliveries; a hundred channels that alarm every hour of the three days, and some
HELD_LIMIT_BYTES = 16 * 2**20  # of notices, whoever posts them
AGE_LIMIT_SECONDS = 3 * 86_400.0  # a long weekend of a receiver that is down
RESULTS_KEPT = 50  # a receiver: what the list of its deliveries shows
NOTICES_KEPT = 1_000  # that wait for nobody: a notice posted again is known by its id

_SCHEMA = f"""
CREATE TABLE notices (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, posted REAL NOT NULL, body BLOB NOT NULL
);
CREATE TABLE deliveries (
    webhook TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, due REAL NOT NULL,
    last REAL NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (webhook, number)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_due ON deliveries (state, due);
CREATE INDEX deliveries_by_number ON deliveries (number);
PRAGMA user_version = {SCHEMA_NUMBER};
"""
_TABLES = Tables(SCHEMA_NUMBER, _SCHEMA)
_PRAGMAS = ("journal_mode = DELETE", "synchronous = EXTRA")  # a transaction that has ended survives a power cut
DeliveryState = Literal["waiting", "delivered", "given_up"]
WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
GIVEN_UP: Final = "given_up"
NO_ROOM = "given up to make room: the outbox is full"
TOO_OLD = "given up: not delivered within three days"
UNREADABLE = "given up: the notice on disk cannot be read"

T = TypeVar("T")
_decoder = msgspec.json.Decoder(Notice)

log = logging.getLogger("edge.messages")


class Delivery(NamedTuple):
    """One that is due. `attempts` failed so far, `posted` is in seconds since the epoch."""

    webhook: str
    number: int
    notice: Notice
    attempts: int
    posted: float


class DeliveryResult(NamedTuple):
    """What became of a notice at a receiver. `state` is `waiting`, `delivered` or `given_up`; `status` of the last
    attempt's answer is 0 without one, `last` 0.0 before the first. Times are in seconds since the epoch."""

    notice: Notice
    state: DeliveryState
    attempts: int
    posted: float
    due: float
    last: float
    status: int
    reason: str


class OutboxFile:
    """Opened by the first call. A file that SQLite cannot read is set aside, with the notices in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """The next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def add(self, notice: Notice, receivers: Sequence[str], now: float) -> int | None:
        """Keep the notice for these receivers. Returns how many older deliveries are given up for want of room; None,
        having done nothing, if a notice with its id is known. Raises Unavailable `outbox_unavailable`."""

        def work(connection: sqlite3.Connection) -> int | None:
            row = (notice.id, now, msgspec.json.encode(notice))
            added = connection.execute("INSERT OR IGNORE INTO notices (id, posted, body) VALUES (?, ?, ?)", row)
            if not added.rowcount:
                return None
            rows = [(each, added.lastrowid, WAITING, now) for each in receivers]
            connection.executemany("INSERT INTO deliveries VALUES (?, ?, ?, 0, ?, 0.0, 0, '')", rows)
            given_up = _make_room(connection, now)
            _forget_done(connection)
            return given_up

        return self._change(work)

    def due_receivers(self, now: float, longest_wait_seconds: float) -> list[str]:
        """To whom something is due. What is due later than any wait can last is due too: the clock was set back."""
        rows = self._read(
            "SELECT DISTINCT webhook FROM deliveries WHERE state = ? AND (due <= ? OR due > ?)",
            (WAITING, now, now + longest_wait_seconds),
        )
        return [webhook for (webhook,) in rows]

    def due_to(self, webhook: str, now: float, longest_wait_seconds: float, limit: int) -> list[Delivery]:
        """The earliest first. What a damaged disk or a newer release left, and this one cannot read, is given up."""
        rows = self._read(
            "SELECT number, body, attempts, posted FROM deliveries JOIN notices USING (number) "
            "WHERE webhook = ? AND state = ? AND (due <= ? OR due > ?) ORDER BY due, number LIMIT ?",
            (webhook, WAITING, now, now + longest_wait_seconds, limit),
        )
        read = [(number, _decode(body), *rest) for number, body, *rest in rows]
        if unreadable := [number for number, notice, *_ in read if notice is None]:
            log.error("%d notices of the outbox, %s, cannot be read: they are given up", len(unreadable), self._path)
            self._change(lambda connection: _give_up_numbers(connection, unreadable))
        return [Delivery(webhook, number, notice, *rest) for number, notice, *rest in read if notice is not None]

    def next_due(self, but: Container[str] = ()) -> float | None:
        """When the next delivery is due, apart from those to `but`; None if nothing waits."""
        rows = self._read("SELECT webhook, min(due) FROM deliveries WHERE state = ? GROUP BY webhook", (WAITING,))
        return min((due for webhook, due in rows if webhook not in but), default=None)

    def note_delivered(self, delivery: Delivery, now: float, status: int, reason: str) -> None:
        self._settle(delivery, DELIVERED, now, now, status, reason)

    def note_failed(
        self, delivery: Delivery, now: float, due: float, status: int, reason: str, *, others_due: float
    ) -> None:
        """To be tried again at `due`, and whatever else waits for the same receiver not before `others_due`."""
        self._settle(delivery, WAITING, due, now, status, reason, others_due)

    def note_given_up(self, delivery: Delivery, now: float, status: int, reason: str) -> None:
        self._settle(delivery, GIVEN_UP, now, now, status, reason)

    def forget(self, webhook: str) -> None:
        """Nothing is delivered to it any more."""
        self._change(lambda connection: connection.execute("DELETE FROM deliveries WHERE webhook = ?", (webhook,)))

    def results(self, webhook: str, limit: int = RESULTS_KEPT) -> list[DeliveryResult]:
        """The latest notice first, of those that can be read."""
        columns = "body, state, attempts, posted, due, last, status, reason"
        rows = self._read(
            f"SELECT {columns} FROM deliveries JOIN notices USING (number) WHERE webhook = ? "  # noqa: S608
            "ORDER BY number DESC LIMIT ?",
            (webhook, limit),
        )
        read = [(_decode(body), *rest) for body, *rest in rows]
        return [DeliveryResult(notice, *rest) for notice, *rest in read if notice is not None]

    def receivers(self) -> list[str]:
        """Whoever has deliveries here."""
        return [each for (each,) in self._read("SELECT DISTINCT webhook FROM deliveries", ())]

    def waiting(self) -> int:
        """How many deliveries are not done."""
        return int(self._read("SELECT count(*) FROM deliveries WHERE state = ?", (WAITING,))[0][0])

    def failing(self) -> int:
        """How many receivers failed at their latest attempt."""
        latest = "SELECT webhook, state, attempts, max(last) FROM deliveries WHERE last > 0 GROUP BY webhook"
        return sum(1 for _, state, *_ in self._read(latest, ()) if state != DELIVERED)

    def _settle(
        self,
        delivery: Delivery,
        state: DeliveryState,
        due: float,
        now: float,
        status: int,
        reason: str,
        others_due: float = 0.0,
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE deliveries SET due = max(due, ?) WHERE webhook = ? AND state = ?",
                (others_due, delivery.webhook, WAITING),
            )
            connection.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, due = ?, last = ?, status = ?, reason = ? "
                "WHERE webhook = ? AND number = ?",
                (state, due, now, status, reason, delivery.webhook, delivery.number),
            )
            _forget_done(connection)

        self._change(work)

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        return self._with(lambda connection: connection.execute(query, values).fetchall())

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def whole(connection: sqlite3.Connection) -> T:
            with transaction(connection):
                return work(connection)

        return self._with(whole)

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:  # for what is no damage, SQLite has classes of their own
                    raise
                self._set_aside(error)
                return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise Unavailable("outbox_unavailable", f"cannot use the outbox, {self._path}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_database(self._path, _TABLES, _PRAGMAS)
        return self._connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        self.close()
        set_aside(self._path, str(error), "notices that were not delivered are lost")
        _journal_of(self._path).unlink(missing_ok=True)


def _decode(body: bytes) -> Notice | None:
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def _give_up_numbers(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    connection.executemany(
        "UPDATE deliveries SET state = ?, reason = ? WHERE state = ? AND number = ?",
        [(GIVEN_UP, UNREADABLE, WAITING, number) for number in numbers],
    )


def _make_room(connection: sqlite3.Connection, now: float) -> int:
    """Give up what is too old, and the oldest while there is too much. Returns how many deliveries."""
    given_up = _give_up(connection, "posted < ?", now - AGE_LIMIT_SECONDS, TOO_OLD)
    with closing(connection.execute("SELECT count(*) FROM deliveries WHERE state = ?", (WAITING,))) as found:
        beyond = int(found.fetchone()[0]) - WAITING_LIMIT
    if beyond > 0:
        oldest = "SELECT number FROM deliveries WHERE state = ? ORDER BY number LIMIT 1 OFFSET ?"
        (number,) = connection.execute(oldest, (WAITING, beyond - 1)).fetchone()
        given_up += _give_up(connection, "number <= ?", number, NO_ROOM)
    while (least := _first_that_fits(connection)) is not None:
        given_up += _give_up(connection, "number < ?", least, NO_ROOM)
        connection.execute("DELETE FROM deliveries WHERE number < ?", (least,))
        connection.execute("DELETE FROM notices WHERE number < ?", (least,))
    return given_up


def _first_that_fits(connection: sqlite3.Connection) -> int | None:
    """The oldest notice that all together fit with; None if all fit."""
    held = 0
    for number, size in connection.execute("SELECT number, length(body) FROM notices ORDER BY number DESC"):
        held += size
        if held > HELD_LIMIT_BYTES:
            return int(number) + 1
    return None


def _give_up(connection: sqlite3.Connection, which: str, value: float, why: str) -> int:
    return connection.execute(
        f"UPDATE deliveries SET state = ?, reason = ? WHERE state = ? AND number IN "  # noqa: S608
        f"(SELECT number FROM notices WHERE {which})",
        (GIVEN_UP, why, WAITING, value),
    ).rowcount


def _forget_done(connection: sqlite3.Connection) -> None:
    """Of each receiver the latest results stay, and of notices that wait for nobody the latest."""
    connection.execute(
        "DELETE FROM deliveries WHERE state != ? AND number <= coalesce((SELECT number FROM deliveries AS other "
        "WHERE other.webhook = deliveries.webhook AND other.state != ? ORDER BY number DESC LIMIT 1 OFFSET ?), -1)",
        (WAITING, WAITING, RESULTS_KEPT),
    )
    connection.execute(
        "DELETE FROM notices WHERE number <= (SELECT max(number) FROM notices) - ? "
        "AND number NOT IN (SELECT number FROM deliveries)",
        (NOTICES_KEPT,),
    )


def _journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")
