"""Which devices are to be erased from the outbox, again and again for as long as a plan may bring their rows back."""

from pathlib import Path

from edge.domain.statistics.device_key import device_key
from edge.telemetry.upkeep.erasures import Erasure, pending_erasures

AFTER_SECONDS = 60.0  # that an erasure is done: a page of a plan that was read before is in the outbox long since


class ErasedFromOutbox:
    """Those that are noted in a directory, and those that were until a while ago."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[Erasure, float] = {}

    def keys(self, now: float) -> list[int]:
        """Of devices; `now` in seconds of a clock that only goes forward. Blocks."""
        self._seen |= dict.fromkeys(pending_erasures(self._directory), now)
        self._seen = {each: at for each, at in self._seen.items() if now - at <= AFTER_SECONDS}
        return [device_key(each.app, each.device) for each in self._seen]
