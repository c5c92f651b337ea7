"""The lines of the chain: records, each with the digest of the line before, and after every group a seal, which signs
the digest of the group's last record. Pure.

A line has one form only, so that no byte of it can be changed without changing its digest.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edge.control.audit.entry import AuditEntry
from edge.store.signing import KeyId, Writer, sign_statement

SEAL_DOMAIN = "edge-audit-seal"
BEGINNING = "0" * 64  # before the first line


class AuditRecord(AuditEntry, frozen=True, kw_only=True, omit_defaults=True, tag_field="line", tag="record"):
    """`n` counts from 1; `previous` is the digest of the line before."""

    n: int
    previous: str


class Seal(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="seal"):
    """After record `n`, whose digest is `previous`. Without a key it only ends the group: the node has none."""

    n: int
    previous: str
    key: KeyId
    signature: str


class Chain(NamedTuple):
    """Where one is in it: the number of the last record and the digest of the last line."""

    n: int = 0
    digest: str = BEGINNING


class SealedGroup(NamedTuple):
    """`content` is its lines; `at` the time of its last record."""

    content: bytes
    end: Chain
    at: float


class Owner(NamedTuple):
    """Whose chain it is. What is signed for one proves nothing about another."""

    store: str
    node: str


_decoder = msgspec.json.Decoder(AuditRecord | Seal)
_encoder = msgspec.json.Encoder()


def digest_of_line(line: bytes) -> str:
    """Of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def parse_line(line: bytes) -> AuditRecord | Seal:
    """Raises ValueError for what this module did not write."""
    try:
        found: AuditRecord | Seal = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if _encoder.encode(found) != line:
        raise ValueError("it is not in the form in which it was written")
    return found


def build_group(
    entries: Sequence[AuditEntry], chain: Chain, at: float, owner: Owner, writer: Writer | None
) -> SealedGroup:
    """The entries and their seal, after `chain`, whose last record is of `at`."""
    lines = []
    for entry in entries:
        at = max(at, entry.at)  # a clock that is set back does not reorder what happened
        fields = msgspec.structs.asdict(entry) | {"at": at}
        line = _encoder.encode(AuditRecord(**fields, n=chain.n + 1, previous=chain.digest))
        lines.append(line)
        chain = Chain(chain.n + 1, digest_of_line(line))
    signature = sign_statement(writer, SEAL_DOMAIN, seal_words(owner, chain)) if writer is not None else ""
    key = writer.id if writer is not None else KeyId("")
    seal = _encoder.encode(Seal(n=chain.n, previous=chain.digest, key=key, signature=signature))
    content = b"".join(line + b"\n" for line in (*lines, seal))
    return SealedGroup(content, Chain(chain.n, digest_of_line(seal)), at)


def seal_words(owner: Owner, chain: Chain) -> bytes:
    """What a seal signs."""
    return f"{owner.store}\n{owner.node}\n{chain.n}\n{chain.digest}".encode()
