"""What this node has seen of the store, in a directory of its own: the last good bytes of signed documents, and more.

A store that is restored from an old copy does not bring this directory back, so the node notices. Written after the
store, never before: a crash in between leaves an older floor, not one that the store never reached. A failure to
write is counted, logged and made up for later; it never fails the change that it belongs to.
"""

import hashlib
import logging
import os
import threading
from pathlib import Path

from edge.store.disk.durable_files import make_directories, replace_file
from edge.store.disk.set_aside import Damaged, clear_for_file, read_own_file

SEEN_DIRECTORY = "seen"
DIGEST_CHARACTERS = 64

log = logging.getLogger("edge.store")


class SeenDocuments:
    """Small files by name, such as `heads/8` or `tokens`. Safe among threads; blocks.

    `damaged` counts files that could not be used and were set aside as if missing. `writes` is False for one who only
    looks.
    """

    writes = True

    def __init__(self, node_dir: Path) -> None:
        """Writes nothing: a node whose disk is full starts all the same."""
        self.damaged = 0
        self._top = node_dir
        self._folder = node_dir / SEEN_DIRECTORY
        self._waiting: dict[str, bytes] = {}
        self._failing = False
        self._lock = threading.Lock()

    @property
    def folders(self) -> list[Path]:
        """Where the files are, and what was set aside of them."""
        return [self._folder, self._folder / "heads"]

    @property
    def unwritten(self) -> int:
        """Files that could not be written so far."""
        return len(self._waiting)

    def read(self, name: str) -> bytes | None:
        """None if there is none, or none that can be read."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            return waiting
        try:
            return read_own_file(self._folder / name)
        except FileNotFoundError:
            return None
        except (Damaged, OSError) as error:
            self.note_damage(name, str(error))
            return None

    def keep(self, name: str, content: bytes) -> None:
        """Durable when it returns, or among `unwritten`."""
        with self._lock:
            self._waiting[name] = content
            self._write_waiting()

    def retry(self) -> None:
        """Write what could not be written before."""
        with self._lock:
            self._write_waiting()

    def note_damage(self, name: str, reason: str) -> None:
        """Say that a file cannot be used. What it held is learned from the store again."""
        self.damaged += 1
        log.error("%s cannot be used and is written again: %s", self._folder / name, reason)

    def _write_waiting(self) -> None:
        try:
            for name, content in list(self._waiting.items()):
                self._write(name, content)
                del self._waiting[name]
        except OSError as error:
            if not self._failing:
                log.warning("cannot remember in %s what the store holds now; trying again: %s", self._folder, error)
            self._failing = True
        else:
            self._failing = False

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if not path.parent.is_dir():
            make_directories(path.parent, self._top)
        clear_for_file(path, "what it held is learned from the store again")
        # Named after the process: while a node changes over, two of them write here.
        scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
        scratch.unlink(missing_ok=True)  # of one that was killed, and had this number
        replace_file(path, content, scratch)


class SeenByOthers(SeenDocuments):
    """For one who works beside the node: compares with what the node has seen, and leaves writing to it."""

    writes = False

    def keep(self, name: str, content: bytes) -> None:
        return None


class NothingSeen(SeenDocuments):
    """For one who only looks at a store, as it is: remembers nothing and writes nothing."""

    writes = False

    def read(self, name: str) -> bytes | None:
        return None

    def keep(self, name: str, content: bytes) -> None:
        return None


def with_checksum(payload: bytes) -> bytes:
    """For what carries no signature: its digest in hexadecimal, a line break, and the payload."""
    return hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload


def without_checksum(content: bytes) -> bytes | None:
    """The payload of `with_checksum`; None if it was altered."""
    payload = content[DIGEST_CHARACTERS + 1 :]
    return payload if with_checksum(payload) == content else None
