"""Which devices are to be erased from the outbox: those of the erasures that are noted, each once."""

from pathlib import Path

from edge.domain.statistics.device_key import device_key
from edge.telemetry.upkeep.erasures import Erasure, pending_erasures


class ErasedFromOutbox:
    """Remembers which it told. Again after a start, it tells all that are still noted: erasing again does nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._told: set[Erasure] = set()

    def new_keys(self) -> list[int]:
        """Of devices that were noted since. Blocks."""
        pending = set(pending_erasures(self._directory))
        new, self._told = pending - self._told, pending
        return [device_key(each.app, each.device) for each in new]
