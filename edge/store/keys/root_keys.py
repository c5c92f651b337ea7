"""The root's private key on this machine: the writer's own at first, a file of its own after a rotation, or elsewhere.

A new one is on disk before anything names it, so a rotation that is cut off at any point loses no key: whichever root
the store has afterwards, its key is here.
"""

import os
from pathlib import Path

from edge.domain.errors import Conflict, Forbidden
from edge.store.disk.durable_files import sync_directory
from edge.store.keys.key_document import HeldKeys
from edge.store.signing import Writer, load_or_create_writer, load_writer

ROOT_FILE = "root.key"
NEXT_FILE = "root.key.next"  # made for a rotation, and not known to be the store's root yet


class RootKeys:
    """Of the node whose own files are in `node_dir`, with its `writer`."""

    def __init__(self, node_dir: Path, writer: Writer) -> None:
        self.place = node_dir / ROOT_FILE
        self._next = node_dir / NEXT_FILE
        self._writer = writer

    def signer(self, held: HeldKeys, elsewhere: Path | None = None) -> Writer:
        """The root's key: in the file `elsewhere`, or this machine's. Raises Forbidden `no_root_key`, `not_root`."""
        if elsewhere is not None:
            found = self._load(elsewhere)
            if found is None or found.public != held.root_public:
                raise Forbidden("not_root", f"{elsewhere} is not the key of root {held.key_set.root}")
            return found
        self.settle(held)
        for found in (self._writer, self._load(self.place)):
            if found is not None and found.public == held.root_public:
                return found
        raise Forbidden(
            "no_root_key",
            f"the key of root {held.key_set.root} is not on this machine: name its file with --root-key; if it "
            "is lost, see `edge keys root replace`",
        )

    def make_next(self) -> Writer:
        """The key of the next root, the same one until `settle`."""
        return load_or_create_writer(self._next)

    def settle(self, held: HeldKeys) -> None:
        """Give the next root's key its place, if the store has that root now."""
        made = self._load(self._next)
        if made is not None and made.public == held.root_public:
            self._next.rename(self.place)
            sync_directory(self.place.parent)

    def move_to(self, file: Path, held: HeldKeys) -> None:
        """Move the root's key off this machine, to a new file. Raises Conflict `root_is_writer` while the node signs
        heads with it, `file_exists`."""
        root = self.signer(held)
        if root.public == self._writer.public:
            raise Conflict(
                "root_is_writer", "the root's key is the one that this node signs with: `edge keys rotate` first"
            )
        if file.exists():
            raise Conflict("file_exists", f"{file} exists: name another file")
        pem = self.place.read_bytes()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as copy:
            copy.write(pem)
            copy.flush()
            os.fsync(copy.fileno())
        sync_directory(file.parent)
        if load_writer(file).public != held.root_public:
            raise Conflict("not_copied", f"{file} does not read back as the root's key; nothing was removed")
        self.place.unlink()
        sync_directory(self.place.parent)

    def _load(self, path: Path) -> Writer | None:
        try:
            return load_writer(path)
        except FileNotFoundError:
            return None
