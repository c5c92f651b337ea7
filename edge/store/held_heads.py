"""The apps that a node which follows still serves from an older head than its copy has: what the newer one needs is not
here yet. Kept beside the copy, so that the next process serves no less than this one told.

An entry can only choose the older of two heads. Both were verified before it was written, the newer one is in a signed
shard, and the older one's revision is checked against its digest whenever it is read.
"""

import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import msgspec

from edge.domain.model import AppId
from edge.store.disk.durable_files import make_directories, replace_file, sync_directory
from edge.store.disk.room import NoReserve, Reserve
from edge.store.disk.seen import with_checksum, without_checksum
from edge.store.disk.set_aside import Damaged, clear_for_file, read_own_file, set_aside
from edge.store.heads import Head
from edge.store.stored_document import Untrusted, parse_document

HELD_FORMAT = 1
HELD_FOLDER = "held"
LOST = "releases whose files are not here yet are offered all the same"
READINGS = 3  # of a shard that is replaced meanwhile

Apps = Mapping[AppId, Head]


class HeldHead(msgspec.Struct, frozen=True):
    """`served` is what devices get until what `until` needs is here; None: the app is not known to them yet."""

    served: Head | None
    until: Head

    def holds(self, head: Head) -> bool:
        """Whether it is about this head of the copy. Between the two: the shard is written a moment later."""
        after = self.served.revision if self.served is not None else 0
        return head == self.until or after < head.revision < self.until.revision


class _Held(msgspec.Struct):
    format: int
    shard: str
    apps: dict[AppId, HeldHead]


_decoder = msgspec.json.Decoder(_Held)
_NO_FILE = (0, 0, 0)
_NOTHING: Mapping[AppId, HeldHead] = {}


class HeldHeads:
    """Of one copy. Safe among threads, and among processes of which one writes; blocks."""

    def __init__(self, memory: Path, reserve: Reserve | None = None) -> None:
        """`memory` is what the node remembers of the copy. Writes nothing."""
        self._top = memory
        self._folder = memory / HELD_FOLDER
        self._reserve = reserve or NoReserve()
        self._read: dict[str, tuple[tuple[int, int, int], Mapping[AppId, HeldHead]]] = {}

    def entries(self, shard: str) -> Mapping[AppId, HeldHead]:
        """What is held of a shard. A damaged file is set aside."""
        stamp = self.stamp(shard)
        known = self._read.get(shard)
        if known is None or known[0] != stamp:
            try:
                known = self._read[shard] = stamp, self._parse(shard) if stamp != _NO_FILE else _NOTHING
            except OSError:  # as it was; the next call tries again
                return known[1] if known is not None else _NOTHING
        return known[1]

    def stamp(self, shard: str) -> tuple[int, int, int]:
        """Differs once the entries do."""
        try:
            status = self._path(shard).stat()
        except OSError:
            return _NO_FILE
        return status.st_ino, status.st_mtime_ns, status.st_size

    def serve(self, shard: str, heads: Callable[[], Apps]) -> Apps:
        """What is served of the shard whose heads in the copy `heads` reads: the same mapping if nothing is held."""
        for _ in range(READINGS):
            before, found = self.entries(shard), heads()
            if self.entries(shard) is before:
                break
        return served_heads(found, before)

    def write(self, shard: str, entries: Mapping[AppId, HeldHead]) -> None:
        """Durable when it returns. Raises OSError."""
        if entries != self.entries(shard):
            self._reserve.lending(lambda: self._write(shard, entries))

    def _write(self, shard: str, entries: Mapping[AppId, HeldHead]) -> None:
        path = self._path(shard)
        if not entries:
            path.unlink(missing_ok=True)
            sync_directory(self._folder)
            return
        make_directories(self._folder, self._top)
        clear_for_file(path, LOST)
        scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
        scratch.unlink(missing_ok=True)  # of a process that was killed, and had this number
        content = with_checksum(msgspec.json.encode(_Held(HELD_FORMAT, shard, dict(entries))))
        replace_file(path, content, scratch)

    def _parse(self, shard: str) -> Mapping[AppId, HeldHead]:
        """Raises OSError."""
        path = self._path(shard)
        try:
            payload = without_checksum(read_own_file(path))
            document = parse_document(payload or b"", _decoder, HELD_FORMAT, f"{HELD_FOLDER}/{path.name}")
        except FileNotFoundError:
            return _NOTHING
        except (Damaged, Untrusted) as error:
            set_aside(path, str(error), LOST)
            return _NOTHING
        return document.apps if document.shard == shard else _NOTHING  # an app of another shard is in none of its heads

    def _path(self, shard: str) -> Path:
        return self._folder / f"{shard}.json"


class NothingHeld(HeldHeads):
    """For a store whose heads are served as they are."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def stamp(self, shard: str) -> tuple[int, int, int]:
        return _NO_FILE

    def serve(self, shard: str, heads: Callable[[], Apps]) -> Apps:
        return heads()


def served_heads(heads: Apps, held: Mapping[AppId, HeldHead]) -> Apps:
    """The heads, with the older ones of apps that are held."""
    about = {app: each for app, each in held.items() if app in heads and each.holds(heads[app])}
    if not about:
        return heads
    older = {app: each.served for app, each in about.items() if each.served is not None}
    return {app: older.get(app, head) for app, head in heads.items() if app in older or app not in about}


def stamps(held: HeldHeads, shards: str) -> Hashable:
    """Of all of them."""
    return tuple(held.stamp(shard) for shard in shards)
