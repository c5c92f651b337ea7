"""A bundle is lifted from all devices of one app, however many, and from no other app's."""

import asyncio

import pytest
from facts_world import APP, NOW, bytes_on_disk, device, no_sync

from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS, name_hash
from edge.facts.changes import Chose, Erased, Failed, Lifted, Offered
from edge.facts.slot import key_of
from edge.facts.table import FactsTable
from edge.facts.withholdings import Withholding, Withholdings, app_hash, find_withheld
from edge.facts.writer import LIFT_STEP, FactsWriter

OTHER_APP = "com.acme.other"
HOUR = 3_600.0


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def withheld(app, number, version="1.0.1"):
    return [Offered(app, device(number), version), Failed(app, device(number), version)]


def failing(table, app, numbers):
    return [number for number in numbers if table.look_up(app, device(number)).failures]


async def lifted(writer, version="1.0.1", since=0.0, dry_run=False):
    return await writer.lift_all(APP, version, since, dry_run=dry_run)


async def test_all_devices_of_the_app_are_lifted_and_no_others(tmp_path):
    writer, table = FactsWriter(tmp_path, sync=no_sync), FactsTable(tmp_path / "facts.table")
    for number in range(20):
        await writer.record(withheld(APP, number) + withheld(OTHER_APP, number))
        await writer.record(withheld(APP, number, "1.0.2"))
    assert await lifted(writer, dry_run=True) == 20
    assert len(table.look_up(APP, device(3)).failures) == 2
    assert await lifted(writer) == 20
    assert {failure.bundle for failure in table.look_up(APP, device(3)).failures} == {name_hash("1.0.2")}
    assert failing(table, OTHER_APP, range(20)) == list(range(20))
    assert await lifted(writer) == 0
    await writer.close()


async def test_lifting_takes_steps_between_which_devices_have_their_turn(tmp_path):
    writer, table = FactsWriter(tmp_path, sync=no_sync), FactsTable(tmp_path / "facts.table")
    many = range(2 * LIFT_STEP + 5)
    await writer.record([change for number in many for change in withheld(APP, number)])
    lifting = asyncio.create_task(lifted(writer))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="being lifted"):
        await lifted(writer)
    await writer.record([Chose(APP, device(0), "beta")])
    assert await lifting == len(many)
    assert failing(table, APP, many) == []
    assert table.look_up(APP, device(0)).channel == name_hash("beta")
    await writer.close()


async def test_only_what_was_withheld_since_is_lifted(tmp_path):
    clock = Clock()
    writer, table = FactsWriter(tmp_path, sync=no_sync, clock=clock), FactsTable(tmp_path / "facts.table")
    await writer.record(withheld(APP, 1))
    clock.now += 3 * HOUR
    await writer.record(withheld(APP, 2))
    assert await lifted(writer, since=clock.now - HOUR) == 1
    assert failing(table, APP, (1, 2)) == [1]
    await writer.close()


async def test_the_list_outlives_restarts_and_compactions_and_forgets_what_is_gone(tmp_path):
    writer = FactsWriter(tmp_path, sync=no_sync)
    await writer.record(withheld(APP, 1) + withheld(APP, 2) + withheld(APP, 3))
    await writer.close()
    writer, table = FactsWriter(tmp_path, sync=no_sync), FactsTable(tmp_path / "facts.table")
    await writer.record([*withheld(APP, 4), Erased(APP, device(2)), Lifted(APP, device(3), "1.0.1")])
    await writer.compact()
    key = key_of(APP, device(2), writer.seed)
    assert table.look_up(APP, device(2)) == NO_FACTS and key not in bytes_on_disk(tmp_path)
    assert await lifted(writer, dry_run=True) == 2
    await writer.record(withheld(APP, 5))
    await writer.close()
    writer = FactsWriter(tmp_path, sync=no_sync)
    assert await lifted(writer) == 3
    await writer.close()


async def test_what_was_withheld_again_is_lifted_again(tmp_path):
    writer = FactsWriter(tmp_path, sync=no_sync)
    for _ in range(3):
        await writer.record(withheld(APP, 1))
        assert await lifted(writer) == 1
    await writer.close()


async def test_a_list_that_cannot_be_written_refuses_the_failure(tmp_path):
    """As a full disk does: the device keeps its report, and nothing is withheld that could not be lifted."""
    writer, table = FactsWriter(tmp_path, sync=no_sync), FactsTable(tmp_path / "facts.table")
    (tmp_path / "000000000001.new").mkdir()
    with pytest.raises(Unavailable):
        await writer.record(withheld(APP, 1))
    assert failing(table, APP, [1]) == []
    (tmp_path / "000000000001.new").rmdir()
    await writer.record(withheld(APP, 1))
    assert await lifted(writer) == 1
    await writer.close()


def a_record(number, app=APP, at=int(NOW)):
    return Withholding(key_of(app, device(number), 7), app_hash(app), name_hash("1.0.1"), at)


def found(directory, seed=7, is_withheld=lambda key, bundle: True):
    keys = {key_of(APP, device(number), 7): number for number in range(100)}
    return sorted(keys[key] for key in find_withheld(directory, seed, APP, name_hash("1.0.1"), is_withheld))


def test_a_torn_record_is_skipped_and_a_file_of_another_table_is_not_read(tmp_path):
    listed = Withholdings(tmp_path, 7, sync=no_sync)
    listed.append([a_record(1), a_record(2), a_record(3)])
    listed.close()
    (path,) = tmp_path.glob("*.withheld")
    content = bytearray(path.read_bytes())
    content[36 + 36 + 5] ^= 1
    path.write_bytes(content[:-1])
    assert found(tmp_path) == [1]
    assert found(tmp_path, seed=8) == []


def test_tidying_keeps_the_newest_up_to_the_limit_in_one_file(tmp_path):
    listed = Withholdings(tmp_path, 7, sync=no_sync)
    for number in range(30):
        listed.append([a_record(number)])
        if number % 10 == 0:
            listed.begin_next()
    number = listed.begin_next()
    listed.append([a_record(30)])  # while another thread tidies
    listed.tidy(number, lambda key, bundle: key != a_record(29).key, limit=5)
    assert found(tmp_path) == [25, 26, 27, 28, 30]
    assert len(list(tmp_path.glob("*.withheld"))) == 2
    listed.close()


def test_app_hashes_are_what_they_always_were():
    assert app_hash("com.acme.shop") == 0x3AF478AB9B741A2E
