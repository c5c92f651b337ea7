"""What was acknowledged is there again, whatever ends the writer: a kill at any moment, or the power."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from facts_world import APP, NOW, Model, device, differences_after_recovery, no_sync
from places import WORLDS

from edge.facts.changes import Chose, Erased, Failed, Installed, Lifted, Offered
from edge.facts.log import list_logs
from edge.facts.slot import PAGE_BYTES
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter

SECTOR_BYTES = 512  # what a disk writes whole
CAPACITY = 50_000
KILLS = 8


def changes_of(step: int) -> list:
    """The calls of a deterministic history, each of some changes to devices that are touched again and again."""
    pick = random.Random(step)
    kinds = [Offered, Offered, Failed, partial(Failed, action="checksum_fail"), Installed, Lifted, Chose]
    numbers = [pick.randrange(60) if pick.random() < 0.5 else pick.randrange(20_000) for _ in range(pick.randrange(30))]
    changes = [pick.choice(kinds)(APP, device(number), f"1.0.{pick.randrange(3)}") for number in numbers]
    return changes + [Erased(APP, device(number)) for number in numbers[:2] if step % 5 == 0]


WRITER = """
import asyncio, sys
sys.path[:0] = {tests!r}
from pathlib import Path
from test_facts_crash import *
async def main():
    writer = FactsWriter(Path({directory!r}), capacity=CAPACITY, log_limit_slots=2000, clock=lambda: NOW)
    for step in range({first}, 1_000_000):
        await writer.record(changes_of(step))
        print(step, flush=True)
asyncio.run(main())
"""


def killed_writer(directory: Path, first: int, wanted: int) -> int:
    """Let a writer go on from a step and kill it some time after it acknowledged `wanted` more: its last word."""
    script = WRITER.format(tests=[str(Path(__file__).parent), str(WORLDS)], directory=str(directory), first=first)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path.cwd()) as writer:
        last = first - 1
        while last < first + wanted:
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        words = writer.stdout.read().split(b"\n")[:-1]
    return int(words[-1]) if words else last


@pytest.mark.long
def test_what_was_acknowledged_survives_kills_at_any_moment(tmp_path):
    model, pick, step = Model(), random.Random(8), 0
    table = FactsTable(tmp_path / "facts.table")
    for _ in range(KILLS):
        last = killed_writer(tmp_path, step, pick.randrange(1, 300))
        for acknowledged in range(step, last + 1):
            model.record(changes_of(acknowledged))
        unsure = {change.device for change in changes_of(last + 1)}  # the call that may have happened
        assert [key for key in model.differences(table) if key[1] not in unsure] == []  # to every reader, at once
        lost = differences_after_recovery(model, tmp_path, tmp_path.with_suffix(".copy"), CAPACITY)
        assert [key for key in lost if key[1] not in unsure] == []
        step = last + 1  # the next writer makes that call again: it is the same whether it happened or not
        for change in changes_of(step):
            model.facts.pop((APP, change.device), None)
        forget(tmp_path, {change.device for change in changes_of(step)})
    assert step > 500
    assert len(model.facts) > 3000
    table.close()


def forget(directory: Path, devices: set[str]) -> None:
    """Make it certain again what is known of the devices of an unsure call: nothing."""

    async def erase() -> None:
        writer = FactsWriter(directory, capacity=CAPACITY, clock=lambda: NOW, sync=no_sync)
        assert writer.problems == ()
        await writer.record([Erased(APP, name) for name in devices])
        await writer.close()

    asyncio.run(erase())


async def test_a_power_cut_leaves_any_mix_of_sectors_and_nothing_is_lost(tmp_path):
    directory = tmp_path / "facts"
    model, moments = Model(), []
    writer = FactsWriter(directory, capacity=100, clock=lambda: NOW, sync=no_sync)
    for step in range(40):
        changes = [
            type(change)(APP, device(int(change.device[:8], 16) % 90), *fields_of(change))
            for change in changes_of(step)
        ]
        await writer.record(changes)
        model.record(changes)
        if step == 20:
            await writer.compact()
        if step >= 20:
            moments.append(writer.table_path.read_bytes())
    await writer.close()
    assert len(list_logs(directory)) == 1
    assert sum(writer.condition.evicted.values()) == 0
    for seed in range(40):
        pick = random.Random(seed)
        writer.table_path.write_bytes(mixed(moments, pick))
        assert differences_after_recovery(model, directory, tmp_path / "copy", 100) == {}


def fields_of(change) -> list[str]:
    return [getattr(change, name) for name in change.__struct_fields__[2:]]


def mixed(moments: list[bytes], pick: random.Random) -> bytes:
    """A table of which every sector was last written at some moment of its own; half of them at the first or last."""
    ends = moments[0], moments[-1]
    header = moments[0][:PAGE_BYTES]
    return header + b"".join(
        pick.choice(pick.choice([moments, ends]))[at : at + SECTOR_BYTES]
        for at in range(PAGE_BYTES, len(moments[0]), SECTOR_BYTES)
    )
