"""Segments: what is torn is never read, what failed is not there, and nothing after a failure is lost."""

import errno
import os
import resource
import stat

import pytest
from telemetry_lines import NOW, no_sync, stored, write_segment

from edge.telemetry.spool import segment
from edge.telemetry.spool.segment import (
    SegmentWriter,
    UnreadableSegment,
    is_live,
    list_segments,
    read_frames,
    read_frames_backwards,
    read_header,
)


def frames_of(path):
    with path.open("rb") as file:
        header = read_header(file)
        return header, [frame.records for frame in read_frames(file)]


def test_records_come_back_by_group_under_a_header(tmp_path):
    write_segment(tmp_path, [b"a", b"b"], [b"c"], worker=3)
    (path,) = list_segments(tmp_path)
    header, groups = frames_of(path)
    assert (header.format, header.node, header.worker, header.started_ms) == (3, "node", 3, int(NOW * 1000))
    assert groups == [[b"a", b"b"], [b"c"]]
    assert path.suffix == ".sealed" and path.name.startswith(f"node-3-{int(NOW * 1000)}-")


def test_two_segments_of_one_moment_have_two_names(tmp_path):
    first = write_segment(tmp_path, [b"a"], seal=False)
    second = write_segment(tmp_path, [b"b"], seal=False)
    assert first.path != second.path
    first.seal()
    second.seal()
    assert sorted(stored(tmp_path)) == [b"a", b"b"]


def test_cut_at_every_byte_only_whole_groups_are_read(tmp_path):
    write_segment(tmp_path, [b"one", b"two"], [b"three"], [b"four", b"five"])
    (path,) = list_segments(tmp_path)
    whole = path.read_bytes()
    header_end = whole.index(b"\n") + 1
    ends = [header_end, header_end + 8 + 7, header_end + 16 + 12, len(whole)]
    for cut in range(header_end, len(whole) + 1):
        path.write_bytes(whole[:cut])
        _, groups = frames_of(path)
        assert len(groups) == sum(end <= cut for end in ends) - 1, cut


def test_damage_in_any_byte_of_the_last_group_hides_that_group_alone(tmp_path):
    write_segment(tmp_path, [b"one"], [b"last"])
    (path,) = list_segments(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole) - 12, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        assert frames_of(path)[1] == [[b"one"]], place


def test_damage_in_any_byte_of_a_group_hides_that_group_alone_from_who_reads_backwards(tmp_path):
    write_segment(tmp_path, [b"one"], [b"two"], [b"three"])
    (path,) = list_segments(tmp_path)
    whole = path.read_bytes()
    start = len(whole) - 13 - 2 * 11
    for place in range(start, start + 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        with path.open("rb") as file:
            read_header(file)
            assert list(read_frames_backwards(file))[:2] == [[b"three"], [b"two"]], place


def test_a_tail_of_zeros_holds_no_records(tmp_path):
    write_segment(tmp_path, [b"one"])
    (path,) = list_segments(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(4096))
    assert frames_of(path)[1] == [[b"one"]]


@pytest.mark.parametrize(
    "header",
    [b"", b"\n", b"{}\n", b"\xff\xfe\n", b'{"format":4,"node":"n","worker":0,"started_ms":0}\n', b"x" * 9000],
    ids=["empty", "blank", "no fields", "not text", "newer format", "no end"],
)
def test_a_header_that_is_not_ours_is_refused(tmp_path, header):
    path = tmp_path / "node-0-0-0.sealed"
    path.write_bytes(header)
    with pytest.raises(UnreadableSegment):
        frames_of(path)


def test_a_segment_is_live_while_its_writer_holds_it(tmp_path):
    writer = write_segment(tmp_path, [b"a"], seal=False)
    with writer.path.open("rb") as file:
        assert is_live(writer.path, file)
    writer.seal()
    (sealed,) = list_segments(tmp_path)
    with sealed.open("rb") as file:
        assert not is_live(sealed, file)


def test_what_a_killed_writer_left_gets_sealed_by_its_reader(tmp_path):
    child = os.fork()
    if child == 0:
        write_segment(tmp_path, [b"a"], seal=False)
        os._exit(0)
    os.waitpid(child, 0)
    (orphan,) = list_segments(tmp_path)
    assert orphan.suffix == ".seg"
    with orphan.open("rb") as file:
        assert not is_live(orphan, file)
    assert [path.suffix for path in list_segments(tmp_path)] == [".sealed"]
    assert stored(tmp_path) == [b"a"]


@pytest.mark.parametrize(
    "age_seconds, due", [(0, False), (segment.SEGMENT_AGE_SECONDS - 1, False), (segment.SEGMENT_AGE_SECONDS, True)]
)
def test_a_segment_is_due_by_age(tmp_path, age_seconds, due):
    writer = write_segment(tmp_path, [b"a"], seal=False)
    assert writer.is_due(NOW + age_seconds) is due
    writer.seal()


def test_a_segment_is_due_by_size(tmp_path):
    writer = write_segment(tmp_path, seal=False)
    record = b"x" * (segment.SEGMENT_LIMIT_BYTES // 4)
    for due in (False, False, False, True):
        writer.append([record])
        assert writer.is_due(NOW) is due
    writer.seal()


def test_a_segment_is_private_to_its_owner(tmp_path):
    writer = write_segment(tmp_path)
    assert stat.S_IMODE(writer.path.with_suffix(".sealed").stat().st_mode) == 0o600


def limited_to(size_bytes, work):
    """Run `work` in a child whose files cannot grow beyond `size_bytes`; its exit code, 0 when all went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # Python ignores SIGXFSZ, so a write beyond the limit is short first and then fails with EFBIG.
            resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
            work(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_full_disk_fails_one_group_and_later_ones_are_readable(tmp_path):
    def work(free_space):
        writer = SegmentWriter(tmp_path, "node", 0, now=NOW, sync=no_sync)
        writer.append([b"before"])
        for _ in range(2):
            with pytest.raises(OSError) as failure:
                writer.append([b"lost" * 300])
            assert failure.value.errno == errno.EFBIG
        writer.append([b"small"])
        free_space()
        writer.append([b"after" * 300])
        writer.seal()

    assert limited_to(1000, work) == 0
    assert stored(tmp_path) == [b"before", b"small", b"after" * 300]


def test_a_disk_too_full_for_a_header_leaves_no_file(tmp_path):
    def work(free_space):
        with pytest.raises(OSError):
            SegmentWriter(tmp_path, "node", 0, now=NOW, sync=no_sync)

    assert limited_to(10, work) == 0
    assert list(tmp_path.iterdir()) == []


def failing_sync(fd):
    raise OSError(errno.EIO, "input/output error")


def test_a_failed_sync_ends_the_segment_with_what_was_durable(tmp_path):
    syncs = iter([no_sync, failing_sync])
    writer = SegmentWriter(tmp_path, "node", 0, now=NOW, sync=lambda fd: next(syncs)(fd))
    writer.append([b"durable"])
    with pytest.raises(OSError):
        writer.append([b"unknown"])
    assert writer.closed
    assert [path.suffix for path in list_segments(tmp_path)] == [".sealed"]
    assert stored(tmp_path) == [b"durable"]


def test_failed_syncs_do_not_pile_up_empty_segments(tmp_path):
    for _ in range(3):
        writer = SegmentWriter(tmp_path, "node", 0, now=NOW, sync=failing_sync)
        with pytest.raises(OSError):
            writer.append([b"unknown"])
    assert list(tmp_path.iterdir()) == []
