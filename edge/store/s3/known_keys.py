"""Which keys are in the bucket, as far as this process has seen: saves asking for each blob of each publish."""

import threading
from collections.abc import Iterable

REMEMBERED_LIMIT = 1_000_000  # 150 MB at most, of a store with a million files


class KnownKeys:
    """Of one `generation` of what is condemned: after a removal nothing is known any more. Safe among threads."""

    def __init__(self) -> None:
        self.generation = 0
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str, generation: int) -> None:
        """What was seen in `generation`: before the bucket was asked, not when its answer came."""
        with self._lock:
            if generation != self.generation:
                return
            if len(self._keys) >= REMEMBERED_LIMIT:
                self._keys.clear()
            self._keys.add(key)

    def begin(self, generation: int) -> None:
        """Forget everything, unless it is the same one."""
        with self._lock:
            if generation != self.generation:
                self.generation = generation
                self._keys.clear()

    def forget(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._keys.difference_update(keys)
