"""Finds an app's known devices: by the start of their id, by custom id, by what they run, by when they last reported;
in pages. Pure.

Newest report first. A page begins after the last device of the one before; devices that have reported since then move
to the front and are not repeated.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.model import BUILTIN, UpdateCheck
from edge.telemetry.devices.known_devices import KnownDevice

_PAGE_MARK = re.compile(r"(\d{1,15})-([0-9a-f-]{36})")


class DeviceSearch(NamedTuple):
    """What is wanted; an empty word matches all. `runs` is a bundle, or builtin. `since` is in seconds since the epoch;
    `after` ends the page before, as the milliseconds of a device's report and its id."""

    id_prefix: str = ""
    custom_id: str = ""
    runs: str = ""
    since: float = 0.0
    after: tuple[int, str] | None = None


class DevicePage(NamedTuple):
    """`next_page` is for `parse_page_mark`; "" if nothing follows. `matching` devices are known, pages before and after
    included."""

    devices: list[KnownDevice]
    next_page: str
    matching: int


def find_devices(known: Iterable[KnownDevice], search: DeviceSearch, limit: int) -> DevicePage:
    """At most `limit` of them."""
    matching = sorted((each for each in known if _matches(each, search)), key=_place)
    rest = [each for each in matching if search.after is None or _place(each) > _after(search.after)]
    page = rest[:limit]
    mark = f"{_milliseconds(page[-1])}-{page[-1].check.device}" if len(rest) > limit else ""
    return DevicePage(page, mark, len(matching))


def parse_page_mark(text: str) -> tuple[int, str]:
    """Raises Invalid `invalid_after`."""
    found = _PAGE_MARK.fullmatch(text)
    if found is None:
        raise Invalid("invalid_after", "invalid after: use the next_page of the page before")
    return int(found[1]), found[2]


def runs_of(check: UpdateCheck) -> str:
    """The bundle that the device runs, as it says."""
    return BUILTIN if check.says_builtin else check.version_name


def _matches(known: KnownDevice, search: DeviceSearch) -> bool:
    check = known.check
    return (
        check.device.startswith(search.id_prefix)
        and search.custom_id in ("", check.custom_id)
        and search.runs in ("", runs_of(check))
        and known.reported >= search.since
    )


def _milliseconds(known: KnownDevice) -> int:
    return round(known.reported * 1_000)


def _place(known: KnownDevice) -> tuple[int, str]:
    return _after((_milliseconds(known), known.check.device))


def _after(mark: tuple[int, str]) -> tuple[int, str]:
    return -mark[0], mark[1]
