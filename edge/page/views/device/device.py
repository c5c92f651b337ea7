"""One device, or those that a search finds: its story, why it is offered what it is, what is known of it."""

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from edge.control.shapes.devices import DeviceList, DeviceView, Explanation
from edge.control.shapes.insight.device_story import DeviceStory
from edge.control.shapes.targeting import SegmentTested, SegmentTestRequest
from edge.page.views.device.finding import SEARCH_LIMIT, device_id, found_words, next_address, plan_searches, table_of
from edge.page.views.device.known import body_of, command_of, facts_of, features_given, head_of, kept_from
from edge.page.views.device.path import tell_path
from edge.page.views.device.story import KINDS, tell_story
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import named

STORY_EVENTS = 200  # read for a page; several become one line
SEGMENTS_TESTED = 12  # of an app: each is compiled and asked about the device


async def show_devices(visit: Visit) -> Shown:
    text = visit.query.get("q", "").strip()[:SEARCH_LIMIT]
    device = device_id(text)
    if device:
        return await _show_device(visit, device)
    found, by = await _search(visit, text)
    only = found.devices[0].device if text and found.matching == 1 and len(found.devices) == 1 else ""
    if only:
        return await _show_device(visit, only, text, found_words(found, by, text))
    app = visit.parts["app"]
    values = {
        "text": text,
        "words": found_words(found, by, text),
        "table": table_of(app, found, visit.now),
        "older": next_address(app, text, found.next_page) if found.next_page else "",
        "cut": found.cut,
    }
    return Shown("devices.html", f"Devices · {named(app)}", values)


async def _search(visit: Visit, text: str) -> tuple[DeviceList, str]:
    for search in plan_searches(text, visit.query.get("after", "")):
        found: DeviceList = await visit.ask("list_devices", {"app": visit.parts["app"]}, search.query)
        if found.matching:
            return found, search.by
    return found, search.by


async def _show_device(visit: Visit, device: str, text: str = "", words: str = "") -> Shown:
    app, of_device = visit.parts["app"], {"app": visit.parts["app"], "device": device}
    before = visit.query.get("before", "")
    page = {"limit": str(STORY_EVENTS)} | ({"before_ms": before[:16]} if before.isdigit() else {})
    shown: DeviceView = await visit.ask("show_device", of_device)
    answers: tuple[Any, Any, Any] = await asyncio.gather(
        visit.attempt("explain_device", {"app": app}, {"device_id": device}),
        visit.attempt("show_device_story", of_device, page),
        visit.attempt("show_features_of_device", {"app": app}, {"device_id": device}),
    )
    explained, story, features = answers
    kept = kept_from(app, shown, visit.now)
    values: dict[str, Any] = {"device": device, "text": text or device, "words": words, "kept": kept}
    values |= _story_values(visit, story)
    asked: dict[str, Any] = {}
    segments: list[str] | None = None
    reported: float | None = None
    if isinstance(explained, Unread):
        values |= {"unread": explained, "head": None, "told": None}
    else:
        asked, told, reported = explained.asked, tell_path(explained, visit.now), explained.reported
        segments = await _segments_of(visit, explained)
        values |= {"told": told, "head": head_of(device, asked, told, kept, heard=reported is not None)}
    values |= {
        "facts": facts_of(app, shown, reported, asked, segments, visit.now),
        "features": features_given(app, device, [] if isinstance(features, Unread) else features),
        "command": command_of(app, device),
        "acts": _acts(visit, device, shown),
        "may": visit.allows("lift_withheld"),
        "story_kind": _kind(visit),
        "kinds": [(kind, kind.capitalize(), _address(visit, device, kind)) for kind in KINDS],
    }
    title = f"Device {device[:8]}…{device[-4:]}"
    base = f"/apps/{quote(app, safe='')}"
    crumbs = [Crumb("All apps", "/"), Crumb(named(app), base), Crumb("Devices", f"{base}/devices")]
    return Shown("device.html", f"{title} · {named(app)}", values, [*crumbs, Crumb(title.removeprefix("Device "))])


def _story_values(visit: Visit, story: DeviceStory | Unread) -> dict[str, Any]:
    if isinstance(story, Unread):
        return {"story": story, "lines": [], "older": "", "cut": False}
    lines = tell_story(story.events, visit.now, _kind(visit))
    older = _address(visit, story.device, _kind(visit), str(story.next_page)) if story.next_page is not None else ""
    return {"story": None, "lines": lines, "older": older, "cut": story.cut}


def _kind(visit: Visit) -> str:
    kind = visit.query.get("show", "all")
    return kind if kind in KINDS else "all"


def _address(visit: Visit, device: str, kind: str, before: str = "") -> str:
    given = {"q": device, "show": "" if kind == "all" else kind, "before": before}
    return f"{visit.path}?{urlencode({name: value for name, value in given.items() if value})}"


async def _segments_of(visit: Visit, explained: Explanation) -> list[str] | None:
    """The segments that the device is in, of an app with few; None if that was not looked up."""
    app = visit.parts["app"]
    segments = await visit.attempt("list_segments", {"app": app})
    if isinstance(segments, Unread) or len(segments) > SEGMENTS_TESTED:
        return None
    country = str(explained.asked.get("country", ""))
    body = SegmentTestRequest(device=msgspec.Raw(msgspec.json.encode(body_of(app, explained))), country=country)
    tested = await asyncio.gather(
        *(visit.attempt("test_segment", {"app": app, "name": each.name}, body=body) for each in segments)
    )
    if any(isinstance(each, Unread) for each in tested):
        return None
    return [each.name for each in tested if isinstance(each, SegmentTested) and each.matches]


def _acts(visit: Visit, device: str, shown: DeviceView) -> dict[str, str]:
    base, of_device = f"/apps/{quote(visit.parts['app'], safe='')}/acts", urlencode({"device": device})
    clear = f"{base}/clear-override?{of_device}" if shown.override else ""
    return {"override": f"{base}/override?{of_device}", "release": clear, "erase": f"{base}/erase?{of_device}"}


ROUTES = (PageRoute("/apps/{app}/devices", "device", show_devices),)
