"""A store's directory, read as it lies: nothing here writes, so it may be a copy, or on a medium that is read only.

`<root>/<key>` is the object. `tmp/` holds writes in progress, `locks/` one empty file for each key that was ever
swapped, `recent/` promises; none can be a key.
"""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NoReturn

from edge.store.disk.regular_files import is_regular, open_regular
from edge.store.objects.port import Measured, Stored

_KEY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]*")
_RESERVED = frozenset({"tmp", "locks", "recent"})


class StoreFiles:
    """An ObjectStore that only reads: a write is a bug and raises. The tag of an object is the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._scratch = self.root / "tmp"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def __str__(self) -> str:
        """As people know it."""
        return f"the store in {self.root}"

    def get(self, key: str) -> Stored | None:
        try:
            descriptor = self.open(key)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            content = file.read()
        return Stored(content, tag_of(content))

    def create(self, key: str, data: bytes) -> str:
        return self._refuse(key)

    def swap(self, key: str, data: bytes, tag: str) -> str:
        return self._refuse(key)

    def adopt(self, key: str, file: Path) -> None:
        self._refuse(key)

    def replace(self, key: str, file: Path) -> None:
        self._refuse(key)

    def promise(self, digests: Iterable[str]) -> None:
        self._refuse("recent")

    def referring(self) -> AbstractContextManager[None]:
        return self._refuse("locks")

    def scratch(self) -> Path:
        return self._refuse("tmp")

    def has(self, key: str) -> bool:
        self._place(key)
        return is_regular(self.root, key)

    def occupied(self, key: str) -> bool:
        return os.path.lexists(self._place(key))

    def open(self, key: str) -> int:
        self._place(key)
        return open_regular(self.root, key)

    def path(self, key: str) -> Path:
        place = self._place(key)
        if not is_regular(self.root, key):
            raise FileNotFoundError(key)
        return place

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        folder = self.root / prefix.rpartition("/")[0]
        files = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
        found = (file.relative_to(self.root).as_posix() for file in files)
        return iter(sorted(key for key in found if key.startswith(prefix) and key.split("/")[0] not in _RESERVED))

    def folders(self, prefix: str) -> Iterator[str]:
        folder = self._place(prefix.removesuffix("/"))
        return iter(sorted(each.name for each in folder.iterdir() if each.is_dir())) if folder.is_dir() else iter(())

    def measured(self, key: str) -> Measured | None:
        """Written when it got its name: nobody can set that time, and a restored file is young again."""
        try:
            status = self.path(key).stat()
        except FileNotFoundError:
            return None
        return Measured(key, status.st_size, status.st_ctime)

    def measure(self, prefix: str) -> Iterator[Measured]:
        for key in self.keys(prefix):
            with suppress(ValueError):  # a file that somebody put there under a name that is no key
                if (found := self.measured(key)) is not None:
                    yield found

    def transfers(self) -> Iterator[tuple[Path, os.stat_result]]:
        """The files in `tmp/`: writes in progress, and what killed processes left."""
        with suppress(FileNotFoundError):
            for file in self._scratch.iterdir():
                with suppress(FileNotFoundError):  # its owner has finished
                    yield file, file.lstat()

    def _refuse(self, key: str) -> NoReturn:
        raise io.UnsupportedOperation(f"{self!r} only reads; it does not write {key}")

    def place(self, key: str) -> Path:
        """Where the object is, or would be. Raises ValueError for what is no key."""
        return self._place(key)

    def _place(self, key: str) -> Path:
        check_key(key)
        return self.root / key


def check_key(key: str) -> None:
    """Raises ValueError for what is no key."""
    segments = key.split("/")
    if _KEY.fullmatch(key) is None or segments[0] in _RESERVED or not {".", ".."}.isdisjoint(segments):
        raise ValueError(f"not a key: {key!r}")


def check_prefix(prefix: str) -> None:
    """Raises ValueError for what no key can begin with."""
    if _PREFIX.fullmatch(prefix) is None or ".." in prefix.split("/"):
        raise ValueError(f"not a prefix of keys: {prefix!r}")


def is_reserved(key: str) -> bool:
    """Whether it lies where no key can."""
    return key.split("/")[0] in _RESERVED


def tag_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
