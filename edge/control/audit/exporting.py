"""A signed export of the audit: lines of JSON, the last of which signs all before it.

The first line says what it is and has the store's key set, so that the store's root key alone, by its fingerprint, is
needed to check the file years later, with nothing else at hand. It names the head of the node's chain: a chain that is
written anew later, even by who can sign for the node, does not have that head any more.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from edge.control.audit.asking import AuditQuery, ListedAct
from edge.control.audit.chain.record import Chain, Owner
from edge.store.keys.key_document import HeldKeys, fingerprint_of, open_key_set, peek_key_set, unbase64
from edge.store.signing import Writer, open_document, sign_document, signer_of
from edge.store.stored_document import Untrusted

T = TypeVar("T")

EXPORT_DOMAIN = "edge-audit-export"
EXPORT_FORMAT = 1
LINE_LIMIT_BYTES = 16 * 2**20  # of a file that somebody hands over; the key set is the longest
ROOT_LEAST_DIGITS = 16  # of a fingerprint, as `edge keys show` prints the root


class ExportHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds since the epoch; `until` None: as far as there was something."""

    format: int
    what: str
    store: str
    node: str
    made: float
    by: str
    since: float
    until: float | None
    who: str
    kinds: list[str]
    app: str
    refused: bool
    keys: str  # the key set, in base64


class ExportSeal(msgspec.Struct, frozen=True, kw_only=True):
    """Of all lines before it, with their ends; `n` and `head` are those of the node's chain then."""

    format: int
    store: str
    node: str
    entries: int
    sha256: str
    n: int
    head: str


class VerifiedExport(NamedTuple):
    """What a file that is as it was made says of itself. `revoked`: who has taken the key since could have made it."""

    header: ExportHeader
    seal: ExportSeal
    key: str
    root: str
    revoked: bool


_encoder = msgspec.json.Encoder()


class AuditExport:
    """Makes the lines of one export, in order."""

    def __init__(
        self, owner: Owner, writer: Writer, key_set: bytes, query: AuditQuery, *, by: str, now: float, chain: Chain
    ) -> None:
        self._owner, self._writer, self._chain = owner, writer, chain
        self._hash, self._entries = hashlib.sha256(), 0
        self._header = ExportHeader(
            format=EXPORT_FORMAT,
            what="edge audit export",
            store=owner.store,
            node=owner.node,
            made=round(now, 3),
            by=by,
            since=query.since,
            until=None if query.until == float("inf") else query.until,
            who=query.who,
            kinds=sorted(query.what),
            app=query.app,
            refused=query.refused,
            keys=base64.b64encode(key_set).decode(),
        )

    def begin(self) -> bytes:
        return self._kept(_encoder.encode(self._header))

    def lines(self, entries: Iterable[ListedAct]) -> bytes:
        made = []
        for each in entries:
            made.append(self._kept(_encoder.encode(each)))
            self._entries += 1
        return b"".join(made)

    def end(self) -> bytes:
        """The signature."""
        seal = ExportSeal(
            format=EXPORT_FORMAT,
            store=self._owner.store,
            node=self._owner.node,
            entries=self._entries,
            sha256=self._hash.hexdigest(),
            n=self._chain.n,
            head=self._chain.digest,
        )
        return sign_document(self._writer, EXPORT_DOMAIN, _encoder.encode(seal)) + b"\n"

    def _kept(self, line: bytes) -> bytes:
        line += b"\n"
        self._hash.update(line)
        return line


def verify_export(file: Path, root: str, key_set: bytes | None = None) -> VerifiedExport:
    """Check a file against the root key with this fingerprint, or its beginning: with its own key set, or with
    `key_set`. Raises Untrusted `altered_export`, `unknown_root`, and what opening documents raises; OSError."""
    digest, entries, last, first = hashlib.sha256(), 0, b"", b""
    for line in _lines(file):
        if last:
            digest.update(last)
            entries += 1
        first, last = first or line, line
    header = _decoded(first, ExportHeader, "its first line")
    held = key_set if key_set is not None else _unbase64(header.keys)
    keys = _keys_of(held, root)
    payload = open_document(EXPORT_DOMAIN, last.rstrip(b"\n"), keys.once_listed, "its last line, the signature")
    seal = _decoded(payload, ExportSeal, "its last line")
    if (seal.sha256, seal.entries) != (digest.hexdigest(), entries - 1):
        raise Untrusted("altered_export", "its lines are not those that were signed")
    if (seal.store, seal.node) != (header.store, header.node):
        raise Untrusted("altered_export", "its first line and its signature are of two nodes")
    key = signer_of(last.rstrip(b"\n"), "its last line")
    return VerifiedExport(header, seal, key, fingerprint_of(keys.root_public), key in keys.key_set.revoked)


def entries_of(file: Path) -> Iterator[ListedAct]:
    """The entries of a file that was verified."""
    lines = _lines(file)
    next(lines, b"")
    for line, _ in pairwise(lines):  # without the last, which is the signature
        yield _decoded(line, ListedAct, "an entry")


def _keys_of(held: bytes, root: str) -> HeldKeys:
    """The key set, if it goes back to the root."""
    found = peek_key_set(held)
    publics = [unbase64(each.public) for each in found.chain]
    pinned = next((each for each in publics if fingerprint_of(each).startswith(root.lower())), None)
    if pinned is None or len(root) < ROOT_LEAST_DIGITS:
        raise Untrusted("unknown_root", f"its key set is of root {found.root} and does not go back to {root or 'any'}")
    return open_key_set(held, "", pinned)


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while line := opened.readline(LINE_LIMIT_BYTES):
            if not line.endswith(b"\n"):
                raise Untrusted("altered_export", "it is cut off, or has a line that is too long")
            yield line


def _decoded(line: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Untrusted("altered_export", f"{what} cannot be read: {error}") from error


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Untrusted("altered_export", f"its key set cannot be read: {error}") from error
