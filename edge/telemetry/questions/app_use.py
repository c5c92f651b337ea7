"""How an app is used: active devices, sessions, downloads, retention, features, outcomes."""

from collections.abc import Iterable

from edge.domain.statistics import subjects
from edge.domain.statistics.definitions import Definition, Figure, figure, share
from edge.domain.statistics.figures import (
    AGES,
    NO_DEVICES,
    QuantileFigure,
    RetentionFigure,
    duration_figures,
    per_1000,
    retention_figures,
)
from edge.telemetry.questions.app_answers import ActivityFigures, FeatureFigure, OutcomeFigure, TransferFigures
from edge.telemetry.questions.port import DAY_MS, By, Rollup, Sum, TimeSpan, Where
from edge.telemetry.questions.scope import Scope

RETENTION_DAYS = 30  # first days that a retention is of, at least: one day of a small app is a handful of devices
NAMES_LIMIT = 200  # features, outcomes: as many as an app has

_KINDS = ("feature", "screen", "error", "duration", "purchase", "exposure")
_OTHER_EVENTS = f"{subjects.EVENT}other"
_UNLABELLED = "deliveries are known by bundle alone"
_NEEDS_BUNDLE = "it is of one bundle: name it"
_NO_SIZE = "the bundle's size is not known, or no device has downloaded it"


def activity(scope: Scope) -> ActivityFigures:
    """Devices and their sessions."""
    counted, every_kind = (sum(each.active(()).values()) for each in (scope, scope.narrowed(kind="")))
    return ActivityFigures(
        active=scope.active_figure(),
        development=figure(Definition.ACTIVE_DEVICES, every_kind - counted),
        checks=figure(Definition.CHECKS, sum(scope.counts((f"{subjects.CHECK}*",)).values())),
        quality=scope.quality(),
        session_seconds=_durations(scope, Definition.SESSION_SECONDS, subjects.SESSION_END),
    )


def transfers(scope: Scope, bundle_bytes: int, downloaded: int) -> TransferFigures:
    """`downloaded` devices have the bundle, which is of `bundle_bytes`; each 0 if that is not known."""
    bare = Where(bundle=scope.where.bundle)
    rows = [] if scope.where != bare else scope.figures.sums(
        scope.app, (f"{subjects.DELIVERY}*",), scope.span(), bare, (By.SUBJECT,)
    )  # fmt: skip
    unknown = "" if scope.where == bare else _UNLABELLED
    complete, cut = (_ended(rows, ending) for ending in ("complete", "cut"))
    sent = sum(each.total for each in (*complete, *cut))

    def counted(what: Definition, value: float) -> Figure:
        return figure(what, None if unknown else value, unknown=unknown)

    return TransferFigures(
        complete=counted(Definition.DELIVERIES, sum(each.n for each in complete)),
        cut=counted(Definition.DELIVERIES, sum(each.n for each in cut)),
        bytes=counted(Definition.DELIVERED_BYTES, int(sent)),
        reused_share=_reused(scope, unknown, bundle_bytes * downloaded),
        seconds=_durations(scope, Definition.DOWNLOAD_SECONDS, subjects.DOWNLOAD),
        update_delay=_durations(scope, Definition.UPDATE_DELAY, subjects.UPDATE),
    )


def retention(scope: Scope) -> list[RetentionFigure]:
    """Of the devices first heard of in the latest days that are old enough."""
    days = max(RETENTION_DAYS, (scope.until_ms - scope.since_ms) // DAY_MS)
    first = scope.today - days - max(AGES)
    span = TimeSpan(max(first, 0) * DAY_MS, scope.until_ms, Rollup.DAY)
    rows = scope.figures.retention(scope.app, span, scope.where._replace(bundle=""), ())
    return retention_figures(((each.day, each.age, each.devices) for each in rows), scope.today, days)


def features(scope: Scope, active: int) -> tuple[list[FeatureFigure], int]:
    """The app's own events, the most used first, at last those beyond the limit; and how many more there are."""
    everything = (f"{subjects.EVENT}*",)
    rows = scope.figures.sums(scope.app, everything, scope.span(), scope.where, (By.SUBJECT,))
    found = scope.figures.devices(scope.app, everything, scope.span(), scope.where, (By.SUBJECT,))
    devices = {each.labels[0]: each.devices for each in found}
    rows.sort(key=lambda each: (-devices.get(each.labels[0], 0), each.labels))
    named = [each for each in rows if each.labels[0] != _OTHER_EVENTS]
    listed = [*named[:NAMES_LIMIT], *(each for each in rows if each.labels[0] == _OTHER_EVENTS)]
    shown = [_feature(scope, each, devices.get(each.labels[0], 0), active) for each in listed]
    return shown, len(rows) - len(shown)


def outcomes(scope: Scope, active: int) -> tuple[list[OutcomeFigure], int]:
    """What the team imported, the most frequent first; and how many more there are."""
    matched, unmatched = (_by_name(scope, prefix) for prefix in (subjects.OUTCOME, subjects.UNMATCHED_OUTCOME))
    nothing = Sum((), 0, 0, 0.0)
    names = sorted(matched.keys() | unmatched.keys(), key=lambda name: (-matched.get(name, nothing).n, name))
    shown = []
    for name in names[:NAMES_LIMIT]:
        found = matched.get(name, nothing)
        shown.append(
            OutcomeFigure(
                name=name,
                events=figure(Definition.EVENTS, found.n),
                per_1000=per_1000(Definition.OUTCOMES, found.n, active),
                value=figure(Definition.OUTCOME_VALUES, found.total),
                unmatched=figure(Definition.UNMATCHED_OUTCOMES, unmatched.get(name, nothing).n),
            )
        )
    return shown, len(names) - len(shown)


def _by_name(scope: Scope, prefix: str) -> dict[str, Sum]:
    rows = scope.figures.sums(scope.app, (f"{prefix}*",), scope.span(), scope.where, (By.SUBJECT,))
    return {each.labels[0].removeprefix(prefix): each for each in rows}


def _feature(scope: Scope, row: Sum, devices: int, active: int) -> FeatureFigure:
    kind, _, name = row.labels[0].removeprefix(subjects.EVENT).partition(":")
    timed = kind == "duration"
    return FeatureFigure(
        name=name or kind,  # "event:other": what is beyond the limit of names
        kind=kind if kind in _KINDS else "",
        events=figure(Definition.EVENTS, row.n),
        devices=figure(Definition.FEATURE_DEVICES, devices, estimated=True),
        share=share(Definition.FEATURE_SHARE, min(devices, active), active, NO_DEVICES),
        value=figure(Definition.APP_VALUES, row.total),
        seconds=_durations(scope, Definition.APP_SECONDS, row.labels[0]) if timed else [],
    )


def _durations(scope: Scope, what: Definition, subject: str) -> list[QuantileFigure]:
    found = scope.figures.durations(scope.app, subject, scope.span(), scope.where, ())
    return duration_figures(what, found[0].buckets if found else {})


def _ended(rows: Iterable[Sum], ending: str) -> list[Sum]:
    return [each for each in rows if each.labels[0].endswith(f":{ending}")]


def _reused(scope: Scope, unknown: str, whole_bytes: int) -> Figure:
    """Of all the time that the bundle was delivered in, since every device that has it counts."""
    what = Definition.REUSED_SHARE
    if not scope.where.bundle:
        return figure(what, None, unknown=_NEEDS_BUNDLE)
    if unknown or not whole_bytes:
        return figure(what, None, unknown=unknown or _NO_SIZE)
    span, bare = TimeSpan(0, scope.until_ms, Rollup.DAY), Where(bundle=scope.where.bundle)
    rows = scope.figures.sums(scope.app, (f"{subjects.DELIVERY}*",), span, bare, (By.SUBJECT,))
    sent = sum(each.total for each in (*_ended(rows, "complete"), *_ended(rows, "cut")))
    return share(what, max(int(whole_bytes - sent), 0), whole_bytes, _NO_SIZE)
