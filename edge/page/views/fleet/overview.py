"""All apps: is anything wrong, what is out where, and how well. First those in trouble or on their way, in full."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from edge.control.shapes.apps import AppSummary
from edge.control.shapes.node import NodeStatus
from edge.page.acts.confirmation import Caution
from edge.page.views.approvals.proposals import shortages, waiting_notices
from edge.page.views.fleet.alarms import see_alarms
from edge.page.views.fleet.first_steps import first_steps
from edge.page.views.fleet.rows import COLUMNS, bundle_words, full_row, plain_row
from edge.page.views.fleet.sights import AppSight, active_devices, in_full, see_apps, see_rows
from edge.page.views.urgency import Urgency, urgency_of
from edge.page.views.visit import PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import count, named, things
from edge.page.words.times import moment

PAGE_APPS = 100  # lines of one page
FIND_LIMIT = 128  # characters


async def show_overview(visit: Visit) -> Shown:
    apps = await see_apps(visit)
    if isinstance(apps, Unread):
        return Shown("overview.html", "All apps", {"unread": apps, "summary": "", "alarms": [], "panels": []})
    steps = await first_steps(visit, apps)
    if steps is not None:
        return steps
    find = visit.query.get("find", "")[:FIND_LIMIT]
    shown_in_full = in_full(apps)
    full = [each for each in apps if any((each.app, c.name) in shown_in_full for c in each.channels)]
    rest = [each for each in apps if each not in full and find.lower() in each.app.lower()]
    alarms, summaries = await see_alarms(visit, apps), await _summaries(visit)
    values = {
        "unread": None,
        "summary": _summary(apps),
        "alarms": alarms,
        "notices": await node_notices(visit),
        "waiting": await waiting_notices(visit, summaries),
        "shortages": shortages(summaries),
        "panels": await asyncio.gather(
            *(app_panel(visit, each, shown_in_full, counted=len(full) == len(apps)) for each in full)
        ),
        "rest": _rest(visit, rest, find, len(apps) - len(full)),
    }
    troubled = sum(each.urgency is Urgency.TROUBLE for each in apps)
    title = f"{things(troubled, 'app')} in trouble · All apps" if troubled else "All apps"
    return Shown("overview.html", title, values)


async def app_panel(
    visit: Visit, app: AppSight, shown_in_full: set[tuple[str, str]], *, counted: bool = True
) -> dict[str, Any]:
    """One app's channels as a table. Channels beyond the figures' limit have none. Not `counted`: among many apps its
    active devices are left to its own page, since each such question costs as much as a row."""
    full = [each for each in app.channels if (app.app, each.name) in shown_in_full]
    plain = [each for each in app.channels if (app.app, each.name) not in shown_in_full]
    rows = [full_row(each, visit.now) for each in await see_rows(visit, app.app, full)]
    active = await active_devices(visit, app.app) if counted else None
    devices = f"{things(active, 'device')} active in 7 days" if active is not None else "active devices not known"
    if not counted:
        devices = things(len(app.channels), "channel")
    return {
        "id": f"app-{app.app}",
        "app": named(app.app),
        "href": f"/apps/{app.app}",
        "devices": devices,
        "damaged": app.damaged,
        "table": {
            "columns": COLUMNS,
            "rows": [*rows, *(plain_row(app.app, each, visit.now) for each in plain)],
            "none": {"text": "No channels yet.", "command": f"edge channel create {app.app} production --public"},
        },
    }


async def node_notices(visit: Visit) -> list[Caution]:
    """What of this node touches every app."""
    node = await visit.attempt("show_node", {}) if visit.allows("show_node") else None
    if not isinstance(node, NodeStatus):
        return []
    found = []
    if node.guard.blind:
        words = f"{node.guard.blind[:200]}. {things(node.guard.watched, 'release')} go on at their share."
        found.append(Caution("The guard sees nothing.", words))
    down = sum(not each.ready for each in node.workers)
    if down:
        found.append(Caution(f"{things(down, 'worker')} not ready.", f"Of {count(len(node.workers))}."))
    if node.damaged:
        words = f"{named(node.damaged[0].app)} and others: `edge store verify` names them." if node.damaged else ""
        found.append(Caution(f"{things(len(node.damaged), 'thing')} of the store cannot be served.", words))
    return found


async def _summaries(visit: Visit) -> list[AppSummary]:
    found = await visit.attempt("list_apps", {})
    return [] if isinstance(found, Unread) else found


def _summary(apps: Sequence[AppSight]) -> str:
    channels = [each for app in apps for each in app.channels]
    moving = sum(urgency_of(each) is Urgency.UNDER_WAY for each in channels)
    return " · ".join(
        [
            things(len(apps), "app"),
            things(len(channels), "channel"),
            f"{things(moving, 'release')} on {'its' if moving == 1 else 'their'} way",
        ]
    )


def _rest(visit: Visit, apps: Sequence[AppSight], find: str, of: int) -> dict[str, Any] | None:
    """The other apps, a line each."""
    if not of:
        return None
    first = _number(visit.query.get("from", "0"))
    rows = [{"cells": _line(each, visit.now)} for each in apps[first : first + PAGE_APPS]]
    columns = ({"name": "App"}, {"name": "Out now"}, {"name": "Since"}, {"name": "Channels", "num": True})
    after = first + PAGE_APPS
    return {
        "find": find,
        "found": count(len(apps)),
        "of": count(of),
        "table": {"columns": columns, "rows": rows, "none": {"text": "No app has this in its name."}},
        "newer": f"/?{urlencode({'find': find, 'from': max(0, first - PAGE_APPS)})}" if first else "",
        "older": f"/?{urlencode({'find': find, 'from': after})}" if after < len(apps) else "",
    }


def _line(app: AppSight, now: float) -> list[Any]:
    name = {"text": named(app.app), "href": f"/apps/{app.app}"}
    if app.damaged:
        return [name, {"state": ("warn", "Cannot be read"), "of": app.damaged[:160]}, "", ""]
    if not app.channels:
        return [name, {"text": "No channels yet", "tone": "muted"}, "", "0"]
    channel = app.channels[0]
    out = {"text": bundle_words(channel.served), "bold": True, "of": f"on {named(channel.name)}"}
    since = moment(channel.bundle_changed, now, to_minute=True) if channel.bundle_changed else ""
    return [name, out, since, count(len(app.channels))]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


ROUTES = (PageRoute("/", "overview", show_overview),)
