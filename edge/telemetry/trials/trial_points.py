"""The counts of an experiment's measures as points of a series.

A sum reads all rows of the experiment. So points are some seconds apart, and with the age of
the experiment further.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from edge.domain.comparing.judging import MeasuredAt
from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.running import RunningExperiment
from edge.telemetry.trials.experiment_book import CountedExperiment
from edge.telemetry.trials.trial_rows import TrialBit
from edge.telemetry.trials.trial_sums import MeasureSums
from edge.telemetry.trials.trials_schema import POINT_LEAST_MS, POINTS_LIMIT

_POINTS_OF_AGE = 150  # so many of an experiment's age lie between two points

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
    devices, capped = count_devices(connection, number, len(arms)), count_capped(connection, number, len(arms))
    return tuple(
        MeasureSums(connection, number, measure, place, arms, at_ms).by_arm(devices, capped)
        for place, measure in enumerate(running.measures())
    )


def count_capped(connection: sqlite3.Connection, number: int, arms: int) -> list[int]:
    """By arm, the devices that are beyond the cap of their network."""
    query = "SELECT arm, count(*) FROM trials WHERE experiment = ? AND bits & ? > 0 GROUP BY arm"
    found = dict(connection.execute(query, (number, int(TrialBit.CAPPED))).fetchall())
    return [found.get(place, 0) for place in range(arms)]


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


def _thin_out(connection: sqlite3.Connection, number: int) -> None:
    query = "SELECT at_ms FROM trial_points WHERE experiment = ? ORDER BY at_ms"
    times = [at_ms for (at_ms,) in connection.execute(query, (number,))]
    if len(times) >= POINTS_LIMIT:  # the reading adds the last one
        gone = [(number, at_ms) for at_ms in times[-2::-2]]
        connection.executemany("DELETE FROM trial_points WHERE experiment = ? AND at_ms = ?", gone)
