"""Device facts on a full disk: they are read, changes are refused and none is lost, and writing goes on with room."""

import pytest
from facts_world import APP, NOW, a_slot, device, full_of
from small_disk import a_small_disk

from edge.domain.errors import OutOfRoom
from edge.domain.facts import name_hash
from edge.facts.changes import Chose
from edge.facts.pages import FactPages, create_pages
from edge.facts.slot import SLOTS
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter
from edge.store.disk.room import DiskFull

SEED = 77


@pytest.fixture
def disk(tmp_path):
    with a_small_disk(tmp_path / "disk") as mounted:
        yield mounted


def writer(disk):
    return FactsWriter(disk.path / "facts", clock=lambda: NOW)


def channel_of(disk, number):
    return FactsTable(disk.path / "facts" / "facts.table").look_up(APP, device(number)).channel


async def refused(facts, numbers):
    with pytest.raises(OutOfRoom) as caught:
        await facts.record([Chose(APP, device(number), "beta") for number in numbers])
    assert (caught.value.code, caught.value.status) == ("storage_full", 507)


async def test_facts_start_on_a_full_disk_refuse_and_go_on_when_there_is_room(disk):
    facts = writer(disk)
    await facts.record([Chose(APP, device(1), "beta")])
    await facts.close()
    disk.fill()
    facts = writer(disk)
    assert channel_of(disk, 1) == name_hash("beta")
    await refused(facts, [2])
    assert channel_of(disk, 2) == 0
    disk.make_room()
    await facts.record([Chose(APP, device(3), "beta")])
    await facts.close()
    facts = writer(disk)
    assert [channel_of(disk, number) for number in (1, 2, 3)] == [name_hash("beta"), 0, name_hash("beta")]
    await facts.close()


async def test_a_disk_that_fills_loses_no_change_that_was_acknowledged(disk):
    facts = writer(disk)
    disk.fill()
    known = 0
    with pytest.raises(OutOfRoom):
        while True:
            await facts.record([Chose(APP, device(known), "beta")])
            known += 1
    disk.make_room()
    await facts.record([Chose(APP, device(known), "beta")])
    await facts.close()
    facts = writer(disk)
    assert all(channel_of(disk, number) == name_hash("beta") for number in range(known + 1))
    await facts.close()


def test_a_table_that_cannot_grow_for_lack_of_room_refuses_and_evicts_nobody(disk):
    path = disk.path / "facts.table"
    create_pages(path, 10_000, SEED)
    pages = FactPages(path, 10_000)
    disk.fill()
    put = 0
    with pytest.raises(DiskFull):
        while True:
            slot = a_slot(put, full_of(put + 1, put))
            pages.prepare([slot])
            pages.put(slot)
            put += 1
    assert put >= SLOTS and pages.evicted.total() == 0
    pages.prepare([a_slot(0, full_of(9, 9))])  # a device that has its place needs no room
    disk.make_room()
    before = pages.pages
    pages.prepare([a_slot(put, full_of(1, 1))])
    assert pages.pages == 2 * before and pages.growth_failures == 0
    pages.close()


async def test_facts_start_read_only_and_refuse(disk):
    facts = writer(disk)
    await facts.record([Chose(APP, device(1), "beta")])
    await facts.compact()
    await facts.close()
    disk.seal()
    facts = writer(disk)
    assert channel_of(disk, 1) == name_hash("beta")
    with pytest.raises(OutOfRoom) as caught:
        await facts.record([Chose(APP, device(2), "beta")])
    assert caught.value.code == "storage_read_only"
    assert channel_of(disk, 2) == 0
    await facts.close()
