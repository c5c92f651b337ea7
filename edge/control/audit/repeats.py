"""Refusals, logins and exports that repeat: the first is recorded at once, the others of the next minute as one record
with their count. Pure.

So nobody fills the disk by asking again and again: neither from one address, nor from many. And nobody asks until there
is no room for others: what strangers are refused, what is refused to who is known, and what was done have limits of
their own.
"""

import enum
from collections import Counter
from typing import NamedTuple

import msgspec

from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.domain.facts import DAY_SECONDS

WINDOW_SECONDS = 60.0
KEYS_LIMIT = 1_000  # of each sort that are told apart in a window; some 300 bytes each
# Records of each sort a day, of 400 bytes: 12 MB a day at most. Beyond it one an hour says how many there were.
DAY_LIMIT = 10_000
HOUR_SECONDS = 3_600.0
BEYOND = "many_refusals"


class _Sort(enum.Enum):
    """Whose room a record takes."""

    STRANGERS = "strangers"
    REFUSED = "refused"  # to a token or a person that is known
    DONE = "done"


class _Key(NamedTuple):
    sort: _Sort
    who: str
    address: str
    operation: str
    outcome: ActOutcome
    code: str
    app: str


class Repeats:
    """For one process."""

    def __init__(self, *, day_limit: int = DAY_LIMIT, keys_limit: int = KEYS_LIMIT) -> None:
        self._day_limit, self._keys_limit = day_limit, keys_limit
        self._counted: dict[
            _Key, tuple[AuditEntry, float, int]
        ] = {}  # the latest, since when, how many after the first
        self._open = Counter[_Sort]()  # keys of the window
        self._day, self._recorded = 0, Counter[_Sort]()
        self._beyond, self._beyond_since = 0, 0.0

    def note(self, entry: AuditEntry) -> AuditEntry | None:
        """The entry if it is to be recorded now; None: it is counted."""
        sort = _sort_of(entry)
        key = _Key(sort, entry.who, entry.address, entry.operation, entry.outcome, entry.code, entry.app)
        held = self._counted.get(key)
        if held is not None:
            self._counted[key] = (entry, held[1], held[2] + entry.count)
            return None
        if self._open[sort] >= self._keys_limit or not self._has_room(sort, entry.at):
            self._beyond += entry.count
            self._beyond_since = self._beyond_since or entry.at
            return None
        self._counted[key] = (entry, entry.at, 0)
        self._open[sort] += 1
        self._recorded[sort] += 1
        return entry

    def due(self, now: float, *, ending: bool = False) -> list[AuditEntry]:
        """What is to be recorded of the windows that are over; of all of them when the process is ending."""
        over = [key for key, (_, since, _) in self._counted.items() if ending or not 0 <= now - since < WINDOW_SECONDS]
        several = [key for key in over if self._counted[key][2]]
        told = [self._summary(key, now) for key in several]
        self._recorded.update(key.sort for key in several)
        self._open.subtract(key.sort for key in over)
        for key in over:
            del self._counted[key]
        if self._beyond and (ending or not 0 <= now - self._beyond_since < HOUR_SECONDS):
            told.append(
                AuditEntry(
                    at=now,
                    kind=ActKind.NODE,
                    operation=BEYOND,
                    outcome=ActOutcome.REFUSED,
                    count=self._beyond,
                    since=self._beyond_since,
                )
            )
            self._beyond, self._beyond_since = 0, 0.0
        return told

    def _summary(self, key: _Key, now: float) -> AuditEntry:
        latest, since, count = self._counted[key]
        return msgspec.structs.replace(latest, at=max(now, latest.at), count=count, since=since)

    def _has_room(self, sort: _Sort, at: float) -> bool:
        day = int(at // DAY_SECONDS)
        if day != self._day:
            self._day, self._recorded = day, Counter()
        return self._recorded[sort] < self._day_limit


def _sort_of(entry: AuditEntry) -> _Sort:
    if entry.is_strangers:
        return _Sort.STRANGERS
    return _Sort.REFUSED if entry.is_refusal else _Sort.DONE
