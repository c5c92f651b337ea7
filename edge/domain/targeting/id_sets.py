"""Uploaded lists of ids as sorted 64-bit hashes behind a small header: 8 bytes an id, read in place.

A device that is in no list is taken for a member of a full one once in 10**13 look-ups. Sorted, not hashed into
places: there is nothing that chosen ids could crowd. The buffer is never copied, so that an mmap serves all workers.
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
IDS_LIMIT = 1_000_000  # of one set: 8 MB that each node keeps and maps
ID_LIMIT = 36  # characters; a UUID's, and what the protocol allows a custom id
IDS_TEXT_LIMIT_BYTES = 64 << 20  # an uploaded list: a million ids of 36 characters, with comments

_MAGIC = b"edge ids"
_HEADER = struct.Struct("<8sII")  # magic, format, number of ids
_HASH_BYTES = 8
_SHARE = 256  # ids between two entries of the fan: 8 steps of a bisection, within 2 KiB
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class IdSet:
    """`parse_id_set` makes it. It holds on to its buffer: a mapped file stays mapped for as long."""

    __slots__ = ("_fan", "_hashes", "_shift")

    def __init__(self, hashes: memoryview) -> None:
        """`hashes` has the format "Q" and is in order."""
        self._hashes = hashes
        bits = max(0, (len(hashes) // _SHARE).bit_length())
        self._shift = 64 - bits
        # Where the hashes with each of the first `bits` bits start: saves 12 of 20 steps and most cache misses.
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
    """Without regard to space around it, nor to the case of a UUID."""
    stripped = text.strip()
    return device_hash(stripped.lower() if len(stripped) == ID_LIMIT and _UUID.fullmatch(stripped) else stripped)


def device_hash(device: str) -> int:
    """`id_hash` of what is a lower-case UUID already. Files hold it: it never changes."""
    return xxh3_64_intdigest(device.encode("utf-8", "surrogatepass"))


def encode_id_set(ids: Iterable[str]) -> bytes:
    """The same ids in any order are the same bytes."""
    hashes = array("Q", sorted({id_hash(text) for text in ids}))
    if sys.byteorder == "big":
        hashes.byteswap()
    return _HEADER.pack(_MAGIC, ID_SET_FORMAT, len(hashes)) + hashes.tobytes()


def parse_id_set(buffer: bytes | memoryview) -> IdSet:
    """A view of `buffer`, or of anything else with its bytes, such as an mmap. Raises Invalid `invalid_id_set`.

    The order is only sampled: who reads a blob has compared its digest with what `encode_id_set` made.
    """
    view = memoryview(buffer)
    if len(view) < _HEADER.size or view[: len(_MAGIC)] != _MAGIC:
        raise Invalid("invalid_id_set", "not a set of ids")
    _, version, count = _HEADER.unpack_from(view)
    if version != ID_SET_FORMAT:
        raise Invalid("invalid_id_set", f"id set format {version} is not {ID_SET_FORMAT}")
    if count > IDS_LIMIT or len(view) != _HEADER.size + count * _HASH_BYTES:
        raise Invalid("invalid_id_set", f"a set of {count} ids, at most {IDS_LIMIT}, has {len(view)} bytes")
    hashes = _native_words(view[_HEADER.size :])
    if any(first >= second for first, second in pairwise(hashes[:: max(1, count // 4096)])):
        raise Invalid("invalid_id_set", "the ids of a set are not in order")
    return IdSet(hashes)


def parse_ids(text: bytes) -> Iterator[str]:
    """The ids of an uploaded list: UTF-8, one a line; blank lines and those that start with `#` are skipped.

    Raises Invalid `invalid_ids` that names the line; when there is no id at all, at the end.
    """
    if len(text) > IDS_TEXT_LIMIT_BYTES:
        raise Invalid("invalid_ids", f"a list of ids has at most {IDS_TEXT_LIMIT_BYTES} bytes, not {len(text)}")
    count = 0
    for number, line in enumerate(io.BytesIO(text.removeprefix(b"\xef\xbb\xbf")), 1):
        id_ = _parse_id(line, number)
        if id_:
            count += 1
            if count > IDS_LIMIT:
                raise Invalid("invalid_ids", f"line {number}: more than {IDS_LIMIT} ids")
            yield id_
    if not count:
        raise Invalid("invalid_ids", "the list holds no id; a set that nobody needs can be deleted")


def _parse_id(line: bytes, number: int) -> str:
    """Empty for a line that holds none."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise Invalid("invalid_ids", f"line {number}: not UTF-8") from error
    if text.startswith("#"):
        return ""
    if len(text) > ID_LIMIT:
        raise Invalid("invalid_ids", f"line {number}: an id has at most {ID_LIMIT} characters, not {len(text)}")
    if not text.isprintable():
        raise Invalid("invalid_ids", f"line {number}: {text!r} holds a character that cannot be shown")
    return text


def _native_words(view: memoryview) -> memoryview:
    if sys.byteorder == "little":
        return view.cast("B").cast("Q")
    words = array("Q", view.tobytes())
    words.byteswap()
    return memoryview(words)
