"""The patches document: what of a bundle's files can be sent as the difference from an older file.

A blob that the bundle refers to: `{"format": 1, "patches": [{"old", "new", "blob", "bytes"}, ...]}`, sorted by the
digests of the new and the old plain bytes. Each `blob` is a whole `dcz` stream (RFC 9842).
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import Digest, parse_digest

PATCHES_FORMAT = 1
PATCHES_LIMIT = 2_000  # of one bundle: every worker holds 96 bytes for each, of every bundle that a channel offers
PATCHES_LIMIT_BYTES = 1024 * 1024  # of the document: so many patches take 0.5 MB


class Patch(NamedTuple):
    """One patch, from the plain bytes `old` to the plain bytes `new`."""

    new: Digest
    old: Digest
    blob: Digest
    bytes: int  # of the blob


class _Patch(msgspec.Struct):
    old: str
    new: str
    blob: str
    bytes: int


class _Document(msgspec.Struct):
    format: int
    patches: list[_Patch]


_decoder = msgspec.json.Decoder(_Document)


def encode_patches(patches: Iterable[Patch]) -> bytes:
    """The same patches give the same bytes."""
    listed = [_Patch(each.old, each.new, each.blob, each.bytes) for each in sorted(patches)]
    return msgspec.json.encode(_Document(PATCHES_FORMAT, listed))


def parse_patches(document: bytes) -> tuple[Patch, ...]:
    """Raises Invalid `invalid_patches`, also for none, for more than PATCHES_LIMIT and for two from the same bytes to
    the same bytes."""
    try:
        found = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(str(error)) from error
    if found.format != PATCHES_FORMAT:
        raise _invalid(f"format {found.format} is not {PATCHES_FORMAT}")
    if not 0 < len(found.patches) <= PATCHES_LIMIT:
        raise _invalid(f"{len(found.patches)} patches; 1 to {PATCHES_LIMIT} are allowed")
    patches = tuple(_patch(each) for each in found.patches)
    if len({(each.new, each.old) for each in patches}) < len(patches):
        raise _invalid("two patches have the same old and new files")
    return patches


def _patch(found: _Patch) -> Patch:
    if found.old == found.new or found.bytes <= 0:
        raise _invalid(f"the patch to {found.new[:64]!r} is empty or has the same file at both ends")
    return Patch(parse_digest(found.new), parse_digest(found.old), parse_digest(found.blob), found.bytes)


def _invalid(why: str) -> Invalid:
    return Invalid("invalid_patches", f"patches document: {why}")
