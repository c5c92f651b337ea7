"""The history of an app: every change, by whom and why, from what to what; undo of the newest, putting back others."""

from edge.control.shapes.apps import AppView, HistoryEntry
from edge.page.views.history.entries import (
    PAGE,
    SCANNED,
    HistoryFilter,
    authors_of,
    kinds,
    older_address,
    page_of,
    show_days,
)
from edge.page.views.history.told import GROUPS
from edge.page.views.visit import PageRoute, Shown, Visit
from edge.page.words.numbers import count, named


async def show_history(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    wanted = HistoryFilter(
        visit.query.get("by", "")[:128], visit.query.get("channel", "")[:128], _group(visit.query.get("kind", ""))
    )
    before = visit.query.get("before", "")
    page = {"limit": str(SCANNED if wanted.is_set else PAGE)}
    if before.isdigit():
        page["before"] = before[:16]
    scanned: list[HistoryEntry] = await visit.ask("show_history", query=page)
    entries, last = page_of(scanned, wanted)
    may_undo = visit.allows("undo")
    values = {
        "days": show_days(entries, app.app, app.revision, visit.now, may_undo=may_undo),
        "wanted": wanted,
        "authors": authors_of(scanned, wanted.by),
        "channels": [(each.name, named(each.name)) for each in app.channels],
        "kinds": kinds(),
        "older": older_address(visit.path, wanted, last) if last else "",
        "newest": visit.path if before else "",
        "revisions": count(app.revision),
        "may_undo": may_undo,
        "role": visit.grant.roles,
        "scanned": count(len(scanned)),
    }
    return Shown("history.html", f"History · {named(app.app)}", values)


def _group(text: str) -> str:
    return text if text in GROUPS else ""


ROUTES = (PageRoute("/apps/{app}/history", "history", show_history),)
