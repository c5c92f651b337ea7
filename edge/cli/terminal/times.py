"""Times as people write them: how long ago, a day, or a moment in UTC."""

from datetime import UTC, datetime

from edge.domain.errors import Invalid
from edge.domain.schedule.durations import parse_duration


def parse_time(text: str, now: float) -> float:
    """`7d` is so long before `now`; a day is its first moment, in UTC. In seconds since the epoch. Raises Invalid
    `invalid_time`."""
    try:
        return now - parse_duration(text)
    except Invalid:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        told = "use how long ago, as in 6h or 7d, a day, as 2026-11-01, or a moment, as 2026-11-01T09:00 (UTC)"
        raise Invalid("invalid_time", f"invalid time {text[:64]!r}: {told}") from error
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
