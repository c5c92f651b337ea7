"""The states of a lane: which bit holds requests back, what clears it, and which bytes wait for that."""

import asyncio
import math
import socket
from types import SimpleNamespace

import pytest

from edge.node.delivery.pace import DEFAULT_PATIENCE
from edge.node.lane.connection import ANSWERING, CHOKED, CLOSING, READING, WAITING_LIMIT_BYTES, Lane
from edge.node.lane.context import LaneContext
from edge.node.lane.fetch import parse_fetch
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.common_answers import Reply
from edge.node.service.limits.admission import Connections
from edge.node.service.limits.overload import Overload
from edge.node.service.limits.unread_answers import CLOSING_BYTES
from edge.node.service.peers import Proxies

STORED = Reply(200, EncodedBody(b"stored", None), "com.example.app")


class Transport:
    """Keeps what the lane did with it, in order."""

    socket: socket.socket  # with nothing in its queue

    def __init__(self):
        self.done = []
        self.answers = []

    def get_extra_info(self, name):
        return {"socket": self.socket, "sslcontext": None}.get(name, ("192.0.2.1", 8080))

    def get_write_buffer_size(self):
        return 0

    def write(self, answer):
        self.answers.append(answer)

    def is_closing(self):
        return "close" in self.done or "abort" in self.done

    def __getattr__(self, name):
        return lambda *arguments: self.done.append(name)


@pytest.fixture(scope="module", autouse=True)
def quiet_socket():
    with socket.socket() as Transport.socket:
        yield


class Reports:
    """Answers reports when `stored` is set: those that are `ordinary` by a callback, the others in a task."""

    def __init__(self):
        self.ordinary = False
        self.stored = asyncio.Event()
        self._answers = []

    def take_at_once(self, body, peer, answer):
        if self.ordinary:
            self._answers.append(answer)
        return self.ordinary

    async def take_slowly(self, body, peer):
        await self.stored.wait()
        return STORED

    def store(self):
        self.stored.set()
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(STORED)


class Service:
    """Answers checks at once."""

    def __init__(self):
        self.reports = Reports()
        self.proxies = Proxies()
        self.overload = Overload(100)
        self.public_url = "https://updates.example.com"
        self.moments = SimpleNamespace(tick=lambda now: None)
        self.faults = SimpleNamespace(note_everything=lambda: None)

    def take_check(self, body, base, country, whence):
        return Reply(200, EncodedBody(b"checked", None), "com.example.app")


class AioHttp:
    """The protocol that a lane hands over to."""

    def connection_made(self, transport):
        self.received = b""

    def data_received(self, data):
        self.received += data


class World:
    def __init__(self, connections_limit=0):
        self.service, self.aiohttp, self.transport = Service(), AioHttp(), Transport()
        connections = Connections(connections_limit, Proxies())
        self.context = LaneContext(self.service, None, connections, DEFAULT_PATIENCE, self.fall_back)
        self.lane = self.connect(self.transport)

    def fall_back(self, handed):
        self.handed = handed
        return self.aiohttp

    def connect(self, transport):
        lane = Lane(self.context)
        lane.connection_made(transport)
        return lane

    async def store(self):
        """Let the report in progress be answered."""
        self.service.reports.store()
        await turns()

    @property
    def waits(self):
        return bool(self.lane.overdue(math.inf))

    @property
    def bodies(self):
        return [answer.partition(b"\r\n\r\n")[2] for answer in self.transport.answers]


async def turns():
    """Let the loop run whatever is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


def post(path, *headers):
    return b"\r\n".join([b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Length: 2", *headers]) + b"\r\n\r\n{}"


CHECK, REPORT = post(b"/updates"), post(b"/stats")


@pytest.fixture(params=[False, True], ids=["answered by a task", "answered by a callback"])
async def world(request):
    world = World()
    world.service.reports.ordinary = request.param
    return world


async def test_a_whole_request_is_answered_at_once_and_a_beginning_waits(world):
    world.lane.data_received(CHECK + CHECK[:30])
    assert (world.lane._state, world.bodies, world.waits) == (READING, [b"checked"], True)
    world.lane.data_received(CHECK[30:])
    assert (world.lane._state, world.bodies, world.waits) == (READING, [b"checked"] * 2, False)


async def test_requests_behind_one_that_waits_are_answered_after_it(world):
    world.lane.data_received(REPORT)
    world.lane.data_received(CHECK)
    assert (world.lane._state, world.bodies, world.waits) == (ANSWERING, [], False)
    await world.store()
    assert (world.lane._state, world.bodies) == (READING, [b"stored", b"checked"])
    assert world.service.overload.in_progress == 0


@pytest.mark.parametrize("finishes_first", [True, False])
async def test_each_of_two_bits_holds_the_next_request_back(world, finishes_first):
    world.lane.data_received(REPORT + CHECK)
    world.lane.pause_writing()
    assert world.lane._state == ANSWERING | CHOKED
    if finishes_first:
        await world.store()
        assert (world.lane._state, world.bodies) == (CHOKED, [b"stored"])
        world.lane.resume_writing()
    else:
        world.lane.resume_writing()
        assert (world.lane._state, world.bodies) == (ANSWERING, [])
        await world.store()
    assert (world.lane._state, world.bodies) == (READING, [b"stored", b"checked"])


async def test_a_peer_that_sends_more_than_may_wait_is_not_read_from(world):
    world.lane.data_received(REPORT)
    world.lane.data_received(CHECK * (WAITING_LIMIT_BYTES // len(CHECK)))
    assert world.transport.done == []
    world.lane.data_received(CHECK)
    assert world.transport.done == ["pause_reading"]
    await world.store()
    assert world.transport.done == ["pause_reading", "resume_reading"]


@pytest.mark.parametrize("request_", [post(b"/updates", b"Connection: close"), post(b"/stats", b"Connection: close")])
async def test_nothing_follows_the_request_that_closes(world, request_):
    world.lane.data_received(request_ + CHECK)
    await world.store()
    assert (world.lane._state, len(world.bodies), world.transport.done) == (CLOSING, 1, ["close"])


@pytest.mark.parametrize(("before", "done"), [(b"", ["close"]), (CHECK, ["can_write_eof"])])
async def test_what_is_unread_is_looked_at_if_more_than_the_last_answer_can_be(world, before, done):
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        ours.send(bytes(4 * CLOSING_BYTES))
        world.transport.socket = ours
        world.lane.data_received(before)
        world.lane.data_received(post(b"/updates", b"Connection: close"))
    assert (world.lane._state, world.transport.done) == (CLOSING, done)


async def test_an_answer_is_made_again_for_another_file_another_second_and_another_request(world):
    answers = world.context.answers
    fetch, same_fetch = (parse_fetch("GET", b"/bundles/com.example.app/zip/" + b"a" * 64, {}) for _ in range(2))
    file, other = (SimpleNamespace(bytes=size, modified=1.0) for size in (10, 20))
    first = answers.plan_file(fetch, file, False)
    assert answers.plan_file(fetch, file, False) is first
    assert answers.plan_file(same_fetch, file, False) == first
    assert answers.plan_file(fetch, other, False).length == 20
    assert b"\r\nConnection: close\r\n" in answers.plan_file(fetch, other, True).head
    answers.tick(0.0)
    assert b"\r\nDate: Thu, 01 Jan 1970" in answers.plan_file(fetch, file, False).head


async def test_a_lane_told_to_close_finishes_its_answer_and_announces_the_end(world):
    world.lane.data_received(REPORT + CHECK)
    world.lane.close_when_idle()
    assert (world.lane._state, world.transport.done) == (ANSWERING | CLOSING, [])
    await world.store()
    assert (world.lane._state, world.bodies, world.transport.done) == (CLOSING, [b"stored"], ["close"])
    assert b"\r\nConnection: close\r\n" in world.transport.answers[0]


async def test_a_connection_that_is_not_admitted_is_never_answered():
    world, transport = World(connections_limit=1), Transport()
    lane = world.connect(transport)
    lane.data_received(CHECK)
    lane.connection_lost(None)
    assert (lane._state, transport.done, transport.answers) == (CLOSING, ["abort"], [])
    assert (list(world.context.open_lanes), world.context.connections.open) == ([world.lane], 1)


async def test_a_lost_connection_cancels_its_answer(world):
    world.lane.data_received(REPORT)
    world.lane.connection_lost(None)
    await turns()
    assert (world.bodies, world.service.overload.in_progress, world.context.connections.open) == ([], 0, 0)
    assert list(world.context.open_lanes) == []
    await world.store()  # too late for the peer
    assert (world.bodies, world.service.overload.in_progress) == ([], 0)


@pytest.mark.parametrize("when", ["taken", "written"])
async def test_a_bug_in_an_answer_ends_its_connection_alone(world, when, caplog):
    def fail(*_):
        raise LookupError(when)

    if when == "taken":
        world.service.reports.take_at_once = fail
    else:
        world.transport.write = fail
    world.lane.data_received(REPORT + CHECK)
    await world.store()
    assert (world.lane._state, world.bodies, world.transport.done[0]) == (CLOSING, [], "abort")
    assert (world.context.bugs, world.service.overload.in_progress) == (1, 0)
    assert "bug while answering a device" in caplog.text


async def test_aiohttp_gets_every_byte_that_was_not_answered(world):
    unusual = post(b"/nowhere")
    world.lane.data_received(REPORT + unusual)
    world.lane.data_received(CHECK)
    await world.store()
    assert (world.bodies, world.aiohttp.received) == ([b"stored"], unusual + CHECK)
    assert (list(world.context.open_lanes), world.context.connections.open) == ([], 1)


@pytest.mark.parametrize("first", [b"", CHECK])
async def test_aiohttp_is_told_how_long_the_head_has_been_arriving(world, first):
    world.lane.data_received(first + b"POST /upda")
    world.context.now += 15.0
    world.lane.data_received(b"tes/else")
    assert (world.handed.waited_seconds, world.aiohttp.received) == (15.0, b"POST /updates/else")


async def test_the_head_of_another_request_than_the_one_that_has_been_arriving_has_not_waited(world):
    world.lane.data_received(CHECK[:20])
    world.context.now += 15.0
    world.lane.data_received(CHECK[20:] + b"PUT /updates")
    assert (world.handed.waited_seconds, world.aiohttp.received) == (0.0, b"PUT /updates")


@pytest.mark.parametrize(("begun", "why"), [(REPORT[:20], "slow_head"), (REPORT[:-1], "slow_body")])
async def test_a_request_that_drips_is_cut_and_counted_however_steadily(world, begun, why):
    started = world.context.now
    world.lane.data_received(begun[:1])
    for n, byte in enumerate(begun[1:]):
        world.context.now = started + n * 15.0 / len(begun)
        world.lane.data_received(bytes([byte]))
    world.context.open_lanes.end_idle(started + 19.0)
    assert world.transport.done == []
    world.context.open_lanes.end_idle(started + 15.0 + 21.0)
    assert world.transport.done == ["abort"]
    assert world.context.connections.closed()[why] == 1


async def test_the_next_requests_clock_starts_with_its_own_first_byte(world):
    started = world.context.now
    world.lane.data_received(REPORT[:20])
    world.context.now = started + 15.0
    world.lane.data_received(REPORT[20:] + CHECK[:20])
    await world.store()
    world.context.open_lanes.end_idle(started + 30.0)
    assert world.transport.done == ["resume_reading"]
    world.context.open_lanes.end_idle(started + 15.0 + 21.0)
    assert world.transport.done == ["resume_reading", "abort"]


async def test_a_beginning_that_waits_for_us_is_not_the_peers_fault(world):
    world.lane.data_received(REPORT + CHECK[:20])
    world.context.open_lanes.end_idle(world.context.now + 60.0)
    assert world.transport.done == []
