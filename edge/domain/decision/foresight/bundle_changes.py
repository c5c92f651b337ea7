"""What changed between two bundles: files added, changed, gone and the same, and what a device downloads. Pure.

A device keeps the files that it has by their content, so a renamed file costs nothing. Sizes are those of the stored
files, as devices download them.
"""

import enum
from collections.abc import Container, Iterable
from typing import NamedTuple

from edge.domain.file_names import target_name
from edge.domain.model import FileEntry


class FileFate(enum.StrEnum):
    """What became of a file, by its name."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    SAME = "same"


class ChangedFile(NamedTuple):
    """`name` is as devices write it. None: the bundle has no such file. `download_bytes` is what a device with all
    files of the older bundle loads for it."""

    name: str
    fate: FileFate
    was_bytes: int | None
    bytes: int | None
    download_bytes: int


def compare_files(older: Iterable[FileEntry], newer: Iterable[FileEntry]) -> tuple[ChangedFile, ...]:
    """Every file of both, most to download first, then by name."""
    was, becomes = ({target_name(each.name): each for each in files} for files in (older, newer))
    held = {each.hash for each in was.values()}
    found = (_changed(name, was.get(name), becomes.get(name), held) for name in was.keys() | becomes.keys())
    return tuple(sorted(found, key=lambda each: (-each.download_bytes, each.fate is FileFate.SAME, each.name)))


def _changed(name: str, older: FileEntry | None, newer: FileEntry | None, held: Container[str]) -> ChangedFile:
    was_bytes = older.bytes if older is not None else None
    if newer is None:
        return ChangedFile(name, FileFate.REMOVED, was_bytes, None, 0)
    download_bytes = 0 if newer.hash in held else newer.bytes
    if older is None:
        return ChangedFile(name, FileFate.ADDED, None, newer.bytes, download_bytes)
    fate = FileFate.SAME if older.hash == newer.hash else FileFate.CHANGED
    return ChangedFile(name, fate, was_bytes, newer.bytes, download_bytes)
