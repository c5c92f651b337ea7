"""A node's pin: the store that it belongs to, and the root from which it follows the store's key sets.

In the node's own directory, so that nothing that the store or a source says can change it.
"""

import logging
import secrets
from pathlib import Path

import msgspec

from edge.store.disk.durable_files import create_file, replace_file
from edge.store.disk.set_aside import Damaged, read_own_file
from edge.store.keys.key_document import peek_key_set
from edge.store.stored_document import Untrusted, parse_document

PIN_FILE = "trust.json"
PIN_FORMAT = 1

log = logging.getLogger("edge.store")


class TrustPin(msgspec.Struct, frozen=True, omit_defaults=True):
    """`accepts` is the fingerprint, or its beginning, of a root that an operator accepts in place of the pinned one."""

    format: int
    store: str
    root: str  # base64 of the root's public key
    accepts: str = ""


_decoder = msgspec.json.Decoder(TrustPin)


def read_pin(path: Path) -> TrustPin | None:
    """None: the node has seen no store yet. Raises Untrusted for a damaged one."""
    try:
        content = read_own_file(path)
    except FileNotFoundError:
        return None
    except Damaged as error:
        raise Untrusted("unreadable_document", f"{path}: {error}") from error
    return parse_document(content, _decoder, PIN_FORMAT, str(path))


def pin_of(path: Path, seen: bytes | None) -> TrustPin | None:
    """The pin or, for a damaged one, what the key set that this node has `seen` says of itself: both lie in the node's
    own directory. Raises Untrusted if that cannot be read either."""
    try:
        return read_pin(path)
    except Untrusted as error:
        if seen is None or error.code == "newer_format":
            raise
        key_set = peek_key_set(seen)
        log.error("%s; the key set that this node has seen stands in for it", error.message)
        return TrustPin(PIN_FORMAT, key_set.store, key_set.chain[-1].public)


def make_pin(path: Path, pin: TrustPin) -> TrustPin:
    """The first one. Another process of this node may have been faster: then it is that one's."""
    try:
        create_file(path, msgspec.json.encode(pin), _scratch(path))
    except FileExistsError:
        return read_pin(path) or pin
    return pin


def write_pin(path: Path, pin: TrustPin) -> None:
    """Durable when it returns."""
    replace_file(path, msgspec.json.encode(pin), _scratch(path))


def _scratch(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}")
