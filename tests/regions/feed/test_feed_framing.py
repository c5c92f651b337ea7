"""Documents in one stream, whole at the other end; whatever else comes, in bounded memory."""

import random
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edge.regions.feed.framing import FRAME_LIMIT_BYTES, FrameReader, FrameWriter
from edge.regions.source import SourceLost


def read(stream, piece_bytes=1000):
    reader, found = FrameReader(), []
    for start in range(0, len(stream), piece_bytes):
        reader.feed(stream[start : start + piece_bytes])
        while taken := reader.take():
            found += taken
    reader.end()
    return found


def written(documents, flush_after=()):
    writer, stream = FrameWriter(), b""
    for number, document in enumerate(documents):
        writer.add(document)
        stream += writer.take() if number in flush_after else b""
    return stream + writer.take(last=True)


@given(st.lists(st.binary(max_size=3000), max_size=20), st.sets(st.integers(0, 19)), st.integers(1, 5000))
def test_what_is_written_is_read(documents, flush_after, piece_bytes):
    assert read(written(documents, flush_after), piece_bytes) == documents


def test_what_was_flushed_can_be_read_before_the_rest_comes():
    writer, reader = FrameWriter(), FrameReader()
    for document in (b"first", b"second" * 1000):
        writer.add(document)
        reader.feed(writer.take())
        assert reader.take() == [document] and reader.take() == []


def test_neighbours_cost_nearly_nothing():
    noise = random.Random(1).randbytes(100_000)
    stream = written([noise + b"%d" % number for number in range(100)])
    assert len(stream) < 2 * len(noise)


def compressed(content):
    return zstandard.ZstdCompressor(level=1).compress(content)


HOSTILE = {
    "no zstd": b"\x00" * 100,
    "a length above the limit": compressed((FRAME_LIMIT_BYTES + 1).to_bytes(4) + b"x"),
    "a part of a document": compressed((10).to_bytes(4) + b"x"),
    "a part of a length": compressed(b"\x00"),
    "more behind the end": written([b"x"]) + b"more",
    "cut": written([b"x" * 100])[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_such_stream_is_refused(stream):
    with pytest.raises(SourceLost) as raised:
        read(stream)
    assert raised.value.code == "bad_stream"


def test_a_window_above_the_limit_is_refused():
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(SourceLost):
        read(compressor.compress(b"\x00" * 1000) + compressor.flush())


def test_a_bomb_is_expanded_a_few_documents_at_a_time():
    document = (FRAME_LIMIT_BYTES).to_bytes(4) + bytes(FRAME_LIMIT_BYTES)
    bomb = compressed(document * 25)  # 100 MiB in some 10 kB
    assert len(bomb) < 100_000
    reader, taken = FrameReader(), 0
    tracemalloc.start()
    reader.feed(bomb)
    while documents := reader.take():
        taken += len(documents)
        del documents
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken == 25 and peak < 40 << 20
