"""Whether this worker is overloaded, judged by how late its loop is and how many requests are open.

An overloaded worker answers checks with "nothing new" and downloads with 503, so that it finishes what it has begun and
devices come back later. Pure but for `watch_lag`, which measures.
"""

import asyncio

# A check costs the loop some 50 µs: at this lag thousands of requests wait, while devices give up after 10 s
# (PROTOCOL.md §1.1). One late turn, such as for a big snapshot, is no overload yet.
LATE_SECONDS = 0.5
LATE_TURNS = 2
# Well below, or a worker at the threshold would switch back and forth with every turn.
CALM_SECONDS = 0.1
PROBE_SECONDS = 0.1  # between two probes; one costs far less than a request
# Of the connections a worker accepts: checks, which are short, get the rest; downloads take long.
IN_PROGRESS_SHARE = 0.75

RETRY_AFTER_SECONDS = 10  # what new Android releases wait by themselves (PROTOCOL.md §5.2)


class Overload:
    """`in_progress`, and `downloads` among them, are kept by the code that handles requests: up at the start, down at
    the end. `downloads_limit` 0: no limit.
    """

    __slots__ = ("_downloads_limit", "_in_progress_limit", "_late", "_late_turns", "downloads", "in_progress")

    def __init__(self, in_progress_limit: int, downloads_limit: int = 0) -> None:
        self.in_progress = self.downloads = 0
        self._downloads_limit = downloads_limit
        self._in_progress_limit = in_progress_limit
        self._late = False
        self._late_turns = 0

    def note_lag(self, seconds: float) -> None:
        """A probe of the loop was `seconds` late."""
        self._late_turns = self._late_turns + 1 if seconds >= LATE_SECONDS else 0
        if self._late_turns >= LATE_TURNS:
            self._late = True
        elif seconds < CALM_SECONDS:
            self._late = False

    @property
    def in_progress_limit(self) -> int:
        """How many requests may be open before the worker counts as overloaded."""
        return self._in_progress_limit

    @property
    def overloaded(self) -> bool:
        """Whether to shed checks and downloads."""
        return self._late or self.in_progress > self._in_progress_limit

    @property
    def downloads_full(self) -> bool:
        """Whether to shed downloads alone."""
        return 0 < self._downloads_limit <= self.downloads


async def watch_lag(overload: Overload) -> None:
    """Measure until cancelled: a probe that runs late shows how long everything else waits."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PROBE_SECONDS
        await asyncio.sleep(PROBE_SECONDS)
        overload.note_lag(loop.time() - due)
