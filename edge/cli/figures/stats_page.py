"""The page of `edge stats`: an app at a glance, or one bundle, and rows by a label."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from edge.cli.figures.page import Block, FieldList, Footer, Grid, Heading, Plot
from edge.cli.figures.values import number, percent, said, seconds, shown
from edge.cli.terminal.output import NOTHING, moment
from edge.domain.statistics.curves import Adoption
from edge.domain.statistics.definitions import Figure
from edge.domain.statistics.figures import QualityFigures, QuantileFigure, ReleaseFigures, RetentionFigure
from edge.telemetry.questions.app_answers import (
    BundleReport,
    FeatureFigure,
    StatsAnswer,
    StatsRow,
    TransferFigures,
)

SHOWN = 12  # rows of features, failures and outcomes: --json has all

RELEASE_COLUMNS = ("offered", "healthy", "failed", "unsettled", "silent", "success")


def stats_page(found: StatsAnswer, by: str, definitions: str) -> list[Block]:
    """`definitions` is the address of their page."""
    sums = f"sums since {moment(found.counted_since)[:16]}Z"
    about = f"last {seconds(found.until - found.since)}, until {moment(found.until)}; {sums}"
    blocks: list[Block] = [Heading(found.app, about)]
    if found.report is not None:
        blocks += _bundle(found.report)
    blocks += [Heading("Use"), FieldList([*_use(found)])]
    if found.report is None and found.bundles:
        rows = [
            [each.bundle or "not said", shown(each.running), shown(each.share), *release_cells(each.release)]
            for each in found.bundles
        ]
        columns = ("bundle", "running", "share", *RELEASE_COLUMNS)
        more = f"{found.more_bundles:,} more: --by bundle" if found.more_bundles else ""
        blocks += [Heading("Bundles", more), _grid(columns, rows)]
    blocks += [Heading("Downloads"), FieldList([*_transfers(found.transfers)])]
    blocks += [*_features(found), *_outcomes(found)]
    if by:
        blocks += _by(found, by)
    return [*blocks, Footer(footer(definitions, found.counted_since))]


def footer(definitions: str, counted_since: int) -> str:
    """What each figure is, and how far it can be trusted."""
    return (
        f"What each figure is, exactly: {definitions}. Sums begin at {moment(counted_since)}. A crash of the node may"
        " lose the last 10 s of checks and deliveries; a report that is sent again after an hour counts twice in"
        " events, sessions and errors. A dash (-) is what is not known, or is none of that row's figures."
    )


def release_cells(release: ReleaseFigures | None) -> list[str]:
    """For RELEASE_COLUMNS."""
    if release is None:
        return [NOTHING] * len(RELEASE_COLUMNS)
    shown_ones = (release.offered, release.healthy, release.failed, release.unsettled, release.silent)
    return [*map(shown, shown_ones), shown(release.success_rate)]


def quality_cells(quality: QualityFigures | None) -> list[str]:
    """All of sessions: how many, errors per 1,000, the crash-free share."""
    if quality is None:
        return [NOTHING] * 3
    return [shown(quality.sessions), shown(quality.errors), shown(quality.crash_free_sessions)]


def quantiles(figures: Sequence[QuantileFigure]) -> str:
    """`p50 3m 12s, p90 14m 2s`, or why not."""
    if any(each.value.value is None for each in figures):
        return f"not known: {figures[0].value.unknown}"
    return ", ".join(f"p{each.share * 100:.0f} {shown(each.value)}" for each in figures)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Grid:
    """All but the first `left` columns end on the right."""
    return Grid(columns, rows, frozenset(range(left, len(columns))))


def _use(found: StatsAnswer) -> Iterator[tuple[str, str]]:
    activity, quality = found.activity, found.activity.quality
    yield "active devices", _about(activity.active)
    if activity.development.value:
        yield "not counted", f"{shown(activity.development)} emulators and development builds"
    yield "checks", shown(activity.checks)
    yield "sessions", f"{shown(quality.sessions)}; length {quantiles(activity.session_seconds)}"
    yield "errors per 1,000 sessions", said(quality.errors)
    devices, sessions = quality.crash_free_devices, quality.crash_free_sessions
    if devices.value is None and devices.unknown == sessions.unknown:
        yield "crash-free", said(sessions)
    else:
        yield "crash-free devices", said(devices, "device-days")
        yield "crash-free sessions", said(sessions, "sessions")
    yield "retention", _retention(found.retention)


def _retention(found: Sequence[RetentionFigure]) -> str:
    if all(each.retained.value is None for each in found):
        return f"not known yet: {found[0].retained.unknown}"
    return ", ".join(f"D{each.age_days} {_retained(each.retained)}" for each in found)


def _retained(figure: Figure) -> str:
    return "not known yet" if figure.value is None else f"{shown(figure)} of {number(figure.of or 0)}"


def _transfers(found: TransferFigures) -> Iterator[tuple[str, str]]:
    if found.complete.value is None:
        yield "delivered", said(found.complete)
    else:
        cut = f", {shown(found.cut)} cut short" if found.cut.value else ""
        yield "delivered", f"{shown(found.bytes)}; {shown(found.complete)} complete{cut}"
    if found.reused_share.value is not None:
        yield "reused", f"{shown(found.reused_share)} of the bytes did not have to be sent"
    yield "download time", quantiles(found.seconds)
    yield "offer to install", quantiles(found.update_delay)


def _bundle(report: BundleReport) -> Iterator[Block]:
    release, adoption = report.release, report.adoption
    yield Heading(f"Bundle {report.bundle}", _offered_since(adoption))
    rows = [
        (name, shown(figure), _of(figure, release.offered), _bar(figure, release.offered))
        for name, figure in (
            ("offered", release.offered),
            ("downloaded", release.downloaded),
            ("installed", release.installed),
            ("healthy", release.healthy),
            ("failed", release.failed),
            ("failed to install", release.failed_install),
            ("unsettled", release.unsettled),
            ("waiting", release.waiting),
            ("silent", release.silent),
            ("reverted", release.reverted),
        )
    ]
    yield Grid(("state", "devices", "of offered", ""), rows, frozenset({1, 2}))
    yield Heading("Does it work")
    yield FieldList([*_rates(release, adoption)])
    if adoption.curve:
        first, last = adoption.curve[0], adoption.curve[-1]
        heading = Heading("Adoption", f"share of {number(adoption.now.of or 0)} devices heard of since the first offer")
        ends = f"{_short(last.at)}  {percent(last.share)}"
        yield Plot(heading, [each.share for each in adoption.curve], _short(first.at), ends)
    if report.failures:
        failed = [(each.cause, each.platform, each.version_os, shown(each.devices)) for each in report.failures[:SHOWN]]
        more = _left_out(len(report.failures), SHOWN, report.more_failures)
        about = "by cause and system; models of devices are in no report"
        yield Heading("Failures", f"{about}; {more}" if more else about)
        yield Grid(("cause", "platform", "os", "devices"), failed, frozenset({3}))
    if report.outcome_changes:
        changed = [
            (each.name, each.segment or "all devices", *map(shown, (each.before, each.with_bundle, each.without)))
            for each in report.outcome_changes[: SHOWN * 2]
        ]
        more = _left_out(len(report.outcome_changes), SHOWN * 2, report.more_outcome_changes, "later in the alphabet")
        about = "per 1,000 active devices and day"
        yield Heading("Outcomes", f"{about}; {more}" if more else about)
        yield _grid(("outcome", "segment", "before", "with it", "without"), changed, left=2)


def _offered_since(adoption: Adoption) -> str:
    return f"first offered {moment(adoption.first_offer)[:16]}Z" if adoption.first_offer is not None else "not offered"


def _rates(release: ReleaseFigures, adoption: Adoption) -> Iterator[tuple[str, str]]:
    yield "success rate", said(release.success_rate, "that proved or failed to start")
    yield "healthy of offered", said(release.healthy_of_offered)
    if release.unoffered.value:
        devices = "device reports it" if release.unoffered.value == 1 else "devices report it"
        yield "not offered here", f"{shown(release.unoffered)} {devices}, and this node never made the offer"
    yield "running it", shown(adoption.running)
    yield "adoption", said(adoption.now, "devices")
    if adoption.now.value is not None:
        yield "after 24 hours", said(adoption.after_24_hours)
        marks = [(each.share, each.time) for each in adoption.marks]
        yield "time to share", ", ".join(f"{mark * 100:.0f} % {_reached(time)}" for mark, time in marks)


def _reached(time: Figure) -> str:
    return time.unknown if time.value is None else shown(time)


def _of(figure: Figure, whole: Figure) -> str:
    return percent((figure.value or 0) / whole.value) if whole.value else NOTHING


def _bar(figure: Figure, whole: Figure, most: int = 24) -> str:
    """Eighths of a block: at least one, if there is anything."""
    eighths = math.ceil((figure.value or 0) / whole.value * most * 8) if whole.value else 0
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def _left_out(there: int, most: int, more: int, which: str = "less frequent") -> str:
    """Of `there` rows in the answer the first `most` are shown, and `more` are not in it."""
    known = f"{there - most:,} more in --json" if there > most else ""
    beyond = f"{more:,} {which} are left out" if more else ""
    return "; ".join(filter(None, (known, beyond)))


def _features(found: StatsAnswer) -> list[Block]:
    features = found.features
    if not features:
        return []
    rows = [
        (each.name, each.kind, _about(each.devices), shown(each.share), shown(each.events), _measured(each))
        for each in features[:SHOWN]
    ]
    more = _left_out(len(features), SHOWN, found.more_features)
    grid = Grid(("event", "kind", "devices", "of active", "events", "measured"), rows, frozenset({2, 3, 4}))
    return [Heading("App events", more), grid]


def _measured(each: FeatureFigure) -> str:
    if each.seconds:
        return quantiles(each.seconds)
    return f"sum {shown(each.value)}" if each.value.value else ""


def _about(figure: Figure) -> str:
    exact = not figure.estimated or (figure.value or 0) < 500
    return shown(figure) if exact else f"about {shown(figure)}"


def _outcomes(found: StatsAnswer) -> list[Block]:
    if not found.outcomes:
        return []
    rows = [
        (each.name, shown(each.events), shown(each.per_1000), shown(each.value), shown(each.unmatched))
        for each in found.outcomes[:SHOWN]
    ]
    more = _left_out(len(found.outcomes), SHOWN, found.more_outcomes)
    columns = ("outcome", "number", "per 1,000 devices", "sum of values", "of unknown devices")
    return [Heading("Outcomes", more), _grid(columns, rows)]


def _by(found: StatsAnswer, by: str) -> list[Block]:
    if not found.rows:
        return [Heading(f"By {by}", "nothing")]
    more = f"the {len(found.rows):,} with the most devices; {found.more_rows:,} are left out" if found.more_rows else ""
    return [Heading(f"By {by}", more), _rows(found.rows, by)]


def _rows(rows: Sequence[StatsRow], by: str) -> Grid:
    """Only the columns that any row has."""
    periods = by in ("hour", "day")
    columns, cells = [by], [[_label(each, by)] for each in rows]
    if any(each.active.value is not None for each in rows):
        columns.append("devices")
        cells = [[*row, _about(each.active)] for row, each in zip(cells, rows, strict=True)]
    if any(each.running is not None for each in rows):
        columns.append("running it")
        cells = [
            [*row, shown(each.running) if each.running else NOTHING] for row, each in zip(cells, rows, strict=True)
        ]
    if periods or any(each.quality is not None for each in rows):
        columns += ["sessions", "errors/1,000", "crash-free"]
        cells = [[*row, *quality_cells(each.quality)] for row, each in zip(cells, rows, strict=True)]
    if any(each.release is not None for each in rows):
        columns += RELEASE_COLUMNS
        cells = [[*row, *release_cells(each.release)] for row, each in zip(cells, rows, strict=True)]
    return _grid(columns, cells)


def _label(row: StatsRow, by: str) -> str:
    if row.at is None:
        return row.name or row.label or "none"
    return f"{datetime.fromtimestamp(row.at, UTC):{'%Y-%m-%d' if by == 'day' else '%m-%d %H:%M'}}"


def _short(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%MZ}"
