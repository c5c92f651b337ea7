"""Answers that nobody reads end by reset in the stall time, keep their bounds, and leave the kernel nothing."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest
from certificates import a_certificate

from edge.node.delivery.pace import Patience
from edge.node.delivery.send import reset_open
from edge.node.delivery.unread import UNSENT_BYTES, bound_unread, waiting_bytes
from edge.node.service.limits.unread_answers import CLOSING_BYTES, SCAN_SECONDS, UnreadAnswers
from edge.node.service.peers import Proxies
from edge.node.tls.pair import read_pair
from edge.node.tls.port import PortTls

PATIENCE = Patience(stall_seconds=30.0, minimum_bps=8_000)
WINDOW_BYTES = 4_096  # of the peer's kernel
LARGE = bytes(2 << 20)


class Answer(asyncio.Protocol):
    """A connection that this test answers at will."""

    def __init__(self, unread, address):
        self.unread = unread
        self.address = address
        self.touched = 0.0
        self.downloads = False
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.channel = transport
        self.unread.add(self, transport, self.address)

    def connection_lost(self, exc):
        self.unread.remove(self)
        self.lost.set_result(None)

    def pause_writing(self):
        self.unread.hold(self)

    def resume_writing(self):
        self.unread.release(self)


class World:
    def __init__(self, **limits):
        self.cuts = []
        self.unread = UnreadAnswers(PATIENCE, Proxies(["198.51.100.0/24"]), self.cuts.append, **limits)

    @asynccontextmanager
    async def connected(self, address="192.0.2.1", tls=None):
        """The node's end, and a peer's that nobody reads from unless told to. `tls`: of both."""
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as peer:
            listening.setblocking(False)
            bound_unread(listening, PATIENCE.stall_seconds)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
            peer.setblocking(False)
            await loop.sock_connect(peer, listening.getsockname())
            accepted, _ = await loop.sock_accept(listening)
            meeting = loop.create_task(asyncio.to_thread(shake_hands, peer, tls[1])) if tls else None
            answer = Answer(self.unread, address)
            await loop.connect_accepted_socket(lambda: tls[0].protect(answer) if tls else answer, accepted)
            peer = await meeting if meeting else peer
            yield answer, peer
            peer.close()
            answer.channel.abort()
            await answer.lost

    async def after(self, *moments):
        for now in moments:
            self.unread.sweep(now)
            await turns()


def shake_hands(peer, context):
    peer.settimeout(30)
    return context.wrap_socket(peer, server_hostname="localhost")


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def read_all(peer, count):
    """Read so many bytes; raises ConnectionResetError."""
    while count > 0:
        count -= len(await asyncio.get_running_loop().sock_recv(peer, count))


async def taken(answer):
    """Wait until the peer's kernel has acknowledged everything."""
    async with asyncio.timeout(60):
        while waiting_bytes(answer.channel):
            await asyncio.sleep(0)


async def test_an_answer_that_is_not_read_is_reset_in_the_stall_time():
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(LARGE)
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 29.0)
        assert world.cuts == []
        await world.after(SCAN_SECONDS + 30.0)
        assert world.cuts == ["unread"]
        await answer.lost
        with pytest.raises(ConnectionResetError):
            await read_all(peer, len(LARGE))


async def test_one_that_the_kernel_took_whole_is_cut_just_the_same():
    world = World()
    async with world.connected() as (answer, _):
        answer.channel.write(bytes(100_000))
        await turns()
        assert answer.channel.get_write_buffer_size() == 0
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 30.0)
        assert world.cuts == ["unread"]


async def test_the_kernel_holds_no_more_than_its_share_for_a_peer_that_reads_nothing():
    world = World()
    async with world.connected() as (answer, _):
        answer.channel.write(LARGE)
        await turns()
        assert 0 < waiting_bytes(answer.channel) - answer.channel.get_write_buffer_size() < 2 * UNSENT_BYTES


async def test_a_peer_that_reads_a_little_now_and_then_is_cut_too():
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(LARGE)
        await world.after(SCAN_SECONDS)
        for seconds in (20.0, 40.0):
            await read_all(peer, WINDOW_BYTES)
            await world.after(SCAN_SECONDS + seconds)
        assert world.cuts == ["unread"]


async def test_a_peer_that_reads_is_kept_and_forgotten():
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(LARGE)
        await world.after(SCAN_SECONDS)
        await read_all(peer, len(LARGE))
        await taken(answer)
        await world.after(SCAN_SECONDS + 20.0, SCAN_SECONDS + 60.0)
        assert world.cuts == []
        answer.touched = world.unread.now  # the next answer has its own time
        answer.channel.write(LARGE)
        await world.after(100.0, 129.0)
        assert world.cuts == []


async def test_a_peer_that_always_has_something_on_the_way_is_not_slow():
    world = World()
    async with world.connected() as (answer, peer):
        for n in range(1, 20):
            answer.channel.write(bytes(1_000))
            await world.after(n * 10.0)  # before it is read: something waits at every look
            await read_all(peer, 1_000)
            await taken(answer)
        assert world.cuts == []


async def test_a_download_is_judged_by_who_sends_it():
    world = World()
    async with world.connected() as (answer, _):
        answer.channel.write(LARGE)
        answer.downloads = True
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 60.0)
        assert world.cuts == []


async def test_a_connection_told_to_close_is_there_until_its_answer_is_read():
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(bytes(100_000))
        await turns()
        world.unread.close(answer)
        await world.after(1.0, 2.0)
        assert not answer.channel.is_closing()
        await read_all(peer, 100_000)
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""  # it is told at once that no more comes
        await taken(answer)
        await world.after(3.0)
        await answer.lost
        assert world.cuts == []


@pytest.mark.parametrize("closing", [World.connected, None])
async def test_one_that_closes_and_is_not_read_is_reset_and_leaves_no_orphan(closing):
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(LARGE)
        if closing is None:
            answer.channel.close()  # as a server closes it that does not know better
        else:
            world.unread.close(answer)
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 30.0)
        assert world.cuts == ["unread"]
        await answer.lost
        with pytest.raises(ConnectionResetError):
            await read_all(peer, len(LARGE))


async def test_little_is_left_to_the_kernel():
    world = World()
    async with world.connected() as (answer, peer):
        answer.channel.write(bytes(CLOSING_BYTES))
        world.unread.close(answer)
        assert answer.channel.is_closing()
        await read_all(peer, CLOSING_BYTES)


@pytest.mark.parametrize(("address", "cut"), [("192.0.2.1", True), ("192.0.2.2", False)])
async def test_over_the_limit_of_an_address_its_connection_that_waited_longest_is_cut(address, cut):
    world = World(address_limit_bytes=3 << 20)
    async with world.connected() as (first, _), world.connected(address) as (second, _):
        first.channel.write(LARGE)
        second.channel.write(LARGE)
        await turns()
        assert world.cuts == ["unread_limit"] * cut
        assert (first.channel.is_closing(), second.channel.is_closing()) == (cut, False)
    assert world.unread.held_bytes == 0


async def test_a_proxy_carries_many_devices_and_counts_towards_the_workers_limit_alone():
    world = World(address_limit_bytes=1 << 20, limit_bytes=3 << 20)
    async with world.connected("198.51.100.1") as (first, _), world.connected("198.51.100.1") as (second, _):
        first.channel.write(LARGE)
        await turns()
        assert world.cuts == []
        second.channel.write(LARGE)
        await turns()
        assert world.cuts == ["unread_limit"] and first.channel.is_closing()


async def test_what_is_read_is_not_held_any_more():
    world = World(address_limit_bytes=3 << 20)
    async with world.connected() as (answer, peer):
        for _ in range(3):
            answer.channel.write(LARGE)
            await read_all(peer, len(LARGE))
            await taken(answer)
            assert world.unread.held_bytes == 0
        assert world.cuts == []


@pytest.fixture
def tls(tmp_path):
    files = a_certificate(tmp_path)
    return PortTls(read_pair(*files), pytest.fail), ssl.create_default_context(cafile=files.certificate)


async def test_with_tls_an_answer_counts_too_and_is_cut_in_the_stall_time(tls):
    world = World()
    async with world.connected(tls=tls) as (answer, _):
        answer.channel.write(LARGE)
        await turns()
        assert world.unread.held_bytes > len(LARGE) // 2  # the kernel has the rest
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 29.0)
        assert world.cuts == []
        await world.after(SCAN_SECONDS + 30.0)
        assert (world.cuts, world.unread.held_bytes) == (["unread"], 0)
        await answer.lost


@pytest.mark.parametrize("secure", [False, True])
async def test_a_connection_that_is_lost_already_has_nothing_waiting_and_can_be_reset(tls, secure):
    world = World()
    async with world.connected(tls=tls if secure else None) as (answer, _):
        answer.channel.write(LARGE)
        answer.channel.abort()
        await answer.lost
        await turns()
        world.unread.add(answer, answer.channel, "192.0.2.1")  # as if it was not told yet
        assert waiting_bytes(answer.channel) == 0
        world.unread.close(answer)
        reset_open(answer.channel)


async def test_with_tls_what_was_read_is_not_held_any_more(tls):
    world = World()
    async with world.connected(tls=tls) as (answer, peer):
        answer.channel.write(LARGE)
        await asyncio.to_thread(read_blocking, peer, len(LARGE))
        await taken(answer)
        await world.after(SCAN_SECONDS)
        assert (world.cuts, world.unread.held_bytes) == ([], 0)


@pytest.mark.parametrize("knows_better", [False, True])
async def test_with_tls_one_that_closes_and_is_not_read_is_reset_too(tls, knows_better):
    world = World()
    async with world.connected(tls=tls) as (answer, peer):
        answer.channel.write(LARGE)
        if knows_better:
            world.unread.close(answer)
        else:
            answer.channel.close()
        await world.after(SCAN_SECONDS, SCAN_SECONDS + 29.0)
        assert (world.cuts, answer.lost.done()) == ([], False)
        await world.after(SCAN_SECONDS + 30.0)
        await answer.lost
        assert world.cuts == ["unread"]
        with pytest.raises(OSError, match=r"reset|EOF|early"):
            await asyncio.to_thread(read_blocking, peer, len(LARGE))


@pytest.mark.parametrize("knows_better", [False, True])
async def test_with_tls_an_answer_that_is_read_after_the_close_arrives_whole(tls, knows_better):
    world = World()
    async with world.connected(tls=tls) as (answer, peer):
        answer.channel.write(LARGE)
        if knows_better:
            world.unread.close(answer)
        else:
            answer.channel.close()
        await asyncio.to_thread(read_blocking, peer, len(LARGE))
        assert await asyncio.to_thread(peer.recv, 1) == b""  # the end was said
        await taken(answer)
        await world.after(SCAN_SECONDS)
        await answer.lost
        assert world.cuts == []


async def test_with_tls_the_limit_of_an_address_holds(tls):
    world = World(address_limit_bytes=3 << 20)
    async with world.connected(tls=tls) as (first, _), world.connected(tls=tls) as (second, _):
        for each in (first, second):
            each.channel.write(LARGE)
        assert world.cuts == ["unread_limit"]
        await first.lost


def read_blocking(peer, count):
    while count > 0:
        if not (got := len(peer.recv(count))):
            raise ConnectionResetError("the end came early")
        count -= got
