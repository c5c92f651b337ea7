"""Devices of an app, found by what a person knows: an id or its start, a custom id, a bundle that they run. Pure.

`plan_searches` says what to ask, in order; the first that finds something is shown.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from edge.control.shapes.devices import DeviceList, ListedDevice
from edge.page.views.device.known import PLATFORMS
from edge.page.words.numbers import count, named
from edge.page.words.times import moment

SEARCH_LIMIT = 128  # characters; a custom id has at most that many
LISTED = 50
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_PREFIX = re.compile(r"[0-9a-f-]{4,36}")
_SHOWN_WITHHELD = 3


class Search(NamedTuple):
    """One question to `list_devices`; `by` is what it found them by."""

    by: str
    query: Mapping[str, str]


def device_id(text: str) -> str:
    """The id that it is, in lower case; "" for any other text."""
    found = text.strip().lower()
    return found if _ID.fullmatch(found) else ""


def plan_searches(text: str, after: str = "") -> list[Search]:
    """For a text that is no whole id. Without one, all devices."""
    page = {"limit": str(LISTED)} | ({"after": after} if after else {})
    if not text:
        return [Search("latest report", page)]
    searches = [Search("their custom id", page | {"custom_id": text})]
    if _PREFIX.fullmatch(text.lower()):
        searches.append(Search("the start of their id", page | {"id_prefix": text.lower()}))
    return [*searches, Search("what they run", page | {"runs": text})]


def found_words(found: DeviceList, by: str, text: str) -> str:
    if not text:
        return f"{count(found.matching)} known {'device' if found.matching == 1 else 'devices'}, latest report first"
    if not found.matching:
        return "no known device has this id or custom id, or runs this bundle"
    return f"{count(found.matching)} {'device' if found.matching == 1 else 'devices'} by {by}"


def table_of(app: str, found: DeviceList, now: float) -> dict[str, Any]:
    """For the `table` macro."""
    names = ("Device", "Custom id", "Reported", "Runs", "Platform", "Native app", "Noted")
    columns = [{"name": name} for name in names]
    none = {"text": "No device has reported yet.", "command": f"edge device update {app} --platform android"}
    return {"columns": columns, "rows": [{"cells": _cells(app, each, now)} for each in found.devices], "none": none}


def _cells(app: str, each: ListedDevice, now: float) -> list[Any]:
    return [
        {"text": each.device, "href": device_address(app, each.device), "tone": "id"},
        named(each.custom_id),
        moment(each.reported, now),
        named(each.runs),
        PLATFORMS.get(each.platform, named(each.platform)),
        named(each.native),
        _noted(each),
    ]


def _noted(each: ListedDevice) -> str:
    override = [f"override {named(each.override)}"] if each.override else []
    withheld = [f"withheld {named(version) if version else 'a deleted bundle'}" for version in each.withheld]
    return ", ".join([*override, *withheld[:_SHOWN_WITHHELD]])


def device_address(app: str, device: str) -> str:
    return f"/apps/{quote(app, safe='')}/devices?{urlencode({'q': device})}"


def next_address(app: str, text: str, mark: str) -> str:
    return f"/apps/{quote(app, safe='')}/devices?{urlencode({'q': text, 'after': mark})}"
