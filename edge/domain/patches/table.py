"""Patches as a worker holds them: 96 bytes each, found by the digests at their two ends."""

from bisect import bisect_left
from collections.abc import Iterable

from edge.domain.model import Digest
from edge.domain.patches.document import Patch

_ENDS = 64  # bytes: the digests of the new and the old file
_ROW = 96  # and that of the blob


class PatchTable:
    """The patches of one bundle. Immutable."""

    __slots__ = ("_rows",)

    def __init__(self, patches: Iterable[Patch]) -> None:
        rows = (bytes.fromhex(each.new + each.old + each.blob) for each in patches)
        self._rows = b"".join(sorted(rows))

    def __len__(self) -> int:
        return len(self._rows) // _ROW

    def find(self, new: str, old: str) -> Digest | None:
        """The blob of the patch from `old` to `new`, digests of plain files; None without one."""
        wanted = bytes.fromhex(new + old)
        place = bisect_left(range(len(self)), wanted, key=self._ends)
        if place == len(self) or self._ends(place) != wanted:
            return None
        start = place * _ROW
        return Digest(self._rows[start + _ENDS : start + _ROW].hex())

    def blobs(self) -> Iterable[Digest]:
        return (Digest(self._rows[end - _ROW + _ENDS : end].hex()) for end in range(_ROW, len(self._rows) + 1, _ROW))

    def _ends(self, place: int) -> bytes:
        return self._rows[place * _ROW : place * _ROW + _ENDS]
