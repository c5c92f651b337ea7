"""Kept segments: compressed, and read as the segment that they were, whatever is damaged."""

import os
import random

import pytest
from telemetry_lines import APP, line, write_segment

from edge.telemetry.spool.kept_segment import (
    BLOCK_BYTES,
    KeptWriter,
    compress_segment,
    erased_from,
    open_segment,
)
from edge.telemetry.spool.recent_events import RecentEvents
from edge.telemetry.spool.segment import (
    KEPT,
    SEALED,
    UnreadableSegment,
    is_live,
    list_segments,
    read_frames,
    read_frames_backwards,
    read_header,
)


def a_sealed(folder, lines=50_000):
    """Of several blocks."""
    groups = [[line(version=f"1.0.{n + m}") for m in range(50)] for n in range(0, lines, 50)]
    path = write_segment(folder, *groups).path.with_suffix(SEALED)
    assert path.stat().st_size > 3 * BLOCK_BYTES
    return path


def test_it_has_every_byte_of_the_segment_and_a_tenth_of_its_size(tmp_path):
    path = a_sealed(tmp_path)
    plain, before = path.read_bytes(), path.stat()
    compress_segment(path)
    (kept,) = list_segments(tmp_path)
    assert (kept.suffix, kept.stem) == (KEPT, path.stem) and not path.exists()
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    with open_segment(kept) as file:
        assert file.read() == plain and not is_live(kept, file)
    assert kept.stat().st_size < len(plain) / 10


def test_any_place_of_it_can_be_read(tmp_path):
    path = a_sealed(tmp_path)
    plain = path.read_bytes()
    compress_segment(path)
    places = random.Random(1)
    with open_segment(path) as file:  # by its former name
        for _ in range(200):
            at, size = places.randrange(len(plain)), places.choice([1, 100, BLOCK_BYTES, 3 * BLOCK_BYTES])
            assert file.seek(at) == at and file.read(size) == plain[at : at + size] and file.tell() <= len(plain)


def test_frames_are_read_forwards_and_backwards(tmp_path):
    path = a_sealed(tmp_path)
    with path.open("rb") as file:
        read_header(file)
        frames = list(read_frames(file))
    compress_segment(path)
    with open_segment(path) as file:
        read_header(file)
        first = file.tell()
        assert list(read_frames(file)) == frames
        file.seek(first)
        assert [each[::-1] for each in read_frames_backwards(file)] == [each.records for each in reversed(frames)]


def test_a_damaged_block_is_a_damaged_place_and_the_rest_is_read(tmp_path):
    path = a_sealed(tmp_path)
    with path.open("rb") as file:
        read_header(file)
        whole = [record for frame in read_frames(file) for record in frame.records]
    compress_segment(path)
    kept = path.with_suffix(KEPT)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    with open_segment(kept) as file:
        read_header(file)
        frames = list(read_frames(file, live=False))
    read = [record for frame in frames for record in frame.records]
    assert sum(1 for frame in frames if frame.lost) == 1
    assert BLOCK_BYTES * 0.9 < sum(frame.lost for frame in frames) < BLOCK_BYTES * 1.1
    assert len(read) > len(whole) / 2 and set(read) <= set(whole)


def test_a_damaged_head_of_a_block_loses_what_follows_alone(tmp_path):
    path = a_sealed(tmp_path)
    plain = path.read_bytes()
    compress_segment(path)
    kept = path.with_suffix(KEPT)
    content = bytearray(kept.read_bytes())
    second = 1024 + 12 + int.from_bytes(content[1024:1028], "little")
    content[second : second + 4] = b"\xff\xff\xff\xff"
    kept.write_bytes(content)
    with open_segment(kept) as file:
        assert file.read() == plain[:BLOCK_BYTES] + bytes(len(plain) - BLOCK_BYTES)


def test_a_newer_format_and_no_header_are_refused_by_name(tmp_path):
    path = write_segment(tmp_path, [line()]).path
    compress_segment(path.with_suffix(SEALED))
    kept = path.with_suffix(KEPT)
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b'"kept":1', b'"kept":9'))
    with pytest.raises(UnreadableSegment, match="format 9"):
        open_segment(kept)
    kept.write_bytes(b"x" + whole)
    with pytest.raises(UnreadableSegment, match="not the header"):
        open_segment(kept)


def test_a_writer_that_fails_leaves_all_as_it_was(tmp_path):
    path = write_segment(tmp_path, [line()]).path.with_suffix(SEALED)
    plain = path.read_bytes()
    with pytest.raises(ZeroDivisionError), KeptWriter(path) as kept:
        kept.write(plain)
        1 / 0  # noqa: B018
    assert [each.name for each in tmp_path.iterdir()] == [path.name] and path.read_bytes() == plain


def test_one_whose_writer_was_killed_before_the_last_step_is_read_once_and_finished(tmp_path):
    path = write_segment(tmp_path, [line()]).path.with_suffix(SEALED)
    plain = path.read_bytes()
    compress_segment(path)
    path.write_bytes(plain)  # it was to be deleted last
    assert list_segments(tmp_path) == [path]
    compress_segment(path)
    assert list_segments(tmp_path) == [path.with_suffix(KEPT)]
    with open_segment(path) as file:
        assert file.read() == plain and erased_from(file) == {}


def test_recent_events_are_those_of_all_forms_newest_first(tmp_path):
    device = "1b9c6ad5-0b5e-4c4c-9c0e-6a1f6d0f2a11"
    for worker, (received, at) in enumerate(((1_000.0, 1), (2_000.0, 2), (3_000.0, 3))):
        of = line(version=f"1.0.{at}", received=received).replace(b'"device": "d"', f'"device":"{device}"'.encode())
        path = write_segment(tmp_path, [of], worker=worker).path.with_suffix(SEALED)
        os.utime(path, (received, received))
        if at != 2:
            compress_segment(path)
    assert [event.version for _, event in RecentEvents(tmp_path, APP)] == ["1.0.3", "1.0.2", "1.0.1"]
    assert [event.version for _, event in RecentEvents(tmp_path, APP, device=device)] == ["1.0.3", "1.0.2", "1.0.1"]
