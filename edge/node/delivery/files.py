"""Read-only descriptors of proven blobs, kept open between requests: opening per range request costs a thread hop.

What is lent was proven in the very state that the descriptor shows: a file that was changed since is opened and proven
anew, one that was replaced is closed. A descriptor is closed once it has left the cache and no request holds it. Files
are opened in a thread; everything else runs on the loop.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from edge.node.proving.verdicts import NotProvenYet, ProofPort, fault_of
from edge.store.disk.file_proof import FileIdentity, identity_of

OPEN_FILES_LIMIT = 512  # half the usual limit of 1,024 descriptors a process; connections get the rest
PROVEN_LIMIT = 16_384  # proofs that outlive their descriptors, 8 MB: the supervisor is not asked again for them
PROOF_WAIT_SECONDS = 5.0  # for the first device of a blob; 1 GiB is read in 1 to 4 s, and goes on being read
OPENINGS_LIMIT = 3  # of one blob that is replaced while it is opened


class OpenFile:
    """A descriptor and what it is of: size in bytes, `modified` in seconds since the epoch.

    `acquire` it before an await and `release` it afterwards, or it may be closed in between.
    """

    __slots__ = ("_cached", "_holders", "_links", "bytes", "fd", "identity", "modified")

    def __init__(self, fd: int, identity: FileIdentity) -> None:
        self.fd = fd
        self.identity = identity
        self.bytes = identity.bytes
        self.modified = identity.modified_ns / 1e9
        self._links = os.fstat(fd).st_nlink
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

    @property
    def current(self) -> bool:
        """Whether nothing happened to the file and its name: every write, and every name that comes or goes, moves this
        time. Comparing all of the identity would cost twice the microsecond, for every download."""
        return os.fstat(self.fd).st_ctime_ns == self.identity.changed_ns

    def is_intact(self) -> bool:
        """Whether the bytes are still those that were proven. Its name may be gone meanwhile, or another file's."""
        status, proven = os.fstat(self.fd), self.identity
        if (status.st_size, status.st_mtime_ns) != (proven.bytes, proven.modified_ns):
            return False
        return status.st_ctime_ns == proven.changed_ns or status.st_nlink != self._links

    def _close_if_unused(self) -> None:
        if not self._cached and not self._holders:
            os.close(self.fd)


class _Opened(NamedTuple):
    fd: int
    identity: FileIdentity


class OpenFiles:
    """Keeps at most `limit` descriptors, closing the least recently used first; files in use may exceed it.

    `open_blob(digest)` returns a descriptor in a thread, or raises OSError.
    """

    def __init__(
        self,
        open_blob: Callable[[str], int],
        proofs: ProofPort,
        limit: int = OPEN_FILES_LIMIT,
        wait_seconds: float = PROOF_WAIT_SECONDS,
    ) -> None:
        self._open_blob = open_blob
        self._proofs = proofs
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._files: OrderedDict[str, OpenFile] = OrderedDict()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._proven: OrderedDict[str, FileIdentity] = OrderedDict()
        self._closed = False

    def get(self, digest: str) -> OpenFile | None:
        """The file if it is open already and unchanged; the caller uses it before its next await, or acquires it."""
        file = self._files.get(digest)
        if file is None:
            return None
        if not file.current:
            del self._files[digest]
            file.evict()
            return None
        self._files.move_to_end(digest)
        return file

    @asynccontextmanager
    async def lend(self, digest: str, app: str) -> AsyncIterator[OpenFile]:
        """The open file, held while the block runs. `app` is the one whose device asks.

        Raises DamagedBlob, and NotProvenYet if that takes longer than the first device waits.
        """
        file = await self._find(digest, app)
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

    async def _find(self, digest: str, app: str) -> OpenFile:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while (file := self.get(digest)) is None:
                    if self._closed:
                        raise NotProvenYet("this worker is leaving")
                    await self._ensure_open(digest, app)
        except TimeoutError as error:
            raise NotProvenYet(f"not proven within {self._wait_seconds} s") from error
        return file

    async def _ensure_open(self, digest: str, app: str) -> None:
        """Concurrent requests share one opening. Shielded: a cancelled request must not leak the descriptor."""
        opening = self._opening.get(digest)
        if opening is None:
            opening = self._opening[digest] = asyncio.create_task(self._open(digest, app))
            opening.add_done_callback(lambda done: self._finish(digest, done))
        await asyncio.shield(opening)

    def _finish(self, digest: str, opening: asyncio.Task[None]) -> None:
        del self._opening[digest]
        if not opening.cancelled():
            opening.exception()  # whoever asked may have left

    async def _open(self, digest: str, app: str) -> None:
        for _ in range(OPENINGS_LIMIT):
            opened = await asyncio.to_thread(self._open_now, digest)
            if opened is not None and self._proven.get(digest) == opened.identity:
                self._keep(digest, opened)
                return
            try:
                proven = await self._proofs.prove(digest, app)
            except BaseException:
                if opened is not None:
                    os.close(opened.fd)
                raise
            self._remember(digest, proven)
            if opened is not None:
                if identity_of(opened.fd) == proven:
                    self._keep(digest, opened)
                    return
                os.close(opened.fd)
        raise NotProvenYet("the blob changes while it is opened")

    def _open_now(self, digest: str) -> _Opened | None:
        """In a thread. None: whoever proves it finds out what is the matter."""
        try:
            descriptor = self._open_blob(digest)
        except OSError as error:
            fault_of(error)
            return None
        return _Opened(descriptor, identity_of(descriptor))

    def _keep(self, digest: str, opened: _Opened) -> None:
        self._files[digest] = OpenFile(opened.fd, opened.identity)
        self._shrink_to(0 if self._closed else self._limit)

    def _remember(self, digest: str, proven: FileIdentity) -> None:
        self._proven[digest] = proven
        self._proven.move_to_end(digest)
        if len(self._proven) > PROVEN_LIMIT:
            self._proven.popitem(last=False)

    def _shrink_to(self, limit: int) -> None:
        while len(self._files) > limit:
            _, file = self._files.popitem(last=False)
            file.evict()
