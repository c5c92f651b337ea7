"""Read-only descriptors of blobs, kept open between requests: an `open` per range request costs a thread hop.

A descriptor is lent out; it is closed only when nobody holds it. What is open may be read although its name was
removed meanwhile: blobs never change. Misses open the file off the loop; everything else happens on it.
"""

import asyncio
import os
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

OPEN_FILES_LIMIT = 256  # kept while idle; a quarter of the descriptors a process usually gets, the rest is connections


class OpenFile:
    """`modified` in seconds since the epoch."""

    __slots__ = ("_cached", "_holders", "bytes", "fd", "modified")

    def __init__(self, fd: int, size: int, modified: float) -> None:
        self.fd = fd
        self.bytes = size
        self.modified = modified
        self._holders = 0
        self._cached = True

    def take(self) -> None:
        self._holders += 1

    def give_back(self) -> None:
        self._holders -= 1
        self._close_if_unused()

    def evict(self) -> None:
        self._cached = False
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if not self._cached and not self._holders:
            os.close(self.fd)


class OpenFiles:
    """At most `limit` idle descriptors, the least recently used closed first. Files in use may add to that."""

    def __init__(self, limit: int = OPEN_FILES_LIMIT) -> None:
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._opening: dict[str, asyncio.Task[bool]] = {}
        self._closed = False

    def held(self, name: str) -> OpenFile | None:
        """The file of that name where it is open; to be used at once, or taken."""
        file = self._files.get(name)
        if file is not None:
            self._files.move_to_end(name)
        return file

    @asynccontextmanager
    async def lend(self, name: str, path: Path) -> AsyncIterator[OpenFile | None]:
        """The open file, for as long as the block runs; None when there is no such regular file. A name stands for one
        content, a digest.
        """
        file = await self._find(name, path)
        if file is None:
            yield None
            return
        file.take()
        try:
            yield file
        finally:
            file.give_back()

    async def close(self) -> None:
        """Close what nobody holds now, and the rest as it is given back."""
        self._closed = True
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        self._keep(0)

    async def _find(self, name: str, path: Path) -> OpenFile | None:
        while (file := self.held(name)) is None:
            if self._closed or not await self._opened(name, path):
                return None
        return file

    async def _opened(self, name: str, path: Path) -> bool:
        """One opening for all who ask at once. Shielded: a cancelled request must not lose what a thread brings."""
        opening = self._opening.get(name)
        if opening is None:
            opening = self._opening[name] = asyncio.create_task(self._open(name, path))
        return await asyncio.shield(opening)

    async def _open(self, name: str, path: Path) -> bool:
        try:
            file = await asyncio.to_thread(_open_regular, path)
        finally:
            del self._opening[name]
        if file is not None:
            self._files[name] = file
            self._keep(0 if self._closed else self._limit)
        return file is not None

    def _keep(self, limit: int) -> None:
        while len(self._files) > limit:
            _, file = self._files.popitem(last=False)
            file.evict()


def _open_regular(path: Path) -> OpenFile | None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return None
    return OpenFile(fd, status.st_size, status.st_mtime)
