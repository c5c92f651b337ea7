"""The reading of an experiment, running or ended: asked of the figures, judged by `domain.comparing`."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edge.domain.comparing import phrases
from edge.domain.comparing.judging import ALPHA, TrialTerms, read_measure
from edge.domain.comparing.measures import kind_of_arms
from edge.domain.comparing.reading import ArmReading, ExperimentReading, SplitReading
from edge.domain.comparing.running import RunningExperiment, feature_of_place
from edge.domain.comparing.splitting import check_split
from edge.domain.errors import NotFound
from edge.domain.guarding.networks import LEFT_OUT, cap_of
from edge.domain.shares import format_share
from edge.telemetry.trials.experiment_book import read_document
from edge.telemetry.trials.trial_networks import devices_of
from edge.telemetry.trials.trial_points import (
    Counts,
    count_capped,
    count_devices,
    count_installed,
    count_measures,
    points_of,
    read_points,
)
from edge.telemetry.trials.trial_sums import MeasureSums

_UNCOUNTED = -1  # the number of an experiment of which nothing is counted yet

SERIES_POINTS = 2_000  # of all comparisons together: an interval takes 60 µs, and an answer is to stay below 300 kB

_TIMING_NOTE = (
    "Arms of timing reach devices at different hours. Who starts the app at night is not who starts it by day, and a "
    "network or server that is slow at one hour is slow for one arm: compared is the time as a whole, with all of that."
)
_CRITERIA_NOTE = (
    "Arms are compared with everybody in them, also devices that do not match the segment of their arm and get what "
    "the channel offers. An arm for few devices differs less than those few do."
)


_FEATURE_NOTE = (
    "A device is in its arm from the first time that it was given the arm's value: whether its app looked at it is not "
    "known. Apps that ask without a device's id are in no arm."
)

_NOTES = {"features": (_FEATURE_NOTE,), "timing": (_TIMING_NOTE,), "criteria": (_CRITERIA_NOTE,)}


class ExperimentAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`running` is the channel's experiment now; None: the last one there is anything of. `now_ms` is in milliseconds
    since the epoch."""

    app: str
    channel: str
    now_ms: int
    running: RunningExperiment | None = None


class _Kept(NamedTuple):
    number: int
    running: RunningExperiment
    ended_ms: int | None
    as_of_ms: int


def read_experiment(connection: sqlite3.Connection, asked: ExperimentAsked) -> ExperimentReading:
    """As of the last count. Raises NotFound `no_experiment`."""
    kept = _find(connection, asked)
    experiment, number, at_ms = kept.running.experiment, kept.number, kept.as_of_ms
    measures, arms = kept.running.measures(), experiment.arms
    devices = count_devices(connection, number, len(arms))
    capped = count_capped(connection, number, len(arms))
    split, strict = _split(devices, capped, [arm.weight for arm in arms])
    comparisons = len(measures) * (len(arms) - 1)
    weights, ended = [arm.weight for arm in arms], kept.ended_ms is not None
    terms = TrialTerms(weights, ALPHA / comparisons, split.doubted, ended, sum(devices), strict)
    points: list[tuple[int, Counts]] = [
        each for each in read_points(connection, number, len(measures)) if each[0] < at_ms
    ]
    points = points[:: -max(1, -(-len(points) * comparisons // SERIES_POINTS))][::-1]
    points.append((at_ms, count_measures(connection, number, kept.running, at_ms)))
    names = [arm.name for arm in arms]
    sums = [MeasureSums(connection, number, each, place, names, at_ms) for place, each in enumerate(measures)]
    read = tuple(
        read_measure(each, terms, points_of(points, place), sums[place].by_network)
        for place, each in enumerate(measures)
    )
    kind = kind_of_arms(arms)
    return ExperimentReading(
        app=asked.app,
        channel=kept.running.channel,
        id=experiment.salt,
        name=experiment.name,
        kind=kind,
        question=experiment.question,
        segment=experiment.segment or "",
        began_ms=int(experiment.started * 1000),
        ended_ms=kept.ended_ms,
        as_of_ms=at_ms,
        sentence=phrases.summary(read, {each.id: each.topic for each in measures}, split, ended=terms.ended),
        arms=_arms(kept.running, devices, count_installed(connection, number, len(arms))),
        split=split,
        measures=read,
        comparisons=comparisons,
        confidence=1 - terms.alpha,
        notes=(*_NOTES.get(kind, ()), _cap_note(devices_of(connection, number), sum(capped))),
    )


def _split(devices: Sequence[int], capped: Sequence[int], weights: Sequence[int]) -> tuple[SplitReading, bool]:
    """And whether it is as meant only without the devices beyond their networks' caps: made-up ones of one arm, since
    a split that something breaks is broken without them too."""
    split = check_split(devices, weights)
    if not split.doubted or not any(capped):
        return split, False
    without = check_split([n - gone for n, gone in zip(devices, capped, strict=True)], weights)
    return (split, False) if without.doubted else (without, True)


def _cap_note(counted: int, capped: int) -> str:
    cap = f"Of one network (a /24, in IPv6 a /48) at most {cap_of(counted)} devices count now, as for the guard"
    beyond = f"; {capped:,} more reported from networks that are full" if capped else ""
    return (
        f"{cap}{beyond}. The guard's trusted networks have no cap. What differs is shown only if it does without any "
        f"{LEFT_OUT} networks. Checks tell no network: made-up ones can still make the split doubted."
    )


def _find(connection: sqlite3.Connection, asked: ExperimentAsked) -> _Kept:
    running = asked.running
    if running is not None:
        query = "SELECT id FROM experiments WHERE app = ? AND salt = ?"
        row = connection.execute(query, (asked.app, running.experiment.salt)).fetchone()
        return _Kept(row[0] if row else _UNCOUNTED, running, None, asked.now_ms)
    query = (
        "SELECT id, CAST(document AS BLOB), ended_ms, last_ms FROM experiments WHERE app = ? AND channel = ?"
        " ORDER BY began_ms DESC LIMIT 1"
    )
    row = connection.execute(query, (asked.app, asked.channel)).fetchone()
    if row is None:
        feature = feature_of_place(asked.channel)
        place = f"feature {feature!r}" if feature is not None else f"channel {asked.channel!r}"
        raise NotFound("no_experiment", f"no experiment runs on {place}, and nothing is kept of an earlier one")
    number, document, ended_ms, last_ms = row
    ended = ended_ms or last_ms  # nothing was counted since it ended: by its last word
    return _Kept(number, read_document(document), ended, ended)


def _arms(running: RunningExperiment, devices: Sequence[int], installed: Sequence[int]) -> tuple[ArmReading, ...]:
    return tuple(
        ArmReading(
            name=arm.name,
            bundle=arm.bundle,
            share=format_share(arm.weight),
            devices=devices[place],
            installed=installed[place],
            windows=arm.windows,
            spread_seconds=arm.spread_seconds,
            segment=arm.segment or "",
            value=arm.value,
        )
        for place, arm in enumerate(running.experiment.arms)
    )
