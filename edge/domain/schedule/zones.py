"""Time zones from the tzdata package, never the machine's, so that nodes with the same lock file agree.

A zone is `UTC` or an area and city, spelled as in the IANA database. Paths, POSIX strings, `localtime`, names without a
city such as `CET`, and `Etc/GMT+5`, which is behind UTC and not ahead, are refused.
"""

import difflib
from bisect import bisect_left
from datetime import datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from edge.domain.errors import Invalid

ZONES_VERSION: str = tzdata.IANA_VERSION  # like "2026f"; nodes with different ones may disagree by an hour
ZONE_NAME_LIMIT = 64  # characters; the longest name has 32
CHANGES_APART_SECONDS = 6 * 86_400  # no zone ever changed its clock twice within it; a test checks all


@cache  # as many as there are names
def load_zone(name: str) -> ZoneInfo:
    """Raises Invalid `unknown_zone`, with a suggestion. Only listed names become part of a file name."""
    if name not in zone_names():
        raise Invalid("unknown_zone", f"unknown time zone {name[:ZONE_NAME_LIMIT]!r}{_hint(name)}")
    with resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def load_device_zone(name: str) -> ZoneInfo:
    """Of a device as it registered: UTC if it named none, or one that is unknown here (a region of a later release may
    have known it)."""
    return load_zone(name if name in zone_names() else "UTC")


@cache
def zone_names() -> frozenset[str]:
    """Every name that `load_zone` accepts."""
    listed = resources.files("tzdata").joinpath("zones").read_text("ascii").split()
    return frozenset(name for name in listed if "/" in name and not name.startswith("Etc/")) | {"UTC"}


def offset_seconds(zone: ZoneInfo, second: int) -> int:
    """The zone's offset from UTC, in seconds, at `second` since the epoch."""
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return offset.days * 86_400 + offset.seconds


def first_change(zone: ZoneInfo, since: int, until: int) -> int:
    """The first second after `since` with another offset, or `until` if all before it have the same.

    `until` is at most CHANGES_APART_SECONDS after `since`, so equal offsets at both ends mean no change in between.
    """
    offset = offset_seconds(zone, since)
    if offset_seconds(zone, until) == offset:
        return until
    return since + bisect_left(range(since, until), True, key=lambda second: offset_seconds(zone, second) != offset)


def _hint(name: str) -> str:
    spelled = {known.rpartition("/")[2].casefold(): known for known in sorted(zone_names())}
    spelled |= {known.casefold(): known for known in zone_names()}
    near = difflib.get_close_matches(name[:ZONE_NAME_LIMIT].casefold(), spelled, n=1, cutoff=0.75)
    return f": did you mean {spelled[near[0]]}?" if near else ": a zone is UTC or an IANA name like Europe/Paris"
