"""What counts of devices, sessions and events mean: each figure from plain numbers, exactly as DEFINITIONS.md says."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from edge.domain.statistics.definitions import Definition, Figure, figure, share
from edge.domain.statistics.histogram import quantile
from edge.domain.statistics.observation import Step

AGES = (1, 7, 30)  # days after the first one, of retention
QUANTILES = (0.5, 0.9)  # of durations: the middle, and what one in ten exceeds

NO_PROOF = "no device has proven or failed to start it yet"
NOT_OFFERED = "it was offered to no device"
NO_SESSIONS = "no session began"
NO_CAPABLE = (
    "no active device can report crashes; Android 11 and newer with plugin 8.46, x.50.1 or newer can, iOS cannot"
)
OF_NO_BUNDLE = "a device may run several bundles in a day; see crash-free sessions"
NO_CAPABLE_SESSIONS = "no session of a device that can report crashes began"
NO_DAY = "no day is old enough"
NO_DURATION = "none was measured"
NO_DEVICES = "no device was active"


class ReleaseFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one bundle, in devices: `offered` = `healthy` + `failed` + `unsettled` + `waiting` +
    `failed_install` + `silent`."""

    offered: Figure
    downloaded: Figure
    installed: Figure
    healthy: Figure
    failed: Figure
    unsettled: Figure
    waiting: Figure
    failed_install: Figure
    silent: Figure
    reverted: Figure
    unoffered: Figure
    success_rate: Figure
    healthy_of_offered: Figure


class Crashes(NamedTuple):
    """Of those that can report crashes: devices (None: they are not counted under these labels) and sessions in all,
    and those with a crash."""

    devices: int | None = 0
    crashed: int = 0
    sessions: int = 0
    sessions_crashed: int = 0


class QualityFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions go."""

    sessions: Figure
    errors: Figure
    crash_free_devices: Figure
    crash_free_sessions: Figure


class QuantileFigure(msgspec.Struct, frozen=True, kw_only=True):
    """The value below which this share of what was measured lies, within 2 %."""

    share: float
    value: Figure


class RetentionFigure(msgspec.Struct, frozen=True, kw_only=True):
    """The share of new devices that was heard of again `age_days` later."""

    age_days: int
    retained: Figure


def outcome_of(steps: Step) -> Definition | None:
    """The one of the six outcomes of an offer that these steps amount to; None without an offer."""
    if Step.OFFERED not in steps:
        return None
    if Step.FAILED_BOOT in steps:  # a fail is not erased by a later success
        return Definition.FAILED
    if Step.INSTALLED in steps:
        return Definition.HEALTHY if Step.HEALTHY in steps else Definition.UNSETTLED
    if Step.FAILED_INSTALL in steps:
        return Definition.FAILED_INSTALL
    return Definition.WAITING if Step.DOWNLOADED in steps else Definition.SILENT


def release_figures(reached: Iterable[tuple[Step, int]]) -> ReleaseFigures:
    """From how many devices came exactly how far."""
    outcomes: dict[Definition | None, int] = {}
    steps = {Step.OFFERED: 0, Step.DOWNLOADED: 0, Step.INSTALLED: 0, Step.REVERTED: 0}
    for bits, devices in reached:
        outcome = outcome_of(bits)
        outcomes[outcome] = outcomes.get(outcome, 0) + devices
        if outcome is not None:
            for step in steps:
                steps[step] += devices if _came(bits, step) else 0
    healthy, failed, offered = (
        outcomes.get(Definition.HEALTHY, 0),
        outcomes.get(Definition.FAILED, 0),
        steps[Step.OFFERED],
    )

    def of_outcome(what: Definition) -> Figure:
        return figure(what, outcomes.get(what, 0))

    return ReleaseFigures(
        offered=figure(Definition.OFFERED, offered),
        downloaded=figure(Definition.DOWNLOADED, steps[Step.DOWNLOADED]),
        installed=figure(Definition.INSTALLED, steps[Step.INSTALLED]),
        healthy=of_outcome(Definition.HEALTHY),
        failed=of_outcome(Definition.FAILED),
        unsettled=of_outcome(Definition.UNSETTLED),
        waiting=of_outcome(Definition.WAITING),
        failed_install=of_outcome(Definition.FAILED_INSTALL),
        silent=of_outcome(Definition.SILENT),
        reverted=figure(Definition.REVERTED, steps[Step.REVERTED]),
        unoffered=figure(Definition.UNOFFERED, outcomes.get(None, 0)),
        success_rate=share(Definition.SUCCESS_RATE, healthy, healthy + failed, NO_PROOF),
        healthy_of_offered=share(Definition.HEALTHY_OF_OFFERED, healthy, offered, NOT_OFFERED),
    )


def quality_figures(sessions: int, errors: int, crashes: Crashes) -> QualityFigures:
    """`errors` are at most 100 a device and day."""
    per_1000 = (
        figure(Definition.ERRORS, errors * 1000 / sessions, of=sessions)
        if sessions
        else figure(Definition.ERRORS, None, of=0, unknown=NO_SESSIONS)
    )
    return QualityFigures(
        sessions=figure(Definition.SESSIONS, sessions),
        errors=per_1000,
        crash_free_devices=figure(Definition.CRASH_FREE_DEVICES, None, unknown=OF_NO_BUNDLE)
        if crashes.devices is None
        else _free(Definition.CRASH_FREE_DEVICES, crashes.crashed, crashes.devices, NO_CAPABLE),
        crash_free_sessions=_free(
            Definition.CRASH_FREE_SESSIONS, crashes.sessions_crashed, crashes.sessions, _no_sessions(sessions, crashes)
        ),
    )


def retention_figures(kept: Iterable[tuple[int, int, int]], today: int, days: int) -> list[RetentionFigure]:
    """For each of AGES, from rows (day, age, devices), of the latest `days` that are old enough; age 0 has all devices
    of a day. `today`, in days since the epoch, is not over: who comes today may still come."""
    rows = list(kept)
    return [RetentionFigure(age_days=age, retained=_retained(rows, age, today, days)) for age in AGES]


def per_1000(what: Definition, n: int, devices: int, *, estimated: bool = False) -> Figure:
    """How often something happened, per 1,000 devices (or device-days)."""
    if not devices:
        return figure(what, None, of=0, unknown=NO_DEVICES)
    return figure(what, n * 1000 / devices, of=devices, estimated=estimated)


def duration_figures(what: Definition, buckets: Mapping[int, int]) -> list[QuantileFigure]:
    """For each of QUANTILES."""
    measured = sum(buckets.values())
    found = [(q, quantile(buckets, q)) for q in QUANTILES]
    return [
        QuantileFigure(share=q, value=figure(what, value, of=measured, unknown="" if measured else NO_DURATION))
        for q, value in found
    ]


def _came(bits: Step, step: Step) -> bool:
    """Whoever installed it has downloaded it, also if the report of that was lost."""
    return step in bits or (step is Step.DOWNLOADED and Step.INSTALLED in bits)


def _free(what: Definition, with_crash: int, of: int, none: str) -> Figure:
    return share(what, max(of - with_crash, 0), of, none)


def _no_sessions(sessions: int, crashes: Crashes) -> str:
    """Why there is no session that a crash could be reported of."""
    if not sessions:
        return NO_SESSIONS
    return NO_CAPABLE if crashes.devices == 0 else NO_CAPABLE_SESSIONS


def _retained(rows: list[tuple[int, int, int]], age: int, today: int, days: int) -> Figure:
    whole = [each for each in rows if today - age - days <= each[0] < today - age]
    kept = sum(devices for _, at, devices in whole if at == age)
    return share(Definition.RETENTION, kept, sum(devices for _, at, devices in whole if at == 0), NO_DAY)
