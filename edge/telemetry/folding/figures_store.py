"""Adds what a batch says to the tables of the figures. In the caller's transaction."""

import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterable

from edge.domain.statistics.arithmetic import Arithmetic
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.observation import Observation, Step
from edge.domain.statistics.subjects import FAILED, HEARD, REPORT
from edge.domain.statistics.tally import DAY_HOURS, DAY_MS, MINUTE_MS, Added, Tally, days_of
from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.folding.device_room import DeviceRoom
from edge.telemetry.folding.device_rows import Place, load_devices, load_steps, store_devices
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.folding.seen_reports import secret_of
from edge.telemetry.folding.sketches import UNREADABLE_SKETCH, SketchedItems, with_devices

Retentions = defaultdict[tuple[int, int, int, int], int]  # app, day, age and group


def apply(connection: sqlite3.Connection, observations: Iterable[Observation]) -> None:
    """Add observations as they are, in order: every name is admitted, nothing is a duplicate."""
    observations = list(observations)
    numbers = LabelNumbers(connection)
    tally, retentions = Tally(), Retentions(int)
    wanted: defaultdict[Place, set[int]] = defaultdict(set)
    own: defaultdict[int, set[int]] = defaultdict(set)
    for each in observations:
        app = numbers.words.app(each.app)
        bundle = numbers.bundle(app, each.bundle)
        own[app].add(bundle)
        if each.device:
            wanted[app, each.device].add(bundle)
    room = DeviceRoom(connection, sys.maxsize)
    states = load_devices(connection, wanted.keys(), own, room)
    load_steps(connection, wanted, states)

    def retain(state: DeviceRecord, day: int, age: int) -> None:
        retentions[state.app, day, age, numbers.labels_of(state.first_cohort).group] += 1

    arithmetic = Arithmetic(_nothing, retain, lambda one, other: False)
    for each in observations:
        _apply_one(each, numbers, tally, retentions, states, arithmetic)
    store(connection, numbers, tally, retentions)
    store_devices(connection, states.values())
    room.store()


def store(connection: sqlite3.Connection, numbers: LabelNumbers, tally: Tally, retentions: Retentions) -> None:
    """Everything but rows about single devices."""
    hours = tally.hours()
    _add_sums(connection, "minute", tally.minutes(numbers.minute_group))
    _add_sums(connection, "hour", hours)
    _add_sums(connection, "day", days_of(hours))
    _add_sketches(connection, tally)
    _add_spreads(connection, tally)
    connection.executemany(
        "INSERT INTO retention VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        ((*place, n) for place, n in sorted(retentions.items()) if n),
    )
    connection.executemany(
        "DELETE FROM retention WHERE app = ? AND day = ? AND age = ? AND grp = ? AND n = 0",
        [place for place, n in retentions.items() if n < 0],
    )


def correct_first_labels(state: DeviceRecord, at_ms: int, numbers: LabelNumbers, retentions: Retentions) -> None:
    """The labels of a device's first day are those of its first check: a report may come some seconds before that."""
    if not state.first_ms or at_ms // DAY_MS != state.first_ms // DAY_MS or state.first_cohort == state.cohort:
        return
    before, now = numbers.labels_of(state.first_cohort), numbers.labels_of(state.cohort)
    if before.is_told and not now.is_told:
        day = state.first_ms // DAY_MS
        retentions[state.app, day, 0, before.group] -= 1
        retentions[state.app, day, 0, now.group] += 1
        state.first_cohort = state.cohort


def mark_step(state: DeviceRecord, at_ms: int, bundle: int, bits: int, cause: int) -> None:
    """That the device came so far with the bundle; `cause`, if it failed."""
    step = state.step(bundle)
    if step is None:
        return
    if bits & Step.OFFERED:
        if not step.bits & Step.OFFERED:
            step.cohort = state.cohort
        step.offered_ms = min(step.offered_ms or at_ms, at_ms)
    if bits & FAILED:
        step.failed_ms = min(step.failed_ms or at_ms, at_ms)
        if not step.cause or (bits & Step.FAILED_BOOT and not step.bits & Step.FAILED_BOOT):
            step.cause = cause
    if bits & Step.HEALTHY:
        step.healthy_ms = min(step.healthy_ms or at_ms, at_ms)
    if bits & Step.WORD:
        minute = at_ms // MINUTE_MS
        step.word_first, step.word_last = min(step.word_first or minute, minute), max(step.word_last, minute)
    step.bits |= bits


def _apply_one(
    each: Observation,
    numbers: LabelNumbers,
    tally: Tally,
    retentions: Retentions,
    states: dict[Place, DeviceRecord],
    arithmetic: Arithmetic,
) -> None:
    app = numbers.words.app(each.app)
    cohort = numbers.cohort(app, each.cohort)
    subject = numbers.subject(app, each.subject)
    key = (app, numbers.labels_of(cohort).group, numbers.bundle(app, each.bundle), subject.number)
    tally.add(each.at_ms, key, each.n, each.value)
    if subject.is_sketched and each.device:
        tally.note_device(each.at_ms, key, each.device)
    if subject.is_spread and each.value is not None:
        tally.note_value(each.at_ms, key, abs(each.value), each.n)
    if not each.device:
        return
    state = states[app, each.device]
    state.cohort = cohort if each.subject == HEARD or not state.cohort else state.cohort
    if each.steps:
        cause = numbers.cause(app, each.subject.removeprefix(REPORT)) if each.steps & FAILED else 0
        mark_step(state, each.at_ms, key[2], each.steps, cause)
    if each.subject == HEARD:
        correct_first_labels(state, each.at_ms, numbers, retentions)
        arithmetic.hear(state, each.at_ms, key[2] if each.steps & Step.WORD else 0)


def _nothing(*_: object, **__: object) -> None:
    """What follows from an observation is an observation of its own."""


def _add_sums(connection: sqlite3.Connection, name: str, sums: list[Added]) -> None:
    connection.executemany(
        f"INSERT INTO sums_{name} VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  one of three
        " ON CONFLICT DO UPDATE SET n = n + excluded.n, total = total + excluded.total",
        ((app, period, group, bundle, subject, n, total) for period, (app, group, bundle, subject), n, total in sums),
    )


def _add_sketches(connection: sqlite3.Connection, tally: Tally) -> None:
    days: defaultdict[tuple[int, tuple[int, int, int, int]], set[int]] = defaultdict(set)
    items = SketchedItems(secret_of(connection, "sketches"))
    for hour, key, found in tally.sketches():
        devices = {items[device] for device in found}
        days[hour // DAY_HOURS, key] |= devices
        _add_to_sketch(connection, "hour", hour, key, devices)
    for (day, key), devices in sorted(days.items(), key=lambda each: each[0]):
        _add_to_sketch(connection, "day", day, key, devices)


def _add_to_sketch(
    connection: sqlite3.Connection, name: str, period: int, key: tuple[int, int, int, int], devices: set[int]
) -> None:
    app, *labels = key
    place = (app, period, *labels)
    row = connection.execute(
        f"SELECT CAST(sketch AS BLOB) FROM sketches_{name}"  # noqa: S608  one of two
        " WHERE app = ? AND period = ? AND grp = ? AND bundle = ? AND subject = ?",
        place,
    ).fetchone()
    try:
        sketch = with_devices(row[0] if row else None, sorted(devices))
    except UNREADABLE_SKETCH as error:
        note_damaged_row(connection, f"a sketch of devices (sketches_{name}, {place})", error)
        sketch = with_devices(None, sorted(devices))
    connection.execute(f"INSERT OR REPLACE INTO sketches_{name} VALUES (?, ?, ?, ?, ?, ?)", (*place, sketch))  # noqa: S608


def _add_spreads(connection: sqlite3.Connection, tally: Tally) -> None:
    spreads = tally.spreads()
    days: defaultdict[tuple[int, ...], int] = defaultdict(int)
    for hour, (app, *labels), bucket, n in spreads:
        days[app, hour // DAY_HOURS, *labels, bucket] += n
    hours = [(app, hour, *labels, bucket, n) for hour, (app, *labels), bucket, n in spreads]
    for name, rows in (("hour", hours), ("day", [(*place, n) for place, n in days.items()])):
        connection.executemany(
            f"INSERT INTO histograms_{name} VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            sorted(rows),
        )
