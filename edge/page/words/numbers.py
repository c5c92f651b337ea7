"""Numbers as text: counts, sizes, durations, and names that strangers chose.

A narrow no-break space stands before a unit. Unknown has a word of its own and is never 0.
"""

import unicodedata

from edge.domain.messaging.joining import is_shown

NB = "\u202f"
UNKNOWN = "–"
NAME_LIMIT = 64  # characters of an untrusted name in a list; the page of the thing has it whole

_HIDDEN = ("Cc", "Cf", "Zl", "Zp")
_EXACT_BELOW = 1_000_000
_SIZES = ("bytes", "kB", "MB", "GB", "TB", "PB")


def count(n: int | None) -> str:
    """`31,902`; from a million on `1.24 million`."""
    if n is None:
        return UNKNOWN
    if abs(n) < _EXACT_BELOW:
        return f"{n:,}"
    return f"{n / 1_000_000:,.2f}{NB}million"


def things(n: int, one: str, many: str = "") -> str:
    """`1 device`, `1,894 devices`."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def size(n: float | None) -> str:
    """Bytes by 1,000: `840 bytes`, `1.1 MB`, `412 kB`."""
    if n is None:
        return UNKNOWN
    value, unit = float(n), 0
    while unit < len(_SIZES) - 1 and round(value) >= 1000:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1
    return f"{value:,.{digits}f}{NB}{'byte' if unit == 0 and n == 1 else _SIZES[unit]}"


def duration(seconds: float | None) -> str:
    """At most two units: `84 ms`, `1.9 s`, `14 s`, `11 min`, `2 h 48 min`, `41 h`, `14 days`."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if 0 < seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))}{NB}ms"
    if seconds < 9.95 and round(seconds, 1) != round(seconds):
        return f"{seconds:.1f}{NB}s"
    if seconds < 59.5:
        return f"{round(seconds)}{NB}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}{NB}min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}{NB}h {rest}{NB}min" if rest else f"{hours}{NB}h"
    hours = round(seconds / 3600)
    return f"{hours}{NB}h" if hours < 72 else f"{round(seconds / 86_400)}{NB}days"


def ordinal(n: int) -> str:
    """`1st`, `14th`."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{count(n)}{ending}"


def named(text: str) -> str:
    """A name from outside, for one line: no controls nor marks that turn the line around, cut at NAME_LIMIT."""
    clean = cleaned(text)
    return clean if len(clean) <= NAME_LIMIT else clean[: NAME_LIMIT - 1] + "…"


def cleaned(text: str) -> str:
    """The whole of it, without those; what joins emoji or letters stays."""
    if text.isprintable():
        return text
    return "".join(
        "\ufffd" if unicodedata.category(each) in _HIDDEN and not is_shown(text, place) else each
        for place, each in enumerate(text)
    )


def listed(names: list[str], most: int = 3) -> str:
    """`9, 10 and 11`; what is beyond `most` is a number."""
    if len(names) > most:
        names = [*names[:most], f"{count(len(names) - most)} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
