"""What a verb that changes keys needs of the node's data directory, beside a node that may run on it.

The private keys never leave this machine: the verbs work on the store itself, not through the control API.
"""

import re
import time
from pathlib import Path

from edge.cli.store.beside import check_user, tell_audit, truth_of
from edge.cli.store.places import StorePlace, require_store
from edge.control.login.signed_documents import SIGNED_DOCUMENTS
from edge.domain.errors import Forbidden, Invalid
from edge.store.key_set import Trust, open_trust
from edge.store.keys.key_changes import KeyChanges
from edge.store.keys.root_keys import RootKeys
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


def _writer(node_dir: Path) -> Writer:
    try:
        return load_writer(node_dir / WRITER_FILE)
    except FileNotFoundError as error:
        message = f"{node_dir} has no {WRITER_FILE}: this node follows and changes no keys; run this at the origin"
        raise Forbidden("no_writer", message) from error
