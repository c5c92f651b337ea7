"""Which experiments of an app are counted: learned from its releases at each batch, kept a while after their end."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from edge.domain.comparing.measures import OWN_EVENT, OWN_OUTCOME, OWN_VALUE
from edge.domain.comparing.running import RunningExperiment
from edge.telemetry.trials.trials_schema import EXPERIMENTS_LIMIT

ExperimentsOf = Callable[[str], Sequence[RunningExperiment]]

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(RunningExperiment).decode


def no_experiments(app: str) -> Sequence[RunningExperiment]:
    """An `ExperimentsOf` for apps without any."""
    return ()


class CountedExperiment(NamedTuple):
    """One that runs. `arms` are the numbers of arms by name, `wanted` those of measures by the kind and name of an
    app's own event."""

    number: int
    running: RunningExperiment
    arms: dict[str, int]
    wanted: dict[tuple[str, str], list[int]]
    devices: int
    pointed_ms: int


def open_experiments(
    connection: sqlite3.Connection, app: str, running: Sequence[RunningExperiment], at_ms: int
) -> Iterator[CountedExperiment]:
    """Those that run, and those that have ended since the last batch: what their devices told meanwhile counts, and by
    `at_ms` they have ended. In the caller's transaction."""
    query = "SELECT salt, CAST(document AS BLOB), id, devices, pointed_ms FROM experiments"
    rows = connection.execute(f"{query} WHERE app = ? AND ended_ms = 0", (app,)).fetchall()
    salts, known = {each.experiment.salt for each in running}, {}
    for salt, document, *numbers in rows:
        known[salt] = numbers
        if salt not in salts:
            end = "UPDATE experiments SET ended_ms = max(?, began_ms) WHERE id = ?"
            connection.execute(end, (at_ms, numbers[0]))
            yield _counted(read_document(document), *numbers)
    for each in running[:EXPERIMENTS_LIMIT]:
        yield _counted(each, *(known.get(each.experiment.salt) or _begin(connection, app, each, at_ms)))


def _counted(running: RunningExperiment, number: int, devices: int, pointed_ms: int) -> CountedExperiment:
    arms = {arm.name: place for place, arm in enumerate(running.experiment.arms)}
    return CountedExperiment(number, running, arms, _wanted(running), devices, pointed_ms)


def read_document(document: bytes) -> RunningExperiment:
    """As `experiments` has it. Raises msgspec.DecodeError."""
    return _decode(document)


def _begin(connection: sqlite3.Connection, app: str, running: RunningExperiment, at_ms: int) -> tuple[int, int, int]:
    """Also one that had ended, and goes on since its end was undone."""
    experiment = running.experiment
    began_ms = int(experiment.started * 1000)
    connection.execute(
        "INSERT INTO experiments (app, salt, channel, document, began_ms, ended_ms, last_ms, pointed_ms, devices)"
        " VALUES (?, ?, ?, ?, ?, 0, ?, 0, 0) ON CONFLICT (app, salt) DO UPDATE SET ended_ms = 0",
        (app, experiment.salt, running.channel, _encode(running), began_ms, min(at_ms, began_ms)),
    )
    query = "SELECT id, devices, pointed_ms FROM experiments WHERE app = ? AND salt = ?"
    number, devices, pointed_ms = connection.execute(query, (app, experiment.salt)).fetchone()
    _make_room(connection, app)
    return number, devices, pointed_ms


def _make_room(connection: sqlite3.Connection, app: str) -> None:
    query = "SELECT id FROM experiments WHERE app = ? AND ended_ms > 0 ORDER BY ended_ms DESC"
    ended = [number for (number,) in connection.execute(query, (app,))]
    for number in ended[EXPERIMENTS_LIMIT:]:
        forget_experiment(connection, number)


def forget_experiment(connection: sqlite3.Connection, number: int) -> int:
    """All that is kept of it; how many rows."""
    tables = ("trials", "trial_events", "trial_points", "trial_networks")
    rows = sum(
        connection.execute(f"DELETE FROM {table} WHERE experiment = ?", (number,)).rowcount  # noqa: S608  ours
        for table in tables
    )
    return rows + connection.execute("DELETE FROM experiments WHERE id = ?", (number,)).rowcount


def _wanted(running: RunningExperiment) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, measure in enumerate(running.measures()):
        kinds = (OWN_EVENT, OWN_OUTCOME) if measure.what == OWN_VALUE else (measure.what,)
        for kind in kinds if measure.name else ():
            found.setdefault((kind, measure.name), []).append(place)
    return found
