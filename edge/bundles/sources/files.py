"""The files of a folder or zip, and where in it the app begins: at its root, or in its single top folder."""

import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edge.bundles.limits import INDEX, check_count
from edge.bundles.sources.selection import LeftOut
from edge.domain.errors import Invalid


class SourceFile(NamedTuple):
    """A file of the bundle, as it is on disk."""

    name: str  # as devices will see it
    path: Path
    bytes: int

    def start(self, limit_bytes: int) -> "builtins.bytes":
        """Its first bytes. Raises OSError."""
        with self.opened() as file:
            return file.read(limit_bytes)

    def opened(self) -> BinaryIO:
        """Raises OSError."""
        return self.path.open("rb")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or zip that was read."""

    files: tuple[SourceFile, ...]  # sorted by name
    left_out: tuple[LeftOut, ...]  # by a rule, sorted; junk is not listed


def top_folder(names: Iterable[str], where: str) -> str:
    """The single top folder that contains the index, with its slash; "" if the index is at the root.

    Raises Invalid `empty_bundle`, `no_index`.
    """
    found = set(names)
    if not found:
        check_count(0)
    if INDEX in found:
        return ""
    tops = {name.split("/")[0] for name in found}
    top = f"{tops.pop()}/"
    if tops or top + INDEX not in found:
        raise Invalid("no_index", f"no {INDEX} at the root of {where!r}, nor in a single top folder")
    return top
