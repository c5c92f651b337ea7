"""How `edge restart` reaches the node of a directory."""

import asyncio
import os
import socket
import stat

import pytest

from edge.domain.errors import Conflict
from edge.node.succession.door import DOOR_NAME, RestartDoor, Restarted, ask_to_restart


@pytest.fixture
def node_dir(tmp_path):
    # Longer than the address of a Unix socket may be.
    folder = tmp_path / ("n" * 120) / "node"
    folder.mkdir(parents=True)
    return folder


async def restarted():
    return Restarted(pid=7, version="1.0.0")


async def refused():
    raise Conflict("cannot_start", "no room")


async def asked(node_dir):
    return await asyncio.to_thread(ask_to_restart, node_dir)


async def test_the_caller_hears_how_it_went(node_dir):
    for restart in (restarted, refused):
        door = RestartDoor(node_dir, restart)
        await door.open()
        assert stat.S_IMODE((node_dir / DOOR_NAME).stat().st_mode) == 0o600
        if restart is restarted:
            assert await asked(node_dir) == Restarted(pid=7, version="1.0.0")
        else:
            with pytest.raises(Conflict, match="no room"):
                await asked(node_dir)
        await door.close()
        assert not (node_dir / DOOR_NAME).exists()


async def test_a_door_that_nobody_answers_means_that_no_node_runs(node_dir):
    with pytest.raises(Conflict, match="no node runs"):
        await asked(node_dir)
    left = RestartDoor(node_dir, restarted)
    await left.open()
    left._server.close()  # as a killed process leaves it
    with pytest.raises(Conflict, match="no node runs"):
        await asked(node_dir)


async def test_a_successors_door_takes_the_place_and_stays(node_dir):
    old, new = RestartDoor(node_dir, refused), RestartDoor(node_dir, restarted)
    await old.open()
    await new.open()
    await old.close()
    assert await asked(node_dir) == Restarted(pid=7, version="1.0.0")
    await new.close()


async def test_anything_but_the_question_is_refused(node_dir):
    door = RestartDoor(node_dir, restarted)
    await door.open()
    for question in (b"stop\n", b"restart", b"x" * 100_000):
        answer = await asyncio.to_thread(say, node_dir, question)
        assert b"unknown_question" in answer
    await door.close()


def say(node_dir, question: bytes) -> bytes:
    folder = os.open(node_dir, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.connect(f"/proc/self/fd/{folder}/{DOOR_NAME}")
            caller.sendall(question)
            caller.shutdown(socket.SHUT_WR)
            with caller.makefile("rb") as answer:
                return answer.read()
    finally:
        os.close(folder)
