"""Read-only descriptors of blobs, kept open between requests: opening per range request costs a thread hop.

A descriptor is closed once it has left the cache and no request holds it. An open blob stays readable after its name
is removed, which is right: blobs never change. Files are opened in a thread; everything else runs on the loop.
"""

import asyncio
import os
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

OPEN_FILES_LIMIT = 512  # half the usual limit of 1,024 descriptors a process; connections get the rest


class OpenFile:
    """A descriptor and what it is of: size in bytes, `modified` in seconds since the epoch.

    `acquire` it before an await and `release` it afterwards, or it may be closed in between.
    """

    __slots__ = ("_cached", "_holders", "bytes", "fd", "modified")

    def __init__(self, fd: int, size: int, modified: float) -> None:
        self.fd = fd
        self.bytes = size
        self.modified = modified
        self._holders = 0
        self._cached = True

    def acquire(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        self._close_if_unused()

    def evict(self) -> None:
        """Close the descriptor now, or on the last `release`."""
        self._cached = False
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if not self._cached and not self._holders:
            os.close(self.fd)


class OpenFiles:
    """Keeps at most `limit` descriptors, closing the least recently used first; files in use may exceed it."""

    def __init__(self, limit: int = OPEN_FILES_LIMIT) -> None:
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._opening: dict[str, asyncio.Task[bool]] = {}
        self._closed = False

    def get(self, name: str) -> OpenFile | None:
        """The file if it is open already; the caller uses it before its next await, or acquires it."""
        file = self._files.get(name)
        if file is not None:
            self._files.move_to_end(name)
        return file

    @asynccontextmanager
    async def lend(self, name: str, path: Path) -> AsyncIterator[OpenFile | None]:
        """The open file, held while the block runs; None if `path` is not a regular file. `name` is the digest."""
        file = await self._find(name, path)
        if file is None:
            yield None
            return
        file.acquire()
        try:
            yield file
        finally:
            file.release()

    async def close(self) -> None:
        """Close idle files now, and files in use when they are released."""
        self._closed = True
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        self._shrink_to(0)

    async def _find(self, name: str, path: Path) -> OpenFile | None:
        while (file := self.get(name)) is None:
            if self._closed or not await self._ensure_open(name, path):
                return None
        return file

    async def _ensure_open(self, name: str, path: Path) -> bool:
        """Concurrent requests share one opening. Shielded: a cancelled request must not leak the descriptor."""
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
            self._shrink_to(0 if self._closed else self._limit)
        return file is not None

    def _shrink_to(self, limit: int) -> None:
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
