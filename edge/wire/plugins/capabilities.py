"""What each plugin release can do: one table, looked up by version, so that no code compares versions.

The table is `capabilities.json` (PROTOCOL.md §11). Unlisted versions get the value of a neighbour by the rules of
`capability`; devices choose the versions, so nothing is cached here.

Beside the plugin there are families: packages on their own platform that speak its protocol and report one version in
every release, so that only the platform determines what they can do.
"""

import pkgutil
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple, TypeVar

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import Platform
from edge.domain.versions import VERSION_LIMIT, Version, parse_version

T = TypeVar("T")

_COLUMNS = {
    "both": (Platform.ANDROID, Platform.IOS),
    "android": (Platform.ANDROID,),
    "ios": (Platform.IOS,),
}


class _Row(msgspec.Struct):
    capability: str
    platform: str
    ranges: list[tuple[str, str, str]]  # from, to, value; inclusive


class _Family(msgspec.Struct):
    platform: Platform
    reported_plugin_version: str
    capabilities: list[_Row]  # of its releases; the newest counts, as they cannot be told apart


class _Document(msgspec.Struct):
    first: str
    last: str
    exact: list[str]
    capabilities: list[_Row]
    families: list[_Family]


class _Line(NamedTuple):
    """One major line of one capability: `values[i]` applies from `firsts[i]` up to the next one."""

    firsts: tuple[Version, ...]
    values: tuple[str, ...]


def capability(name: str, platform: Platform, plugin_version: str) -> str:
    """The value of one row for one release. Raises Invalid `invalid_plugin_version`.

    A version between two entries gets the lower one of its major line (a pre-release is below its release); one below
    its line's first entry gets that entry. 9.0.0 and 10.0.0 are old code under a high number and count only for
    themselves: anything else above the newest release counts as newer (PROTOCOL.md §11.1). A family has one value for
    all versions.
    """
    family = _families.get(platform)
    if family is not None:
        parse_plugin_version(plugin_version)
        return family[name]
    line = _lines[name, platform]
    version = _nearest_known(parse_plugin_version(plugin_version))
    firsts, values = line[version.major]
    return values[max(0, bisect_right(firsts, version) - 1)]


@cache
def stretches(names: tuple[str, ...], platform: Platform) -> tuple[tuple[str, str], ...]:
    """The first and the last listed release of each stretch in which none of these rows changes, in order.

    A stretch is within one major line.
    """
    rows = [row for row in _document.capabilities if row.capability in names and platform in _COLUMNS[row.platform]]
    ends = {_known(end): end for row in rows for first, last, _ in row.ranges for end in (first, last)}
    firsts = sorted({_known(first) for row in rows for first, _, _ in row.ranges})
    lasts = sorted({_known(last) for row in rows for _, last, _ in row.ranges})
    # A stretch ends with the last release before the next one: some row ends there, or all rows of its line do.
    pairs = ((first, lasts[bisect_left(lasts, after) - 1]) for first, after in pairwise(firsts))
    return tuple((ends[first], ends[last]) for first, last in (*pairs, (firsts[-1], lasts[-1])))


def ranges_by(names: tuple[str, ...], platform: Platform, value_of: Callable[[str], T]) -> dict[T, tuple[str, ...]]:
    """The listed releases by a value that depends only on these rows: ranges like `6.14.28-6.42.3`, in order; one that
    includes the newest release is `8.51.9 and later`.

    Neighbours in one major line are joined; `value_of` is called with the first release of each stretch.
    """
    asked = [(value_of(first), first, last) for first, last in stretches(names, platform)]
    found: dict[T, list[str]] = {}
    for (value, _), group in groupby(asked, key=lambda each: (each[0], parse_plugin_version(each[1]).major)):
        joined = list(group)
        first, last = joined[0][1], joined[-1][2]
        found.setdefault(value, []).append(_range(first, last))
    return {value: tuple(ranges) for value, ranges in found.items()}


def _range(first: str, last: str) -> str:
    if last == NEWEST_PLUGIN:
        return f"{first} and later"
    return first if first == last else f"{first}-{last}"


def family_of(plugin_version: str) -> Platform | None:
    """The platform of the family whose releases report this version; None: no family does."""
    return _family_platforms.get(plugin_version)


def platform_of(said: Platform, plugin_version: str) -> Platform:
    """The device's platform: the first releases of a family report another one with their plugin version."""
    return _family_platforms.get(plugin_version, said)


def is_family(platform: Platform) -> bool:
    """Whether the platform has its own package, whose version determines nothing."""
    return platform in _families


def is_unknown_release(platform: Platform, plugin_version: str) -> bool:
    """Whether the version is above every listed one of its line, or not the one that its family reports: counted, as
    the table may be outdated."""
    if platform in _families:
        return plugin_version not in _family_platforms
    version = parse_plugin_version(plugin_version)
    return version not in _exact and version > _newest_of_line.get(version.major, _last)


def is_listed(plugin_version: str) -> bool:
    """Whether the table names this very release."""
    return plugin_version in _named


def parse_plugin_version(text: str) -> Version:
    """Raises Invalid `invalid_plugin_version` unless `text` is a semantic version."""
    version = parse_version(text)
    if version is None:
        raise Invalid("invalid_plugin_version", f"plugin version {text[:VERSION_LIMIT]!r} is not a semantic version")
    return version


def _nearest_known(version: Version) -> Version:
    if version in _exact:
        return version
    return min(max(version, _first), _last)


def _known(text: str) -> Version:
    version = parse_version(text)
    assert version is not None, f"capabilities.json: {text!r} is not a version"
    return version


def _build_line(row: _Row, major: int) -> _Line:
    ranges = sorted((_known(first), value) for first, _last, value in row.ranges if _known(first).major == major)
    return _Line(tuple(first for first, _ in ranges), tuple(value for _, value in ranges))


def _build_lines(document: _Document) -> dict[tuple[str, Platform], dict[int, _Line]]:
    lines: dict[tuple[str, Platform], dict[int, _Line]] = {}
    for row in document.capabilities:
        majors = {_known(first).major for first, _last, _value in row.ranges}
        by_major = {major: _build_line(row, major) for major in majors}
        for platform in _COLUMNS[row.platform]:
            lines[row.capability, platform] = by_major
    return lines


def _build_newest(document: _Document) -> dict[int, Version]:
    newest: dict[int, Version] = {}
    for _first, last, _value in (entry for row in document.capabilities for entry in row.ranges):
        version = _known(last)
        if version not in _exact:  # their lines have no other release: `last` is the newest one to compare with
            newest[version.major] = max(version, newest.get(version.major, version))
    return newest


def _build_family(family: _Family) -> dict[str, str]:
    return {
        row.capability: max((_known(last), value) for _first, last, value in row.ranges)[1]
        for row in family.capabilities
    }


def _read_document() -> _Document:
    content = pkgutil.get_data("edge.wire.plugins", "capabilities.json")
    assert content is not None, "edge/wire/plugins/capabilities.json is not in the package"
    return msgspec.json.decode(content, type=_Document)


_document = _read_document()
_first = _known(_document.first)
_last = _known(_document.last)
NEWEST_PLUGIN = _document.last  # the newest known release
_exact = frozenset(_known(text) for text in _document.exact)
_lines = _build_lines(_document)
_newest_of_line = _build_newest(_document)
_named = frozenset(
    {family.reported_plugin_version for family in _document.families}
    | {end for row in _document.capabilities for first, last, _ in row.ranges for end in (first, last)}
)
_families = {family.platform: _build_family(family) for family in _document.families}
_family_platforms = {family.reported_plugin_version: family.platform for family in _document.families}
