"""Uploaded lists of ids as sorted 64-bit hashes after a small header: 8 bytes an id, read in place.

A look-up in a full set has a false positive once in 10**13. The hashes are sorted, not in a hash table, which chosen
ids could overload. The buffer is never copied, so that one mmap serves all workers.
"""

import io
import re
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise

from xxhash import xxh3_64_intdigest

from edge.domain.errors import Invalid

ID_SET_FORMAT = 1
IDS_LIMIT = 1_000_000  # of one set: 8 MB that each node stores and maps
ID_LIMIT = 36  # characters; the length of a UUID, and the protocol's limit for a custom id
IDS_TEXT_LIMIT_BYTES = 64 << 20  # of an uploaded list: a million ids of 36 characters, and comments

_MAGIC = b"edge ids"
_HEADER = struct.Struct("<8sII")  # magic, format, number of ids
_HASH_BYTES = 8
_SHARE = 256  # ids between two entries of the fan: 8 bisection steps, within 2 KiB
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class IdSet:
    """Built by `parse_id_set`. It keeps its buffer: a mapped file stays mapped as long."""

    __slots__ = ("_fan", "_hashes", "_shift")

    def __init__(self, hashes: memoryview) -> None:
        """`hashes` has the format "Q" and is sorted."""
        self._hashes = hashes
        bits = max(0, (len(hashes) // _SHARE).bit_length())
        self._shift = 64 - bits
        # Where the hashes with each prefix of `bits` bits start: saves 12 of 20 steps and most cache misses.
        self._fan = [bisect_left(hashes, first << self._shift) for first in range(1 << bits)] + [len(hashes)]

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, text: str) -> bool:
        return self.holds(id_hash(text))

    def holds(self, hash_: int) -> bool:
        """Whether an id with this `id_hash` is in the set."""
        first = hash_ >> self._shift
        end = self._fan[first + 1]
        at = bisect_left(self._hashes, hash_, self._fan[first], end)
        return at < end and self._hashes[at] == hash_


def id_hash(text: str) -> int:
    """A 64-bit hash that ignores surrounding whitespace and the case of a UUID."""
    stripped = text.strip()
    return device_hash(stripped.lower() if len(stripped) == ID_LIMIT and _UUID.fullmatch(stripped) else stripped)


def device_hash(device: str) -> int:
    """`id_hash` of a lower-case UUID. Files contain it, so it never changes."""
    return xxh3_64_intdigest(device.encode("utf-8", "surrogatepass"))


def written_hash(device: bytes) -> int:
    """`device_hash` of a lower-case UUID as it is written."""
    return xxh3_64_intdigest(device)


def encode_id_set(ids: Iterable[str]) -> bytes:
    """The same ids in any order give the same bytes."""
    hashes = array("Q", sorted({id_hash(text) for text in ids}))
    if sys.byteorder == "big":
        hashes.byteswap()
    return _HEADER.pack(_MAGIC, ID_SET_FORMAT, len(hashes)) + hashes.tobytes()


def parse_id_set(buffer: bytes | memoryview) -> IdSet:
    """A view of `buffer`, which may be an mmap. Raises Invalid `invalid_id_set`.

    The order is only sampled: the caller has verified the digest of what `encode_id_set` wrote.
    """
    view = memoryview(buffer)
    if len(view) < _HEADER.size or view[: len(_MAGIC)] != _MAGIC:
        raise Invalid("invalid_id_set", "not an id set")
    _, version, count = _HEADER.unpack_from(view)
    if version != ID_SET_FORMAT:
        raise Invalid("invalid_id_set", f"id set format {version} is not {ID_SET_FORMAT}")
    if count > IDS_LIMIT or len(view) != _HEADER.size + count * _HASH_BYTES:
        raise Invalid(
            "invalid_id_set",
            f"{len(view)} bytes cannot be an id set of {count} ids; the limit is {IDS_LIMIT}",
        )
    hashes = _native_words(view[_HEADER.size :])
    if any(first >= second for first, second in pairwise(hashes[:: max(1, count // 4096)])):
        raise Invalid("invalid_id_set", "the ids of the set are not sorted")
    return IdSet(hashes)


def parse_ids(text: bytes) -> Iterator[str]:
    """The ids of an uploaded list: UTF-8, one per line. Blank lines and lines that start with `#` are skipped.

    Raises Invalid `invalid_ids` that names the line; at the end if there was no id.
    """
    if len(text) > IDS_TEXT_LIMIT_BYTES:
        raise Invalid("invalid_ids", f"the list has {len(text)} bytes; the limit is {IDS_TEXT_LIMIT_BYTES}")
    count = 0
    for number, line in enumerate(io.BytesIO(text.removeprefix(b"\xef\xbb\xbf")), 1):
        id_ = _parse_id(line, number)
        if id_:
            count += 1
            if count > IDS_LIMIT:
                raise Invalid("invalid_ids", f"line {number}: the list exceeds the limit of {IDS_LIMIT} ids")
            yield id_
    if not count:
        raise Invalid("invalid_ids", "the list contains no id; delete the set if you no longer need it")


def _parse_id(line: bytes, number: int) -> str:
    """The id in a line; empty if there is none."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise Invalid("invalid_ids", f"line {number}: not UTF-8") from error
    if text.startswith("#"):
        return ""
    if len(text) > ID_LIMIT:
        raise Invalid("invalid_ids", f"line {number}: the id has {len(text)} characters; the limit is {ID_LIMIT}")
    if not text.isprintable():
        raise Invalid("invalid_ids", f"line {number}: {text!r} contains a character that is not printable")
    return text


def _native_words(view: memoryview) -> memoryview:
    if sys.byteorder == "little":
        return view.cast("B").cast("Q")
    words = array("Q", view.tobytes())
    words.byteswap()
    return memoryview(words)
