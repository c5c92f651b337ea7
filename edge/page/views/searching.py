"""The field at the top of each page: an app, a channel, a bundle or a device, by a part of its name or its id.

Within an app all of it is searched; across apps names alone, since finding a device reads an app's reports.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from edge.control.shapes.apps import AppSummary, AppView
from edge.control.shapes.devices import DeviceList
from edge.page.views.device.finding import SEARCH_LIMIT, device_id, plan_searches
from edge.page.views.visit import PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import count, named

APPS_SEARCHED = 20  # for channels and bundles, when no app is chosen
FOUND_SHOWN = 20  # of a kind
BUNDLES_SHOWN = 5  # of one app


class Hit(NamedTuple):
    """`kind` is what it is; `beside` where."""

    kind: str
    name: str
    href: str
    beside: str = ""


async def show_search(visit: Visit) -> Shown:
    text = visit.query.get("q", "").strip()[:SEARCH_LIMIT]
    apps = [visit.parts["app"]] if "app" in visit.parts else await _apps(visit)
    hits: list[Hit] = []
    if text:
        hits += [Hit("App", named(app), _base(app)) for app in apps if text.lower() in app.lower() and len(apps) > 1]
        for found in await asyncio.gather(*(_in_app(visit, app, text) for app in apps[:APPS_SEARCHED])):
            hits += found
        if "app" in visit.parts or len(apps) == 1:
            hits += await _devices(visit, apps[0], text)
    values = {
        "text": text,
        "hits": hits[: 4 * FOUND_SHOWN],
        "words": _words(text, hits),
        "devices_too": "app" in visit.parts or len(apps) == 1,
        "cut": len(apps) > APPS_SEARCHED,
    }
    return Shown("search.html", "Search", values)


def _words(text: str, hits: Sequence[Hit]) -> str:
    if not text:
        return "Type a part of a name, or an id."
    if not hits:
        return f"Nothing here is called {named(text)}."
    return f"{count(len(hits))} {'thing' if len(hits) == 1 else 'things'} found for {named(text)}."


async def _apps(visit: Visit) -> list[str]:
    found: list[AppSummary] = await visit.ask("list_apps", {})
    return [each.app for each in found]


async def _in_app(visit: Visit, app: str, text: str) -> list[Hit]:
    answers: tuple[Any, Any] = await asyncio.gather(
        visit.attempt("show_app", {"app": app}),
        visit.attempt("list_bundles", {"app": app}, {"find": text, "first": str(BUNDLES_SHOWN)}),
    )
    shown, bundles = answers
    channels = [each.name for each in shown.channels] if isinstance(shown, AppView) else []
    base, wanted = _base(app), text.lower()
    return [
        *(
            Hit("Channel", named(name), f"{base}/channels/{quote(name, safe='')}", named(app))
            for name in channels
            if wanted in name.lower()
        ),
        *(
            Hit("Bundle", named(each.version), f"{base}/bundles?{urlencode({'find': each.version})}", named(app))
            for each in ([] if isinstance(bundles, Unread) else bundles)
        ),
    ]


async def _devices(visit: Visit, app: str, text: str) -> list[Hit]:
    """By its whole id also a device that has not reported."""
    whole = device_id(text)
    if whole:
        return [Hit("Device", whole, f"{_base(app)}/devices?{urlencode({'q': whole})}", named(app))]
    for search in plan_searches(text)[:-1]:  # what they run is a bundle, which is found above
        found = await visit.attempt("list_devices", {"app": app}, dict(search.query) | {"limit": str(FOUND_SHOWN)})
        if isinstance(found, DeviceList) and found.devices:
            return [
                Hit(
                    "Device",
                    each.device,
                    f"{_base(app)}/devices?{urlencode({'q': each.device})}",
                    f"{named(each.custom_id)} · runs {named(each.runs)}".removeprefix(" · "),
                )
                for each in found.devices
            ]
    return []


def _base(app: str) -> str:
    return f"/apps/{quote(app, safe='')}"


ROUTES = (PageRoute("/search", "search", show_search), PageRoute("/apps/{app}/search", "search", show_search))
