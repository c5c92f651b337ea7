"""The counts of an experiment's measures: summed from the rows of its devices, and kept as points for a series.

A sum reads all rows of the experiment: 0.1 s for 100,000 devices. So points are some seconds apart, and with the age of
the experiment further.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from edge.domain.comparing import measures as known
from edge.domain.comparing.judging import MeasuredAt
from edge.domain.comparing.measures import ArmMeasure, Measure
from edge.domain.comparing.running import RunningExperiment
from edge.telemetry.trials.experiment_book import CountedExperiment
from edge.telemetry.trials.trial_rows import TrialBit
from edge.telemetry.trials.trials_schema import POINT_LEAST_MS, POINTS_LIMIT

_POINTS_OF_AGE = 150  # so many of an experiment's age lie between two points
_HOUR_MS = 3_600_000.0

# What of a row is the device's number, and of which rows, if not of all. "share": 1 if it is true.
_SHARES = {
    known.FAILED: (f"bits & {int(TrialBit.FAILED)} > 0", ""),
    known.INSTALL_FAILED: (f"bits & {int(TrialBit.INSTALL_FAILED)} > 0", ""),
    known.CRASHED: (f"bits & {int(TrialBit.CRASHED)} > 0", f"bits & {int(TrialBit.CAN_CRASH)} > 0"),
    known.ERRED: ("errors > 0", f"bits & {int(TrialBit.CAN_ERR)} > 0"),
    known.INSTALLED: ("installed_ms > 0", ""),
    known.SESSIONS: ("sessions", f"bits & {int(TrialBit.CAN_ERR)} > 0 OR sessions > 0"),
    known.ERRORS: ("errors", f"bits & {int(TrialBit.CAN_ERR)} > 0"),
}

Counts = tuple[tuple[ArmMeasure, ...], ...]  # by measure and arm

_decode = msgspec.json.Decoder(Counts).decode


def keep_point(connection: sqlite3.Connection, counted: CountedExperiment, at_ms: int) -> None:
    """If it is time for one. In the caller's transaction."""
    began_ms = int(counted.running.experiment.started * 1000)
    apart_ms = max(POINT_LEAST_MS, (at_ms - began_ms) // _POINTS_OF_AGE)
    if 0 <= at_ms - counted.pointed_ms < apart_ms:
        return
    counts = count_measures(connection, counted.number, counted.running, at_ms)
    connection.execute(
        "INSERT OR REPLACE INTO trial_points VALUES (?, ?, ?)", (counted.number, at_ms, msgspec.json.encode(counts))
    )
    connection.execute("UPDATE experiments SET pointed_ms = ? WHERE id = ?", (at_ms, counted.number))
    _thin_out(connection, counted.number)


def count_measures(connection: sqlite3.Connection, number: int, running: RunningExperiment, at_ms: int) -> Counts:
    """By measure and arm, as of `at_ms`: devices count in what has to last a while once it has."""
    arms = [arm.name for arm in running.experiment.arms]
    devices = count_devices(connection, number, len(arms))
    return tuple(
        _count(connection, number, measure, place, arms, devices, at_ms)
        for place, measure in enumerate(running.measures())
    )


def count_devices(connection: sqlite3.Connection, number: int, arms: int) -> list[int]:
    """By arm."""
    query = "SELECT arm, count(*) FROM trials WHERE experiment = ? GROUP BY arm"
    found = dict(connection.execute(query, (number,)).fetchall())
    return [found.get(place, 0) for place in range(arms)]


def count_installed(connection: sqlite3.Connection, number: int, arms: int) -> list[int]:
    """By arm, the devices that have got its bundle."""
    query = "SELECT arm, count(*) FROM trials WHERE experiment = ? AND installed_ms > 0 GROUP BY arm"
    found = dict(connection.execute(query, (number,)).fetchall())
    return [found.get(place, 0) for place in range(arms)]


def read_points(connection: sqlite3.Connection, number: int, measures: int) -> list[tuple[int, Counts]]:
    """In the order of time; those that cannot be read are left out."""
    query = "SELECT at_ms, CAST(counts AS BLOB) FROM trial_points WHERE experiment = ? ORDER BY at_ms"
    found = []
    for at_ms, document in connection.execute(query, (number,)):
        try:
            counts = _decode(document)
        except msgspec.DecodeError:
            continue
        if len(counts) == measures:
            found.append((at_ms, counts))
    return found


def points_of(points: Sequence[tuple[int, Counts]], place: int) -> list[MeasuredAt]:
    """Of one measure, by its number."""
    return [MeasuredAt(at_ms, counts[place]) for at_ms, counts in points]


def _count(
    connection: sqlite3.Connection,
    number: int,
    measure: Measure,
    place: int,
    arms: Sequence[str],
    devices: Sequence[int],
    at_ms: int,
) -> tuple[ArmMeasure, ...]:
    if measure.name:
        query = _of_events(measure)
        rows = connection.execute(query, (number, place)).fetchall()
        found = {arm: (devices[arm], *numbers) for arm, *numbers in rows if arm < len(arms)}
    else:
        query, values = _of_rows(measure, at_ms)
        rows = connection.execute(query, {"experiment": number, **values}).fetchall()
        found = {arm: (n, *numbers) for arm, n, *numbers in rows}
    return tuple(
        _measured(name, found.get(arm, (devices[arm] if measure.name else 0, 0, 0.0, 0.0)))
        for arm, name in enumerate(arms)
    )


def _measured(arm: str, numbers: tuple[float, ...]) -> ArmMeasure:
    devices, having, total, squares = numbers
    return ArmMeasure(
        arm=arm, devices=int(devices), having=int(having or 0), total=float(total or 0), squares=float(squares or 0)
    )


def _of_events(measure: Measure) -> str:
    value = "total" if measure.what == known.OWN_VALUE else "1.0"
    return (
        f"SELECT arm, sum({value} > 0), sum({value}), sum({value} * {value}) FROM trial_events"  # noqa: S608  ours
        " WHERE experiment = ? AND measure = ? GROUP BY arm"
    )


def _of_rows(measure: Measure, at_ms: int) -> tuple[str, dict[str, float]]:
    within_ms = measure.within_seconds * 1000
    values: dict[str, float] = {}
    if measure.within_seconds:
        values = {"until": at_ms - within_ms, "within": within_ms, "hour": _HOUR_MS}
        which = "first_ms <= :until"
        got = "installed_ms > 0 AND installed_ms - first_ms <= :within"
        waited = f"CASE WHEN {got} THEN (installed_ms - first_ms) / :hour ELSE :within / :hour END"
        number = waited if measure.what == known.INSTALL_TIME else f"({got})"
        if measure.what != known.INSTALL_TIME:
            del values["hour"]
    else:
        number, which = _SHARES[measure.what]
    where = f" AND ({which})" if which else ""
    query = (
        f"SELECT arm, count(*), sum(x > 0), sum(x), sum(x * x) FROM (SELECT arm, {number} AS x FROM trials"  # noqa: S608
        f" WHERE experiment = :experiment{where}) GROUP BY arm"
    )
    return query, values


def _thin_out(connection: sqlite3.Connection, number: int) -> None:
    query = "SELECT at_ms FROM trial_points WHERE experiment = ? ORDER BY at_ms"
    times = [at_ms for (at_ms,) in connection.execute(query, (number,))]
    if len(times) >= POINTS_LIMIT:  # the reading adds the last one
        gone = [(number, at_ms) for at_ms in times[-2::-2]]
        connection.executemany("DELETE FROM trial_points WHERE experiment = ? AND at_ms = ?", gone)
