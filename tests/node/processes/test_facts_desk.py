"""Where changes of facts go while their writer moves: nothing is lost, and two never write."""

import asyncio
import os

import pytest

from edge.domain.errors import Unavailable
from edge.domain.facts import name_hash
from edge.facts.changes import Chose, Withheld
from edge.facts.recovery import FactsInUse
from edge.facts.table import FactsTable
from edge.node.processes.facts_desk import FactsDesk

APP, DEVICE = "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51"


def opened(folder) -> FactsDesk:
    desk = FactsDesk(folder)
    desk.open()
    desk.begin()
    return desk


def chosen(folder) -> int:
    table = FactsTable(folder / "facts.table")
    try:
        return table.look_up(APP, DEVICE).channel
    finally:
        table.close()


async def test_a_change_waits_while_the_writer_moves(tmp_path):
    desk = opened(tmp_path)
    await desk.release()
    waiting = asyncio.create_task(desk.record([Chose(APP, DEVICE, "beta")]))
    await asyncio.sleep(0)
    assert not waiting.done() and not desk.is_open
    desk.open()
    desk.begin()
    await waiting
    assert chosen(tmp_path) == name_hash("beta")
    await desk.close()


async def test_a_successor_writes_with_the_inherited_lock_and_a_third_never_can(tmp_path):
    old = opened(tmp_path)
    new = FactsDesk(tmp_path, inherited_lock=os.dup(old.lock))
    await old.record([Chose(APP, DEVICE, "beta")])
    await old.release()
    with pytest.raises(FactsInUse):
        FactsDesk(tmp_path)
    new.open()
    new.begin()
    old.send_to(new.record)
    await old.record([Chose(APP, DEVICE, "gamma")])
    await old.close()
    assert chosen(tmp_path) == name_hash("gamma")
    with pytest.raises(FactsInUse):
        FactsDesk(tmp_path)
    await old.record([Chose(APP, DEVICE, "delta")])  # what still drains, after the lock is closed here
    assert chosen(tmp_path) == name_hash("delta")
    await new.close()
    await opened(tmp_path).close()


async def test_more_than_may_wait_is_refused_at_once(tmp_path):
    desk = FactsDesk(tmp_path, waiting_limit=1)
    first = asyncio.create_task(desk.record([Chose(APP, DEVICE, "beta")]))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="is moving"):
        await desk.record([Chose(APP, DEVICE, "gamma")])
    heard = []

    async def elsewhere(changes) -> list[Withheld]:
        heard.extend(changes)
        return []

    desk.send_to(elsewhere)
    await first
    assert heard == [Chose(APP, DEVICE, "beta")]
    await desk.close()


async def test_a_writer_that_moves_for_too_long_is_not_waited_for(tmp_path):
    desk = FactsDesk(tmp_path, moving_seconds=0.0)
    with pytest.raises(Unavailable, match="is moving"):
        await desk.record([Chose(APP, DEVICE, "beta")])
    with pytest.raises(Unavailable):
        await desk.lift_all(APP, "1.0.0", 0.0, dry_run=False)
    await desk.close()
