"""Durations as people write them (`30m`, `6h`, `1d12h`, `90s`), in whole seconds; moments and sizes for people.

No months, no fractions and no bare numbers: `30` would mean minutes to one reader and seconds to another.
"""

import re
from datetime import UTC, datetime

from edge.domain.errors import Invalid

DURATION_LIMIT_SECONDS = 366 * 86_400  # more than a year is a mistyped unit
DURATION_LIMIT = 32  # characters; fits `366d23h59m59s` and leading zeros

_UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:([0-9]{1,8})d)?(?:([0-9]{1,8})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,8})s)?")


def parse_duration(text: str) -> int:
    """Seconds, 0 to DURATION_LIMIT_SECONDS: each of d, h, m, s at most once and in this order.

    Raises Invalid `invalid_duration`. Whether 0 makes sense is up to the caller.
    """
    match = _DURATION.fullmatch(text) if text and len(text) <= DURATION_LIMIT else None
    if match is None:
        raise Invalid(
            "invalid_duration",
            f"invalid duration {text[:DURATION_LIMIT]!r}: use the units d, h, m and s, as in 90s, 30m, 6h or 1d12h",
        )
    counts = (int(count or 0) for count in match.groups())
    seconds = sum(count * unit for count, unit in zip(counts, _UNIT_SECONDS.values(), strict=True))
    if seconds > DURATION_LIMIT_SECONDS:
        raise Invalid(
            "invalid_duration",
            f"duration {text!r} exceeds the limit of {format_duration(DURATION_LIMIT_SECONDS)}",
        )
    return seconds


def format_duration(seconds: int) -> str:
    """The shortest spelling: `5400` is `1h30m`. `seconds` is at least 0; `parse_duration` reads it back."""
    parts = []
    for unit, unit_seconds in _UNIT_SECONDS.items():
        count, seconds = divmod(seconds, unit_seconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_moment(seconds: float) -> str:
    """Seconds since the epoch as `2026-01-31 12:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"


def rough_duration(seconds: float) -> str:
    """For people, rounded down to the largest unit that there are two of: `14 s`, `119 s`, `3 min`, `5 days`."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def rough_size(count_bytes: float) -> str:
    """For people, in powers of 1000: `133 B`, `3.2 MB`."""
    if count_bytes < 1_000:
        return f"{count_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count_bytes /= 1_000
        if count_bytes < 1_000:
            return f"{count_bytes:.1f} {unit}"
    return f"{count_bytes / 1_000:.1f} TB"
