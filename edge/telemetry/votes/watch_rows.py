"""The rows of watches and their votes: read, opened, closed and stored. In the caller's transaction."""

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from edge.domain.guarding.watch import Watch
from edge.telemetry.votes.arm_counts import Drawn
from edge.telemetry.votes.control_starts import read_starts
from edge.telemetry.votes.vote import EARLIER, MASK, OF_ATTEMPT, OF_DEVICE, OFFERED, Vote
from edge.telemetry.votes.watch_book import KeptPlan, WatchBook

_CHUNK = 300  # keys in one question
_COLUMNS = "key, net, bits, tests, epoch, cohort, cause, offered_ms, set_ms, failed_ms, spoke_ms, node"

_OF_DEVICES = ("votes", "arm_events", "control_starts")
_plans = msgspec.json.Decoder(KeptPlan)


class WatchRow(NamedTuple):
    """One that goes on."""

    id: int
    watch: str
    salt: str
    began_ms: int
    stamp: int
    is_full: bool
    plan: bytes


def open_rows(connection: sqlite3.Connection, app: str) -> list[WatchRow]:
    rows = connection.execute(
        "SELECT id, watch, salt, began_ms, stamp, is_full, CAST(plan AS BLOB) FROM watches"
        " WHERE app = ? AND ended_ms = 0 ORDER BY id",
        (app,),
    )
    return [WatchRow(*row) for row in rows]


def watched_apps(connection: sqlite3.Connection) -> list[str]:
    """Those with a watch that goes on."""
    return [app for (app,) in connection.execute("SELECT DISTINCT app FROM watches WHERE ended_ms = 0 ORDER BY app")]


def begin_row(connection: sqlite3.Connection, app: str, watch: Watch, now_ms: int) -> WatchRow:
    """A watch that nothing is known of. Its count begins now if a clock was ahead when it started, or if its votes
    were dropped since."""
    known = connection.execute("SELECT 1 FROM watches WHERE app = ? AND watch = ?", (app, watch.id)).fetchone()
    began_ms = now_ms if known else min(watch.since_ms, now_ms)
    salt = watch.rollout.salt if watch.rollout is not None else ""
    connection.execute(
        "INSERT INTO watches (app, watch, channel, salt, began_ms, ended_ms, stamp, is_full, plan)"
        " VALUES (?, ?, ?, ?, ?, 0, 0, 0, '') ON CONFLICT DO UPDATE SET began_ms = excluded.began_ms, ended_ms = 0,"
        " salt = excluded.salt, stamp = 0, is_full = 0, plan = '', standing = NULL",
        (app, watch.id, watch.channel, salt, began_ms),
    )
    return next(each for each in open_rows(connection, app) if each.watch == watch.id)


def carry_offers(connection: sqlite3.Connection, before: WatchRow, after: WatchRow) -> WatchRow:
    """A rollout that was resumed: who was offered the bundle, and told nothing since, may still vote. Who told
    something has done so under the watch before, and a failure that comes late belongs there."""
    connection.execute(
        f"INSERT OR IGNORE INTO votes (watch, {_COLUMNS}) SELECT ?1, key, 0,"  # noqa: S608
        " CASE WHEN bits & ?3 THEN bits & ?4 | ?5 ELSE bits & ?6 END, tests & ?7, 0, cohort, 0, offered_ms, 0, 0, 0,"
        " node FROM votes WHERE watch = ?2 AND bits & ?8",
        (after.id, before.id, OF_ATTEMPT, OF_DEVICE, EARLIER, OF_DEVICE | OFFERED | EARLIER, MASK, OFFERED | EARLIER),
    )
    kept = _kept_plan(before.plan)
    plan = msgspec.json.encode(KeptPlan(kept.tests, (), kept.nodes)) if kept else b""
    connection.execute("UPDATE watches SET plan = ? WHERE id = ?", (plan, after.id))
    return after._replace(plan=plan)


def close_row(connection: sqlite3.Connection, id: int, now_ms: int) -> None:
    """The watch is over: its votes go, what they showed stays."""
    connection.execute("UPDATE watches SET ended_ms = ? WHERE id = ?", (now_ms, id))
    for table in _OF_DEVICES:
        connection.execute(f"DELETE FROM {table} WHERE watch = ?", (id,))  # noqa: S608


def store_book(connection: sqlite3.Connection, book: WatchBook) -> None:
    """After a batch that changed its rows: whoever remembers others has to read them again."""
    book.stamp = random.getrandbits(62) | 1
    connection.execute(
        "UPDATE watches SET stamp = ?, is_full = ?, began_ms = ?, plan = ? WHERE id = ?",
        (book.stamp, book.is_full, book.watch.since_ms, msgspec.json.encode(book.kept_plan), book.id),
    )


def read_book(connection: sqlite3.Connection, row: WatchRow, watch: Watch, now_ms: int) -> WatchBook:
    """The counts of a watch's rows. For one that has just begun, or whose guard has another plan since, what counts is
    decided again, in the order in which they became attempts."""
    kept = _kept_plan(row.plan)
    book = WatchBook(row.id, watch, min(row.began_ms, now_ms), *((kept.epochs, kept.nodes) if kept else ()))
    book.go_on(now_ms)
    book.stamp, book.is_full = row.stamp, bool(row.is_full)
    if kept is not None and kept.tests == book.plan and row.stamp:
        for vote in _all_votes(connection, row.id):
            book.take(vote)
    else:
        _decide_again(connection, book, kept)
    book.control = read_starts(connection, row.id)
    events = connection.execute(
        "SELECT test, net, epoch, share, in_arm, counted, node FROM arm_events WHERE watch = ?", (row.id,)
    )
    for test, net, epoch, share, in_arm, counted, node in events:
        if counted and test < len(book.arms):
            book.arms[test].add(net, epoch, Drawn(share, bool(in_arm)), node)
    return book


def _decide_again(connection: sqlite3.Connection, book: WatchBook, kept: KeptPlan | None) -> None:
    """Segments that were not watched before are unknown for the votes until now: those are in the new scopes of all
    devices alone."""
    tests = kept.tests if kept else ()
    votes = sorted(_all_votes(connection, book.id), key=lambda each: (each.set_ms or each.failed_ms, each.key))
    for vote in votes:
        segments = tuple(test.segment for n, test in enumerate(tests) if test.segment and vote.tests >> n & 1)
        vote.tests = book.scope(segments, vote.bits)
        book.enter_again(vote)
    store_votes(connection, book.id, votes)
    connection.execute("DELETE FROM arm_events WHERE watch = ?", (book.id,))
    store_book(connection, book)


def load_votes(connection: sqlite3.Connection, watch: int, keys: Iterable[int]) -> dict[int, Vote]:
    ordered = sorted(set(keys))
    found: dict[int, Vote] = {}
    for start in range(0, len(ordered), _CHUNK):
        some = ordered[start : start + _CHUNK]
        marks = ",".join("?" * len(some))
        rows = connection.execute(f"SELECT {_COLUMNS} FROM votes WHERE watch = ? AND key IN ({marks})", (watch, *some))  # noqa: S608
        found.update((row[0], Vote.of_row(row)) for row in rows)
    return found


def store_votes(connection: sqlite3.Connection, watch: int, votes: Iterable[Vote]) -> None:
    rows = sorted(vote.row(watch) for vote in votes)
    connection.executemany(f"INSERT OR REPLACE INTO votes VALUES ({','.join('?' * 13)})", rows)  # noqa: S608


def drop_votes(connection: sqlite3.Connection, watch: int, keys: Sequence[int]) -> None:
    connection.executemany("DELETE FROM votes WHERE watch = ? AND key = ?", [(watch, key) for key in keys])


def erase_votes(connection: sqlite3.Connection, app: str, key: int) -> int:
    """All of one device; returns how many rows."""
    of_app = "watch IN (SELECT id FROM watches WHERE app = ?)"
    rows = 0
    for table in _OF_DEVICES:
        query = f"DELETE FROM {table} WHERE {of_app} AND key = ?"  # noqa: S608
        rows += connection.execute(query, (app, key)).rowcount
    if rows:
        connection.execute("UPDATE watches SET stamp = stamp + 1 WHERE app = ?", (app,))
    return rows


def _all_votes(connection: sqlite3.Connection, watch: int) -> Iterator[Vote]:
    for row in connection.execute(f"SELECT {_COLUMNS} FROM votes WHERE watch = ?", (watch,)):  # noqa: S608
        yield Vote.of_row(row)


def _kept_plan(plan: bytes) -> KeptPlan | None:
    try:
        return _plans.decode(plan)
    except msgspec.DecodeError:  # a new one
        return None
