"""An entry's packed bytes: the smallest of three ways, the same each time, and what every unpacker reads."""

import io
import zlib

import deflate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundles.limits import TOTAL_RATIO_LIMIT
from edge.bundles.zip.form import DEFLATED, STORED
from edge.bundles.zip.packed_body import BEST_LEVEL, BEST_LIMIT_BYTES, Effort, write_smallest
from edge.domain.errors import Invalid

TEXT = " ".join(f"word{n % 977} is {n}" for n in range(4000)).encode()
QUICK, BEST = Effort(9, 0), Effort(9, BEST_LIMIT_BYTES)
HEAD = b"what is there already"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    place = tmp_path_factory.mktemp("plain") / "file"

    def write(plain, effort, on_bytes=lambda count: None):
        place.write_bytes(plain)
        file = io.BytesIO(HEAD)
        file.seek(0, io.SEEK_END)
        body = write_smallest(file, place, effort, on_bytes)
        assert file.tell() == len(HEAD) + body.packed_bytes == len(file.getvalue())
        return body, file.getvalue().removeprefix(HEAD)

    return write


def zlib_9(plain):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush()


@given(plain=st.binary(max_size=2_000) | st.text("ab{}\n", max_size=2_000).map(str.encode))
def test_the_smallest_of_three_is_written_and_is_the_file(pack, plain):
    ways = (plain, zlib_9(plain), bytes(deflate.deflate_compress(plain, BEST_LEVEL)))
    body, packed = pack(plain, BEST)
    assert body.packed_bytes == min(map(len, ways)) and packed in ways
    assert (plain if body.method == STORED else zlib.decompress(packed, -zlib.MAX_WBITS)) == plain
    assert (body.crc32, body.plain_bytes) == (zlib.crc32(plain), len(plain))


def test_the_best_is_smaller_than_zlib_s_and_the_same_again(pack):
    (best, packed), (quick, _) = pack(TEXT, BEST), pack(TEXT, QUICK)
    assert best.method == quick.method == DEFLATED
    assert best.packed_bytes < quick.packed_bytes == len(zlib_9(TEXT))
    assert pack(TEXT, BEST) == (best, packed)


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_over_the_limit_is_zlib_s_alone(pack, more):
    _, packed = pack(TEXT, Effort(9, len(TEXT) - more))
    assert (packed == zlib_9(TEXT)) == bool(more)


def test_what_shrinks_to_a_hundredth_is_left_alone_so_that_no_limit_of_ratios_is_passed(pack):
    plain = TEXT + bytes(3_000_000)
    ways = zlib_9(plain), deflate.deflate_compress(plain, BEST_LEVEL)
    assert len(plain) > len(ways[0]) * TOTAL_RATIO_LIMIT and len(ways[1]) < len(ways[0])
    assert pack(plain, BEST)[1] == ways[0]


@pytest.mark.parametrize("later", [TEXT + b"x", TEXT[:-1], TEXT[::-1]])
def test_a_file_that_changes_between_two_ways_is_refused(tmp_path, later):
    place = tmp_path / "file"
    place.write_bytes(TEXT)

    def replace(count):
        """Under the same name; who reads the old file goes on."""
        place.unlink()
        place.write_bytes(later)

    with pytest.raises(Invalid) as caught:
        write_smallest(io.BytesIO(), place, BEST, replace)
    assert caught.value.code == "source_changed"
