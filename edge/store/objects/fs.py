"""The object store in one directory: conditions by `link` and a lock, durability by `fsync`.

`files.py` says where objects are. Processes on one machine may share the directory; NFS is not supported.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.store.disk.durable_files import (
    DIRECTORY_MODE,
    FILE_MODE,
    create_file,
    link_durably,
    make_directories,
    room_to,
    sync_directory,
    sync_file,
    write_scratch,
)
from edge.store.objects.files import StoreFiles, tag_of
from edge.store.objects.port import AlreadyExists, Stale
from edge.store.objects.promises import Promises
from edge.store.objects.removal import alone, shared

REMOVAL_LOCK, COLLECTION_LOCK = "~removal", "~collection"  # no key's lock begins with a tilde
LEFTOVER_SECONDS = 24 * 3600  # since the last write; no live transfer is idle for a day


class FsStore(StoreFiles):
    """A CollectableStore. The tag of an object is the SHA-256 of its bytes."""

    removal_block = 200  # commits wait for some milliseconds

    def __init__(self, root: Path) -> None:
        """Makes the directory if it is missing; its parent must exist."""
        super().__init__(root)
        self._locks = self.root / "locks"
        self._promises = Promises(self.root / "recent")
        self._durable: set[Path] = set()  # directories whose entries this process has synced
        self.root.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(self.root.parent)
        make_directories(self._scratch, self.root)
        make_directories(self._locks, self.root)

    def create(self, key: str, data: bytes) -> str:
        place = self._prepared(key)
        try:
            create_file(place, data, self.scratch())
        except FileExistsError as error:
            raise AlreadyExists(key) from error
        return tag_of(data)

    def swap(self, key: str, data: bytes, tag: str) -> str:
        place, scratch = self._place(key), self.scratch()
        try:
            write_scratch(scratch, data)  # before the lock, which is then held briefly
            with self._locked(key):
                held = self.get(key)
                if held is None or held.tag != tag:
                    raise Stale(key)
                scratch.rename(place)
                sync_directory(place.parent)
        finally:
            scratch.unlink(missing_ok=True)
        return tag_of(data)

    def adopt(self, key: str, file: Path) -> None:
        place = self._prepared(key)
        sync_file(file)
        with suppress(FileExistsError):
            link_durably(file, place)
        file.unlink()

    def replace(self, key: str, file: Path) -> None:
        place = self._prepared(key)
        sync_file(file)
        if place.is_dir() and not place.is_symlink():
            place.rename(self.scratch())  # no file can replace a folder; it goes with the leftovers
        file.rename(place)
        sync_directory(place.parent)

    def promise(self, digests: Iterable[str]) -> None:
        with room_to("remember what is in use", self._scratch):
            self._promises.add(digests, time.time())

    def promised(self, since: float) -> set[str]:
        self._promises.forget(since)
        return self._promises.since(since)

    def referring(self) -> AbstractContextManager[None]:
        return shared(self._locks / REMOVAL_LOCK)

    def removing(self, keys: Sequence[str]) -> AbstractContextManager[None]:
        """Nobody commits meanwhile, whatever the keys are."""
        return alone(self._locks / REMOVAL_LOCK)

    def collecting(self) -> AbstractContextManager[None]:
        return alone(self._locks / COLLECTION_LOCK, wait_seconds=0)

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._place(key).unlink(missing_ok=True)

    def scratch(self) -> Path:
        return self._scratch / secrets.token_hex(16)

    def remove_leftovers(self, now: float) -> int:
        """Delete the files that killed processes left in `tmp/`; returns how many. For the start of a node.

        `now` is in seconds since the epoch. Files younger than LEFTOVER_SECONDS may be another process's transfer.
        """
        removed = 0
        for file, status in self.transfers():
            if now - status.st_mtime > LEFTOVER_SECONDS:
                with suppress(OSError):  # its owner has finished, or nothing can be written here
                    _remove(file)
                    removed += 1
        return removed

    def _prepared(self, key: str) -> Path:
        place = self._place(key)
        if place.parent not in self._durable or not place.parent.is_dir():  # also one that an operator took away
            self._make_durable(place.parent)
        for folder in list(place.parents)[: len(key.split("/")) - 1]:
            if folder.is_symlink():
                reason = f"{folder} is a symbolic link, which the store does not follow: move the folder itself there"
                raise Unavailable("linked_folder", reason)
        return place

    def _make_durable(self, folder: Path) -> None:
        """With the folders above it; those that this process has synced before, and that are still there, are not
        synced again."""
        above = list(folder.parents)[: len(folder.relative_to(self.root).parts) - 1]
        gone = folder in self._durable or any(each in self._durable and not each.is_dir() for each in above)
        top = self.root if gone else next((each for each in above if each in self._durable), self.root)
        make_directories(folder, top)
        self._durable |= {folder, *above}

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """One swap of a key at a time, among threads and processes. The kernel frees a killed process's lock."""
        name = key.replace("/", "~")  # no key holds a tilde, so no two keys share a lock
        descriptor = os.open(self._locks / name, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # explicitly: a forked child may hold a copy of the descriptor
            os.close(descriptor)


def _remove(leftover: Path) -> None:
    if leftover.is_dir() and not leftover.is_symlink():
        shutil.rmtree(leftover)
    else:
        leftover.unlink()
