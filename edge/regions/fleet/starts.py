"""Whether two nodes run with one id, on copies of one data directory: their starts report by turns. Pure.

A start of a node has a random name, and one that was followed by another is over: it does not report again. Once may be
a report that was long on its way, or a process that took the node back from its successor.
"""

from typing import NamedTuple

STARTS_KEPT = 8  # of a node: two that run, and what was before them
RETURNS = 2  # of a start after another one
WITHIN_SECONDS = 600.0  # a minute has a dozen reports of each


class StartsHeard(NamedTuple):
    """The starts that reported, the last one last, and when one came back, in seconds by any clock."""

    starts: tuple[str, ...] = ()
    returned: tuple[float, ...] = ()

    def after(self, start: str, now: float) -> "StartsHeard":
        """A report came; a release that does not name its start has ""."""
        if not start or self.starts[-1:] == (start,):
            return self
        returned = (*self.returned, now)[-RETURNS:] if start in self.starts else self.returned
        others = tuple(each for each in self.starts if each != start)
        return StartsHeard((*others, start)[-STARTS_KEPT:], returned)

    def are_of_two(self, now: float) -> bool:
        """Whether two nodes have the id now."""
        return len(self.returned) >= RETURNS and 0 <= now - self.returned[0] <= WITHIN_SECONDS
