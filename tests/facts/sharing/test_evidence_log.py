"""Evidence for home: numbered, in order, and there until it was taken, also after a crash and without room."""

import errno

import pytest

from edge.facts.sharing import evidence_log
from edge.facts.sharing.evidence_log import EvidenceBatch, EvidenceLog, EvidenceReader


def read_all(directory, epoch="", after=0):
    """All batches in order, as somebody would who takes each."""
    reader, found = EvidenceReader(directory), []
    while (batch := reader.read(epoch, after)) is not None:
        found.append((batch.first, batch.records))
        epoch, after = batch.epoch, batch.first + len(batch.records) - 1
    return found


def test_records_come_in_order_with_their_numbers(tmp_path):
    log = EvidenceLog(tmp_path)
    log.append([b"a", b"b"], durably=True)
    log.append([b"c"], durably=False)
    assert EvidenceReader(tmp_path).read(log.epoch, 1) == EvidenceBatch(log.epoch, 2, [b"b", b"c"])
    assert EvidenceReader(tmp_path).read(log.epoch, 3) is None
    log.append([b"d"], durably=False)
    assert read_all(tmp_path, log.epoch, 3) == [(4, [b"d"])]
    log.close()


def test_a_restart_goes_on_with_the_numbers_in_an_epoch_of_its_own(tmp_path):
    first = EvidenceLog(tmp_path)
    first.append([b"a", b"b"], durably=True)
    first.close()
    second = EvidenceLog(tmp_path)
    assert (second.epoch != first.epoch, second.last) == (True, 2)
    second.append([b"c"], durably=True)
    second.close()
    assert read_all(tmp_path) == [(1, [b"a", b"b"]), (3, [b"c"])]
    reader = EvidenceReader(tmp_path)
    assert reader.read(first.epoch, 1) == EvidenceBatch(first.epoch, 2, [b"b"])
    assert reader.read(first.epoch, 2) == EvidenceBatch(second.epoch, 3, [b"c"])
    assert reader.read(second.epoch, 3) is None


def test_numbers_that_a_disk_has_forgotten_skip_nothing(tmp_path):
    """It was put back to when two records were there; a third one had been taken then."""
    first = EvidenceLog(tmp_path)
    first.append([b"a", b"b"], durably=True)
    first.close()
    again = EvidenceLog(tmp_path)
    again.append([b"other", b"more"], durably=True)
    again.close()
    assert EvidenceReader(tmp_path).read(first.epoch, 4) == EvidenceBatch(again.epoch, 3, [b"other", b"more"], False)


def test_what_a_failed_write_left_and_somebody_read_has_no_number_of_what_follows(tmp_path):
    reader, found = EvidenceReader(tmp_path), []

    def sync(fd):
        if found:
            found.append(reader.read(log.epoch, 1))
            raise OSError(errno.EIO, "the disk is gone")

    log = EvidenceLog(tmp_path, sync=sync)
    log.append([b"a"], durably=True)
    found.append(log.epoch)
    with pytest.raises(OSError, match="the disk is gone"):
        log.append([b"lost"], durably=True)
    epoch, seen = found.pop(0), found.pop()
    assert seen == EvidenceBatch(epoch, 2, [b"lost"])
    log.append([b"b"], durably=True)
    log.close()
    assert reader.read(epoch, 2) == EvidenceBatch(log.epoch, 2, [b"b"], False)


def test_many_starts_lose_nothing_while_there_is_room(tmp_path):
    for number in range(100):
        log = EvidenceLog(tmp_path)
        log.append([b"%d" % number], durably=False)
        log.close()
        assert log.dropped == 0
    assert [records for _, records in read_all(tmp_path)] == [[b"%d" % number] for number in range(100)]


def test_files_of_more_starts_than_the_limit_go_the_oldest_first(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_log, "FILES_LIMIT", 3)
    dropped = 0
    for number in range(5):
        log = EvidenceLog(tmp_path)
        log.append([b"%d" % number], durably=False)
        log.close()
        dropped += log.dropped
    assert dropped == 2
    assert [records for _, records in read_all(tmp_path)] == [[b"2"], [b"3"], [b"4"]]


def test_a_record_torn_by_a_crash_is_as_if_it_never_was(tmp_path):
    first = EvidenceLog(tmp_path)
    first.append([b"aaaa"], durably=True)
    first.close()
    (path,) = tmp_path.glob("*.evidence")
    path.write_bytes(path.read_bytes() + b"\x04\0\0\0torn")
    second = EvidenceLog(tmp_path)
    second.append([b"bbbb"], durably=True)
    second.close()
    assert read_all(tmp_path) == [(1, [b"aaaa"]), (2, [b"bbbb"])]


def test_what_was_written_and_not_acknowledged_takes_no_number_from_what_follows(tmp_path):
    failing = []

    def sync(fd):
        if failing:
            raise OSError(errno.EIO, "the disk is gone")

    log = EvidenceLog(tmp_path, sync=sync)
    log.append([b"a"], durably=True)
    failing.append(True)
    with pytest.raises(OSError, match="the disk is gone"):
        log.append([b"lost"], durably=True)
    failing.clear()
    log.append([b"b"], durably=True)
    log.close()
    assert read_all(tmp_path) == [(1, [b"a"]), (2, [b"b"])]


def test_what_was_taken_goes_file_by_file_and_numbers_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_log, "FILE_LIMIT_BYTES", 60)
    log = EvidenceLog(tmp_path)
    for number in range(6):
        log.append([b"%d" % number * 20], durably=False)
    reader = EvidenceReader(tmp_path)
    before = len(list(tmp_path.iterdir()))
    reader.taken(log.epoch, 4)
    assert len(list(tmp_path.iterdir())) < before
    assert read_all(tmp_path, log.epoch, 4)[0][0] == 5
    reader.taken(log.epoch, 6)
    log.close()
    again = EvidenceLog(tmp_path)
    assert (again.last, len(list(tmp_path.iterdir()))) == (6, 1)
    again.close()


def test_without_room_the_oldest_goes_and_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_log, "FILE_LIMIT_BYTES", 60)
    log = EvidenceLog(tmp_path, limit_bytes=150)
    for number in range(5):
        log.append([b"%d" % number * 20], durably=False)
    log.close()
    kept = [record for _, records in read_all(tmp_path, log.epoch, 0) for record in records]
    assert log.dropped == 5 - len(kept) > 0
    assert kept[-1] == b"4" * 20


def test_a_batch_is_bounded_and_the_next_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_log, "BATCH_LIMIT_BYTES", 50)
    log = EvidenceLog(tmp_path)
    log.append([b"%02d" % number * 10 for number in range(9)], durably=False)
    log.close()
    batches = read_all(tmp_path)
    assert [record for _, records in batches for record in records] == [b"%02d" % number * 10 for number in range(9)]
    assert [first for first, _ in batches] == [1, 3, 5, 7, 9]


def test_another_epoch_is_read_from_its_beginning(tmp_path):
    log = EvidenceLog(tmp_path)
    log.append([b"a"], durably=False)
    log.close()
    assert EvidenceReader(tmp_path).read("of a disk that was lost", 77) == EvidenceBatch(log.epoch, 1, [b"a"], False)
