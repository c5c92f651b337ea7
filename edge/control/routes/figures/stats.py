"""The figures of an app and of its bundles, and the plain counts of its events."""

from collections.abc import Container, Mapping

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app, load_app
from edge.control.operations import Operation, parse_number
from edge.control.routes.figures.asking import (
    DAY_SECONDS,
    LABELS,
    POINTS_DEFAULT,
    SINCE,
    labels,
    row_label,
    since_seconds,
)
from edge.control.routes.figures.sides import drawn_names
from edge.control.shapes.apps import AppStats
from edge.domain.errors import NotFound
from edge.domain.model import BUILTIN, AppState, VersionName
from edge.domain.statistics.curves import POINTS_LIMIT
from edge.telemetry.questions.app_answers import StatsAnswer, StatsQuestion

_PLATFORMS = frozenset({"android", "ios", "electron", "web", "other"})


async def handle_figures(call: Call[None]) -> StatsAnswer:
    """Raises NotFound `unknown_app`; `unknown_bundle`, `unknown_channel`, `unknown_segment`, `unknown_platform` for a
    name that the app does not have, unless something was counted under it: it may have been deleted."""
    now_ms = int(call.ports.telemetry.counted_until(call.ports.clock.now()) * 1000)
    given = labels(call.request)
    state = await load_app(call)
    bundle = state.bundles.get(VersionName(given.get("bundle", "")))
    asked = StatsQuestion(
        app=call.app,
        since_ms=now_ms - since_seconds(call.request, DAY_SECONDS) * 1000,
        until_ms=now_ms,
        by=row_label(call.request),
        points=parse_number(call.request, "points", POINTS_DEFAULT, 2, POINTS_LIMIT),
        bundle_bytes=bundle.zip_bytes if bundle else 0,
        **given,
    )
    found = await call.ports.telemetry.ask("stats", asked, StatsAnswer)
    if not _has_any(found):
        _check_names(state, given)
    if asked.by not in ("side", "arm"):
        return found
    names = drawn_names(state)
    rows = [msgspec.structs.replace(row, name=names.get(row.label, "")) for row in found.rows]
    return msgspec.structs.replace(found, rows=rows)


def _has_any(found: StatsAnswer) -> bool:
    about, release = found.activity, found.report and found.report.release
    counted = [about.active, about.development, about.checks, about.quality.sessions]
    counted += [release.offered, release.unoffered] if release else []
    return any(each.value for each in counted) or bool(found.features or found.outcomes)


def _check_names(state: AppState, given: Mapping[str, str]) -> None:
    known: Mapping[str, Container[str]] = {
        "bundle": {*state.bundles, BUILTIN},
        "channel": {*state.channels},
        "segment": {*state.segments},
        "platform": _PLATFORMS,
    }
    for what, name in given.items():
        if name not in known[what]:
            reason = f"app {state.app!r} has no {what} {name[:64]!r}, and nothing was counted of one in this time"
            raise NotFound(f"unknown_{what}", reason)


async def handle_counts(call: Call[None]) -> AppStats:
    await check_app(call)
    return await call.ports.telemetry.stats(call.app)


OPERATIONS = (
    Operation(
        name="show_figures",
        method="GET",
        path="/v1/apps/{app}/figures",
        summary="Show who has what, whether it works, and how people use it",
        permission=Permission.READ_APP,
        handle=handle_figures,
        answer=StatsAnswer,
        query=(SINCE, "by", "points", *LABELS),
    ),
    Operation(
        name="show_stats",
        method="GET",
        path="/v1/apps/{app}/stats",
        summary="Count the app's events by bundle and action",
        permission=Permission.READ_APP,
        handle=handle_counts,
        answer=AppStats,
    ),
)
