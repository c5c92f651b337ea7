"""Files that survive a power cut: written whole under another name, synced, then renamed or linked.

A reader sees a whole file or none. When a call returns, the file and its directory entry are on disk. All files are
private to this user: workers run as the same user, and a store holds unreleased bundles, token hashes and keys.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.domain.errors import OutOfRoom
from edge.store.disk.room import BLOCK_BYTES, free_bytes, is_full, room_for

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


@contextmanager
def room_to(do_what: str, path: Path, size_bytes: int = 0) -> Iterator[None]:
    """Raises OutOfRoom `storage_full` if the block meets a full disk or quota while it writes `size_bytes` there."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            missing = max(size_bytes - free_bytes(path), BLOCK_BYTES)
            message = f"the store has no room to {do_what}: {missing:,} bytes are missing in {path.parent}"
            raise OutOfRoom("storage_full", message) from error
        raise


def write_scratch(scratch: Path, data: bytes) -> None:
    """A new file whose bytes are on disk, but its directory entry may not be. Raises FileExistsError."""
    with room_for(scratch, len(data)):
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def create_file(path: Path, data: bytes, scratch: Path) -> None:
    """Make `path` with these bytes, durably. Raises FileExistsError if it exists; the existing one is durable then.

    `scratch` is an unused name on the same volume, and unused again afterwards.
    """
    try:
        write_scratch(scratch, data)
        link_durably(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes, scratch: Path) -> None:
    """Make `path` have these bytes, durably, whether or not it exists. `scratch` as for `create_file`."""
    try:
        write_scratch(scratch, data)
        scratch.rename(path)
        sync_directory(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def link_durably(source: Path, path: Path) -> None:
    """Give a synced file its name, durably. Raises FileExistsError, after syncing the existing entry.

    The loser of a race goes on to refer to the winner's file, so it must not run ahead of the winner's sync.
    """
    try:
        with room_for(path, BLOCK_BYTES):
            os.link(source, path)
    finally:
        sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Make a directory's entries durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path, top: Path) -> None:
    """Make `directory` and its missing parents, and sync every entry from `top` down.

    Existing entries are synced too: the process that made them may have been killed before it did.
    """
    for parent in [*reversed(directory.relative_to(top).parents), directory.relative_to(top)][1:]:
        path = top / parent
        with room_for(path, BLOCK_BYTES):
            path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(path.parent)
