"""How many attempts may begin now, at so many a second. Pure: time is an argument, in seconds of any clock."""

BURST_SECONDS = 0.02  # of a pace may begin together, beside one: who waits for a disk meanwhile loses no rate
NO_LIMIT = 1 << 30


class SendPace:
    """`per_second` 0: as many as one likes."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second > 0 else 0.0
        self._next = 0.0

    def allowed(self, now: float) -> int:
        if not self._gap:
            return NO_LIMIT
        return 0 if now < self._next else int((now - self._since(now)) / self._gap) + 1

    def take(self, count: int, now: float) -> None:
        """So many begin."""
        self._next = self._since(now) + count * self._gap

    def wait_seconds(self, now: float) -> float:
        """Until one is allowed."""
        return max(0.0, self._next - now)

    def _since(self, now: float) -> float:
        return max(self._next, now - BURST_SECONDS)
