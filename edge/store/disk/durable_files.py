"""Files that survive a power cut: written whole under another name, synced, then given their own name at once.

A reader sees a whole file or none. What returned is on the disk, its directory entry too. Everything is for this
user alone: workers run as the same user, and a store holds unreleased bundles, token hashes and writers' keys.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.domain.errors import Unavailable

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


@contextmanager
def room_to(do_what: str) -> Iterator[None]:
    """Raises Unavailable `storage_full` where the block runs into a full disk or quota."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("storage_full", f"the store has no room to {do_what}") from error
        raise


def write_scratch(scratch: Path, data: bytes) -> None:
    """A new file with its bytes on the disk, its name not yet. Raises FileExistsError."""
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def create_file(path: Path, data: bytes, scratch: Path) -> None:
    """Make `path` with these bytes. Raises FileExistsError when it is there; it is durable then too.

    `scratch` is a free name on the same volume; it is free again afterwards.
    """
    try:
        write_scratch(scratch, data)
        link_durably(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def link_durably(source: Path, path: Path) -> None:
    """Give a synced file its name. Raises FileExistsError, after syncing the entry that is there.

    A loser goes on to point at what the winner made, so it must not run ahead of the winner's sync.
    """
    try:
        os.link(source, path)
    finally:
        sync_directory(path.parent)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path, top: Path) -> None:
    """Make `directory` and what is missing above it, and sync every entry from `top` down.

    Entries that exist are synced too: whoever made them may have been killed before it could.
    """
    for parent in [*reversed(directory.relative_to(top).parents), directory.relative_to(top)][1:]:
        path = top / parent
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(path.parent)
