"""Keys with which an app's features are asked for. They read, and nothing else.

A key of an app's code is published with it, so it is no secret, and gets no feature that is for servers alone. A key of
a server is one: only its digest is kept.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureKey:
    """`digest` is the SHA-256 of the key; `shown` the key itself, or of a server's its beginning. Times are in seconds
    since the epoch; `until` 0: until another takes its place."""

    digest: str
    shown: str
    made: float
    until: float = 0.0
    server: bool = False


class KeyFault(enum.Enum):
    """The key that was given is none of the app's, has ended, or was needed."""

    WRONG = "wrong"


class FeatureKeys:
    """An app's keys, ready to be asked. Without any, everybody gets its features, but those for servers alone."""

    __slots__ = ("_by_digest", "is_needed")

    def __init__(self, keys: Sequence[FeatureKey] = ()) -> None:
        self._by_digest = {key.digest: key for key in keys}
        self.is_needed = any(not key.server for key in keys)

    @property
    def digests(self) -> Sequence[str]:
        return list(self._by_digest)

    def find(self, digest: str, at: float) -> FeatureKey | KeyFault | None:
        """The key with this digest, "" for none given; None where none is needed. `at` in seconds since the epoch."""
        key = self._by_digest.get(digest)
        if key is None:
            needed = self.is_needed or (digest and self._by_digest)
            return KeyFault.WRONG if needed else None
        return key if not key.until or at < key.until else KeyFault.WRONG


NO_KEYS = FeatureKeys()
