"""Transfers in turns: none sends more than its turn while others wait, none is left out, nothing stays behind."""

import asyncio
import errno
import os
import socket
from contextlib import contextmanager

import pytest

from edge.node.delivery.pace import Patience, Stalled
from edge.node.delivery.turns import CALL_BYTES, LOOKS, ROUND_BYTES, TURN_BYTES, Altered, Transfer, TransferQueue

LARGE_BYTES = 64 * 1024 * 1024  # more than any kernel holds for a peer that does not read


class Channel:
    """What a transfer asks of its transport."""

    def __init__(self):
        self.closing = False
        self.buffered = 0

    def is_closing(self):
        return self.closing

    def get_write_buffer_size(self):
        return self.buffered


class Loop:
    """An event loop by hand: `turn` runs what is due now, and a writable descriptor's callback."""

    def __init__(self):
        self.soon, self.writers, self.timers, self.now = [], {}, [], 100.0
        self.unwatchable = set()

    def time(self):
        return self.now

    def call_soon(self, work, *arguments):
        self.soon.append((work, arguments))

    def call_at(self, when, work):
        timer = Timer(when, work)
        self.timers.append(timer)
        return timer

    def add_writer(self, number, work, *arguments):
        if number in self.unwatchable:
            raise OSError(errno.ENOSPC, "no room for another watched descriptor")
        assert number not in self.writers, "one registration serves the whole transfer"
        self.writers[number] = (work, arguments)

    def remove_writer(self, number):
        return self.writers.pop(number, None) is not None

    def turn(self):
        due, self.soon = self.soon, []
        for work, arguments in due:
            work(*arguments)

    def writable(self, number):
        work, arguments = self.writers[number]
        work(*arguments)

    def pass_time(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if not timer.cancelled and timer.when() <= self.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.work()
        while self.soon:
            self.turn()


class Timer:
    def __init__(self, when, work):
        self._when, self.work, self.cancelled = when, work, False

    def when(self):
        return self._when

    def cancel(self):
        self.cancelled = True


class Sent:
    """A transfer to a socket that takes what the test lets it: its turns are counted, its file is all zeros."""

    def __init__(self, world, count, intact=lambda: True, patience=None):
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.peer.setblocking(False)
        self.channel = Channel()
        done = asyncio.get_running_loop().create_future()
        part = (world.fd, 0, count)
        self.transfer = Transfer(self.channel, self.ours.fileno(), part, patience or Patience(), intact, done)
        self.task = asyncio.get_running_loop().create_task(world.queue.carry(self.transfer))

    def drain(self):
        """Read everything, as a peer that keeps up; returns the bytes."""
        got = 0
        try:
            while chunk := self.peer.recv(1 << 20):
                got += len(chunk)
        except BlockingIOError:
            pass
        return got


class World:
    def __init__(self, fd):
        self.fd = fd
        self.loop = Loop()
        self.queue = TransferQueue(self.loop)
        self.sent = []

    async def send(self, count, **options):
        sent = Sent(self, count, **options)
        self.sent.append(sent)
        await asyncio.sleep(0)  # the task begins to wait
        return sent


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "zeros"
    path.touch()
    os.truncate(path, LARGE_BYTES)
    with opened(path) as fd:
        made = World(fd)
        yield made
        for each in made.sent:
            each.ours.close()
            each.peer.close()


@contextmanager
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


async def ended(sent):
    with pytest.raises(asyncio.CancelledError) if sent.task.cancelled() else pytest.raises(BaseException) as caught:
        await sent.task
    return caught.value


async def test_a_round_gives_each_at_most_a_turn_and_ends_in_time(world):
    for _ in range(20):
        await world.send(LARGE_BYTES)
    arrived = [0] * 20
    for _ in range(200):
        world.loop.turn()
        now = [each.drain() for each in world.sent]
        assert max(now) <= TURN_BYTES
        assert sum(now) <= ROUND_BYTES + TURN_BYTES
        for number in [*world.loop.writers]:
            world.loop.writable(number)
        arrived = [before + more + each.drain() for before, more, each in zip(arrived, now, world.sent, strict=True)]
    assert min(arrived) > 0
    assert max(arrived) - min(arrived) <= 2 * TURN_BYTES + max(arrived) // 4  # all had as many turns, but for the last


async def test_many_that_take_nothing_do_not_hold_the_loop(world):
    stuck = [await world.send(LARGE_BYTES) for _ in range(2 * ROUND_BYTES // CALL_BYTES)]
    for each in stuck:
        each.channel.buffered = 1  # what the transport holds goes first
    world.loop.turn()
    assert 0 < len(world.loop.writers) <= ROUND_BYTES // CALL_BYTES
    while world.loop.soon:
        world.loop.turn()
    assert len(world.loop.writers) == len(stuck)


async def test_one_that_fell_behind_goes_on_by_its_writer_alone_until_the_end(world):
    sent = await world.send(3 * TURN_BYTES)
    while world.loop.soon:
        world.loop.turn()
    got, number = sent.drain(), sent.ours.fileno()
    while not sent.transfer.done.done():
        world.loop.writable(number)
        assert world.loop.soon == []
        got += sent.drain()
    await sent.task
    assert (got, world.loop.writers) == (3 * TURN_BYTES, {})


async def test_a_cancelled_transfer_leaves_no_writer_and_no_turn(world):
    waiting, queued = await world.send(LARGE_BYTES), await world.send(LARGE_BYTES)
    while waiting.ours.fileno() not in world.loop.writers:
        world.loop.turn()
        queued.drain()
    for each in (waiting, queued):
        each.task.cancel()
        assert isinstance(await ended(each), asyncio.CancelledError)
    assert world.loop.writers == {}
    queued.drain()
    while world.loop.soon:
        world.loop.turn()
    assert queued.drain() == 0


async def test_a_stalled_peer_is_cut_by_the_shared_look_and_others_go_on(world):
    patience = Patience(stall_seconds=30.0)
    stalled, reading = [await world.send(LARGE_BYTES, patience=patience) for _ in range(2)]
    while world.loop.soon:
        world.loop.turn()
        reading.drain()
        if len(world.loop.writers) == 2:
            break
    for _ in range(31):
        if (number := reading.ours.fileno()) in world.loop.writers:
            world.loop.writable(number)
        reading.drain()
        world.loop.turn()
        world.loop.pass_time(1.0)
    assert isinstance(await ended(stalled), Stalled)
    assert not reading.task.done()
    reading.task.cancel()
    await ended(reading)
    world.loop.pass_time(1.0)
    assert [timer for timer in world.loop.timers if not timer.cancelled] == []  # nobody is left to look at


async def test_a_look_at_many_gives_way_to_other_work(world):
    for _ in range(LOOKS + 1):
        await world.send(LARGE_BYTES)
    for each in world.sent:
        each.channel.closing = True
    world.loop.soon.clear()  # no turn: only the look finds out
    world.loop.now += 1.0
    world.loop.timers.pop().work()
    assert sum(each.transfer.done.done() for each in world.sent) == LOOKS
    world.loop.turn()
    for each in world.sent:
        assert isinstance(await ended(each), ConnectionResetError)


async def test_a_peer_that_is_gone_ends_its_transfer_and_no_other(world):
    gone, other = await world.send(LARGE_BYTES), await world.send(CALL_BYTES)
    gone.peer.close()
    world.loop.turn()
    assert isinstance(await ended(gone), ConnectionError)
    await other.task
    assert other.drain() == CALL_BYTES


async def test_a_changed_file_keeps_its_last_turn(world):
    sent = await world.send(TURN_BYTES + 1, intact=lambda: False)
    got = 0
    while not sent.transfer.done.done():
        world.loop.turn()
        for number in [*world.loop.writers]:
            world.loop.writable(number)
        got += sent.drain()
    assert isinstance(await ended(sent), Altered)
    assert 0 < got < TURN_BYTES + 1


def unreadable():
    raise OSError(errno.EIO, "the disk does not answer")


async def test_a_file_that_cannot_be_looked_at_ends_its_transfer_and_no_other(world):
    broken, other = await world.send(CALL_BYTES, intact=unreadable), await world.send(CALL_BYTES)
    world.loop.turn()
    assert (await ended(broken)).errno == errno.EIO
    await other.task
    later = await world.send(CALL_BYTES)
    world.loop.turn()
    await later.task


async def test_it_ends_so_for_a_peer_that_fell_behind_too(world):
    broken = await world.send(LARGE_BYTES, intact=unreadable)
    while not broken.transfer.done.done():
        world.loop.turn()
        for number in [*world.loop.writers]:
            world.loop.writable(number)
        broken.drain()
    assert (await ended(broken)).errno == errno.EIO


async def test_a_socket_that_cannot_be_watched_ends_its_transfer_and_no_other(world):
    broken, other = await world.send(LARGE_BYTES), await world.send(CALL_BYTES)
    world.loop.unwatchable.add(broken.ours.fileno())
    while world.loop.soon:
        world.loop.turn()
    assert (await ended(broken)).errno == errno.ENOSPC
    await other.task


async def test_a_look_that_fails_ends_its_transfer_and_no_other(world):
    broken, other = await world.send(LARGE_BYTES), await world.send(LARGE_BYTES)
    world.loop.soon.clear()  # no turn: only the look finds out
    broken.transfer.out = -1
    world.loop.pass_time(1.0)
    assert isinstance(await ended(broken), (OSError, ValueError))
    assert not other.task.done()
    other.task.cancel()
    await ended(other)
