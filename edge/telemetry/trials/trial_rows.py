"""Rows of devices in experiments: read for a batch, and written back. In the caller's transaction."""

import enum
import sqlite3
from collections.abc import Iterable, Sequence

_CHUNK = 500  # keys in one question; SQLite takes 999 at least


class TrialBit(enum.IntFlag):
    """What is known of a device in an experiment."""

    CAN_CRASH = 1  # its crashes become known
    CAN_ERR = 2  # and its unhandled errors
    CRASHED = 4
    FAILED = 8  # its arm's bundle did not start on it
    INSTALL_FAILED = 16
    CAPPED = 32  # its network had its share of the counted devices when it was first heard
    HAD = 64  # it ran its arm's bundle when it came in
    HAD_ANY = 128  # that of some arm


UNHEARD = -1  # the network of a device that has not reported: notes of checks have none


class TrialRow:
    """One device in one experiment; `is_new`: it has no row yet."""

    __slots__ = (
        "arm", "bits", "errors", "events", "first_ms", "installed_ms", "is_changed", "is_new", "is_unsaid", "net",
        "sessions",
    )  # fmt: skip

    def __init__(self, arm: int, first_ms: int) -> None:
        self.arm, self.first_ms = arm, first_ms
        self.installed_ms = self.sessions = self.errors = self.bits = 0
        self.events: dict[int, tuple[int, float]] = {}  # by measure, what this batch adds
        self.net = UNHEARD
        self.is_new = self.is_changed = True
        self.is_unsaid = False  # what it ran when it came in, which this batch may say yet


def load_rows(connection: sqlite3.Connection, experiment: int, keys: Sequence[int]) -> dict[int, TrialRow]:
    """Those that there are, by the device's key."""
    found: dict[int, TrialRow] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), _CHUNK):
        some = ordered[start : start + _CHUNK]
        rows = connection.execute(
            "SELECT key, arm, first_ms, installed_ms, sessions, errors, bits, net FROM trials"  # noqa: S608
            f" WHERE experiment = ? AND key IN ({','.join('?' * len(some))})",
            (experiment, *some),
        )
        for key, arm, first_ms, *numbers in rows:
            row = found[key] = TrialRow(arm, first_ms)
            row.installed_ms, row.sessions, row.errors, row.bits, row.net = numbers
            row.is_new = row.is_changed = False
    return found


def store_rows(connection: sqlite3.Connection, experiment: int, rows: Iterable[tuple[int, TrialRow]]) -> None:
    """What changed."""
    changed = sorted(((key, row) for key, row in rows if row.is_changed), key=lambda each: each[0])
    connection.executemany(
        "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (experiment, key, row.arm, row.first_ms, row.installed_ms, row.sessions, row.errors, row.bits, row.net)
            for key, row in changed
        ],
    )
    connection.executemany(
        "INSERT INTO trial_events VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET n = n + excluded.n, total = total + excluded.total",
        [
            (experiment, measure, key, row.arm, n, total)
            for key, row in changed
            for measure, (n, total) in sorted(row.events.items())
        ],
    )
