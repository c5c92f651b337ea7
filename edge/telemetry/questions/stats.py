"""The question behind `edge stats`: an app, or one of its bundles, at a glance and by a label."""

from collections.abc import Mapping

from edge.domain.errors import Invalid
from edge.domain.statistics import subjects
from edge.domain.statistics.curves import AdoptionChange
from edge.domain.statistics.curves import curve as points_at
from edge.domain.statistics.definitions import Definition, Figure, figure, share
from edge.domain.statistics.figures import NO_DEVICES, QualityFigures, ReleaseFigures
from edge.telemetry.questions.app_answers import BundleFigures, StatsAnswer, StatsQuestion, StatsRow
from edge.telemetry.questions.app_use import activity, features, outcomes, retention, transfers
from edge.telemetry.questions.bundle_reports import bundle_report, release_of, releases_by
from edge.telemetry.questions.port import HOUR_DAYS, MINUTE_MS, By, Figures, Rollup, RowLabels, Where
from edge.telemetry.questions.scope import Scope

BUNDLES_SHOWN = 10  # of an app, the most used first; `by` bundle lists more
OFFERED_SHOWN = 3  # of them, the most offered of those that fewer or no devices run: a release that fails is here
LABELS_SHOWN = 200  # rows by a label, the most used first
PERIODS_LIMIT = HOUR_DAYS * 24  # rows by hour or day

PERIODS: Mapping[str, Rollup] = {"hour": Rollup.HOUR, "day": Rollup.DAY}
LABELS: Mapping[str, tuple[By, ...]] = {
    "bundle": (By.BUNDLE,),
    "channel": (By.CHANNEL,),
    "segment": (By.SEGMENT,),
    "arm": (By.ARM,),
    "side": (By.SIDE,),
    "platform": (By.PLATFORM,),
    "version_os": (By.PLATFORM, By.OS),
    "country": (By.COUNTRY,),
    "plugin": (By.PLUGIN,),
    "region": (By.REGION,),
}
BYS = (*PERIODS, *LABELS)
_OFFERS, _USE = (f"{subjects.CHECK}offer",), (f"{subjects.CHECK}*", subjects.SESSION)
NOT_BY_LABEL = "of a bundle's devices this label is known of those that run it now alone"
_OF_DEVICES = {"version_os", "country", "plugin", "region"}  # counts of events are not kept by these


def answer_stats(figures: Figures, asked: StatsQuestion) -> StatsAnswer:
    """Raises Invalid `invalid_by`, TooManyFigures."""
    where = Where(asked.channel, asked.segment, asked.platform, asked.bundle)
    scope = Scope(figures, asked.app, where, asked.since_ms, asked.until_ms)
    about, whole = activity(scope), scope.narrowed(bundle="")
    active = int(about.active.value or 0)
    report = bundle_report(scope, asked.points) if asked.bundle else None
    downloaded = int(report.release.downloaded.value or 0) if report else 0
    span = scope.span()
    bundles, more_bundles = ([], 0) if asked.bundle else _bundles(whole, BUNDLES_SHOWN)
    used, more_features = features(scope, active)
    imported, more_outcomes = outcomes(scope, active)
    rows, more_rows = _rows(scope, asked.by) if asked.by else ([], 0)
    return StatsAnswer(
        app=asked.app,
        since=asked.since_ms // 1000,
        until=asked.until_ms // 1000,
        counted_since=span.first_period * span.rollup.value // 1000,
        activity=about,
        transfers=transfers(scope, asked.bundle_bytes, downloaded),
        retention=retention(whole),
        bundles=bundles,
        more_bundles=more_bundles,
        features=used,
        more_features=more_features,
        outcomes=imported,
        more_outcomes=more_outcomes,
        report=report,
        rows=rows,
        more_rows=more_rows,
    )


def _bundles(scope: Scope, most: int) -> tuple[list[BundleFigures], int]:
    """And how many more there are; the same of rows."""
    found = scope.active((By.BUNDLE,))
    offers, used = (scope.counts(subjects_of, (By.BUNDLE,)) for subjects_of in (_OFFERS, _USE))
    active = sum(found.values())
    running = _ranked({labels: found.get(labels, 0) for labels in {*found, *offers, *used}}, offers, most)
    shown = [
        BundleFigures(
            bundle=bundle,
            running=figure(Definition.RUNNING, devices),
            share=share(Definition.RUNNING_SHARE, devices, active, NO_DEVICES),
            release=release_of(scope, bundle) if bundle else None,
        )
        for (bundle,), devices in running[:most]
    ]
    return shown, len(running) - len(shown)


def _ranked(
    running: Mapping[RowLabels, int], offers: Mapping[RowLabels, int], most: int
) -> list[tuple[RowLabels, int]]:
    """Those that most devices run first; the last of the first `most` are the most offered of the others."""
    ranked = sorted(running.items(), key=lambda each: (-each[1], each[0]))
    seats = max(most - OFFERED_SHOWN, 0)
    others = sorted(ranked[seats:], key=lambda each: (-offers.get(each[0], 0), -each[1], each[0]))
    shown = sorted([*ranked[:seats], *others[: most - seats]], key=lambda each: (-each[1], each[0]))
    return [*shown, *others[most - seats :]]


def _rows(scope: Scope, by: str) -> tuple[list[StatsRow], int]:
    if by in PERIODS:
        return _by_period(scope, PERIODS[by]), 0
    if by == "bundle":
        return _by_bundle(scope)
    if by in LABELS:
        return _by_label(scope, LABELS[by], of_devices=by in _OF_DEVICES)
    raise Invalid("invalid_by", f"invalid by {by[:32]!r}: use one of {', '.join(BYS)}")


def _by_period(scope: Scope, rollup: Rollup) -> list[StatsRow]:
    span = scope.span(rollup)
    if span.end_period - span.first_period > PERIODS_LIMIT:
        raise Invalid("invalid_by", f"more than {PERIODS_LIMIT} rows: ask for a shorter time, or by day")
    heard = scope.figures.devices(scope.app, (subjects.HEARD,), span, scope.where, (), each=True)
    active = {each.period_ms: each.devices for each in heard}
    quality, running = scope.quality_at(rollup), _running(scope, rollup)
    return [
        StatsRow(
            label="",
            name="",
            at=at // 1000,
            active=figure(Definition.ACTIVE_DEVICES, active.get(at, 0), estimated=True),
            quality=quality.get(at),
            release=None,
            running=running.get(at),
        )
        for at in (period * rollup.value for period in range(span.first_period, span.end_period))
    ]


def _running(scope: Scope, rollup: Rollup) -> dict[int, Figure]:
    """Who runs the scope's bundle at the end of each period, by the millisecond at which it begins."""
    if not scope.where.bundle:
        return {}
    span, where = scope.span(rollup), scope.where._replace(bundle="")
    turns = scope.figures.words(scope.app, scope.where.bundle, where)
    periods = range(span.first_period, span.end_period)
    last = scope.until_ms // MINUTE_MS
    minutes = [min((period + 1) * rollup.value // MINUTE_MS - 1, last) for period in periods]
    points = points_at([AdoptionChange(*each) for each in turns], minutes, 1)
    return {
        period * rollup.value: figure(Definition.RUNNING, point.devices)
        for period, point in zip(periods, points, strict=True)
    }


def _by_bundle(scope: Scope) -> tuple[list[StatsRow], int]:
    quality, heard = scope.quality_by((By.BUNDLE,)), scope.heard_estimates((By.BUNDLE,))
    bundles, more = _bundles(scope, LABELS_SHOWN)
    rows = [
        _row(
            each.bundle,
            figure(Definition.ACTIVE_DEVICES, heard.get((each.bundle,), 0), estimated=True),
            quality.get((each.bundle,)),
            each.release,
            each.running,
        )
        for each in bundles
    ]
    return rows, more


def _by_label(scope: Scope, by: tuple[By, ...], *, of_devices: bool) -> tuple[list[StatsRow], int]:
    bundle = scope.where.bundle
    running = scope.running(by) if bundle else scope.active(by)
    quality = {} if of_devices else scope.quality_by(by)
    releases = releases_by(scope, bundle, by) if bundle else {}
    heard = {} if of_devices or not bundle else scope.heard_estimates(by)
    labels = sorted({*running, *quality, *releases, *heard}, key=lambda each: (-running.get(each, 0), each))

    def active(each: RowLabels) -> Figure:
        if not bundle:
            return figure(Definition.ACTIVE_DEVICES, running.get(each, 0))
        if of_devices:
            return figure(Definition.ACTIVE_DEVICES, None, unknown=NOT_BY_LABEL)
        return figure(Definition.ACTIVE_DEVICES, heard.get(each, 0), estimated=True)

    rows = [
        _row(
            " ".join(each).strip(),
            active(each),
            quality.get(each),
            releases.get(each),
            figure(Definition.RUNNING, running.get(each, 0)) if bundle else None,
        )
        for each in labels[:LABELS_SHOWN]
    ]
    return rows, len(labels) - len(rows)


def _row(
    label: str,
    active: Figure,
    quality: QualityFigures | None,
    release: ReleaseFigures | None,
    running: Figure | None,
) -> StatsRow:
    return StatsRow(label=label, name="", at=None, active=active, quality=quality, release=release, running=running)
