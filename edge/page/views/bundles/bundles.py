"""The bundles of an app: what is there, how big, where it is offered, what changed between two; publishing a zip."""

import asyncio
from itertools import islice, pairwise
from typing import Any

from edge.control.shapes.apps import AppView
from edge.control.shapes.bundles import BundleView
from edge.control.shapes.insight.bundle_changes import BundleChangesView
from edge.page.charts.chart import draw
from edge.page.publishing.receiving import DROP_LIMIT_BYTES
from edge.page.views.bundles.comparison import FILES_SHOWN, CompareChoice, choose, figures_of, size_chart
from edge.page.views.bundles.comparison import table_of as changes_table
from edge.page.views.bundles.listing import COMPARED, PAGE, STATES, BundleSearch, lede_of, older_address, table_of
from edge.page.views.visit import PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import named, size
from edge.telemetry.questions.app_answers import StatsAnswer

WEEK_SECONDS = 7 * 86_400


async def show_bundles(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    query = visit.query
    wanted = query.get("state", "")
    search = BundleSearch(
        query.get("find", "")[:128], wanted if wanted in STATES else "", query.get("older_than", "")[:256]
    )
    listed: list[BundleView]
    answers: tuple[Any, ...] = await asyncio.gather(
        visit.ask("list_bundles", query=search.query(PAGE + 1)),
        visit.attempt("list_bundles", query={"state": "offered"}),
        visit.attempt("list_bundles", query={"first": str(PAGE)}),
        visit.attempt("show_figures", query={"since_seconds": str(WEEK_SECONDS)}),
    )
    listed, offered, newest, figures = answers
    page, more = listed[:PAGE], len(listed) > PAGE
    recent = [] if isinstance(newest, Unread) else newest
    chart = size_chart(recent)
    compare, changes = await _compared(visit, recent)
    values = {
        "lede": lede_of(app.bundles, [] if isinstance(offered, Unread) else offered),
        "table": table_of(
            app.app,
            page,
            await _changed(visit, page),
            _running(figures),
            visit.now,
            may=visit.allows("delete_bundle"),
        ),
        "search": search,
        "states": list(STATES.items()),
        "shown": len(page),
        "bundles": app.bundles,
        "older": older_address(visit.path, search, page[-1].version) if more else "",
        "compare": compare,
        "changes": None if changes is None or isinstance(changes, Unread) else changes,
        "unread": changes if isinstance(changes, Unread) else None,
        "change_figures": figures_of(changes) if isinstance(changes, BundleChangesView) else [],
        "change_table": changes_table(changes) if isinstance(changes, BundleChangesView) else None,
        "chart": draw(chart) if chart is not None else None,
        "may_publish": visit.allows("upload_blob"),
        "limit": size(DROP_LIMIT_BYTES),
        "command": f"edge bundle publish {app.app} DIR --version V",
    }
    return Shown("bundles.html", f"Bundles · {named(app.app)}", values)


async def _changed(visit: Visit, page: list[BundleView]) -> dict[str, int]:
    """What a device on the bundle before downloads, of the newest on the page."""
    pairs = [
        (newer.version, older.version)
        for newer, older in islice(pairwise(page), COMPARED)
        if newer.files is not None and older.files is not None
    ]
    found = await asyncio.gather(*(_compare(visit, older, newer, 0) for newer, older in pairs))
    return {
        newer: each.download_bytes
        for (newer, _), each in zip(pairs, found, strict=True)
        if isinstance(each, BundleChangesView)
    }


async def _compared(
    visit: Visit, recent: list[BundleView]
) -> tuple[CompareChoice | None, BundleChangesView | Unread | None]:
    choice = choose(recent, visit.query.get("from", "")[:256], visit.query.get("to", "")[:256])
    if choice is None:
        return None, None
    return choice, await _compare(visit, choice.before, choice.version, FILES_SHOWN)


async def _compare(visit: Visit, before: str, version: str, files: int) -> BundleChangesView | Unread:
    parts = {"app": visit.parts["app"], "version": version}
    found = await visit.attempt("compare_bundles", parts, {"than": before, "files": str(files)})
    return found if isinstance(found, Unread) else await visit.decoded(found, BundleChangesView)


def _running(figures: Any) -> dict[str, int] | None:
    """Devices by what they run; None if the figures could not be read."""
    if not isinstance(figures, StatsAnswer):
        return None
    return {each.bundle: int(each.running.value) for each in figures.bundles if each.running.value is not None}


ROUTES = (PageRoute("/apps/{app}/bundles", "bundles", show_bundles),)
