"""Whether the guard sees anything: it is blind while releases are under guard and counting stands still. Pure."""

from edge.assembly.counting.messages import FoldCondition

BLIND_SECONDS = 90.0  # since the last fold: a watch that acts has one every few seconds, and a full spool takes a while


def blindness_of(condition: FoldCondition, *, is_up: bool, watched: int, now: float) -> str:
    """Why the guard sees nothing at `now`, in seconds since the epoch; "" if it does, or has nothing to watch."""
    if not watched:
        return ""
    if not is_up:
        return f"events are not counted: {condition.failing or 'the process that counts them is not running'}"
    if (age_seconds := now - condition.folded_at) > BLIND_SECONDS:
        return f"events were last counted {age_seconds:.0f} s ago"
    return ""
