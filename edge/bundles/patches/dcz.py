"""Dictionary-compressed Zstandard, `dcz` (RFC 9842 section 5): a file as the difference from an older one.

A stream is a header with the SHA-256 of the dictionary, which is the old file's bytes, and one Zstandard frame.
Applying one costs no more memory than the dictionary and the window, and stops at the size it is told.
"""

import hashlib
from collections.abc import Iterator

import zstandard

from edge.bundles.limits import CHUNK_BYTES, MIB
from edge.domain.errors import Invalid
from edge.domain.model import Digest

LEVEL = 19  # the highest whose tables a small machine holds; each patch is made once and sent to many
# A skippable frame of 32 bytes, so that the stream is one for any Zstandard decoder that has the dictionary.
MAGIC = bytes.fromhex("5e2a4d1820000000")
HEADER_BYTES = len(MAGIC) + 32
# Of the old and of the new file: it is the dictionary, and encoder and decoder hold it whole. 10 to 20 times that is
# what making a patch takes of memory.
PATCHED_LIMIT_BYTES = 32 * MIB
WINDOW_FREE_BYTES = 8 * MIB  # any decoder takes a window of this size, or of 1.25 dictionaries (RFC 9842 section 5)
CHECKSUM_BYTES, BLOCK_HEADER_BYTES = 4, 3  # RFC 8878 section 3.1.1
# Of a frame: an encoder that splits its blocks of 128 KiB gives them 450 bytes of the file at least. An empty block has
# three bytes and costs the node as much as any other.
LEAST_BLOCK_BYTES, BLOCKS_FREE = 256, 1024
_LEAST_WINDOW_LOG, _MOST_WINDOW_LOG = 10, 27


def window_limit(dictionary_bytes: int) -> int:
    """The largest window, in bytes, that every decoder accepts."""
    return max(WINDOW_FREE_BYTES, dictionary_bytes * 5 // 4)


def can_patch(old_bytes: int, new_bytes: int) -> bool:
    """Whether a patch from a file of the one size to one of the other may exist. The frame is a single segment, so
    that all of the old file can be referred to up to its end: its window is the new file."""
    return 0 < old_bytes <= PATCHED_LIMIT_BYTES and 0 < new_bytes <= min(PATCHED_LIMIT_BYTES, window_limit(old_bytes))


def encode_dcz(old: bytes, new: bytes) -> bytes:
    """For sizes that `can_patch` accepts. Blocks: 0.5 to 2 s for a megabyte."""
    both_log = (len(old) + len(new)).bit_length()
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        window_log=min(max(both_log, _LEAST_WINDOW_LOG), _MOST_WINDOW_LOG),
        enable_ldm=True,
        source_size=len(new),
        dict_size=len(old),
    )
    frame = zstandard.ZstdCompressor(dict_data=_dictionary(old), compression_params=parameters).compress(new)
    return MAGIC + hashlib.sha256(old).digest() + frame


def dictionary_of(header: bytes) -> Digest:
    """The digest of the dictionary that a stream beginning with HEADER_BYTES `header` needs. Raises Invalid
    `patch_mismatch`."""
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise Invalid("patch_mismatch", "it does not begin as a dcz stream does")
    return Digest(header[len(MAGIC) :].hex())


def decode_dcz(stream: bytes, old: bytes, limit_bytes: int) -> Iterator[bytes]:
    """The new file's bytes in pieces, at most `limit_bytes` in all. Raises Invalid `patch_mismatch` for a stream that
    is not whole, has more than one frame, needs another dictionary, or a larger window than every decoder has, or more
    blocks than its size explains."""
    if dictionary_of(stream[:HEADER_BYTES]) != hashlib.sha256(old).hexdigest():
        raise Invalid("patch_mismatch", "it is from another old file than it says")
    frame = stream[HEADER_BYTES:]
    _check_frame(frame, len(old))
    decoder = zstandard.ZstdDecompressor(dict_data=_dictionary(old), max_window_size=window_limit(len(old)))
    done = 0
    try:
        with decoder.stream_reader(frame, read_size=CHUNK_BYTES, read_across_frames=False) as reader:
            while piece := reader.read(CHUNK_BYTES):
                done += len(piece)
                if done > limit_bytes:
                    raise Invalid("patch_mismatch", f"it gives more than the {limit_bytes} bytes of the new file")
                yield piece
    except zstandard.ZstdError as error:
        raise Invalid("patch_mismatch", f"it is not whole Zstandard: {error}") from error


def _check_frame(frame: bytes, dictionary_bytes: int) -> None:
    """One whole frame and nothing else: the decoder would take a cut one, and go on behind its end."""
    try:
        found, start = zstandard.get_frame_parameters(frame), zstandard.frame_header_size(frame)
    except zstandard.ZstdError as error:
        raise Invalid("patch_mismatch", f"it is not whole Zstandard: {error}") from error
    if found.window_size > window_limit(dictionary_bytes):
        raise Invalid("patch_mismatch", f"its window of {found.window_size} bytes is more than every browser has")
    stated = found.content_size if found.content_size != zstandard.CONTENTSIZE_UNKNOWN else 0
    blocks = min(stated, PATCHED_LIMIT_BYTES) // LEAST_BLOCK_BYTES + BLOCKS_FREE
    if _end_of_blocks(frame, start, blocks) + (CHECKSUM_BYTES if found.has_checksum else 0) != len(frame):
        raise Invalid("patch_mismatch", "it is cut, or something follows its end")


def _end_of_blocks(frame: bytes, start: int, limit: int) -> int:
    """RFC 8878 section 3.1.1.2: each block's header has its size, its type and whether it is the last one. At most
    `limit` of them."""
    place, last, count = start, False, 0
    while not last and place + BLOCK_HEADER_BYTES <= len(frame):
        if (count := count + 1) > limit:
            raise Invalid("patch_mismatch", f"it has more than {limit} blocks, too many for a file of its size")
        header = int.from_bytes(frame[place : place + BLOCK_HEADER_BYTES], "little")
        last, is_run, size = bool(header & 1), (header >> 1) & 3 == 1, header >> 3
        place += BLOCK_HEADER_BYTES + (1 if is_run else size)
    return place if last else -CHECKSUM_BYTES - 1


def _dictionary(old: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
