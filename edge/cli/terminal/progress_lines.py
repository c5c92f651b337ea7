"""Progress without a terminal, as in a CI log: a plain line every ten seconds, so none for quick work."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_SECONDS = 10.0  # CI services end a job that prints nothing for minutes


class StageProgress:
    """The progress of the latest stage; set and read from any thread."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._stage, self._done, self._total = "", 0, 0

    def reach(self, stage: str, done: int, total: int) -> None:
        self._stage, self._done, self._total = stage, done, total

    def line(self, now: float, size: Callable[[float], str]) -> str:
        """`brotli: 45% of 12.0 MB, after 20 s`; without a total only the stage and the time. Empty before the first
        stage. `now` is monotonic, in seconds.
        """
        if not self._stage:
            return ""
        share = f" {self._done * 100 // self._total}% of {size(self._total)}," if self._total else ""
        return f"{self._stage}:{share} after {now - self._begun:.0f} s"


@contextmanager
def lines(
    say: Callable[[str], None], size: Callable[[float], str], every: float = LINE_SECONDS
) -> Iterator[StageProgress]:
    """Call `say` with a line every `every` seconds while the block runs."""
    reached, over = StageProgress(time.monotonic()), threading.Event()

    def watch() -> None:
        while not over.wait(every):
            if line := reached.line(time.monotonic(), size):
                say(line)

    watching = threading.Thread(target=watch, name="progress", daemon=True)
    watching.start()
    try:
        yield reached
    finally:
        over.set()
        watching.join()
