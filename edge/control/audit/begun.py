"""Acts that have begun and are in no record yet, each in a file beside the chain.

A node that is killed between a change and its record finds the file when it starts again, and records that the change
may have been made. Whoever has an act in hand holds the lock of its file, so what nobody holds is of a process that has
died: while a node changes over there are two.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.control.audit.chain.files import AuditFiles, records_of, write_all
from edge.control.audit.entry import AuditEntry
from edge.store.disk.durable_files import FILE_MODE, sync_directory

SUFFIX = ".begun"
BEGUN_LIMIT_BYTES = 32 * 1024  # an entry within its limits, each character escaped

_decoder = msgspec.json.Decoder(AuditEntry)


class Begun(NamedTuple):
    """One act: the record of it bears the id, in `change`."""

    id: str
    path: Path
    descriptor: int

    def end(self) -> None:
        """It is recorded, or was not done. A file that cannot be removed is held against the records later."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """It is not recorded: whoever looks next finds it."""
        os.close(self.descriptor)


class LeftBehind(NamedTuple):
    """What nobody has in hand any more."""

    entry: AuditEntry
    begun: Begun


def begin_act(files: AuditFiles, entry: AuditEntry) -> Begun:
    """Durable when it returns; `entry.change` is its id. Blocks. Raises OSError: then nothing is left of it."""
    path = files.folder / f"{entry.change}{SUFFIX}"
    with files.locked(shared=True):  # nobody looks at it before its own lock is held
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        begun = Begun(entry.change, path, os.open(path, flags, FILE_MODE))
        fcntl.flock(begun.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        write_all(begun.descriptor, msgspec.json.encode(entry))
        os.fdatasync(begun.descriptor)
        sync_directory(files.folder)
    except BaseException:
        begun.end()
        raise
    return begun


def left_behind(files: AuditFiles) -> list[LeftBehind]:
    """Acts of processes that have died, oldest first, but for those that they recorded and those that they had not yet
    begun: these are removed. Whoever asks has the others in hand. Blocks. Raises OSError."""
    if not _listed(files):
        return []
    with files.locked():
        held = [begun for path in _listed(files) if (begun := _taken(path)) is not None]
    try:
        found = {begun: _entry_of(begun) for begun in held}
        entries = [entry for entry in found.values() if entry is not None]
        recorded = _recorded_since(files, min(each.at for each in entries)) if entries else set()
    except BaseException:
        for begun in held:
            begun.leave()
        raise
    left = []
    for begun, entry in found.items():
        if entry is None or begun.id in recorded:
            begun.end()
        else:
            left.append(LeftBehind(entry, begun))
    return sorted(left, key=lambda each: each.entry.at)


def _listed(files: AuditFiles) -> list[Path]:
    return [path for path in files.folder.iterdir() if path.suffix == SUFFIX] if files.folder.is_dir() else []


def _taken(path: Path) -> Begun | None:
    """None for what somebody has in hand, or had until now and ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ended = os.fstat(descriptor).st_nlink == 0
    except BlockingIOError:
        ended = True
    if ended:
        os.close(descriptor)
        return None
    return Begun(path.stem, path, descriptor)


def _entry_of(begun: Begun) -> AuditEntry | None:
    """None for what is half written: it was to be whole before anything was done."""
    try:
        return _decoder.decode(os.pread(begun.descriptor, BEGUN_LIMIT_BYTES, 0))
    except msgspec.DecodeError:
        return None


def _recorded_since(files: AuditFiles, since: float) -> set[str]:
    """The ids of acts and changes that are recorded, from that time on and a while before."""
    found: set[str] = set()
    for path in reversed(files.paths()):
        records = [record for record, _ in records_of(path.read_bytes())]
        found |= {record.change for record in records}
        if records and records[0].at < since:
            break
    return found
