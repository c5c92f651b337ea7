"""Patches as RFC 9842 describes them: what any decoder accepts, and what the node refuses."""

import hashlib
import random
import shutil
import subprocess

import pytest
import zstandard

from edge.bundles.patches.dcz import (
    HEADER_BYTES,
    MAGIC,
    PATCHED_LIMIT_BYTES,
    WINDOW_FREE_BYTES,
    can_patch,
    decode_dcz,
    encode_dcz,
)
from edge.domain.errors import Invalid

OLD = random.Random(1).randbytes(300_000)
NEW = OLD[:100_000] + b"something new" + OLD[100_000:]
STREAM = encode_dcz(OLD, NEW)


def frame_of(content, **options):
    return zstandard.ZstdCompressor(
        dict_data=zstandard.ZstdCompressionDict(OLD, dict_type=zstandard.DICT_TYPE_RAWCONTENT), **options
    ).compress(content)


def applied(stream):
    return b"".join(decode_dcz(stream, OLD, len(NEW)))


def test_a_patch_gives_the_new_file_and_is_small():
    assert applied(STREAM) == NEW
    assert len(STREAM) < 200


def test_it_begins_with_the_magic_number_and_the_dictionarys_digest():
    assert STREAM[:HEADER_BYTES] == bytes.fromhex("5e2a4d1820000000") + hashlib.sha256(OLD).digest()


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd command is not installed (Debian package zstd)")
def test_the_zstd_command_applies_it(tmp_path):
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "patch.zst").write_bytes(STREAM[HEADER_BYTES:])
    args = ["zstd", "-d", "-q", "--patch-from=old", "patch.zst", "-o", "new"]
    subprocess.run(args, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "new").read_bytes() == NEW


def test_the_whole_old_file_is_in_reach_of_a_file_larger_than_the_least_window():
    """The window of a small frame would not reach back from the new file's end to the old one's beginning."""
    old = random.Random(2).randbytes(3_000_000)
    new = old[1_500_000:] + old[:1_500_000]
    assert len(encode_dcz(old, new)) < 1_000


@pytest.mark.parametrize(
    ("old", "new", "possible"),
    [
        (0, 1, False),
        (1, 0, False),
        (1, WINDOW_FREE_BYTES, True),
        (1, WINDOW_FREE_BYTES + 1, False),
        (16 << 20, 20 << 20, True),
        (16 << 20, (20 << 20) + 1, False),
        (PATCHED_LIMIT_BYTES, PATCHED_LIMIT_BYTES, True),
        (PATCHED_LIMIT_BYTES + 1, 1, False),
        (PATCHED_LIMIT_BYTES, PATCHED_LIMIT_BYTES + 1, False),
    ],
)
def test_the_new_file_fits_into_a_window_that_every_browser_has(old, new, possible):
    assert can_patch(old, new) is possible


def head():
    return STREAM[:HEADER_BYTES]


EMPTY_AT = HEADER_BYTES + zstandard.frame_header_size(STREAM[HEADER_BYTES:])
BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(64 << 20))
REFUSED = {
    "empty": (b"", "does not begin"),
    "a bare frame": (STREAM[HEADER_BYTES:], "does not begin"),
    "of another file": (MAGIC + bytes(32) + STREAM[HEADER_BYTES:], "another old file"),
    "the header alone": (head(), "not whole"),
    "cut": (STREAM[:-1], "cut"),
    "with a second frame": (STREAM + frame_of(b"more"), "something follows"),
    "with an empty frame behind it": (STREAM + frame_of(b""), "something follows"),
    "with garbage behind it": (STREAM + b"\0", "something follows"),
    "longer than the file": (head() + frame_of(NEW + b"x"), "more than"),
    "of empty blocks": (STREAM[:EMPTY_AT] + bytes(3) * 2_800_000 + STREAM[EMPTY_AT:], "blocks, too many"),
    "a bomb": (head() + BOMB, "more than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whole_patch_is_refused(case):
    stream, why = REFUSED[case]
    with pytest.raises(Invalid, match=why) as refused:
        applied(stream)
    assert refused.value.code == "patch_mismatch"


def test_a_bomb_in_a_small_window_stops_at_the_files_size():
    """Without its size in the frame, zeros without end need a window of 1 kB."""
    parameters = zstandard.ZstdCompressionParameters(window_log=10, compression_level=1, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    bomb = b"".join((*(compressor.compress(bytes(1 << 20)) for _ in range(64)), compressor.flush()))
    taken = 0
    with pytest.raises(Invalid, match="more than"):
        for piece in decode_dcz(head() + bomb, OLD, len(NEW)):
            taken += len(piece)
    assert taken <= len(NEW)


def test_a_window_larger_than_every_browsers_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=24, compression_level=1, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = compressor.compress(NEW) + compressor.flush()
    with pytest.raises(Invalid, match="its window of 16777216 bytes"):
        applied(head() + frame)


def test_a_file_in_many_small_blocks_is_no_attack():
    """Short matches of ever other kinds, which the encoder splits into as many blocks as it can."""
    make = random.Random(3)
    kinds = [[make.randbytes(6) for _ in range(40)] for _ in range(60)]
    new = b"".join(make.choice(kinds[place // 150 % 60]) + make.randbytes(place // 150 % 3) for place in range(60_000))
    assert b"".join(decode_dcz(encode_dcz(OLD, new), OLD, len(new))) == new
