"""The spool: acknowledged means on disk, whatever happens around it."""

import asyncio
import errno
import os
import threading

import pytest
from telemetry_lines import NOW, no_sync, stored

from edge.telemetry.spool import segment, spool
from edge.telemetry.spool.segment import list_segments
from edge.telemetry.spool.spool import Spool, SpoolClosed, SpoolFailed, SpoolFull


class Gate:
    """A disk whose syncs wait for permission; counts them and knows which thread asked."""

    def __init__(self):
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.threads = []

    def sync(self, fd):
        self.threads.append(threading.current_thread())
        self.reached.set()
        assert self.opened.wait(60)
        os.fdatasync(fd)


async def reached(gate):
    await asyncio.to_thread(gate.reached.wait, 10)


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_append_returns_when_its_records_are_synced_and_not_before(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    append = asyncio.create_task(events.append([b"a", b"b"]))
    await reached(gate)
    await turns()
    assert not append.done()
    gate.opened.set()
    await append
    assert stored(tmp_path) == [b"a", b"b"]
    assert events.acknowledged == 2
    await events.close()


async def test_the_loop_thread_never_syncs(tmp_path):
    gate = Gate()
    gate.opened.set()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    await events.append([b"a"])
    await events.append([b"b"])
    await events.close()
    assert len(gate.threads) == 2 and set(gate.threads) == {gate.threads[0]}
    assert gate.threads[0] is not threading.current_thread()


async def test_appends_that_wait_share_the_next_sync(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    first = asyncio.create_task(events.append([b"first"]))
    await reached(gate)
    others = [asyncio.create_task(events.append([b"%d" % n])) for n in range(500)]
    await turns()
    gate.opened.set()
    await asyncio.gather(first, *others)
    assert len(gate.threads) == 2
    assert stored(tmp_path) == [b"first", *(b"%d" % n for n in range(500))]
    await events.close()


async def test_a_group_ends_at_its_limit(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    first = asyncio.create_task(events.append([b"first"]))
    await reached(gate)
    megabyte = b"x" * spool.RECORD_LIMIT_BYTES
    others = [asyncio.create_task(events.append([megabyte])) for _ in range(8)]
    await turns()
    gate.opened.set()
    await asyncio.gather(first, *others)
    assert len(gate.threads) == 3
    await events.close()


async def test_a_full_queue_refuses_by_records_and_takes_more_once_drained(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    half = [b"r"] * (spool.QUEUE_LIMIT_EVENTS // 2)
    waiting = [asyncio.create_task(events.append(half)) for _ in range(2)]
    await reached(gate)
    with pytest.raises(SpoolFull) as refusal:
        await events.append([b"one more"])
    assert (refusal.value.status, refusal.value.code) == (503, "spool_full")
    gate.opened.set()
    await asyncio.gather(*waiting)
    await events.append([b"now"])
    assert (events.acknowledged, events.refused) == (2 * len(half) + 1, 1)
    await events.close()
    assert len(stored(tmp_path)) == events.acknowledged


async def test_a_full_queue_refuses_by_bytes_and_takes_more_once_drained(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    fitting = b"x" * (spool.RECORD_LIMIT_BYTES - 1)  # and a newline
    count = spool.QUEUE_LIMIT_BYTES // spool.RECORD_LIMIT_BYTES
    waiting = asyncio.create_task(events.append([fitting] * count))
    await reached(gate)
    with pytest.raises(SpoolFull):
        await events.append([b"x"])
    gate.opened.set()
    await waiting
    await events.append([fitting])
    await events.close()


@pytest.mark.parametrize("record", [b"", b"two\nlines", b"x" * (spool.RECORD_LIMIT_BYTES + 1)])
async def test_what_is_no_line_is_the_callers_fault(tmp_path, record):
    events = Spool(tmp_path, "node", 0)
    with pytest.raises(ValueError):
        await events.append([b"good", record])
    await events.close()
    assert stored(tmp_path) == []


async def test_no_records_need_no_disk(tmp_path):
    events = Spool(tmp_path, "node", 0)
    await events.append([])
    await events.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_client_that_leaves_takes_nothing_from_the_others(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    first = asyncio.create_task(events.append([b"first"]))
    await reached(gate)
    leaving = asyncio.create_task(events.append([b"leaving"]))
    staying = asyncio.create_task(events.append([b"staying"]))
    await turns()
    leaving.cancel()
    gate.opened.set()
    await asyncio.gather(first, staying)
    assert leaving.cancelled()
    assert stored(tmp_path) == [b"first", b"leaving", b"staying"]
    await events.close()


async def test_close_stores_what_waits_seals_and_refuses_the_rest(tmp_path):
    gate = Gate()
    events = Spool(tmp_path, "node", 0, sync=gate.sync)
    waiting = [asyncio.create_task(events.append([b"%d" % n])) for n in range(3)]
    await reached(gate)
    closing = asyncio.create_task(events.close())
    await turns()
    with pytest.raises(SpoolClosed):
        await events.append([b"late"])
    gate.opened.set()
    await closing
    assert all(append.done() and not append.exception() for append in waiting)
    assert [path.suffix for path in list_segments(tmp_path)] == [".sealed"]
    assert stored(tmp_path) == [b"0", b"1", b"2"]
    await events.close()


async def test_an_old_segment_is_followed_by_a_new_one(tmp_path):
    times = {b"a": NOW, b"b": NOW + segment.SEGMENT_AGE_SECONDS - 1, b"c": NOW + segment.SEGMENT_AGE_SECONDS}
    clock = [NOW]
    events = Spool(tmp_path, "node", 0, clock=lambda: clock[0], sync=no_sync)
    for record, clock[0] in times.items():
        await events.append([record])
    assert [path.suffix for path in list_segments(tmp_path)] == [".sealed", ".seg"]
    await events.close()
    assert stored(tmp_path) == [b"a", b"b", b"c"]


async def test_a_failed_group_fails_each_of_its_appends_and_the_next_goes_through(tmp_path):
    gate = Gate()
    failures = [OSError(errno.ENOSPC, "No space left on device")]

    def sync(fd):
        gate.sync(fd)
        if len(gate.threads) == 2:
            raise failures.pop()

    events = Spool(tmp_path, "node", 0, sync=sync)
    first = asyncio.create_task(events.append([b"first"]))
    await reached(gate)
    unlucky = [asyncio.create_task(events.append([b"unlucky"])) for _ in range(3)]
    await turns()
    gate.opened.set()
    outcomes = await asyncio.gather(first, *unlucky, return_exceptions=True)
    assert outcomes[0] is None
    assert [type(outcome) for outcome in outcomes[1:]] == [SpoolFailed] * 3
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert outcomes[1].__cause__.errno == errno.ENOSPC and "No space left" in outcomes[1].message
    await events.append([b"after"])
    await events.close()
    assert (events.acknowledged, events.failed) == (2, 3)
    assert sorted(stored(tmp_path)) == [b"after", b"first"]  # segments of one millisecond have no order


async def test_a_directory_that_vanished_and_came_back_is_used_again(tmp_path):
    directory = tmp_path / "spool"
    events = Spool(directory, "node", 0, sync=no_sync)
    directory.rmdir()
    with pytest.raises(SpoolFailed):
        await events.append([b"lost"])
    directory.mkdir()
    await events.append([b"kept"])
    await events.close()
    assert stored(directory) == [b"kept"]


async def test_our_own_bug_in_the_thread_reaches_the_caller(tmp_path):
    def sync(fd):
        raise LookupError("bug")

    events = Spool(tmp_path, "node", 0, sync=sync)
    with pytest.raises(LookupError):
        await events.append([b"a"])
    await events.close()


def test_a_node_id_that_would_blur_the_name_is_refused(tmp_path):
    with pytest.raises(ValueError):
        Spool(tmp_path, "a-b", 0)
