"""When devices arrive: a timetable that does not wait for the server. Pure; in seconds of any monotonic clock.

Devices that wake do not know how busy the node is. A client that sends its next request only after the last answer
pauses while the server stalls, and measures one slow request where hundreds would have waited (coordinated omission).
So an arrival keeps its time even if the client is late, and waits are counted from it.
"""


class Timetable:
    """One arrival every `period_seconds`, the first at `first`. None is skipped."""

    def __init__(self, first: float, period_seconds: float) -> None:
        if period_seconds <= 0:
            raise ValueError("period_seconds must be above 0")
        self._first = first
        self._period_seconds = period_seconds
        self._taken = 0

    @property
    def due(self) -> float:
        """When the next arrival is or was due. Counted from the first, so rounding errors do not add up."""
        return self._first + self._taken * self._period_seconds

    def wait(self, now: float) -> float:
        """Seconds until the next arrival; 0 for one that is late."""
        return max(0.0, self.due - now)

    def take(self) -> float:
        """The time that the next arrival is counted from."""
        due = self.due
        self._taken += 1
        return due

    def overdue(self, until: float) -> list[float]:
        """Take every arrival that was due before `until` but never sent: the longest waits of all."""
        late = []
        while self.due < until:
            late.append(self.take())
        return late
