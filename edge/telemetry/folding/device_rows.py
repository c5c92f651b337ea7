"""Rows about single devices: read for a batch, and written back. In the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Mapping, Set
from struct import Struct
from struct import error as StructError
from typing import Any

from edge.domain.statistics.device_record import DeviceRecord, StepRecord
from edge.domain.statistics.tally import MINUTE_MS
from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.folding.device_room import DeviceRoom

_CHUNK = 300  # keys in one question: a step has three variables, and SQLite takes 999 at least

# Session and days; the format's number is the first byte.
_DEVICE = Struct("<BB? 7q 2d 5q 4i")
_STEP = Struct("<B 6q")
_FORMAT = 1
ENDED_COHORT = slice(75, 83)  # its bytes of a device's state: where its last session ended
_OPEN, _ABILITY_SHIFT = 1, 1  # of the second byte: whether a session is open, and above that the device's ability

OFFERED_LAST = -1  # among the wanted bundles of a device: the one that it was offered last

Place = tuple[int, int]  # app and device key


def load_devices(
    connection: sqlite3.Connection, places: Set[Place], own: Mapping[int, Set[int]], room: DeviceRoom | None = None
) -> dict[Place, DeviceRecord]:
    """The state of each device, a new one for those that were never heard of. `own`: of each app, the bundles whose
    steps are kept. `room` begins the records of new ones, if there is one."""
    found: dict[Place, DeviceRecord] = {}
    for app, keys in _by_app(places).items():
        bundles = own.get(app, frozenset())
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            rows = connection.execute(
                "SELECT key, cohort, first_ms, last_ms, bundle, bundle_ms, days, first_cohort,"  # noqa: S608
                " CAST(state AS BLOB) FROM devices"
                f" WHERE app = ? AND key IN ({','.join('?' * len(some))})",
                (app, *some),
            )
            for key, *columns in rows:
                found[app, key] = _whole_device(connection, DeviceRecord(app, key, bundles), columns)
        for key in keys:
            if (app, key) not in found:
                found[app, key] = room.begin(app, key, bundles) if room else DeviceRecord(app, key, bundles)
    return found


def load_steps(
    connection: sqlite3.Connection, wanted: Mapping[Place, Set[int]], found: dict[Place, DeviceRecord]
) -> None:
    """Into the states, their steps with the wanted bundles, and with the bundle that they ran last."""
    by_bundle: dict[tuple[int, int], list[int]] = {}
    for place, bundles in wanted.items():
        state = found[place]
        for bundle in bundles | ({state.bundle, state.offered} if OFFERED_LAST in bundles else {state.bundle}):
            if bundle in state.own:
                by_bundle.setdefault((state.app, bundle), []).append(state.key)
    for (app, bundle), keys in sorted(by_bundle.items()):
        keys.sort()
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            rows = connection.execute(
                "SELECT key, cohort, bits, offered_min, failed_min, healthy_min, word_first_min, word_last_min, cause,"  # noqa: S608
                " CAST(state AS BLOB) FROM steps"
                f" WHERE app = ? AND bundle = ? AND key IN ({','.join('?' * len(some))})",
                (app, bundle, *some),
            )
            for key, *columns in rows:
                found[app, key].steps[bundle] = _whole_step(connection, (app, bundle, key), columns)


def store_devices(connection: sqlite3.Connection, states: Iterable[DeviceRecord]) -> None:
    """A device that only steps tell of has no row of its own."""
    ordered = sorted(states, key=lambda state: (state.app, state.key))
    connection.executemany(
        "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_device_row(state) for state in ordered if state.first_ms and state.key),
    )
    steps = [
        (state.app, bundle, state.key, step) for state in ordered if state.key for bundle, step in state.steps.items()
    ]
    steps.sort(key=lambda each: each[:3])
    connection.executemany(
        "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_step_row(*each) for each in steps if each[3].bits or each[3].download_ms),
    )


def summarised_bundles(connection: sqlite3.Connection, app: int) -> set[int]:
    """Those whose devices' steps have become numbers: a device that tells of one later does not count there again."""
    return {row[0] for row in connection.execute("SELECT DISTINCT bundle FROM steps_summary WHERE app = ?", (app,))}


def _by_app(places: Set[Place]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for app, key in sorted(places):
        found.setdefault(app, []).append(key)
    return found


def _whole_device(connection: sqlite3.Connection, state: DeviceRecord, columns: list[Any]) -> DeviceRecord:
    """Without what cannot be read of it."""
    try:
        return _device_of(state, columns)
    except StructError as error:
        note_damaged_row(connection, f"the session of a device (devices, {state.app}, {state.key})", error)
        return _device_of(state, [*columns[:7], None])


def _device_of(state: DeviceRecord, columns: list[Any]) -> DeviceRecord:
    state.cohort, state.first_ms, state.last_ms, state.bundle, state.bundle_ms, state.days, state.first_cohort = (
        columns[:7]
    )
    if columns[7] is not None:
        (
            _,
            flags,
            state.crash_told,
            state.began_ms,
            state.began_at,
            state.quiet_ms,
            state.quiet_at,
            state.told_ms,
            state.told_at,
            state.ended_ms,
            state.length,
            state.told_seconds,
            state.ended_cohort,
            state.ended_bundle,
            state.custom,
            state.offered,
            state.offer_ms,
            state.error_day,
            state.errors,
            state.crash_day,
            state.capable_day,
        ) = _DEVICE.unpack(columns[7])
        state.is_open, state.ability = bool(flags & _OPEN), flags >> _ABILITY_SHIFT
    return state


def _device_row(state: DeviceRecord) -> tuple[Any, ...]:
    return (
        *(state.app, state.key, state.cohort, state.first_ms, state.last_ms, state.bundle, state.bundle_ms, state.days),
        state.first_cohort,
        _DEVICE.pack(
            *(
                _FORMAT,
                state.is_open | state.ability << _ABILITY_SHIFT,
                state.crash_told,
                state.began_ms,
                state.began_at,
            ),
            *(state.quiet_ms, state.quiet_at),
            *(state.told_ms, state.told_at, state.ended_ms, state.length, state.told_seconds, state.ended_cohort),
            *(state.ended_bundle, state.custom, state.offered, state.offer_ms, state.error_day, state.errors),
            *(state.crash_day, state.capable_day),
        ),
    )


def _whole_step(connection: sqlite3.Connection, place: tuple[int, int, int], columns: list[Any]) -> StepRecord:
    try:
        return _step_of(columns)
    except StructError as error:
        note_damaged_row(connection, f"the times of a device's step (steps, {place})", error)
        return _step_of([*columns[:8], None])


def _step_of(columns: list[Any]) -> StepRecord:
    cohort, bits, offered, failed, healthy, word_first, word_last, cause, packed = columns
    step = StepRecord(cohort)
    step.bits, step.cause = bits, cause or 0
    step.word_first, step.word_last = word_first or 0, word_last or 0
    step.failed_ms, step.healthy_ms = (failed or 0) * MINUTE_MS, (healthy or 0) * MINUTE_MS
    step.offered_ms = (offered or 0) * MINUTE_MS
    if packed is not None:
        _, *times = _STEP.unpack(packed)
        step.offered_ms, step.set_ms, step.started_ms, step.started_at, step.download_ms, step.download_at = times
    return step


def _step_row(app: int, bundle: int, key: int, step: StepRecord) -> tuple[Any, ...]:
    return (
        *(app, bundle, key, step.cohort, step.bits, step.offered_ms // MINUTE_MS or None),
        *(step.failed_ms // MINUTE_MS or None, step.healthy_ms // MINUTE_MS or None),
        *(step.word_first or None, step.word_last or None, step.cause or None),
        _STEP.pack(
            *(_FORMAT, step.offered_ms, step.set_ms, step.started_ms, step.started_at),
            *(step.download_ms, step.download_at),
        ),
    )
