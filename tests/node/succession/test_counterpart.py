"""Two processes of a node, over a real socket: each does what the other may not."""

import asyncio
import socket

import pytest
from factories import APP, DEVICE

from edge.domain.errors import Unavailable
from edge.facts.changes import Chose, Withheld
from edge.node.succession.counterpart import Counterpart, Joined, Taken
from edge.store.releases import Head

HEADS = {APP: Head(revision=3, digest="d")}


class Side:
    """One process: what it was asked to store and to serve."""

    def __init__(self, full=False):
        self.full = full
        self.recorded, self.announced = [], []
        self.counterpart = Counterpart(self.record, self.announce)

    async def record(self, changes):
        if self.full:
            raise Unavailable("facts_full", "no room")
        self.recorded += changes
        return [Withheld(APP, DEVICE, 7, 1)] if len(changes) == 2 else []

    async def announce(self, heads, source):
        assert source is self.counterpart
        self.announced.append(heads)


@pytest.fixture
async def sides():
    old, new = Side(), Side()
    ends = socket.socketpair()
    for side, end in zip((old, new), ends, strict=True):
        await side.counterpart.connect(end)
    yield old, new
    await old.counterpart.close()
    await new.counterpart.close()


async def test_changes_are_stored_by_the_other(sides):
    old, new = sides
    change = Chose(APP, DEVICE, "beta")
    assert await old.counterpart.record([change]) == []
    assert new.recorded == [change] and old.recorded == []
    assert len(await new.counterpart.record([change, change])) == 1
    new.full = True
    with pytest.raises(Unavailable) as refused:
        await old.counterpart.record([change])
    assert refused.value.code == "facts_full"


async def test_heads_are_announced_once_the_other_serves(sides):
    old, new = sides
    await old.counterpart.announce(HEADS)
    assert new.announced == []
    old.counterpart.serves = True
    await old.counterpart.announce(HEADS)
    assert new.announced == [HEADS]


async def test_what_is_said_is_heard_in_order_and_before_the_end(sides):
    old, new = sides
    new.counterpart.say(Joined())
    new.counterpart.say(Taken())
    await new.counterpart.close()
    heard = [await old.counterpart.hear(30.0) for _ in range(3)]
    assert heard == [Joined(), Taken(), None]


async def test_who_is_gone_stores_nothing_and_keeps_nobody_waiting(sides):
    old, new = sides
    old.counterpart.serves = True
    await new.counterpart.close()
    await old.counterpart.gone.wait()
    with pytest.raises(Unavailable, match="does not answer"):
        await old.counterpart.record([Chose(APP, DEVICE, "beta")])
    await old.counterpart.announce(HEADS)


async def test_nobody_waits_for_ever(sides):
    with pytest.raises(TimeoutError):
        await sides[0].counterpart.hear(0.0)


async def test_what_cannot_be_understood_ends_the_talk(caplog):
    ours, theirs = socket.socketpair()
    side = Side()
    await side.counterpart.connect(ours)
    with theirs:
        theirs.sendall(b"\0\0\0\x05nonse")
        async with asyncio.timeout(60):
            await side.counterpart.gone.wait()
    assert "cannot be understood" in caplog.text
    await side.counterpart.close()
