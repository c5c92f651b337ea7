"""The process that scrubs: reads every blob that a release names, from the disk, as slowly and unimportantly as it can.

Started as `python -m edge.node.proving.scrub_process STORE BYTES_PER_SECOND [partial]`; takes the apps from its
standard input, to the end, and reports on standard output. It writes nothing and judges nothing: the supervisor does
both. What the kernel has cached and what the disk has are read separately, since either may be damaged while the other
is whole.
"""

import ctypes
import mmap
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.domain.decision.snapshot import READABLE_AFTER_DELETE_SECONDS
from edge.domain.errors import EdgeError
from edge.domain.manifest import read_manifest
from edge.domain.model import AppState, Bundle, Digest, Retired
from edge.domain.patches.document import parse_patches
from edge.node.proving.scrub_messages import ScrubApp, ScrubReport
from edge.store.blobs import read_blob
from edge.store.disk.file_proof import READ_BYTES, FileIdentity, hash_blocks, identity_of
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.revisions import Revisions

NICENESS = 19
BLOBS_PER_REPORT = 200  # 40 kB a line
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}  # the number of the system call, for which there is no function
_IDLE_CLASS = 3 << 13


class Pacer:
    """Keeps to a rate: `spend` waits as long as what was spent is ahead of it."""

    def __init__(self, bytes_per_second: float, now: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._rate = bytes_per_second
        self._now = now
        self._wait = wait
        self._due = now()

    def spend(self, count: int) -> None:
        """After so many bytes."""
        self._due = max(self._due, self._now() - 1.0) + count / self._rate  # what was not used is lost
        if (ahead := self._due - self._now()) > 0:
            self._wait(ahead)


class Scrub:
    """One round. `buffer` is aligned to pages, as direct reading needs it. `partial`: a blob that is not here is no
    suspect."""

    def __init__(self, store: ObjectStore, pacer: Pacer, now: float, *, partial: bool = False) -> None:
        self._store = store
        self._revisions = Revisions(store)
        self._pacer = pacer
        self._now = now
        self._partial = partial
        self._buffer = mmap.mmap(-1, READ_BYTES)

    def reports(self, wanted: ScrubApp) -> Iterator[ScrubReport]:
        """At least one, the last of which ends the app."""
        try:
            state = self._revisions.load_revision(wanted.app, wanted.revision, wanted.digest)
        except (EdgeError, OSError) as error:
            cause = str(error) or type(error).__name__
            yield ScrubReport(wanted.app, {}, [], 0, ends=True, unreadable=cause, revision=wanted.revision)
            return
        whole: dict[Digest, FileIdentity] = {}
        suspects: list[Digest] = []
        for digest in self._blobs(state):
            if self._partial and not self._store.has(blob_key(digest)):
                continue
            identity = self._read(digest)
            if identity is None:
                suspects.append(digest)
            else:
                whole[digest] = identity
            if len(whole) + len(suspects) == BLOBS_PER_REPORT:
                yield ScrubReport(wanted.app, whole, suspects, _bytes_of(whole))
                whole, suspects = {}, []
        yield ScrubReport(wanted.app, whole, suspects, _bytes_of(whole), ends=True)

    def _blobs(self, state: AppState) -> list[Digest]:
        """Each once: what devices may still fetch, and what the node itself reads."""
        named: list[Bundle | Retired] = [*state.bundles.values()]
        named += [each for each in state.retired.values() if each.deleted + READABLE_AFTER_DELETE_SECONDS > self._now]
        found = {stored.blob: None for stored in state.id_sets.values()}
        for bundle in named:
            found[bundle.zip] = None
            found |= dict.fromkeys(self._patches(bundle.patches if isinstance(bundle, Bundle) else None))
            if bundle.manifest is None or bundle.manifest in found:
                continue
            found[bundle.manifest] = None
            with suppress(EdgeError, OSError):  # then the manifest itself is a suspect
                for entry in read_manifest(read_blob(self._store, bundle.manifest, "a manifest")):
                    found[entry.blob] = None
                    if bundle.plain_files:
                        found[entry.hash] = None
        return list(found)

    def _patches(self, document: Digest | None) -> list[Digest]:
        if document is None:
            return []
        with suppress(EdgeError, OSError):
            listed = parse_patches(read_blob(self._store, document, "a patches document"))
            return [document, *(patch.blob for patch in listed)]
        return [document]

    def _read(self, digest: Digest) -> FileIdentity | None:
        """None for a suspect."""
        try:
            descriptor = self._store.open(blob_key(digest))
        except OSError:
            return None
        try:
            identity = identity_of(descriptor)
            cached = self._hash_cached(descriptor, identity.bytes)
            right = cached in (None, digest) and self._hash_stored(descriptor, identity.bytes) == digest
            return identity if right and identity_of(descriptor) == identity else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _hash_cached(self, descriptor: int, size: int) -> str | None:
        """Of what the kernel would give a device now; None unless it has all of it."""

        def read(offset: int) -> int:
            return os.preadv(descriptor, [self._buffer], offset, os.RWF_NOWAIT)

        try:
            found, count = hash_blocks(read, self._buffer, lambda count: None)
        except OSError:
            return None
        return found if count == size else None

    def _hash_stored(self, descriptor: int, size: int) -> str:
        """Of what the disk has, past the kernel's cache where the file system allows that."""

        def read(offset: int) -> int:
            # Direct reading begins at whole pages only, which the end of a file seldom is.
            return os.preadv(direct, [self._buffer], offset) if offset < size else 0

        try:
            direct = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECT)
        except OSError:
            direct = os.dup(descriptor)
        try:
            return hash_blocks(read, self._buffer, self._pacer.spend)[0]
        finally:
            os.close(direct)


def _bytes_of(whole: dict[Digest, FileIdentity]) -> int:
    return sum(identity.bytes for identity in whole.values())


def step_aside() -> None:
    """Leave the processor and the disk to everybody else, as far as the system knows how."""
    with suppress(OSError):
        os.nice(NICENESS)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, 1, 0, _IDLE_CLASS)


def main() -> None:
    """Ends when all is read, or when nobody reads the reports."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor ends this process
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    step_aside()
    store, rate = StoreFiles(Path(sys.argv[1])), float(sys.argv[2])
    wanted = [msgspec.json.decode(line, type=ScrubApp) for line in sys.stdin.buffer]
    scrub = Scrub(store, Pacer(rate, time.monotonic, time.sleep), time.time(), partial="partial" in sys.argv[3:])
    for each in wanted:
        for report in scrub.reports(each):
            sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
