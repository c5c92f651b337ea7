"""Refusals, logins and exports that repeat: the first is recorded at once, the others of the next minute as one record
with their count. Pure.

So nobody fills the disk by asking again and again: neither from one address, nor from many. And nobody asks until there
is no room for others: what strangers are refused, what is refused to who is known, and what was done have limits of
their own, and of the last two nobody has more than a share.
"""

import enum
from collections import Counter
from typing import NamedTuple

import msgspec

from edge.control.audit.entry import TARGET_LIMIT, ActKind, ActOutcome, AuditEntry
from edge.domain.facts import DAY_SECONDS

WINDOW_SECONDS = 60.0
KEYS_LIMIT = 1_000  # of each sort that are told apart in a window; some 300 bytes each
# Records of each sort a day, of 400 bytes: 12 MB a day at most. Beyond it one an hour says how many there were.
DAY_LIMIT = 10_000
# One name, a token's or a person's, has a fifth of either limit: what is read once a minute all day fits.
NAME_SHARE = 5
HOUR_SECONDS = 3_600.0
BEYOND = "many_refusals"
TARGETS_LIMIT = TARGET_LIMIT // 4  # characters of all that one record of several tells: some ten names
BETWEEN = "; "


class _Sort(enum.Enum):
    """Whose room a record takes."""

    STRANGERS = "strangers"
    REFUSED = "refused"  # to a token or a person that is known
    DONE = "done"


class _Room(NamedTuple):
    """What a limit is of: a sort, or a name in it."""

    sort: _Sort
    who: str = ""


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

    def __init__(
        self, *, day_limit: int = DAY_LIMIT, keys_limit: int = KEYS_LIMIT, name_share: int = NAME_SHARE
    ) -> None:
        self._day_limit, self._keys_limit, self._name_share = day_limit, keys_limit, name_share
        self._counted: dict[
            _Key, tuple[AuditEntry, float, int]
        ] = {}  # the latest, since when, how many after the first
        # Of each sort, and of each name in it: how many keys the window has, and how many records the day.
        self._open = Counter[_Room]()
        self._day, self._recorded = 0, Counter[_Room]()
        # By who used up a share, "" for all others: how many, since when.
        self._beyond: dict[str, tuple[int, float]] = {}

    def note(self, entry: AuditEntry) -> AuditEntry | None:
        """The entry if it is to be recorded now; None: it is counted."""
        sort = _sort_of(entry)
        key = _Key(sort, entry.who, entry.address, entry.operation, entry.outcome, entry.code, entry.app)
        held = self._counted.get(key)
        if held is not None:
            targets = _with_target(held[0].target, entry.target) if held[2] else entry.target
            latest = msgspec.structs.replace(entry, target=targets)
            self._counted[key] = (latest, held[1], held[2] + entry.count)
            return None
        full = self._full(key, entry.at)
        if full is not None:
            count, since = self._beyond.get(full.who, (0, entry.at))
            self._beyond[full.who] = (count + entry.count, since)
            return None
        self._counted[key] = (entry, entry.at, 0)
        self._open.update(_rooms_of(key))
        self._recorded.update(_rooms_of(key))
        return entry

    def due(self, now: float, *, ending: bool = False) -> list[AuditEntry]:
        """What is to be recorded of the windows that are over; of all of them when the process is ending."""
        over = [key for key, (_, since, _) in self._counted.items() if ending or not 0 <= now - since < WINDOW_SECONDS]
        several = [key for key in over if self._counted[key][2]]
        told = [self._summary(key, now) for key in several]
        self._recorded.update(room for key in several for room in _rooms_of(key))
        self._open.subtract(room for key in over for room in _rooms_of(key))
        self._open += Counter()  # drops the names that have none
        for key in over:
            del self._counted[key]
        ended = [who for who, (_, since) in self._beyond.items() if ending or not 0 <= now - since < HOUR_SECONDS]
        return told + [_sum_of(who, *self._beyond.pop(who), now) for who in ended]

    def _summary(self, key: _Key, now: float) -> AuditEntry:
        latest, since, count = self._counted[key]
        return msgspec.structs.replace(latest, at=max(now, latest.at), count=count, since=since)

    def _full(self, key: _Key, at: float) -> _Room | None:
        """The room that has no place for another record, the name's or everybody's."""
        day = int(at // DAY_SECONDS)
        if day != self._day:
            self._day, self._recorded = day, Counter()
        for room in _rooms_of(key):
            part = self._name_share if room.who else 1
            if self._open[room] >= self._keys_limit // part or self._recorded[room] >= self._day_limit // part:
                return room
        return None


def _with_target(told: str, target: str) -> str:
    """All that the same was refused of, as far as a record's room goes."""
    if not target or target in told.split(BETWEEN):
        return told
    both = BETWEEN.join(filter(None, (told, target)))
    return both if len(both) <= TARGETS_LIMIT else told


def _rooms_of(key: _Key) -> list[_Room]:
    """A share is of who has shown to be somebody: whom strangers name is not asking."""
    shared = key.sort is not _Sort.STRANGERS and key.who
    return [_Room(key.sort, key.who), _Room(key.sort)] if shared else [_Room(key.sort)]


def _sum_of(who: str, count: int, since: float, now: float) -> AuditEntry:
    return AuditEntry(
        at=now,
        kind=ActKind.NODE,
        operation=BEYOND,
        outcome=ActOutcome.REFUSED,
        who=who,
        count=count,
        since=since,
    )


def _sort_of(entry: AuditEntry) -> _Sort:
    if entry.is_strangers:
        return _Sort.STRANGERS
    return _Sort.REFUSED if entry.is_refusal else _Sort.DONE
