"""The object store in one directory: conditions by `link` and a lock, durability by `fsync`.

`<root>/<key>` is the object. `tmp/` holds writes in progress, `locks/` one empty file for each key that was ever
swapped; neither can be a key. Processes on one machine may share it; NFS is not supported.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.store.disk.durable_files import (
    DIRECTORY_MODE,
    FILE_MODE,
    create_file,
    link_durably,
    make_directories,
    sync_directory,
    sync_file,
    write_scratch,
)
from edge.store.disk.regular_files import is_regular, open_regular
from edge.store.objects.port import AlreadyExists, Stale, Stored

LEFTOVER_SECONDS = 24 * 3600  # since the last write; no live transfer is idle for a day

_KEY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]*")
_RESERVED = frozenset({"tmp", "locks"})


class FsStore:
    """An ObjectStore. The tag of an object is the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        """Makes the directory if it is missing; its parent must exist."""
        self.root = root.absolute()
        self._scratch = self.root / "tmp"
        self._locks = self.root / "locks"
        self._durable: set[Path] = set()  # directories whose entries this process has synced
        self.root.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(self.root.parent)
        make_directories(self._scratch, self.root)
        make_directories(self._locks, self.root)

    def __repr__(self) -> str:
        return f"FsStore({str(self.root)!r})"

    def get(self, key: str) -> Stored | None:
        try:
            descriptor = self.open(key)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            content = file.read()
        return Stored(content, _tag(content))

    def create(self, key: str, data: bytes) -> str:
        place = self._prepared(key)
        try:
            create_file(place, data, self.scratch())
        except FileExistsError as error:
            raise AlreadyExists(key) from error
        return _tag(data)

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
        return _tag(data)

    def has(self, key: str) -> bool:
        self._place(key)
        return is_regular(self.root, key)

    def occupied(self, key: str) -> bool:
        return os.path.lexists(self._place(key))

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

    def open(self, key: str) -> int:
        self._place(key)
        return open_regular(self.root, key)

    def path(self, key: str) -> Path:
        place = self._place(key)
        if not is_regular(self.root, key):
            raise FileNotFoundError(key)
        return place

    def scratch(self) -> Path:
        return self._scratch / secrets.token_hex(16)

    def keys(self, prefix: str) -> Iterator[str]:
        if _PREFIX.fullmatch(prefix) is None or ".." in prefix.split("/"):
            raise ValueError(f"not a prefix of keys: {prefix!r}")
        folder = self.root / prefix.rpartition("/")[0]
        files = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
        found = (file.relative_to(self.root).as_posix() for file in files)
        return iter(sorted(key for key in found if key.startswith(prefix) and key.split("/")[0] not in _RESERVED))

    def remove_leftovers(self, now: float) -> int:
        """Delete the files that killed processes left in `tmp/`; returns how many. For the start of a node.

        `now` is in seconds since the epoch. Files younger than LEFTOVER_SECONDS may be another process's transfer.
        """
        removed = 0
        for file in self._scratch.iterdir():
            try:
                if now - file.lstat().st_mtime > LEFTOVER_SECONDS:
                    _remove(file)
                    removed += 1
            except FileNotFoundError:
                continue  # its owner has finished
        return removed

    def _place(self, key: str) -> Path:
        segments = key.split("/")
        if _KEY.fullmatch(key) is None or segments[0] in _RESERVED or not {".", ".."}.isdisjoint(segments):
            raise ValueError(f"not a key: {key!r}")
        return self.root / key

    def _prepared(self, key: str) -> Path:
        place = self._place(key)
        if place.parent not in self._durable:
            make_directories(place.parent, self.root)
            self._durable.add(place.parent)
        for folder in list(place.parents)[: len(key.split("/")) - 1]:
            if folder.is_symlink():
                reason = f"{folder} is a symbolic link, which the store does not follow: move the folder itself there"
                raise Unavailable("linked_folder", reason)
        return place

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


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
