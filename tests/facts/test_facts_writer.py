"""The writer: what `record` returned for is on the disk and before every reader's eyes."""

import asyncio
import errno
import os
import shutil
import threading
from contextlib import asynccontextmanager

import pytest
from factories import withheld
from facts_world import APP, HOUR, NOW, Model, bytes_on_disk, device, differences_after_recovery, logged, no_sync

from edge.domain.facts import CAUSES, NO_FACTS, Cause, DeviceFacts, Failure, FailureStage, Latest, name_hash, ran_of
from edge.facts import writer as facts_store
from edge.facts.changes import (
    Chose,
    Downloaded,
    Erased,
    Failed,
    Faulted,
    Installed,
    Lifted,
    Offered,
    Withheld,
)
from edge.facts.compaction import ERASURE_SECONDS
from edge.facts.log import list_logs, log_number
from edge.facts.recovery import FactsInUse
from edge.facts.slot import SLOT_BYTES, SLOTS, NewerFacts, key_of
from edge.facts.table import FactsTable
from edge.facts.writer import FactsClosed, FactsFailed, FactsFull, FactsWriter

ONE = name_hash("1.0.0")
OFFERED = Offered(APP, device(1), "1.0.0", "0.9.0", 5)
LATEST = Latest(int(NOW), ran_of("0.9.0"), 5)
COUNTED = LATEST._replace(retried=True, counted=True).packed()
LOADED = LATEST._replace(ran=0).packed()
FAILED = (Failure(ONE, FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, 0, HOUR),)
UNSURE = (Failure(ONE, FailureStage.FAILED_ONCE, Cause.CHECKSUM_FAIL, 5, HOUR),)


class Disk:
    """Syncs that wait for permission, or fail; knows which threads asked."""

    def __init__(self, *, opened=True):
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.failing = False
        self.threads = []
        if opened:
            self.opened.set()

    def sync(self, fd):
        self.threads.append(threading.current_thread())
        self.reached.set()
        assert self.opened.wait(60)
        if self.failing:
            raise OSError(errno.EIO, "the disk is gone")


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@asynccontextmanager
async def facts(directory, **settings):
    writer = FactsWriter(directory, **{"capacity": 1000, "clock": Clock(), "sync": no_sync} | settings)
    table = FactsTable(writer.table_path)
    try:
        yield writer, table
    finally:
        await writer.close()
        table.close()


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_every_change_is_visible_on_return(tmp_path):
    async with facts(tmp_path) as (writer, table):
        steps = [
            (Failed(APP, device(1), "1.0.0"), NO_FACTS),
            (OFFERED, DeviceFacts(offered=(ONE,), latest=LATEST.packed())),
            (Failed(APP, device(1), "1.0.0"), DeviceFacts(failures=FAILED, latest=COUNTED)),
            (OFFERED, DeviceFacts(failures=FAILED, latest=COUNTED)),
            (Chose(APP, device(1), "beta"), DeviceFacts(name_hash("beta"), FAILED, (), COUNTED)),
            (Lifted(APP, device(1), "1.0.0"), DeviceFacts(name_hash("beta"))),
            (Chose(APP, device(1), ""), NO_FACTS),
            (OFFERED, DeviceFacts(offered=(ONE,), latest=LATEST.packed())),
            (Failed(APP, device(1), "", "checksum_fail"), DeviceFacts(failures=UNSURE, latest=COUNTED)),
            (Installed(APP, device(1), "1.0.0"), DeviceFacts(offered=(ONE,), latest=LOADED)),
            (Downloaded(APP, device(1), "1.0.0"), DeviceFacts(offered=(ONE,), latest=LOADED)),
            (Erased(APP, device(1)), NO_FACTS),
        ]
        for change, expected in steps:
            await writer.record([change])
            assert table.look_up(APP, device(1)) == expected


async def test_changes_of_one_call_happen_in_order(tmp_path):
    async with facts(tmp_path) as (writer, table):
        await writer.record([Offered(APP, device(1), "1.0.0"), Failed(APP, device(1), "1.0.0")])
        await writer.record([Failed(APP, device(2), "1.0.0"), Offered(APP, device(2), "1.0.0")])
        await writer.record([])
        assert withheld(table.look_up(APP, device(1))) == (ONE,)
        assert withheld(table.look_up(APP, device(2))) == ()


async def test_a_call_answers_what_it_made_withheld(tmp_path):
    async with facts(tmp_path) as (writer, _):
        attempt = [Offered(APP, device(1), "1.0.0"), Failed(APP, device(1), "1.0.0", "checksum_fail")]
        assert await writer.record(attempt) == []
        assert await writer.record([*attempt, *attempt]) == [Withheld(APP, device(1), ONE, Cause.CHECKSUM_FAIL)]
        assert await writer.record(attempt) == []
        started = [Offered(APP, device(2), "1.0.0"), Failed(APP, device(2), "1.0.0")]
        assert await writer.record(started) == [Withheld(APP, device(2), ONE, Cause.UPDATE_FAIL)]


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        (Faulted(), False),
        (Faulted(APP), False),
        (Faulted(APP, "1.0.0"), False),
        (Faulted(APP, "1.0.0", "192.0.2.1"), False),
        (Faulted(APP, "1.0.0", "192.0.2.2"), True),  # another device's slow network
        (Faulted(APP, "1.0.1"), True),
        (Faulted("com.other.app"), True),
    ],
)
async def test_a_failure_that_this_node_brought_about_counts_for_nothing(tmp_path, fault, counts):
    async with facts(tmp_path) as (writer, table):
        failed = Failed(APP, device(1), "", "download_fail", prefix="192.0.2.1")
        await writer.record([Offered(APP, device(1), "1.0.0"), fault, failed])
        assert (table.look_up(APP, device(1)).failures != ()) is counts


async def test_offers_from_before_a_start_count_for_nothing(tmp_path):
    """What the node was in the middle of when it ended is its own fault."""
    async with facts(tmp_path) as (writer, _):
        await writer.record([Offered(APP, device(1), "1.0.0")])
    async with facts(tmp_path, clock=lambda: NOW + 60) as (writer, table):
        await writer.record([Failed(APP, device(1), "", "checksum_fail")])
        assert table.look_up(APP, device(1)).failures == ()
        await writer.record([Offered(APP, device(1), "1.0.0"), Failed(APP, device(1), "", "checksum_fail")])
        assert len(table.look_up(APP, device(1)).failures) == 1


async def test_nothing_is_written_for_what_changes_nothing(tmp_path):
    """A device that asks again and again, and reports of what was never offered."""
    async with facts(tmp_path) as (writer, _):
        await writer.record([Offered(APP, device(1), "1.0.0")])
        for action in CAUSES:
            await writer.record([Offered(APP, device(1), "1.0.0"), Failed(APP, device(2), "1.0.0", action)])
        assert len(logged(tmp_path)) == 1


@pytest.mark.parametrize("change", [Chose(APP, device(1), "beta"), Failed(APP, device(1), "1.0.0")])
async def test_a_change_waits_for_the_disk_and_is_not_seen_before(tmp_path, change):
    disk = Disk(opened=False)
    async with facts(tmp_path, sync=disk.sync) as (writer, table):
        await writer.record([Offered(APP, device(1), "1.0.0")])
        before = table.look_up(APP, device(1))
        recording = asyncio.create_task(writer.record([change]))
        await asyncio.to_thread(disk.reached.wait, 10)
        await turns()
        assert not recording.done()
        assert table.look_up(APP, device(1)) == before
        disk.opened.set()
        await recording
        assert table.look_up(APP, device(1)) != before


async def test_an_offer_does_not_wait_for_the_disk_but_gets_there(tmp_path):
    disk = Disk(opened=False)
    async with facts(tmp_path, sync=disk.sync) as (writer, table):
        await writer.record([Offered(APP, device(1), "1.0.0")])
        assert table.look_up(APP, device(1)).offered == (ONE,)
        assert len(logged(tmp_path)) == 1
        assert await asyncio.to_thread(disk.reached.wait, 10)
        disk.opened.set()


async def test_the_loop_thread_never_syncs(tmp_path):
    disk = Disk()
    async with facts(tmp_path, sync=disk.sync) as (writer, _):
        await writer.record([Chose(APP, device(1), "beta")])
        await writer.compact()
    assert disk.threads
    assert threading.main_thread() not in disk.threads


async def test_waiting_changes_share_one_sync(tmp_path):
    disk = Disk(opened=False)
    async with facts(tmp_path, sync=disk.sync) as (writer, table):
        calls = [asyncio.create_task(writer.record([Chose(APP, device(0), "beta")]))]
        await asyncio.to_thread(disk.reached.wait, 10)
        calls += [asyncio.create_task(writer.record([Chose(APP, device(n), "beta")])) for n in range(1, 101)]
        await turns()
        disk.opened.set()
        await asyncio.gather(*calls)
        assert len(disk.threads) == 2
        assert table.look_up(APP, device(100)).channel == name_hash("beta")


async def test_what_changes_nothing_is_not_written(tmp_path):
    async with facts(tmp_path) as (writer, _):
        await writer.record([Failed(APP, device(number), "1.0.0") for number in range(100)])
        await writer.record([Lifted(APP, device(1), "1.0.0"), Chose(APP, device(1), "")])
        assert logged(tmp_path) == []
        for _ in range(3):
            await writer.record([Offered(APP, device(1), "1.0.0")])
        assert len(logged(tmp_path)) == 1


async def test_a_failing_disk_fails_the_group_and_changes_nothing(tmp_path):
    disk = Disk()
    async with facts(tmp_path, sync=disk.sync) as (writer, table):
        await writer.record([Chose(APP, device(1), "beta")])
        disk.failing = True
        with pytest.raises(FactsFailed, match="disk is gone"):
            await writer.record([Chose(APP, device(1), "alpha"), Chose(APP, device(2), "alpha")])
        assert table.look_up(APP, device(1)).channel == name_hash("beta")
        assert table.look_up(APP, device(2)) == NO_FACTS
        disk.failing = False
        await writer.record([Chose(APP, device(2), "gamma")])
        model = Model()
        model.record([Chose(APP, device(1), "beta"), Chose(APP, device(2), "gamma")])
        assert model.differences(table) == {}
        assert differences_after_recovery(model, tmp_path, tmp_path.with_suffix(".copy")) == {}


async def test_too_many_changes_are_refused_at_once(tmp_path):
    disk = Disk(opened=False)
    async with facts(tmp_path, sync=disk.sync) as (writer, _):
        first = asyncio.create_task(writer.record([Chose(APP, device(0), "beta")]))
        await asyncio.to_thread(disk.reached.wait, 10)
        with pytest.raises(FactsFull):
            await writer.record([Chose(APP, device(1), "beta")] * facts_store.QUEUE_LIMIT_CHANGES)
        disk.opened.set()
        await first
        await writer.record([Chose(APP, device(1), "beta")])


async def test_a_cancelled_call_frees_its_place(tmp_path):
    disk = Disk(opened=False)
    many = [Chose(APP, device(number), "beta") for number in range(30_000)]
    async with facts(tmp_path, sync=disk.sync, capacity=50_000) as (writer, table):
        leaving = asyncio.create_task(writer.record(many))
        await asyncio.to_thread(disk.reached.wait, 10)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        disk.opened.set()
        await writer.record([Chose(APP, device(1), "alpha")])
        await writer.record(many)
        assert table.look_up(APP, device(29_999)).channel == name_hash("beta")


async def test_close_finishes_what_waits_and_refuses_the_rest(tmp_path):
    disk = Disk(opened=False)
    async with facts(tmp_path, sync=disk.sync) as (writer, table):
        waiting = asyncio.create_task(writer.record([Chose(APP, device(1), "beta")]))
        await asyncio.to_thread(disk.reached.wait, 10)
        closing = asyncio.create_task(writer.close())
        await turns()
        with pytest.raises(FactsClosed):
            await writer.record([Chose(APP, device(2), "beta")])
        disk.opened.set()
        await asyncio.gather(waiting, closing)
        assert table.look_up(APP, device(1)).channel == name_hash("beta")


async def test_there_is_one_writer(tmp_path):
    async with facts(tmp_path):
        with pytest.raises(FactsInUse):
            FactsWriter(tmp_path)
    async with facts(tmp_path):
        pass


async def test_facts_survive_starts_and_readers_follow(tmp_path):
    model = Model()
    changes = [Offered(APP, device(number), "1.0.0") for number in range(300)]
    changes += [Failed(APP, device(number), "1.0.0") for number in range(0, 300, 3)]
    early = FactsTable(tmp_path / "facts.table")
    for some in (changes[:100], changes[100:350], changes[350:], []):
        async with facts(tmp_path) as (writer, table):
            await writer.record(some)
            model.record(some)
            assert model.differences(table) == {}
            assert model.differences(early) == {}
    early.close()


async def test_compaction_empties_the_log_and_keeps_the_facts(tmp_path):
    model = Model()
    async with facts(tmp_path) as (writer, table):
        for round_ in range(3):
            changes = [Chose(APP, device(number), f"channel{round_}") for number in range(round_, 200)]
            await writer.record(changes)
            model.record(changes)
            await writer.compact()
            assert logged(tmp_path) == []
            assert model.differences(table) == {}
            assert differences_after_recovery(model, tmp_path, tmp_path.with_suffix(".copy")) == {}


async def test_a_log_never_grows_far_beyond_its_limit(tmp_path):
    model = Model()
    async with facts(tmp_path, log_limit_slots=50, capacity=5000) as (writer, table):
        for first in range(0, 3000, 30):
            changes = [Chose(APP, device(number), "beta") for number in range(first, first + 30)]
            await writer.record(changes)
            model.record(changes)
        assert log_number(list_logs(tmp_path)[-1]) > 3
        await writer.compact()
        await writer.record([Chose(APP, device(1), "alpha")])
        model.record([Chose(APP, device(1), "alpha")])
        assert len(logged(tmp_path)) == 1
        assert writer.condition.compaction_failures == 0
        assert model.differences(table) == {}
    assert differences_after_recovery(model, tmp_path, tmp_path.with_suffix(".copy"), 5000) == {}


async def test_the_log_is_counted_across_starts(tmp_path):
    async with facts(tmp_path) as (writer, _):
        await writer.record([Chose(APP, device(number), "beta") for number in range(100)])
    async with facts(tmp_path, log_limit_slots=50) as (writer, _):
        await writer.record([Chose(APP, device(1), "alpha")])
    assert len(logged(tmp_path)) <= 1


async def test_an_erased_device_leaves_no_trace(tmp_path):
    async with facts(tmp_path, capacity=5000) as (writer, table):
        await writer.record([Offered(APP, device(number), "1.0.0") for number in range(50)])
        await writer.record([Failed(APP, device(7), "1.0.0"), Chose(APP, device(7), "beta")])
        key = key_of(APP, device(7), writer.seed)
        assert key in bytes_on_disk(tmp_path)
        await writer.record([Erased(APP, device(7))])
        assert table.look_up(APP, device(7)) == NO_FACTS
        assert key not in (tmp_path / "facts.table").read_bytes()
        await writer.compact()
        assert key not in bytes_on_disk(tmp_path)
        assert table.look_up(APP, device(8)).offered == (ONE,)


async def test_no_app_and_no_device_is_ever_written_by_name(tmp_path):
    async with facts(tmp_path) as (writer, _):
        await writer.record([Offered(APP, device(7), "1.0.0"), Chose(APP, device(7), "beta")])
        content = bytes_on_disk(tmp_path)
        assert not any(word.encode() in content for word in (APP, device(7), "beta", "1.0.0"))


async def test_the_log_forgets_an_erased_device_by_itself(tmp_path):
    clock = Clock()
    async with facts(tmp_path, clock=clock) as (writer, _):
        await writer.record([Chose(APP, device(7), "beta"), Erased(APP, device(7))])
        key = key_of(APP, device(7), writer.seed)
        clock.now += ERASURE_SECONDS
        assert key in bytes_on_disk(tmp_path)
        await writer.record([Chose(APP, device(8), "beta")])
    assert key not in bytes_on_disk(tmp_path)


async def test_an_evicted_device_that_is_erased_does_not_return_from_the_log(tmp_path):
    clock = Clock()
    async with facts(tmp_path, capacity=1, clock=clock) as (writer, table):
        await writer.record([Chose(APP, device(number), "beta") for number in range(1, SLOTS)])
        await writer.compact()
        clock.now -= 86_400
        await writer.record([Chose(APP, device(0), "beta")])
        clock.now += 86_400
        await writer.record([Chose(APP, device(SLOTS), "beta")])
        assert (sum(writer.condition.evicted.values()), table.look_up(APP, device(0))) == (1, NO_FACTS)
        await writer.record([Erased(APP, device(number)) for number in range(10)])
    async with facts(tmp_path, capacity=1, clock=clock) as (writer, table):
        assert table.look_up(APP, device(0)) == NO_FACTS
        assert table.look_up(APP, device(SLOTS)).channel == name_hash("beta")


async def test_a_damaged_table_is_put_aside_and_the_log_still_counts(tmp_path):
    async with facts(tmp_path) as (writer, _):
        await writer.record([Chose(APP, device(1), "beta")])
    path = tmp_path / "facts.table"
    path.write_bytes(b"\0" * 9000)
    async with facts(tmp_path) as (writer, table):
        assert len(writer.problems) == 1
        assert table.look_up(APP, device(1)).channel == name_hash("beta")
    assert path.with_suffix(".table.damaged").stat().st_size == 9000


async def test_damage_in_the_log_is_counted_and_said_once(tmp_path, caplog):
    async with facts(tmp_path / "live") as (writer, _):
        await writer.record([Chose(APP, device(number), "beta") for number in range(40)])
        shutil.copytree(tmp_path / "live", tmp_path / "killed")
    (path,) = (tmp_path / "killed").glob("*.log")
    content = bytearray(path.read_bytes())
    content[20 * SLOT_BYTES + 7] ^= 1
    path.write_bytes(content)
    (tmp_path / "killed" / "facts.table").unlink()
    async with facts(tmp_path / "killed") as (writer, table):
        assert sum(table.look_up(APP, device(number)) != NO_FACTS for number in range(40)) == 39
        assert writer.condition.damaged_slots == 1
        (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert f"1 record of {path} cannot be read" in said
        await writer.compact()
    async with facts(tmp_path / "killed") as (writer, _):
        assert (writer.condition.damaged_slots, writer.problems) == (0, ())


async def test_a_missing_table_is_made_from_the_log(tmp_path):
    async with facts(tmp_path) as (writer, _):
        await writer.record([Chose(APP, device(1), "beta")])
    (tmp_path / "facts.table").unlink()
    async with facts(tmp_path) as (writer, table):
        assert table.look_up(APP, device(1)).channel == name_hash("beta")


async def test_a_later_releases_table_is_left_alone(tmp_path):
    async with facts(tmp_path):
        pass
    path = tmp_path / "facts.table"
    newer = path.read_bytes()[:8] + b"\x03" + path.read_bytes()[9:]
    path.write_bytes(newer)
    for _ in range(2):  # the lock is free again
        with pytest.raises(NewerFacts):
            FactsWriter(tmp_path)
    assert path.read_bytes() == newer


async def test_logs_that_belong_to_no_table_are_said_and_passed_over(tmp_path):
    async with facts(tmp_path / "a") as (writer, _):
        await writer.record([Chose(APP, device(1), "beta")])
    async with facts(tmp_path / "b"):
        pass
    os.rename(tmp_path / "a" / "facts.table", tmp_path / "b" / "facts.table")
    (tmp_path / "b" / "000000000009.log").write_bytes(b"nothing")
    async with facts(tmp_path / "b") as (writer, table):
        assert len(writer.problems) == 2
        await writer.record([Chose(APP, device(2), "beta")])
        assert table.look_up(APP, device(2)).channel == name_hash("beta")


async def test_a_compaction_that_fails_keeps_the_log(tmp_path):
    model = Model()
    async with facts(tmp_path) as (writer, table):
        changes = [Chose(APP, device(number), "beta") for number in range(100)]
        await writer.record(changes)
        model.record(changes)
        writer.table_path.rename(tmp_path / "away")
        with pytest.raises(FactsFailed):
            await writer.compact()
        assert writer.condition.compaction_failures == 1
        assert len(logged(tmp_path)) == 100
        (tmp_path / "away").rename(writer.table_path)
        await writer.compact()  # writes the whole table anew: what the failed sync left on the disk is unknown
        assert logged(tmp_path) == []
        assert model.differences(table) == {}
        assert differences_after_recovery(model, tmp_path, tmp_path.with_suffix(".copy")) == {}


async def test_what_an_interrupted_migration_of_an_earlier_release_left_is_removed(tmp_path):
    (tmp_path / "facts.table.bringing-up").write_bytes(b"half a table")
    writer = FactsWriter(tmp_path, capacity=100)
    await writer.close()
    assert not (tmp_path / "facts.table.bringing-up").exists() and writer.problems == ()
