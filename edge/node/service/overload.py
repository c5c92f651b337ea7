"""Whether this worker has more to do than it can: decided from how late its loop is and how many requests are open.

An overloaded worker answers checks with "nothing new" and downloads with 503, so what it has begun gets finished and
devices come again later. Pure: `note_lag` is told what was measured; `watch_lag` is the one who measures.
"""

import asyncio

# A check costs the loop some 50 µs: this much lateness is thousands of requests waiting, while devices give up after
# 10 s (device-protocol §1.1). One late turn, as for a big snapshot, is no overload yet.
LATE_SECONDS = 0.5
LATE_TURNS = 2
# Back to normal only well below, or a worker at the border would flicker with every turn.
CALM_SECONDS = 0.1
PROBE_SECONDS = 0.1  # between two looks at the loop; what one costs is nothing beside a request
# Of the connections a worker takes: the rest is kept for checks, which are short, while downloads hold theirs long.
IN_PROGRESS_SHARE = 0.75

RETRY_AFTER_SECONDS = 10  # what new Android releases wait by themselves (plugin-capabilities §3)


class Overload:
    """`in_progress` and, among them, `downloads` are counted by whoever handles requests: up at the start, down at the
    end. A `downloads_limit` of 0 is none.
    """

    __slots__ = ("_downloads_limit", "_in_progress_limit", "_late", "_late_turns", "downloads", "in_progress")

    def __init__(self, in_progress_limit: int, downloads_limit: int = 0) -> None:
        self.in_progress = self.downloads = 0
        self._downloads_limit = downloads_limit
        self._in_progress_limit = in_progress_limit
        self._late = False
        self._late_turns = 0

    def note_lag(self, seconds: float) -> None:
        """One probe of the loop was so late."""
        self._late_turns = self._late_turns + 1 if seconds >= LATE_SECONDS else 0
        if self._late_turns >= LATE_TURNS:
            self._late = True
        elif seconds < CALM_SECONDS:
            self._late = False

    @property
    def overloaded(self) -> bool:
        return self._late or self.in_progress > self._in_progress_limit

    @property
    def downloads_full(self) -> bool:
        return 0 < self._downloads_limit <= self.downloads


async def watch_lag(overload: Overload) -> None:
    """Measure for ever: a probe that should have run a while ago shows how long everything else waits."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PROBE_SECONDS
        await asyncio.sleep(PROBE_SECONDS)
        overload.note_lag(loop.time() - due)
