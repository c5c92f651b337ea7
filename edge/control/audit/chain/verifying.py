"""Whether a chain is as it was written: nothing altered, removed, moved or cut off. Pure.

Whoever cannot sign for the node can do none of this unseen; whoever can, nothing that is older than what the store has
of the chain (its anchor) or an export of it.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.control.audit.chain.record import (
    BEGINNING,
    SEAL_DOMAIN,
    AuditRecord,
    Chain,
    Owner,
    Seal,
    digest_of_line,
    parse_line,
)
from edge.control.audit.chain.record import seal_words as words_of_seal
from edge.control.audit.entry import BROKEN, ActKind
from edge.store.signing import KeyId, statement

FAULTS_LIMIT = 100  # told; a chain that is broken from end to end need not be listed


class ChainFault(NamedTuple):
    """`after` is the number of the last record before it that is well."""

    code: str
    place: str
    after: int
    message: str


class Anchored(NamedTuple):
    """What is known of the chain from elsewhere: that it began after `start`, and had this `head`."""

    start: Chain
    head: Chain


@dataclass
class VerifiedChain:
    """What was found. `keys` counts the groups that each key sealed."""

    records: int = 0
    first: int = 0
    end: Chain = field(default_factory=Chain)
    keys: dict[str, int] = field(default_factory=dict)
    faults: list[ChainFault] = field(default_factory=list)

    def add(self, code: str, place: str, message: str) -> None:
        if len(self.faults) < FAULTS_LIMIT:
            self.faults.append(ChainFault(code, place, self.end.n, message))


def verify_chain(
    files: Iterable[tuple[str, bytes]],
    owner: Owner,
    keys: Mapping[KeyId, bytes],
    anchored: Anchored | None,
    *,
    sealed: bool = True,
) -> VerifiedChain:
    """Go through the files of a chain in order, by name and content. With `sealed`, every group has to be signed by one
    of `keys`."""
    found, check = VerifiedChain(), _Check(owner, keys, anchored, sealed=sealed)
    for place, content in files:
        *lines, rest = content.split(b"\n")
        for number, line in enumerate(lines, 1):
            check.line(line, f"{place}, line {number}", found)
        if rest:
            found.add("torn_end", place, "it ends within a line")
    check.end(found)
    return found


class _Check:
    def __init__(self, owner: Owner, keys: Mapping[KeyId, bytes], anchored: Anchored | None, *, sealed: bool) -> None:
        self._owner, self._keys, self._anchored, self._sealed = owner, keys, anchored, sealed
        self._begun = self._is_sealed = False
        self._head_seen = anchored is None or anchored.head.n == 0

    def line(self, line: bytes, place: str, found: VerifiedChain) -> None:
        digest = digest_of_line(line)
        try:
            read = parse_line(line)
        except ValueError as error:
            found.add("altered_record", place, str(error))
            found.end, self._begun = Chain(found.end.n, digest), True
            return
        if not self._begun:
            self._begin(read, place, found)
        elif read.previous != found.end.digest:
            found.add("broken_chain", place, "the line before it is not the one that was written before it")
        if isinstance(read, AuditRecord):
            self._record(read, place, found)
        else:
            self._seal(read, place, found)
        found.end = Chain(read.n, digest)
        if self._anchored is not None and found.end == self._anchored.head:
            self._head_seen = True

    def _begin(self, read: AuditRecord | Seal, place: str, found: VerifiedChain) -> None:
        """Where the chain begins that is kept: at its first record, or where the anchor says."""
        self._begun = True
        start = Chain() if self._anchored is None else self._anchored.start
        whole = read.n == 1 and read.previous == BEGINNING
        at_start = Chain(read.n - 1, read.previous) == start
        if not isinstance(read, AuditRecord) or not (whole or at_start or 0 < read.n - 1 < start.n):
            found.add("missing_start", place, f"it begins with record {read.n}; it began after record {start.n}")
        found.first, found.end = read.n, Chain(read.n - 1, read.previous)

    def _record(self, read: AuditRecord, place: str, found: VerifiedChain) -> None:
        if read.n != found.end.n + 1:
            found.add("wrong_number", place, f"record {read.n} follows record {found.end.n}")
        if read.operation == BROKEN and read.kind is ActKind.NODE:
            found.add("was_broken", place, f"the node found, when it started, that the chain {read.target}")
        found.records += 1
        self._is_sealed = False

    def _seal(self, read: Seal, place: str, found: VerifiedChain) -> None:
        self._is_sealed = True
        if read.n != found.end.n:
            found.add("wrong_number", place, f"the seal of record {read.n} follows record {found.end.n}")
        if not read.key and not self._sealed:
            return
        public = self._keys.get(read.key)
        if public is None:
            found.add("unknown_key", place, f"sealed by {read.key or 'nobody'}, which is not in the key set")
        elif not _is_signed(read, public, self._owner):
            found.add("bad_seal", place, f"the signature of {read.key} is wrong")
        else:
            found.keys[read.key] = found.keys.get(read.key, 0) + 1

    def end(self, found: VerifiedChain) -> None:
        if self._begun and not self._is_sealed:
            found.add("unsealed_end", "the end", "the last group has no seal")
        if self._head_seen or self._anchored is None:
            return
        head = self._anchored.head
        if found.end.n < head.n:
            found.add("truncated", "the end", f"it ends with record {found.end.n}, and had record {head.n}")
        else:
            found.add("another_chain", "the anchor", f"record {head.n} is not the one that the store has the digest of")


def _is_signed(seal: Seal, public: bytes, owner: Owner) -> bool:
    words = statement(SEAL_DOMAIN, words_of_seal(owner, Chain(seal.n, seal.previous)))
    try:
        signature = base64.b64decode(seal.signature, validate=True)
        if base64.b64encode(signature).decode() != seal.signature:
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(signature, words)
    except (InvalidSignature, ValueError):
        return False
    return True
