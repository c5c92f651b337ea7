"""The log: slots are in it whole, in order, or not at all."""

import errno
import os
from zlib import crc32

import pytest
from facts_world import SEED, a_slot, choice_of, file_size_limit, no_sync

from edge.facts.log import FactsLog, list_logs, log_number, read_seed, read_slots, remove_logs
from edge.facts.slot import SLOT_BYTES, NewerFacts, UnreadableFacts

SLOTS = [a_slot(number, choice_of(number)) for number in range(5)]


def a_log(directory, number=1, sync=no_sync):
    return FactsLog(directory, number, SEED, sync=sync)


def test_what_is_appended_is_read(tmp_path):
    log = a_log(tmp_path)
    log.append(b"".join(SLOTS[:2]), durably=False)
    assert log.unsynced
    log.append(b"".join(SLOTS[2:]), durably=True)
    assert not log.unsynced
    assert log.slots == 5
    log.close()
    (path,) = list_logs(tmp_path)
    assert list(read_slots(path)) == SLOTS
    assert (read_seed(path), log_number(path)) == (SEED, 1)


def test_a_tail_torn_at_any_byte_keeps_every_whole_slot(tmp_path):
    log = a_log(tmp_path)
    log.append(b"".join(SLOTS), durably=True)
    log.close()
    (path,) = list_logs(tmp_path)
    whole = path.read_bytes()
    for size in range(SLOT_BYTES, len(whole) + 1):
        missed = []
        path.write_bytes(whole[:size])
        assert list(read_slots(path, missed.append)) == SLOTS[: size // SLOT_BYTES - 1]
        path.write_bytes(whole[:size].ljust(len(whole), b"\0"))  # as a file system may fill it
        assert list(read_slots(path, missed.append)) == SLOTS[: size // SLOT_BYTES - 1]
        if size % SLOT_BYTES <= SLOT_BYTES - 4:  # no byte of a checksum came alone
            assert missed == []


def test_a_damaged_slot_costs_itself_alone(tmp_path):
    log = a_log(tmp_path)
    log.append(b"".join(SLOTS), durably=True)
    log.close()
    (path,) = list_logs(tmp_path)
    whole = path.read_bytes()
    for at in range(SLOT_BYTES, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        hit, missed = at // SLOT_BYTES - 1, []
        assert list(read_slots(path, missed.append)) == SLOTS[:hit] + SLOTS[hit + 1 :]
        assert sum(missed) == 1


def test_a_header_that_is_not_ours_is_refused(tmp_path):
    a_log(tmp_path).close()
    (path,) = list_logs(tmp_path)
    whole = path.read_bytes()
    for at in range(SLOT_BYTES):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(UnreadableFacts):
            read_seed(path)
        path.write_bytes(whole[:at])
        with pytest.raises(UnreadableFacts):
            read_seed(path)


def test_a_newer_format_is_named(tmp_path):
    a_log(tmp_path).close()
    (path,) = list_logs(tmp_path)
    fields = path.read_bytes()[: SLOT_BYTES - 4].replace(b"\x02\0\0\0", b"\x03\0\0\0", 1)
    path.write_bytes(fields + crc32(fields).to_bytes(4, "little"))
    with pytest.raises(NewerFacts, match="format 3 is not 2"):
        read_seed(path)


def test_a_failed_sync_takes_its_slots_back_and_ends_the_file(tmp_path):
    failing = []

    def sync(fd):
        if failing:
            raise OSError(errno.EIO, "the disk is gone")

    log = a_log(tmp_path, sync=sync)
    log.append(SLOTS[0], durably=True)
    failing.append(True)
    with pytest.raises(OSError, match="gone"):
        log.append(SLOTS[1], durably=True)
    assert log.closed
    assert list(read_slots(list_logs(tmp_path)[0])) == SLOTS[:1]


def test_a_failed_write_is_cut_off_and_the_file_goes_on(tmp_path):
    log = a_log(tmp_path)
    (path,) = list_logs(tmp_path)
    limit_bytes = path.stat().st_size + SLOT_BYTES + 10
    with pytest.raises(OSError), file_size_limit(limit_bytes):
        log.append(b"".join(SLOTS), durably=True)
    assert not log.closed
    log.append(SLOTS[4], durably=True)
    log.close()
    assert list(read_slots(path)) == SLOTS[4:]


def test_logs_go_oldest_first_and_only_before_the_number(tmp_path):
    for number in (2, 10, 9):
        a_log(tmp_path, number).close()
    assert [log_number(path) for path in list_logs(tmp_path)] == [2, 9, 10]
    remove_logs(tmp_path, 10)
    assert [log_number(path) for path in list_logs(tmp_path)] == [10]


def test_a_log_that_could_not_be_made_leaves_nothing(tmp_path):
    (tmp_path / "000000000001.log").mkdir()
    with pytest.raises(OSError):
        a_log(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    assert os.listdir(tmp_path) == ["000000000001.log"]
