"""Shares of devices as people write them, in percent: `5`, `12.5%`, `0.001`. Kept as whole thousandths of a percent."""

import re

from edge.domain.errors import Invalid

WHOLE_SHARE = 100_000  # all devices; one step is one device in 100,000
SHARE_LIMIT = 16  # characters; the longest useful one is `100.000%`

_SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]+))?%?")
_DECIMALS = 3


def parse_share(text: str) -> int:
    """Thousandths of a percent, 0 to WHOLE_SHARE, without rounding. Raises Invalid `invalid_share`."""
    match = _SHARE.fullmatch(text) if len(text) <= SHARE_LIMIT else None
    if match is None:
        raise _refused(text, "is not a percentage like 5, 12.5% or 0.001")
    decimals = match[2] or ""
    if len(decimals) > _DECIMALS:
        raise _refused(text, f"has more than {_DECIMALS} decimals")
    share = int(match[1]) * 1000 + int(decimals.ljust(_DECIMALS, "0"))
    if share > WHOLE_SHARE:
        raise _refused(text, "is above 100%")
    return share


def format_share(share: int) -> str:
    """`12500` is `12.5%`. `parse_share` reads it back."""
    whole, rest = divmod(share, 1000)
    decimals = f"{rest:03d}".rstrip("0")
    return f"{whole}.{decimals}%" if decimals else f"{whole}%"


def _refused(text: str, why: str) -> Invalid:
    return Invalid("invalid_share", f"share {text[:SHARE_LIMIT]!r} {why}")
