"""Which devices can tell of crashes and errors: others are neither above nor below the line of such figures. Pure."""

import enum
import re
from functools import lru_cache

_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,6})\.(\d{1,6})(?!\d)", re.ASCII)
# Of each line the first release that sends crash and error events; an unknown later line does.
_FIRST_TO_REPORT = {5: (50, 1), 6: (50, 1), 7: (50, 1), 8: (46, 0)}
_OLD_CODE = frozenset({(9, 0, 0), (10, 0, 0)})  # published by mistake under a high number
# Crashes are read from the system's exit records, which Android has since this release.
_FIRST_ANDROID = 11
_FIRST_WITH_OLDER_DOWNLOAD_FAIL = {6: (14, 25), 7: (17, 0)}
_FIRST_TO_TELL_WHAT_IT_IS = (4, 10)
_CACHED = 4_096  # releases differ by some hundreds; devices may make more up


@lru_cache(_CACHED)
def reports_errors(plugin: str) -> bool:
    """Whether the release sends errors of web views and exits of the process."""
    release = _release_of(plugin)
    if release is None or release in _OLD_CODE:
        return False
    first = _FIRST_TO_REPORT.get(release[0])
    return release[1:] >= first if first else release[0] > max(_FIRST_TO_REPORT)


def reports_crashes(platform: str, os: str, plugin: str) -> bool:
    """Whether a device's crashes become known; `os` is its major version."""
    return platform == "android" and os.isdecimal() and int(os) >= _FIRST_ANDROID and reports_errors(plugin)


@lru_cache(_CACHED)
def fails_without_offer(plugin: str) -> bool:
    """Whether the release reports `download_fail` also when there is no update."""
    release = _release_of(plugin)
    if release is None or release in _OLD_CODE:
        return True
    first = _FIRST_WITH_OLDER_DOWNLOAD_FAIL.get(release[0])
    return release[1:] < first if first else release[0] < min(_FIRST_WITH_OLDER_DOWNLOAD_FAIL)


@lru_cache(_CACHED)
def tells_what_it_is(plugin: str) -> bool:
    """Whether the release says if it runs in an emulator or is a development build; one of no known number does."""
    release = _release_of(plugin)
    return release is None or release in _OLD_CODE or release[:2] >= _FIRST_TO_TELL_WHAT_IT_IS


class Ability(enum.IntFlag):
    """What a device's reports can tell; none of it, not even KNOWN: it did not say what it is."""

    KNOWN = 1
    CRASHES = 2
    ERRORS = 4
    STRICT = 8  # it reports failed downloads only where there is an update


def ability_of(platform: str, os: str, plugin: str) -> int:
    """From what the device says itself: never from a label, which may have become `other`."""
    if _release_of(plugin) is None:
        return 0
    found = Ability.KNOWN
    if reports_errors(plugin):
        found |= Ability.ERRORS
    if reports_crashes(platform, os, plugin):
        found |= Ability.CRASHES
    return int(found if fails_without_offer(plugin) else found | Ability.STRICT)


def _release_of(plugin: str) -> tuple[int, int, int] | None:
    found = _RELEASE.match(plugin)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
