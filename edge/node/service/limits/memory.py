"""A bounded memory of which the entries in use are not pushed out by a flood of new ones.

An entry that was asked for once is young; asked for again, it is among those in use, which are what the dictionary
itself holds: the most frequent look-up is one `get`. When those in use are too many they become the old ones, and each
comes back with its next use; what nobody asked for in between is forgotten. So strangers who bring entries once only
push out each other, and whoever brings each twice pushes out what is used less often than that.
"""

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(dict[K, V]):
    """At most `limit` entries, a third of them young. The entries in use are its own; `find` looks at the others."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._part = limit // 3
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    @property
    def held(self) -> int:
        """How many entries there are in all."""
        return len(self) + len(self._young) + len(self._old)

    def find(self, key: K) -> V | None:
        """An entry that `get` did not find, which is in use from now on; None if there is none."""
        value = self._old.pop(key, None)
        if value is None:
            value = self._young.pop(key, None)
        if value is not None:
            if len(self) >= self._part:
                self._old = dict(self)
                super().clear()
            self[key] = value
        return value

    def note(self, key: K, value: V) -> None:
        """Remember what is asked for the first time: neither `get` nor `find` knew it."""
        if len(self._young) >= self._part:
            self._young.clear()
        self._young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._young.clear()
        self._old.clear()
