"""What a command says beside figures of several nodes: whose reports are missing in them."""

from collections.abc import Iterator, Sequence
from typing import Any

from edge.cli.terminal.output import moment


def missing_lines(missing: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each node, as the API has them."""
    for each in missing:
        place = f"region {each['region']} ({each['name']})" if each["region"] else f"node {each['name']}"
        until = f"since {moment(each['until'])}" if each["until"] is not None else "so far"
        yield f"reports of {place} are missing {until}{_clock(each['clock_off_seconds'])}"


def _clock(seconds: float) -> str:
    if abs(seconds) < 60:
        return ""
    return f"; its clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}, so they count at a wrong time"
