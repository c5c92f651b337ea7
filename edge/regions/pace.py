"""When to look again: jittered, so that nodes which lost the same source do not return to it in one moment. Pure."""

from collections.abc import Callable

JITTER = 0.25  # of each wait, earlier or later
BACKOFF_LIMIT_SECONDS = 8.0  # between two tries at a source that does not answer: how late its return is noticed
BACKOFF_POLLS = 1.6  # as many polls at most, so that with jitter it is noticed within two


# While the source tells what moves, looks only make up for hints that are lost: so many polls, or so many seconds.
HEARD_POLLS, HEARD_LIMIT_SECONDS = 3.0, 30.0


def wait_seconds(poll_seconds: float, failures: int, draw: Callable[[], float], *, hears: bool = False) -> float:
    """Until the next look, after so many failed ones in a row. `draw` returns a number from 0 to below 1; `hears`: the
    source tells what moves."""
    if hears and not failures:
        poll_seconds = max(poll_seconds, min(poll_seconds * HEARD_POLLS, HEARD_LIMIT_SECONDS))
    longest = max(poll_seconds, min(poll_seconds * BACKOFF_POLLS, BACKOFF_LIMIT_SECONDS))
    base = min(poll_seconds * 2.0 ** min(failures, 16), longest)
    return base * (1.0 - JITTER + 2.0 * JITTER * draw())
