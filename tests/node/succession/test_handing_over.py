"""A successor that fails at each step of a change-over: the old process has everything back, and writes again."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import pytest
from factories import APP, DEVICE

from edge.domain.errors import Unavailable
from edge.facts.changes import Chose
from edge.node.processes.duties import NodeDuties
from edge.node.processes.facts_desk import FactsDesk
from edge.node.succession.counterpart import CHANGE_OVER_FORMAT, Counterpart
from edge.node.succession.door import Restarted
from edge.node.succession.estate import Estate
from edge.node.succession.handing_over import CannotRestart, HandingOver

# A real process that says what a successor says, up to a step.
SUCCESSOR = """
import json, os, socket, sys
from edge.node.processes.link import frame_of
from edge.node.succession.counterpart import Joined, Refused, Serving, Taken

link = socket.socket(fileno=json.loads(os.environ["EDGE_SUCCESSION"])["link"])

def say(message):
    link.sendall(frame_of(message))

def hear():
    length = int.from_bytes(link.recv(4, socket.MSG_WAITALL), "big")
    return link.recv(length, socket.MSG_WAITALL)

end = sys.argv[1]
if end == "at once":
    sys.exit(1)
say(Joined())
hear()
if end == "refuses":
    say(Refused("no room"))
    hear()
say(Serving(os.getpid(), "2.0.0"))
hear()
if end == "after it was given the node":
    os._exit(1)
if end == "silent":
    hear()
say(Taken())
hear()
"""


class World:
    def __init__(self, folder):
        self.desk = FactsDesk(folder)
        self.desk.open()
        self.desk.begin()
        self.doing = asyncio.Event()
        self.duties = NodeDuties(duty=self.duty)

    async def duty(self):
        self.doing.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.doing.clear()

    def counterpart(self):
        async def announce(heads, source):
            return None

        return Counterpart(self.desk.record, announce)

    def estate(self, link):
        # The ports are of no interest here: any descriptor will do.
        lock = self.desk.lock
        where = {"data_dir": "", "devices_address": ("", 1), "control_address": ("", 2)}
        numbers = {"link": link, "devices": lock, "control": lock, "lock": lock}
        return Estate(format=CHANGE_OVER_FORMAT, managed=(), predecessor=os.getpid(), **numbers, **where)

    def handing(self, end, **limits):
        command = (sys.executable, "-c", SUCCESSOR, end)
        return HandingOver(self.desk, self.duties, self.counterpart, self.estate, command, **limits)


@asynccontextmanager
async def a_node(folder):
    world = World(folder)
    world.duties.begin()
    running = asyncio.create_task(world.duties.run())
    await world.doing.wait()
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await world.desk.close()


FAILURES = {
    "at once": ({}, "ended before it could start"),
    "refuses": ({}, "no room"),
    "after it was given the node": ({}, "ended before it could take the node"),
    "silent": ({"take_seconds": 0.0}, "did not take the node within 0 s"),
}


@pytest.mark.parametrize(("end", "failure"), FAILURES.items(), ids=FAILURES)
async def test_who_fails_gives_everything_back(tmp_path, end, failure):
    limits, reason = failure
    async with a_node(tmp_path) as world:
        handing = world.handing(end, **limits)
        with pytest.raises(CannotRestart, match=reason):
            await handing.restart()
        assert world.desk.is_open and not handing.is_busy and not handing.is_over.is_set()
        await world.doing.wait()
        await world.desk.record([Chose(APP, DEVICE, "beta")])


async def test_a_successor_that_never_starts_is_not_waited_for(tmp_path):
    async with a_node(tmp_path) as world:
        with pytest.raises(CannotRestart, match="did not start within 0 s"):
            await world.handing("silent", start_seconds=0.0).restart()
        await world.desk.record([Chose(APP, DEVICE, "beta")])


async def test_a_command_that_cannot_be_started_says_why(tmp_path):
    async with a_node(tmp_path) as world:
        handing = HandingOver(world.desk, world.duties, world.counterpart, world.estate, ("/no/such/program",))
        with pytest.raises(CannotRestart, match="/no/such/program: No such file"):
            await handing.restart()
        assert not handing.is_busy and world.desk.is_open


async def test_after_the_change_over_another_process_writes(tmp_path):
    async with a_node(tmp_path) as world:
        handing = world.handing("never")
        restarted = await handing.restart()
        assert restarted == Restarted(restarted.pid, "2.0.0")
        assert handing.is_over.is_set() and not world.desk.is_open and not world.doing.is_set()
        await handing.counterpart.close()  # the successor hears that, and ends
        with pytest.raises(Unavailable):
            await world.desk.record([Chose(APP, DEVICE, "beta")])
        assert await asyncio.to_thread(handing.successor.wait) == 0
