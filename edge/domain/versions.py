"""Semantic versions (semver.org 2.0.0): parse, order, and the lenient reading of native versions.

Bundles have strict versions. Native versions come in every shape that app stores allow (`1`, `1.2`, `1.2.3.4`), so
`coerce_native` keeps their first three numbers (PROTOCOL.md §10).
"""

import re
from typing import NamedTuple

VERSION_LIMIT = 128  # characters; every answer and every event repeats it
NUMBER_LIMIT = 15  # digits of a number: exact in a double, as JSON readers use

_NUMBER = rf"(0|[1-9][0-9]{{0,{NUMBER_LIMIT - 1}}})"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_DIGITS = rf"([0-9]{{1,{NUMBER_LIMIT}}})(?![0-9])"
_NATIVE = re.compile(rf"[vV]?{_DIGITS}(?:\.{_DIGITS})?(?:\.{_DIGITS})?")
_UNNAMED_NATIVE = frozenset({"builtin", "unknown"})

Precedence = tuple[tuple[int, int, str], ...]
_RELEASE: Precedence = ((2, 0, ""),)  # a release is above all its pre-releases: 2 > 1 (word) > 0 (number)


class Version(NamedTuple):
    """Ordered by semver precedence. Build metadata is dropped: it does not affect the order."""

    major: int
    minor: int
    patch: int
    precedence: Precedence = _RELEASE

    @property
    def is_release(self) -> bool:
        return self.precedence == _RELEASE


def parse_version(text: str) -> Version | None:
    """A strict semantic version, or None if `text` is not one."""
    match = _SEMVER.fullmatch(text) if len(text) <= VERSION_LIMIT else None
    if match is None:
        return None
    major, minor, patch, prerelease, _build = match.groups()
    return Version(int(major), int(minor), int(patch), _precedence(prerelease))


def coerce_native(text: str) -> Version | None:
    """A native version, read as leniently as app stores write them; None if it does not start with a number."""
    if text in _UNNAMED_NATIVE:
        return Version(0, 0, 0)
    strict = parse_version(text)
    if strict is not None:
        return strict
    match = _NATIVE.match(text[:VERSION_LIMIT])
    if match is None:
        return None
    major, minor, patch = (int(part or 0) for part in match.groups())
    return Version(major, minor, patch)


def is_below(one: str, other: str) -> bool:
    """Whether `one` is a lower version than `other`. False if either is no version, such as builtin."""
    lower, higher = parse_version(one), parse_version(other)
    return lower is not None and higher is not None and lower < higher


# A native version without any number (`dev`, or none at all): 0.0.0, and below every version with one.
UNNUMBERED = Version(0, 0, 0, ())


def read_native(text: str) -> Version:
    """A native version as a device sent it: `coerce_native`, else UNNUMBERED."""
    return coerce_native(text) or UNNUMBERED


def _precedence(prerelease: str | None) -> Precedence:
    # semver 11.4: numbers below words, numbers by value, words by ASCII, a longer list above its own prefix.
    if not prerelease:
        return _RELEASE
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in prerelease.split("."))
