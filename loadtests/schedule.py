"""When devices arrive: a timetable that does not wait for the server. Pure; seconds of any clock that goes forward.

Devices that wake do not know how busy the node is. A client that sends its next request only after the last answer
stops asking while the server stalls, and measures one slow request where hundreds would have waited (coordinated
omission). So an arrival keeps its time whether or not the client got around to it, and waits are counted from there.
"""


class Timetable:
    """One arrival each `period_seconds`, the first at `first`. None is ever skipped."""

    def __init__(self, first: float, period_seconds: float) -> None:
        if period_seconds <= 0:
            raise ValueError("a period is longer than nothing")
        self._first = first
        self._period_seconds = period_seconds
        self._taken = 0

    @property
    def due(self) -> float:
        """When the next arrival is, or was, due. Counted from the first, so errors of addition do not pile up."""
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
        """Takes every arrival that was due before `until` and was never sent: those are the longest waits of all."""
        late = []
        while self.due < until:
            late.append(self.take())
        return late
