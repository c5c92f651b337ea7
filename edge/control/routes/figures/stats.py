"""The figures of an app and of its bundles, and the plain counts of its events."""

import msgspec

from edge.control.calls import Call, check_app, load_app
from edge.control.operations import Operation, parse_number
from edge.control.roles import Permission
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
from edge.domain.model import VersionName
from edge.domain.statistics.curves import POINTS_LIMIT
from edge.telemetry.questions.app_answers import StatsAnswer, StatsQuestion


async def handle_figures(call: Call[None]) -> StatsAnswer:
    """Of labels that nothing has, every count is 0. Raises NotFound `unknown_app`."""
    now_ms = int(call.ports.clock.now() * 1000)
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
    if asked.by not in ("side", "arm"):
        return found
    names = drawn_names(state)
    rows = [msgspec.structs.replace(row, name=names.get(row.label, "")) for row in found.rows]
    return msgspec.structs.replace(found, rows=rows)


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
