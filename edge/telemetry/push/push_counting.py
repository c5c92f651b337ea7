"""Registrations, openings and what messages changed, of one batch, in the fold's transaction.

A registration is its device's last word: what was received earlier and comes later changes nothing. A token belongs to
one device of an app, the one that registered it last; a device has one token of a provider.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from edge.domain.messaging.usual_hours import HOURS, UNKNOWN_HOURS, learn_hour
from edge.domain.schedule.zones import load_device_zone, offset_seconds
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.subjects import SESSION, UPDATE
from edge.telemetry.push.push_schema import ARMS_LIMIT, EFFECT_HOURS, REGISTRATIONS_LIMIT, TOLD_LIMIT
from edge.telemetry.push.token_hash import token_hash
from edge.telemetry.spool.push_records import (
    DeadPushToken,
    PushAssigned,
    PushLeaving,
    PushOpening,
    PushRecord,
    PushRegistration,
    assigned_devices,
)
from edge.wire.push.registrations import PROVIDERS

_CHUNK = 500  # keys in one question
_MINUTE_MS, _HOUR_MS, _HOUR_SECONDS = 60_000, 3_600_000, 3_600
_BY_HASH = "push_tokens INDEXED BY push_tokens_by_hash"  # SQLite would read all tokens of the app
_EFFECT_MINUTES = EFFECT_HOURS * 60


class PushNoted(NamedTuple):
    """One line about messages; `app` is the app's number."""

    at_ms: int
    app: int
    name: str
    record: PushRecord


class DeviceHeard(NamedTuple):
    """What a batch has of a device: the hours since the epoch in which it was heard of, and what it said of itself in
    its last report, "" if it sent none."""

    key: int
    hours: Set[int]
    told: str


class _Assigned:
    __slots__ = ("due", "is_changed", "opened", "sessions", "updates")

    def __init__(self, due: int, sessions: int, updates: int, opened: int) -> None:
        self.due, self.sessions, self.updates, self.opened = due, sessions, updates, opened
        self.is_changed = False


class PushCounting:
    """Of one batch: `take` its lines, `begin` each app, `note` what devices do, then `store`. `apps`, by number, have
    messages whose effect is being counted."""

    def __init__(self, connection: sqlite3.Connection, limit: int = REGISTRATIONS_LIMIT) -> None:
        self._connection, self._limit = connection, limit
        self.apps: dict[int, dict[int, dict[int, _Assigned]]] = {}  # by app, key and arm

    def take(self, noted: Iterable[PushNoted]) -> None:
        """In the order of receipt, before any device is counted."""
        for each in sorted(noted, key=lambda one: one.at_ms):
            match each.record:
                case PushRegistration() as record:
                    self._register(each, record)
                case PushLeaving() as record:
                    self._leave(each, record)
                case DeadPushToken() as record:
                    self._bury(each.app, record)
                case PushAssigned() as record:
                    self._assign(each.app, record)
                case PushOpening() as record:
                    self._open(each, record)

    def begin(self, app: int, keys: Sequence[int], at_ms: int) -> None:
        """Read for which messages of an app these devices were planned whose effect is not over at `at_ms`."""
        since = at_ms // _MINUTE_MS - 2 * _EFFECT_MINUTES
        if not self._connection.execute(
            "SELECT 1 FROM push_arms WHERE app = ? AND closed = 0 AND last_due >= ? LIMIT 1", (app, since)
        ).fetchone():
            return
        found: defaultdict[int, dict[int, _Assigned]] = defaultdict(dict)
        for some in _chunks(keys):
            rows = self._connection.execute(
                "SELECT key, arm, due, sessions, updates, opened FROM push_assigned"  # noqa: S608  marks alone
                f" WHERE app = ? AND key IN ({_marks(some)}) AND due >= ?",
                (app, *some, since),
            )
            for key, arm, *numbers in rows:
                found[key][arm] = _Assigned(*numbers)
        if found:
            self.apps[app] = found

    def note(self, state: DeviceRecord, at_ms: int, subject: str, n: int) -> None:
        """As the arithmetic of figures tells it."""
        if subject not in _COUNTED:
            return
        minute = at_ms // _MINUTE_MS
        for each in self.apps.get(state.app, {}).get(state.key, {}).values():
            if each.due <= minute < each.due + _EFFECT_MINUTES:
                each.sessions += n if subject == SESSION else 0
                each.updates += n if subject == UPDATE else 0
                each.is_changed = True

    def learn(self, app: int, heard: Iterable[DeviceHeard]) -> None:
        """At which hours of their own day an app's registered devices are used, and what they run."""
        if not self._connection.execute("SELECT 1 FROM push_counts WHERE app = ? AND devices > 0", (app,)).fetchone():
            return
        by_key = {each.key: each for each in heard}
        changed = []
        for some in _chunks([*by_key]):
            rows = self._connection.execute(
                "SELECT key, zone, hours, last_hour, told FROM push_devices"  # noqa: S608  marks alone
                f" WHERE app = ? AND key IN ({_marks(some)})",
                (app, *some),
            )
            for key, zone, hours, last, told in rows.fetchall():
                learned, latest = _learned(by_key[key].hours, zone, hours, last)
                number = self._told(app, by_key[key].told) or told
                if (learned, latest, number) != (hours, last, told):
                    changed.append((learned, latest, number, app, key))
        self._connection.executemany(
            "UPDATE push_devices SET hours = ?, last_hour = ?, told = ? WHERE app = ? AND key = ?", changed
        )

    def store(self) -> None:
        self._connection.executemany(
            "UPDATE push_assigned SET sessions = ?, updates = ? WHERE app = ? AND key = ? AND arm = ?",
            (
                (each.sessions, each.updates, app, key, arm)
                for app, devices in self.apps.items()
                for key, arms in devices.items()
                for arm, each in arms.items()
                if each.is_changed
            ),
        )

    def _register(self, noted: PushNoted, record: PushRegistration) -> None:
        app, key, execute = noted.app, device_key(noted.name, record.device), self._connection.execute
        provider, hashed = PROVIDERS.index(record.provider) + 1, token_hash(record.token)
        query = "SELECT seen_ms FROM push_tokens WHERE app = ? AND key = ? AND provider = ?"
        held = execute(query, (app, key, provider))
        if (row := held.fetchone()) is not None and row[0] > noted.at_ms:
            return
        others = f"SELECT key FROM {_BY_HASH} WHERE app = ? AND hash = ? AND token = ? AND token <> '' AND key <> ?"  # noqa: S608
        if execute(f"{others} AND seen_ms > ?", (app, hashed, record.token, key, noted.at_ms)).fetchone():
            return  # the token has moved on since
        known = execute("SELECT zone, locale, platform, custom_id, seen_ms FROM push_devices WHERE app = ? AND key = ?",
                        (app, key)).fetchone()  # fmt: skip
        if known is None and not self._admit(app):
            return
        for (other,) in execute(others, (app, hashed, record.token, key)).fetchall():
            self._end_tokens(app, other, noted.at_ms, provider)
        execute(
            "INSERT OR REPLACE INTO push_tokens VALUES (?, ?, ?, ?, ?, ?)",
            (app, key, provider, hashed, record.token, noted.at_ms),
        )
        said = (record.zone, record.locale, record.platform, record.custom_id)
        if known is None:
            execute(
                "INSERT INTO push_devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
                (app, key, record.device, *said, noted.at_ms, UNKNOWN_HOURS),
            )
        elif noted.at_ms >= known[4]:
            kept = tuple(now or before for now, before in zip(said, known, strict=False))
            execute(
                "UPDATE push_devices SET zone = ?, locale = ?, platform = ?, custom_id = ?, seen_ms = ?"
                " WHERE app = ? AND key = ?",
                (*kept, noted.at_ms, app, key),
            )

    def _leave(self, noted: PushNoted, record: PushLeaving) -> None:
        key = device_key(noted.name, record.device)
        providers = [PROVIDERS.index(record.provider) + 1] if record.provider else range(1, len(PROVIDERS) + 1)
        for provider in providers:
            self._end_tokens(noted.app, key, noted.at_ms, provider, record.token)

    def _bury(self, app: int, record: DeadPushToken) -> None:
        provider = PROVIDERS.index(record.provider) + 1
        held = self._connection.execute(
            "SELECT hash FROM push_tokens WHERE app = ? AND key = ? AND provider = ? AND token <> '' AND seen_ms <= ?",
            (app, record.key, provider, record.at_ms),
        ).fetchone()
        if held is not None and held[0] == record.hash:
            self._end_tokens(app, record.key, record.at_ms, provider)

    def _end_tokens(self, app: int, key: int, at_ms: int, provider: int, token: str = "") -> None:
        """Of one provider; with `token`, if it is that. What is left is when that was."""
        execute = self._connection.execute
        place = (app, key, provider)
        held = execute("SELECT token, seen_ms FROM push_tokens WHERE app = ? AND key = ? AND provider = ?", place)
        row = held.fetchone()
        if row is not None and (row[1] > at_ms or (token and row[0] not in ("", token))):
            return
        execute("INSERT OR REPLACE INTO push_tokens VALUES (?, ?, ?, 0, '', ?)", (*place, at_ms))
        left = execute("SELECT 1 FROM push_tokens WHERE app = ? AND key = ? AND token <> ''", (app, key)).fetchone()
        if left is None and execute("DELETE FROM push_devices WHERE app = ? AND key = ?", (app, key)).rowcount:
            execute("UPDATE push_counts SET devices = devices - 1 WHERE app = ?", (app,))

    def _admit(self, app: int) -> bool:
        """Whether there is room for one more device of the app."""
        row = self._connection.execute("SELECT devices FROM push_counts WHERE app = ?", (app,)).fetchone()
        if row is not None and row[0] >= self._limit:
            query = "INSERT INTO totals VALUES ('push_beyond_limit', 1) ON CONFLICT DO UPDATE SET n = n + 1"
            self._connection.execute(query)
            return False
        query = "INSERT INTO push_counts VALUES (?, 1) ON CONFLICT DO UPDATE SET devices = devices + 1"
        self._connection.execute(query, (app,))
        return True

    def _assign(self, app: int, record: PushAssigned) -> None:
        """A device that is assigned again stays what it was."""
        devices = assigned_devices(record)
        arm = self._arm(app, record, max((each.due_minute for each in devices), default=0))
        if arm is not None:
            self._connection.executemany(
                "INSERT OR IGNORE INTO push_assigned VALUES (?, ?, ?, ?, 0, 0, 0)",
                ((app, each.key, arm, each.due_minute) for each in devices),
            )

    def _arm(self, app: int, record: PushAssigned, last_due: int) -> int | None:
        """Its number; None beyond the limit, and for one that is closed."""
        execute, name = self._connection.execute, (app, record.message, record.arm)
        query = "SELECT id, closed FROM push_arms WHERE app = ? AND message = ? AND arm = ?"
        row = execute(query, name).fetchone()
        if row is None:
            (held,) = execute("SELECT count(*) FROM push_arms WHERE app = ?", (app,)).fetchone()
            if held >= ARMS_LIMIT:
                return None
            new = "INSERT INTO push_arms VALUES (NULL, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0)"
            return execute(new, (*name, last_due)).lastrowid
        if row[1]:
            return None
        execute("UPDATE push_arms SET last_due = max(last_due, ?) WHERE id = ?", (last_due, row[0]))
        return int(row[0])

    def _open(self, noted: PushNoted, record: PushOpening) -> None:
        """Of a message that was planned for the device, and is due; the first time counts."""
        self._connection.execute(
            "UPDATE push_assigned SET opened = ?1 WHERE app = ?2 AND key = ?3 AND opened = 0 AND due <= ?1"
            " AND arm IN (SELECT id FROM push_arms WHERE app = ?2 AND message = ?4)",
            (noted.at_ms // _MINUTE_MS, noted.app, device_key(noted.name, record.device), record.message),
        )

    def _told(self, app: int, told: str) -> int:
        """Its number; 0 for none, and beyond the limit."""
        if not told:
            return 0
        execute = self._connection.execute
        row = execute("SELECT id FROM push_told WHERE app = ? AND told = ?", (app, told)).fetchone()
        if row is not None:
            return int(row[0])
        (held,) = execute("SELECT count(*) FROM push_told WHERE app = ?", (app,)).fetchone()
        if held >= TOLD_LIMIT:
            return 0
        return execute("INSERT INTO push_told (app, told) VALUES (?, ?)", (app, told)).lastrowid or 0


def _learned(heard: Set[int], zone: str, hours: bytes, last: int) -> tuple[bytes, int]:
    place = load_device_zone(zone)
    for hour in sorted(heard):
        local = (hour * _HOUR_SECONDS + offset_seconds(place, hour * _HOUR_SECONDS)) // _HOUR_SECONDS % HOURS
        hours, last = learn_hour(hours, last, hour, local), max(last, hour)
    return hours, last


def _chunks(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    ordered = sorted(keys)
    return (ordered[at : at + _CHUNK] for at in range(0, len(ordered), _CHUNK))


def _marks(some: Sequence[int]) -> str:
    return ",".join("?" * len(some))


_COUNTED = frozenset({SESSION, UPDATE})
