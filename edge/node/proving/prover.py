"""Proves blobs, for all processes of a node: reads each once since it changed, off the loop, a few at a time.

A proof is about a file, not a name: whoever serves the blob compares it with the very descriptor that is served. What
is wrong is read a second time, from the disk, before it is put into quarantine.
"""

import asyncio
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.node.proving.proof_book import ProofBook
from edge.node.proving.quarantine import Quarantine
from edge.node.proving.verdicts import BlobDamage, DamagedBlob, Fault, NoPuller, NotProvenYet, Puller, fault_of
from edge.store.disk.file_proof import FileIdentity, forget_cached, hash_file, identity_of
from edge.store.objects.port import ObjectStore, blob_key

READINGS_LIMIT = 2  # small blobs read at a time, and as many cores at most
BATCH = 64  # blobs proven at a time ahead of devices, so that whoever else needs a thread waits for few
LARGE_BLOB_BYTES = 32 * 2**20  # a blob from this size on takes 0.1 s or more; one at a time, beside the small ones
REMEMBERED_LIMIT = 16_384  # proofs in memory, 8 MB; the book has them all
RECHECK_SECONDS = 60.0  # how late the node notices that a damaged blob was put back by hand
# A write within a few milliseconds after another may leave a file's times as they were: reading begins later than that.
SETTLED_SECONDS = 0.02
ATTEMPTS = 3  # to read a file that changes under our eyes


class _Look(NamedTuple):
    """A blob before it is read: its file, and whether that is proven. `fault` if there is no file to read."""

    identity: FileIdentity | None
    proven: bool = False
    fault: Fault | None = None


class BlobProver:
    """Belongs to the loop. `counts` has readings and their bytes since this process started. What is missing or wrong
    is asked of the `puller` before it counts as damaged."""

    def __init__(
        self, store: ObjectStore, book: ProofBook, quarantine: Quarantine, clock: Callable[[], float] = time.time
    ) -> None:
        self.quarantine = quarantine
        self.puller: Puller = NoPuller()
        self.counts: Counter[str] = Counter()
        self._store = store
        self._book = book
        self._clock = clock
        self._proving: dict[str, asyncio.Task[FileIdentity]] = {}
        self._small, self._large = asyncio.Semaphore(READINGS_LIMIT), asyncio.Semaphore(1)
        self._remembered: OrderedDict[str, FileIdentity] = OrderedDict()

    @property
    def book_faults(self) -> int:
        """See `ProofBook`."""
        return self._book.faults

    async def prove(self, digest: str, app: str) -> FileIdentity:
        """As in `ProofPort`; all who ask at once share one reading, which goes on if they leave."""
        return await asyncio.shield(self._task(digest, app, again=False))

    async def prove_again(self, digest: str, app: str) -> FileIdentity:
        """As `prove`, but the bytes are read even if the file is proven, and from the disk."""
        while (task := self._proving.get(digest)) is not None:  # it may have read what is no longer there
            await asyncio.wait({task})
        return await asyncio.shield(self._task(digest, app, again=True))

    async def prove_all(self, digests: Iterable[str], app: str) -> None:
        """Ahead of the first device. What is damaged is in quarantine afterwards."""
        wanted = list(dict.fromkeys(digests))
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            await asyncio.gather(*(self.prove(digest, app) for digest in batch), return_exceptions=True)

    def is_damaged(self, digest: str) -> bool:
        """Whether the blob is known to be damaged."""
        return digest in self.quarantine

    async def note_upload(self, digest: str, app: str) -> None:
        """Right bytes came for the blob: if it was damaged, it is read at once rather than at the next recheck."""
        if digest in self.quarantine:
            await asyncio.gather(self.prove_again(digest, app), return_exceptions=True)

    async def recheck(self) -> None:
        """Look at everything in quarantine again."""
        for digest in self.quarantine:
            damage = self.quarantine.of(digest)
            if damage is not None:
                prove = self.prove_again if damage.fault is Fault.UNREADABLE else self.prove
                await asyncio.gather(prove(digest, damage.app), return_exceptions=True)

    async def watch(self, every_seconds: float = RECHECK_SECONDS) -> None:
        """Recheck until cancelled."""
        while True:
            await self.recheck()
            await asyncio.sleep(every_seconds)

    def _task(self, digest: str, app: str, again: bool) -> asyncio.Task[FileIdentity]:
        task = self._proving.get(digest)
        if task is None:
            task = self._proving[digest] = asyncio.create_task(self._prove(digest, app, again))
            task.add_done_callback(lambda done: self._finish(digest, done))
        return task

    def _finish(self, digest: str, task: asyncio.Task[FileIdentity]) -> None:
        del self._proving[digest]
        if not task.cancelled():
            task.exception()  # whoever asked may have left

    async def _prove(self, digest: str, app: str, again: bool) -> FileIdentity:
        look = await asyncio.to_thread(self._look, digest)
        damage = self.quarantine.of(digest)
        if look.fault is None and damage and damage.identity == look.identity and not again:
            look = look._replace(fault=damage.fault)  # known to be wrong
        elif look.fault is None and not (look.proven and not again):
            async with self._large if look.identity and look.identity.bytes >= LARGE_BLOB_BYTES else self._small:
                look = await asyncio.to_thread(self._read, digest, again)
        if look.fault is not None:
            self._remembered.pop(digest, None)
            if await self.puller.pull(digest, app):
                look = await asyncio.to_thread(self._read, digest, False)
        if look.fault is not None:
            self.quarantine.add(digest, BlobDamage(look.fault, look.identity, app))
            raise DamagedBlob(digest)
        assert look.identity is not None
        self._remember(digest, look.identity)
        self.quarantine.release(digest)
        return look.identity

    def _remember(self, digest: str, identity: FileIdentity) -> None:
        self._remembered[digest] = identity
        self._remembered.move_to_end(digest)
        if len(self._remembered) > REMEMBERED_LIMIT:
            self._remembered.popitem(last=False)

    def _look(self, digest: str) -> _Look:
        """In a thread."""
        try:
            descriptor = self._store.open(blob_key(digest))
        except OSError as error:
            return _Look(None, fault=fault_of(error))
        try:
            identity = identity_of(descriptor)
        finally:
            os.close(descriptor)
        proof = self._remembered.get(digest) or self._book.proof_of(digest)
        return _Look(identity, proof == identity)

    def _read(self, digest: str, from_disk: bool) -> _Look:
        """In a thread. A second reading, from the disk, confirms the first one's fault."""
        look = self._read_once(digest, from_disk)
        if look.fault is not None:
            look = self._read_once(digest, True)
        if look.fault is None and look.identity is not None:
            self._book.note_proof(digest, look.identity, self._clock())
        return look

    def _read_once(self, digest: str, from_disk: bool) -> _Look:
        try:
            descriptor = self._store.open(blob_key(digest))
        except OSError as error:
            return _Look(None, fault=fault_of(error))
        before: FileIdentity | None = None
        try:
            for _ in range(ATTEMPTS):
                before = identity_of(descriptor)
                _let_settle(before)
                if from_disk:
                    forget_cached(descriptor)
                self.counts["readings"] += 1
                self.counts["bytes"] += before.bytes
                found = hash_file(descriptor)
                if identity_of(descriptor) == before:
                    return _Look(before, fault=None if found == digest else Fault.WRONG)
            raise NotProvenYet("the blob changes while it is read")
        except OSError as error:
            return _Look(before, fault=fault_of(error))
        finally:
            os.close(descriptor)


def _let_settle(identity: FileIdentity) -> None:
    """Wait until a write from now on shows in the file's times. In a thread."""
    young_seconds = time.time() - identity.changed_ns / 1e9
    if -SETTLED_SECONDS < young_seconds < SETTLED_SECONDS:
        time.sleep(SETTLED_SECONDS)
