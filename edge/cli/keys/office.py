"""What a verb that changes keys needs of the node's data directory, beside a node that may run on it.

The private keys never leave this machine: the verbs work on the store itself, not through the control API.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from edge.cli.store.places import StorePlace, require_store
from edge.cli.terminal.output import note
from edge.control.audit.entry import ActKind
from edge.control.audit.local import record_local
from edge.control.login.signed_documents import SIGNED_DOCUMENTS
from edge.domain.errors import EdgeError, Forbidden, Invalid
from edge.store.key_set import Trust, open_trust, read_trust
from edge.store.keys.key_changes import KeyChanges
from edge.store.keys.root_keys import RootKeys
from edge.store.objects.fs import FsStore
from edge.store.objects.port import ObjectStore
from edge.store.s3.opening import open_bucket
from edge.store.signing import KeyId, Writer, load_writer

WRITER_FILE = "writer.key"
_FINGERPRINT = re.compile(r"[0-9a-f]{16,64}")


class KeyOffice:
    """Of a node that writes. Raises Forbidden `no_writer` for one that follows, `other_user`."""

    def __init__(self, place: StorePlace) -> None:
        require_store(place.paths)
        check_user(place.paths.node_dir)
        self.node_dir = place.paths.node_dir
        self.store = truth_of(place)
        self.writer = _writer(self.node_dir)
        self.trust = open_trust(self.store, self.node_dir, time.time(), self.writer)
        self.roots = RootKeys(self.node_dir, self.writer)
        domains = {kind.key: kind.domain for kind in SIGNED_DOCUMENTS}
        self.changes = KeyChanges(self.store, self.trust, self.writer, domains)

    def note(self, operation: str, target: str) -> None:
        """As `tell_audit`."""
        tell_audit(self.node_dir, lambda: self.trust, operation, target)

    def root(self, elsewhere: Path | None) -> Writer:
        """See `RootKeys.signer`."""
        return self.roots.signer(self.trust.held, elsewhere)


def tell_audit(
    node_dir: Path, trust: Callable[[], Trust], operation: str, target: str, kind: ActKind = ActKind.ACCESS
) -> None:
    """Have the node's audit know what was done, if it has one yet. What was done stands, even if that cannot be
    written: there, another user would leave files that the node cannot write."""
    if not (node_dir / "id").is_file():
        return
    try:
        check_user(node_dir)
        record_local(node_dir, trust().store_id, operation, target, time.time(), kind)
    except (EdgeError, OSError) as error:
        note(f"warning: this is not in the audit: {error}")


def truth_of(place: StorePlace) -> ObjectStore:
    """Where the key set is changed: on this disk, or in the bucket of which it has a copy."""
    mirror = FsStore(place.paths.store_dir)
    return open_bucket(place.bucket, mirror) if place.bucket is not None else mirror


def trust_to_read(place: StorePlace) -> Trust:
    """Of any node, as it is: nothing is written."""
    require_store(place.paths)
    return read_trust(truth_of(place), place.paths.node_dir)


def trust_to_pin(place: StorePlace) -> Trust:
    """Of any node, whose pin may be changed; its own store is read, which for one that follows is its copy."""
    require_store(place.paths)
    check_user(place.paths.node_dir)
    return open_trust(truth_of(place), place.paths.node_dir, time.time())


def parse_fingerprint(text: str) -> KeyId:
    """At least a whole key id. Raises Invalid `invalid_key_id`."""
    found = text.strip().lower()
    if not _FINGERPRINT.fullmatch(found):
        raise Invalid(
            "invalid_key_id",
            f"{text[:80]!r} is not a key's id or fingerprint: 16 to 64 hexadecimal digits, as `edge keys show` prints",
        )
    return KeyId(found)


def check_user(node_dir: Path) -> None:
    """What another user writes there, the node cannot read. Raises Forbidden `other_user`."""
    owner = node_dir.stat().st_uid
    if os.geteuid() != owner:
        raise Forbidden(
            "other_user", f"{node_dir} belongs to user {owner}, and you are {os.geteuid()}: run this as the node's user"
        )


def _writer(node_dir: Path) -> Writer:
    try:
        return load_writer(node_dir / WRITER_FILE)
    except FileNotFoundError as error:
        message = f"{node_dir} has no {WRITER_FILE}: this node follows and changes no keys; run this at the origin"
        raise Forbidden("no_writer", message) from error
