"""The lane and aiohttp are two doors to one service: to any bytes, both give the same answer, or both refuse.

One table of byte streams runs against a port with the lane in front and a port without it. Answers are compared in
full, except for `Date` and `Server`.
"""

import asyncio
import hashlib
import json
import math
import os
import random
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from aiohttp import web
from factories import APP, DEVICE
from node_world import a_truth, publish
from proving import a_prover, open_files

from edge.facts.changes import Faulted
from edge.facts.table import FactsTable
from edge.node.delivery.pace import DEFAULT_PATIENCE, Patience
from edge.node.http.app import build_device_app
from edge.node.http.connection import accept_with
from edge.node.http.device_routes import Readiness
from edge.node.lane.connection import WAITING_LIMIT_BYTES, Lane
from edge.node.lane.context import LaneContext
from edge.node.proving.prover import BlobProver
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.admission import FIELDS_LIMIT, Connections
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.loan import BEHIND_LIMIT_BYTES
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import NOWHERE, Proxies, Whence, find_peer
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.healing import keep_bytes
from edge.store.objects.port import blob_key
from edge.telemetry.spool.spool import Spool

ANSWER_SECONDS = 60
UNCOMPARED = (b"date",)
DOWNLOADS_LIMIT = 50
LARGE = random.Random(5).randbytes(20_000_007)
LAST = b"GET /updates HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"  # aiohttp answers it


class Doors(NamedTuple):
    lane: int  # ports
    plain: int
    shared: LaneContext
    zip_path: str
    told: list  # messages to the supervisor
    prover: BlobProver

    @property
    def large(self) -> str:
        return f"/bundles/{APP}/zip/{hashlib.sha256(LARGE).hexdigest()}"


class ListeningService(DeviceService):
    """Keeps what it is asked, and by whom."""

    def __init__(self, *services, **options):
        super().__init__(*services, **options)
        self.take_check = self.listen

    def listen(self, body, base, country="", whence=NOWHERE):
        self.countries = [*getattr(self, "countries", []), country]
        self.prefixes = [*getattr(self, "prefixes", []), find_peer(whence, self.proxies).prefix]
        self.whences = [*getattr(self, "whences", []), whence]
        self.bases = [*getattr(self, "bases", []), base]
        return self.questions.take(body, base, country, whence)


class ListeningLimits(EventLimits):
    """Knows whom reports were charged to."""

    def admit(self, app, prefix, *more):
        self.prefixes = [*getattr(self, "prefixes", []), prefix]
        return super().admit(app, prefix, *more)


@asynccontextmanager
async def doors(
    folder, proxies=(), country_header="", patience=DEFAULT_PATIENCE, public_url="http://updates.example.com"
):
    truth = a_truth(folder)
    publish(truth, "1.0.0", zipped=LARGE)
    committed = publish(truth, "1.0.1")
    prover = a_prover(truth.store)
    current = ServedSnapshots(truth.store)
    current.swap([SnapshotBuilder(truth.store).build(APP, committed.head, time.time())])
    spool, told = Spool(folder / "spool", "node", 0), []
    service = ListeningService(
        current,
        spool,
        public_url=public_url,
        allowed_hosts=frozenset({"updates.example.com"}),
        proxies=Proxies(proxies, country_header),
        overload=Overload(100, DOWNLOADS_LIMIT),
        event_limits=ListeningLimits(0.0, 0.0),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(folder / "no table"), told.append),
    )
    files = open_files(truth.store, prover)
    runner = web.AppRunner(build_device_app(service, files, Readiness(), patience), access_log=None)
    await runner.setup()
    loop = asyncio.get_running_loop()
    connections = Connections(0, Proxies())
    usual = accept_with(runner.server, connections, loop)
    shared = LaneContext(service, files, connections, patience, lambda handed: usual(handed=handed))
    servers = [await loop.create_server(make, "127.0.0.1", 0) for make in (lambda: Lane(shared), usual)]
    lane, plain = (server.sockets[0].getsockname()[1] for server in servers)
    digest = hashlib.sha256(b"zip 1.0.1").hexdigest()
    try:
        yield Doors(lane, plain, shared, f"/bundles/{APP}/zip/{digest}", told, prover)
    finally:
        for server in servers:
            server.close()
        await asyncio.gather(shared.open_lanes.drain(5.0), runner.cleanup())
        await spool.close()
        await files.close()
        assert connections.open == 0


async def talk(port: int, *pieces: bytes) -> bytes:
    """Everything the server answers until it closes; each piece is sent after the one before was received."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for piece in pieces:
                writer.write(piece)
                for _ in range(4):  # the server runs on this very loop: its turn comes
                    await asyncio.sleep(0)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def answers(said: bytes) -> list[tuple]:
    """Status line, headers except UNCOMPARED, and body of each answer."""
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = sorted((n.lower(), v.strip()) for n, _, v in (line.partition(b":") for line in lines))
        length = int(dict(headers).get(b"content-length", 0))
        empty = b" 304 " in status or rest.startswith(b"HTTP/1.1 ")  # HEAD states the length of a body that it omits
        body, said = (b"", rest) if empty else (rest[:length], rest[length:])
        found.append((status, tuple(h for h in headers if h[0] not in UNCOMPARED), body))
    return found


def post(path: str, body: bytes, *headers: bytes, version: bytes = b"HTTP/1.1", length: bytes | None = None) -> bytes:
    lines = [b"POST %s %s" % (path.encode(), version), b"Host: updates.example.com", b"Content-Type: application/json"]
    lines += [*headers, b"Content-Length: %s" % (str(len(body)).encode() if length is None else length)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(path: str, *headers: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, path.encode()), b"Host: x", *headers]) + b"\r\n\r\n"


HOST = b"Host: updates.example.com\r\n"
QUESTION = {
    "platform": "android",
    "device_id": DEVICE,
    "app_id": APP,
    "version_build": "1.0.0",
    "version_name": "1.0.0",
    "plugin_version": "8.51.14",
}
CHECK = json.dumps(QUESTION).encode()
RUNS_IT = json.dumps(QUESTION | {"version_name": "1.0.1"}).encode()
EVENT = json.dumps([QUESTION | {"action": "set", "version_os": "14", "is_prod": True, "is_emulator": False}]).encode()
CHUNKED = b"Transfer-Encoding: chunked"


def chunked(path: str, body: bytes, *headers: bytes) -> bytes:
    head = b"\r\n".join([b"POST %s HTTP/1.1" % path.encode(), b"Host: x", CHUNKED, *headers])
    return head + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


# Streams that both doors must answer alike. `@` in a path stands for the zip's address.
ALIKE = {
    "a check": post("/updates", CHECK),
    "nothing new": post("/updates", RUNS_IT),
    "an old plugin": post("/updates", json.dumps(QUESTION | {"plugin_version": "6.3.0"}).encode()),
    "an unknown app": post("/updates", json.dumps(QUESTION | {"app_id": "com.x.y"}).encode()),
    "a bad check": post("/updates", b"{"),
    "an empty check": post("/updates", b""),
    "a check with gzip": post("/updates", CHECK, b"Accept-Encoding: gzip, deflate"),
    "a report": post("/stats", EVENT),
    "a bad report": post("/stats", b"[1,"),
    "a report of nothing": post("/stats", b"[]"),
    "two pipelined": post("/updates", CHECK) + post("/updates", RUNS_IT),
    "all kinds pipelined": post("/updates", CHECK) + post("/stats", EVENT) + get("@") + post("/updates", CHECK),
    "unusual in the middle": post("/updates", CHECK) + get("/nowhere") + post("/updates", CHECK),
    "the whole zip": get("@"),
    "the zip by HEAD": get("@", method=b"HEAD"),
    "a range": get("@", b"Range: bytes=2-4"),
    "past the end": get("@", b"Range: bytes=99-"),
    "past the end, empty": get("@?end=empty", b"Range: bytes=99-"),
    "past the end, whole": get("@?end=whole", b"Range: bytes=99-"),
    "an unknown end": get("@?end=sideways", b"Range: bytes=99-"),
    "not modified": get("@", b'If-None-Match: "%s"' % hashlib.sha256(b"zip 1.0.1").hexdigest().encode()),
    "other bytes were meant": get("@", b'If-Match: "x"'),
    "other bytes were meant by HEAD": get("@", b'If-Match: "x"', method=b"HEAD"),
    "these bytes were meant": get("@", b"if-match: *", b"Range: bytes=2-4"),
    "modified since": get("@", b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
    "two lists of what was meant": get("@", b'If-Match: "x"', b"If-Match: *"),
    "two ranges": get("@", b"Range: bytes=0-1,3-4"),
    "two range lines": get("@", b"Range: bytes=0-1", b"Range: bytes=3-4"),
    "another app's": get(f"/bundles/com.other.app/zip/{'0' * 64}"),
    "not a digest": get(f"/bundles/{APP}/zip/xyz"),
    "a path trick": get(f"/bundles/{APP}/zip/..%2f..%2fetc"),
    "a body with GET": get("@", b"Content-Length: 3") + b"abc",
    "odd header case": post("/updates", CHECK).replace(b"Content-Length", b"cOnTeNt-LeNgTh"),
    "no space after the colon": post("/updates", CHECK).replace(b"Content-Length: ", b"Content-Length:"),
    "asked to close": post("/updates", CHECK, b"Connection: close"),
    "asked to close a zip": get("@", b"Connection: close"),
    "asked to stay": post("/updates", CHECK, b"Connection: keep-alive"),
    "chunked": chunked("/updates", CHECK),
    "the absolute form": post("/updates", CHECK).replace(b" /updates ", b" http://updates.example.com/updates "),
    "a query": post("/updates?x=1", CHECK),
    "expects 100": post("/updates", CHECK, b"Expect: 100-continue"),
    "expects what nobody knows": post("/updates", CHECK, b"Expect: tea"),
    "a greeting": get("/updates"),
    "a preflight": get("/updates", method=b"OPTIONS"),
    "a probe": get("/livez"),
    "a probe that closes": get("/livez", b"Connection: close"),
    "a probe and a check": get("/livez") + post("/updates", CHECK),
    "a probe without its body": get("/livez", method=b"HEAD"),
    "a probe with a query": get("/livez?x=1"),
    "another method": get("/updates", method=b"DELETE"),
    "a body too large": post("/updates", b"x" * 70_000),
    "a leading empty line": b"\r\n" + post("/updates", CHECK),
    "an encoded body": post("/updates", CHECK, b"Content-Encoding: gzip"),
    "as many headers as are taken": post("/updates", CHECK, *(b"X-%d: y" % n for n in range(FIELDS_LIMIT - 3))),
    "a list of channels": get(f"/channel_self?app_id={APP}&platform=android"),
}

# Streams that are an attack, or broken: neither door may take what follows for a second request.
REFUSED = {
    "a header too many": post("/updates", CHECK, *(b"X-%d: y" % n for n in range(FIELDS_LIMIT - 2))),
    "a header too many for a zip": get("@", *(b"X-%d: y" % n for n in range(FIELDS_LIMIT))),
    "a check without a host": post("/updates", CHECK).replace(HOST, b""),
    "a report without a host": post("/stats", EVENT).replace(HOST, b""),
    "a zip without a host": get("@").replace(b"Host: x\r\n", b""),
    "a probe without a host": get("/livez").replace(b"Host: x\r\n", b""),
    "two hosts": post("/updates", CHECK, b"Host: b"),
    "two equal hosts": post("/updates", CHECK, HOST.strip()),
    "two hosts of a zip": get("@", b"host: x"),
    "two lengths": post("/updates", CHECK, b"Content-Length: 1"),
    "two equal lengths": post("/updates", CHECK, b"Content-Length: %d" % len(CHECK)),
    "a list of lengths": post("/updates", CHECK, length=b"%d, %d" % (len(CHECK), len(CHECK))),
    "length and chunked": post("/updates", CHECK, CHUNKED),
    "chunked before length": chunked("/updates", CHECK, b"Content-Length: 5"),
    "obsolete folding": post("/updates", CHECK, b"X-A: b\r\n c"),
    "a folded length": post("/updates", CHECK, length=b"\r\n %d" % len(CHECK)),
    "a signed length": post("/updates", CHECK, length=b"+%d" % len(CHECK)),
    "a hexadecimal length": post("/updates", CHECK, length=b"0x10"),
    "an underscored length": post("/updates", CHECK, length=b"1_0"),
    "a space before the colon": post("/updates", CHECK).replace(b"Content-Length:", b"Content-Length :"),
    "bare line feeds": post("/updates", CHECK).replace(b"\r\n", b"\n"),
    "one bare line feed": post("/updates", CHECK, b"X-A: b\nX-B: c"),
    "a bare carriage return": post("/updates", CHECK, b"X-A: b\rX-B: c"),
    "a NUL in a header": post("/updates", CHECK, b"X-A: b\0c"),
    "HTTP/2 in words": post("/updates", CHECK, version=b"HTTP/2.0"),
    "a version of its own": post("/updates", CHECK, version=b"HTTP/1.7"),
    "a broken request line": b"POST  /updates  HTTP/1.1\r\nHost: x\r\n\r\n",
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
}


@pytest.fixture
async def both(tmp_path):
    async with doors(tmp_path) as opened:
        yield opened


async def ask_both(both: Doors, stream: bytes) -> tuple[list, list]:
    stream = stream.replace(b" @", b" " + both.zip_path.encode())
    last = b"" if b"Connection: close" in stream else LAST
    lane, plain = [await talk(port, stream + last) for port in (both.lane, both.plain)]
    return answers(lane), answers(plain)


async def test_both_doors_answer_alike(both):
    for name, stream in ALIKE.items():
        lane, plain = await ask_both(both, stream)
        assert lane == plain, name
        assert lane, name


async def test_the_lane_takes_what_is_ordinary_and_nothing_else(both):
    ordinary = {
        "a check",
        "nothing new",
        "a report",
        "two pipelined",
        "the whole zip",
        "a range",
        "other bytes were meant",
        "other bytes were meant by HEAD",
        "these bytes were meant",
        "modified since",
        "odd header case",
        "as many headers as are taken",
        "a probe",
        "a probe that closes",
    }
    for name, stream in ALIKE.items():
        before = both.shared.handed_over
        stream = stream.replace(b" @", b" " + both.zip_path.encode())
        closing = b"" if b"Connection: close" in stream else post("/updates", CHECK, b"Connection: close")
        said = await talk(both.lane, stream + closing)
        assert said, name
        if name in ordinary:
            assert both.shared.handed_over == before, name
    assert both.shared.bugs == 0


async def test_a_bug_in_a_check_ends_its_connection_and_is_counted(both, caplog):
    def take_check(body, base, country, whence):
        raise RuntimeError("a bug")

    both.shared.service.take_check = take_check
    assert await talk(both.lane, post("/updates", CHECK) * 2) == b""
    assert both.shared.bugs == 1
    assert "a bug" in caplog.text


async def test_while_leaving_an_idle_connection_is_answered_once_more(both):
    reader, writer = await asyncio.open_connection("127.0.0.1", both.lane)
    asked = post("/updates", CHECK)
    said = []
    for both.shared.leaving in (False, True):
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        said.append(b"\r\nConnection: close\r\n" in head)
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    assert said == [False, True]
    assert await reader.read() == b""
    writer.close()


async def test_a_head_that_was_read_before_changes_no_answer(both):
    for name, stream in (ALIKE | REFUSED).items():
        both.shared.known_heads.clear()
        first, plain = await ask_both(both, stream)
        again, _ = await ask_both(both, stream)
        assert first == again == plain, name


async def test_a_known_head_is_answered_whatever_its_body_and_wherever_it_is_cut(both):
    stream = post("/updates", RUNS_IT) + LAST
    whole = answers(await talk(both.lane, stream))
    assert answers(await talk(both.lane, stream)) == whole
    (known,) = both.shared.known_heads
    assert stream.startswith(known)
    for place in range(1, len(stream)):
        assert answers(await talk(both.lane, stream[:place], stream[place:])) == whole, place
    bad = known + b"x" * (len(post("/updates", RUNS_IT)) - len(known))
    lane, plain = await ask_both(both, bad)
    assert lane == plain and b" 400 " in lane[0][0]
    assert list(both.shared.known_heads) == [known]


async def test_what_could_smuggle_is_refused_or_read_alike(both):
    for name, stream in REFUSED.items():
        lane, plain = await ask_both(both, stream)
        assert lane == plain, name
        assert len(lane) <= 2, name


@pytest.mark.parametrize("name", [name for name in REFUSED if "host" in name])
async def test_a_request_without_exactly_one_host_is_400_at_both_doors(both, name):
    """RFC 9112 3.2."""
    for said in await ask_both(both, REFUSED[name]):
        assert b" 400 " in said[0][0]


async def test_a_stream_cut_at_every_byte_is_answered_alike(both):
    stream = post("/updates", RUNS_IT, b"Connection: close")
    whole = answers(await talk(both.plain, stream))
    for place in range(1, len(stream)):
        assert answers(await talk(both.lane, stream[:place], stream[place:])) == whole, place


async def test_pipelined_requests_cut_at_every_byte_are_answered_in_order(both):
    stream = post("/updates", RUNS_IT) + get(both.zip_path) + post("/stats", EVENT) + LAST
    whole = answers(await talk(both.plain, stream))
    assert len(whole) == 4
    for place in range(1, len(stream), 3):
        assert answers(await talk(both.lane, stream[:place], stream[place:])) == whole, place


async def test_requests_byte_by_byte_are_answered(both):
    stream = post("/updates", RUNS_IT) + LAST
    whole = answers(await talk(both.plain, stream))
    assert answers(await talk(both.lane, *(stream[n : n + 1] for n in range(len(stream))))) == whole


async def test_many_requests_at_once_are_all_answered(both):
    count = 2 * WAITING_LIMIT_BYTES // len(post("/stats", EVENT))
    said = answers(await talk(both.lane, post("/stats", EVENT) * count + LAST))
    assert len(said) == count + 1


async def test_a_peer_that_does_not_read_is_not_answered_for_ever(both):
    reader, writer = await asyncio.open_connection("127.0.0.1", both.lane, limit=1)
    flood = post("/updates", CHECK) * 2_000
    for _ in range(20):
        writer.write(flood)
        await asyncio.sleep(0)
    for _ in range(200):
        await asyncio.sleep(0)
    answered = both.shared.checks
    for _ in range(200):
        await asyncio.sleep(0)
    assert both.shared.checks == answered < 40_000
    writer.transport.abort()
    del reader


async def test_a_large_file_goes_at_once_as_far_as_it_can_and_whole_in_the_end(both):
    marks, large = [], both.large
    for stream in (
        get(large),
        get(large),
        get(large, b"Range: bytes=1000001-"),
        get(large) + get(large) + post("/updates", CHECK),
    ):
        marks.append([[(a[0], hashlib.sha256(a[2]).digest()) for a in each] for each in await ask_both(both, stream)])
    assert all(lane == plain for lane, plain in marks)
    assert both.shared.deliveries == 5
    assert (both.shared.service.overload.in_progress, both.shared.service.overload.downloads) == (0, 0)


async def test_a_reader_that_leaves_in_the_middle_leaves_nothing_behind(both):
    for _ in range(3):  # the first waits for the disk, the others are sent at once as far as it goes
        reader, writer = await asyncio.open_connection("127.0.0.1", both.lane, limit=1)
        writer.write(get(both.large))
        await reader.readexactly(1)
        assert both.shared.service.overload.downloads == 1
        writer.transport.abort()
        async with asyncio.timeout(ANSWER_SECONDS):
            while both.shared.service.overload.downloads:
                await asyncio.sleep(0)
        del reader
    assert both.shared.deliveries == 0
    assert [file._holders for file in both.shared.files._files.values()] == [0]


async def test_a_connection_keeps_one_more_descriptor_from_its_first_file_on_and_leaves_none(both):
    async def settled(descriptors):
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(os.listdir("/proc/self/fd")) != descriptors:
                await asyncio.sleep(0)

    assert answers(await talk(both.lane, get(both.large) + get(both.zip_path) + LAST))  # both files stay open
    async with asyncio.timeout(ANSWER_SECONDS):
        while both.shared.open_lanes.count:
            await asyncio.sleep(0)
    for _ in range(20):  # of closing the client's end
        await asyncio.sleep(0)
    before = len(os.listdir("/proc/self/fd"))
    reader, writer = await asyncio.open_connection("127.0.0.1", both.lane, limit=4096)
    for _ in range(3):
        writer.write(get(both.zip_path, method=b"HEAD"))
        await reader.readuntil(b"\r\n\r\n")
        await settled(before + 3)  # both ends, and the duplicate
    writer.write(get(both.large))
    await reader.readexactly(1)
    writer.transport.abort()
    await settled(before)


async def test_above_their_limit_downloads_are_refused_alike(both):
    both.shared.service.overload.downloads = DOWNLOADS_LIMIT
    lane, plain = await ask_both(both, get("@") + post("/updates", CHECK))
    assert lane == plain
    assert [answer[0] for answer in lane] == [b"HTTP/1.1 503 Service Unavailable"] + [b"HTTP/1.1 200 OK"] * 2
    assert both.shared.service.counts.shed["downloads_over_limit"] == 2
    both.shared.service.overload.downloads = 0


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("headers", [(), (b"Range: bytes=2-4",), (b'If-Match: "x"',)])
async def test_a_lost_blob_is_503_at_both_doors_and_said_once(both, caplog, method, headers):
    current = both.shared.service.current
    digest = both.zip_path.rpartition("/")[2]
    path = current._store.path(blob_key(digest))
    content = path.read_bytes()
    path.unlink()
    lane, plain = await ask_both(both, get("@", *headers, method=method) + post("/updates", RUNS_IT))
    assert lane == plain
    assert [answer[0][9:12] for answer in lane] == [b"503", b"200", b"200"]
    assert (b"retry-after", b"60") in lane[0][1]
    assert len(both.prover.quarantine) == 1
    assert faults_in(both.told) == [Faulted(APP, "1.0.1")]
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert digest in said and APP in said
    path.write_bytes(content)
    lane, plain = await ask_both(both, get("@"))
    assert lane == plain and b" 200 " in lane[0][0]
    assert len(both.prover.quarantine) == 0


def faults_in(told: list) -> list[Faulted]:
    return [change for message in told for change in message.changes if isinstance(change, Faulted)]


async def begun(port: int, path: str) -> asyncio.StreamWriter:
    """A download of which the peer reads a little, then nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(get(path))
    await reader.readexactly(1)
    return writer


@pytest.mark.parametrize("door", ["lane", "plain"])
async def test_a_download_that_is_cut_for_slowness_is_told_for_its_address(tmp_path, door):
    async with doors(tmp_path, patience=Patience(0.1, 0)) as both:
        writer = await begun(getattr(both, door), both.large)
        async with asyncio.timeout(ANSWER_SECONDS):
            while not faults_in(both.told):
                await asyncio.sleep(0.01)
        writer.transport.abort()
        assert faults_in(both.told) == [Faulted(APP, "1.0.0", "127.0.0.1")]


@pytest.mark.parametrize("door", ["lane", "plain"])
@pytest.mark.parametrize(("ends_early", "faults"), [(True, [Faulted(APP, "1.0.0")]), (False, [])])
async def test_a_file_that_ends_early_is_this_nodes_fault_and_a_peer_that_leaves_is_not(both, door, ends_early, faults):
    path = both.shared.service.current.blob(APP, "zip", both.large.rpartition("/")[2])
    writer = await begun(getattr(both, door), both.large)
    writer.transport.abort()
    if ends_early:
        with path.open("r+b") as file:
            file.truncate(10_000_000)
        await talk(getattr(both, door), get(both.large)[:-2], b"Connection: close\r\n\r\n")
    async with asyncio.timeout(ANSWER_SECONDS):
        while both.shared.service.overload.downloads:
            await asyncio.sleep(0.01)
    assert faults_in(both.told) == faults


def flip_a_bit(path):
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def flip_a_bit_and_keep_the_time(path):
    status = path.stat()
    flip_a_bit(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def put_a_link(path):
    path.rename(path.with_name("0" * 64))
    path.symlink_to("0" * 64)


DAMAGE = [
    *(flip_a_bit, flip_a_bit_and_keep_the_time, put_a_link),
    lambda path: os.truncate(path, 3),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes() + b"0"),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: (path.unlink(), os.mkfifo(path)),
]
WAYS = [
    (b"GET", ()),
    (b"HEAD", ()),
    (b"GET", (b"Range: bytes=1-2",)),
    (b"GET", (b"Range: bytes=1000-",)),
    (b"GET", (b"If-None-Match: *",)),
    (b"GET", (b"If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT",)),
]


@pytest.mark.parametrize("served_before", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
async def test_no_byte_of_a_damaged_blob_is_sent_and_nothing_is_said_of_it(both, damage, served_before):
    if served_before:
        lane, plain = await ask_both(both, get("@"))
        assert lane == plain and lane[0][2] == b"zip 1.0.1"
    path = both.shared.service.current.blob(APP, "zip", both.zip_path.rpartition("/")[2])
    damage(path)
    for method, headers in WAYS:
        lane, plain = await ask_both(both, get("@", *headers, method=method))
        assert lane == plain
        assert b" 503 " in lane[0][0] and b"etag" not in dict(lane[0][1])
    assert len(both.prover.quarantine) == 1
    heal(both, b"zip 1.0.1")
    lane, plain = await ask_both(both, get("@"))
    assert lane == plain and lane[0][2] == b"zip 1.0.1"
    assert len(both.prover.quarantine) == 0


def heal(both, content):
    assert keep_bytes(both.prover._store, content)


async def test_all_who_ask_at_once_at_either_door_have_it_read_once(both):
    said = await asyncio.gather(*(talk(port, get(both.large) + LAST) for port in [both.lane, both.plain] * 5))
    assert all(each.count(b"HTTP/1.1 200") == 2 and len(each) > len(LARGE) for each in said)
    assert both.prover.counts == {"readings": 1, "bytes": len(LARGE)}


async def test_what_takes_too_long_to_prove_is_503_for_now(both):
    both.shared.files._wait_seconds = 0.0
    lane, plain = await ask_both(both, get(both.large))
    assert lane == plain
    assert b" 503 " in lane[0][0] and dict(lane[0][1])[b"retry-after"] == b"5"
    assert len(both.prover.quarantine) == 0


async def test_an_address_that_no_release_names_stays_404_however_much_is_lost(both):
    path = both.shared.service.current.blob(APP, "zip", both.zip_path.rpartition("/")[2])
    path.unlink()
    for stream in (get(f"/bundles/{APP}/zip/{'0' * 64}"), get(both.zip_path.replace("/zip/", "/file/"))):
        lane, plain = await ask_both(both, stream)
        assert lane == plain and b" 404 " in lane[0][0]
    assert len(both.prover.quarantine) == 0


@pytest.mark.parametrize(("proxies", "expected"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.9")])
async def test_a_report_is_its_forwarded_peers_at_both_doors_and_the_lane_keeps_it(tmp_path, proxies, expected):
    async with doors(tmp_path, proxies=proxies) as both:
        for door in (both.lane, both.plain):
            await talk(door, post("/stats", EVENT, b"X-Forwarded-For: 1.2.3.4, 192.0.2.9") + LAST)
        assert both.shared.service.event_limits.prefixes == [expected] * 2
        assert (both.shared.reports, both.shared.handed_over) == (1, 1)  # for LAST


# What is not ordinary and yet plainly framed: after it, a proxy's connection comes back.
COMES_BACK = {
    "a greeting": get("/updates"),
    "a preflight": get("/updates", method=b"OPTIONS"),
    "a query": post("/updates?x=1", CHECK),
    "a list of channels": get(f"/channel_self?app_id={APP}&platform=android"),
    "a choice of a channel": post("/channel_self", CHECK),
    "a path of nobody": get("/nowhere"),
    "a large report": post("/stats", b"[" + b" " * 200_000 + b"]"),
    "two range lines": get("@", b"Range: bytes=0-1", b"Range: bytes=3-4"),
    "a GET with a body": get("/updates", b"Content-Length: 3") + b"abc",
}
STAYS = {
    "chunked": chunked("/updates", CHECK),
    "expects 100": post("/updates", CHECK, b"Expect: 100-continue"),
    "two lengths": post("/updates", CHECK, b"Content-Length: 1"),
    "HTTP/1.0": get("/updates").replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("name", [*COMES_BACK, *STAYS])
@pytest.mark.parametrize("proxied", [True, False])
async def test_a_proxys_connection_comes_back_when_the_unusual_request_is_done(tmp_path, name, proxied):
    async with doors(tmp_path, proxies=("127.0.0.1",) if proxied else ()) as both:
        unusual = (COMES_BACK | STAYS)[name]
        end = post("/updates", CHECK, b"Connection: close")
        stream = (unusual + post("/updates", RUNS_IT) + unusual + end).replace(b" @", b" " + both.zip_path.encode())
        plain = answers(await talk(both.plain, stream))
        for pieces in ((stream,), [stream[at : at + 5_000] for at in range(0, len(stream), 5_000)]):
            before = Counter(both.shared.counts())
            assert answers(await talk(both.lane, *pieces)) == plain
            spent = Counter(both.shared.counts()) - before
            back = 2 if name in COMES_BACK and proxied else 0
            assert (spent["lane_taken_back"], spent["lane_checks"]) == (back, back)
            assert spent["lane_handed_over"] == (back or 1)
        assert both.shared.bugs == 0


async def test_an_answer_before_the_body_has_arrived_is_read_alike_whether_the_connection_comes_back_or_not(tmp_path):
    async with doors(tmp_path, proxies=("127.0.0.1",)) as both:
        stream = post("/updates", b"x" * 70_000) + post("/updates", RUNS_IT)
        for size in (len(stream), 200, 69_000, 70_100):
            pieces = [stream[:size], stream[size:] + LAST]
            assert answers(await talk(both.lane, *pieces)) == answers(await talk(both.plain, *pieces))


async def test_an_unusual_request_that_is_cut_anywhere_is_answered_once_and_comes_back(tmp_path):
    async with doors(tmp_path, proxies=("127.0.0.1",)) as both:
        stream = post("/channel_self", CHECK) + post("/updates", RUNS_IT, b"Connection: close")
        whole = answers(await talk(both.plain, stream))
        for place in range(1, len(stream), 7):
            assert answers(await talk(both.lane, stream[:place], stream[place:])) == whole, place


async def test_a_proxy_that_leaves_during_an_unusual_request_leaves_nothing_behind(tmp_path):
    async with doors(tmp_path, proxies=("127.0.0.1",)) as both:
        for size in (30, len(post("/channel_self", CHECK)) - 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", both.lane)
            writer.write(post("/channel_self", CHECK)[:size])
            writer.write_eof()
            await reader.read()
            writer.close()


async def test_what_floods_in_behind_an_unusual_request_waits_within_bounds(tmp_path):
    async with doors(tmp_path, proxies=("127.0.0.1",)) as both:
        count = 2 * BEHIND_LIMIT_BYTES // len(post("/updates", RUNS_IT))
        stream = get("/updates") + post("/updates", RUNS_IT) * count
        said = answers(await talk(both.lane, stream + post("/updates", RUNS_IT, b"Connection: close")))
        assert len(said) == count + 2 and (both.shared.checks, both.shared.taken_back) == (count + 1, 1)


FORWARDED = [b"", b"192.0.2.9", b"1.1.1.1, 192.0.2.9:80", b"2001:db8::9", b"10.0.0.1", b"unknown", b"\xff", b"x, ,"]
STATED = [
    (b"X-Forwarded-For: ", FORWARDED),
    (b"x-forwarded-FOR:", FORWARDED),
    (b"X-Forwarded-Proto: ", [b"https", b"HTTP", b" http ", b"https, http", b"ftp", b""]),
    (b"CF-IPCountry: ", [b"DE", b"fr ", b"XXX", b"\xc3\xa9", b""]),
    (b"X-Request-ID: ", [b"abc", b"a b", b"x" * 200, b"\xff", b""]),
    (b"X-Forwarded-Host: ", [b"updates.example.com", b"x"]),
    (b"Via: ", [b"1.1 Caddy"]),
]


def drawn(seed: int) -> list[bytes]:
    """Up to six lines that a proxy, or who plays one, may send."""
    chance = random.Random(seed)
    return [name + chance.choice(values) for name, values in chance.choices(STATED, k=chance.randrange(7))]


@pytest.mark.parametrize("trusted", [("127.0.0.1", "10.0.0.0/8"), ()])
async def test_the_doors_agree_on_the_peer_scheme_country_and_id_of_any_forwarded_request(tmp_path, trusted):
    async with doors(tmp_path, proxies=trusted, country_header="CF-IPCountry", public_url="") as both:
        service = both.shared.service
        for seed in range(60):
            lines = drawn(seed)
            for name in ("whences", "bases"):
                setattr(service, name, [])
            for _ in range(2):  # the second time by a head that is known
                lane, plain = await ask_both(both, post("/updates", CHECK, *lines))
                assert [(answer[0], answer[1]) for answer in lane] == [(answer[0], answer[1]) for answer in plain], (
                    lines
                )
            told = [
                (each.forwarded, each.country, each.scheme, each.request_id, find_peer(each, service.proxies))
                for each in service.whences
            ]
            assert told == [told[0]] * 4, lines
            schemes = {base.partition(":")[0] for base in service.bases}
            assert schemes == {told[0][2] or "http"}, lines
            if not trusted:
                assert told[0] == ([], "", "", "", find_peer(Whence("127.0.0.1"), service.proxies))
        assert both.shared.handed_over == 60 * 2  # for LAST alone


@pytest.mark.parametrize(("proxies", "expected"), [((), ["", ""]), (("127.0.0.1",), ["DE", ""])])
async def test_a_country_is_a_proxys_word_at_both_doors(tmp_path, proxies, expected):
    async with doors(tmp_path, proxies=proxies, country_header="CF-IPCountry") as both:
        for named in (b"CF-IPCountry: de", b"cf-ipcountry: DE", b"CF-IPCountry: unknown", b"X-Country: DE"):
            for _ in range(2):  # the second time by a head that is known
                await ask_both(both, post("/updates", CHECK, named))
        service = both.shared.service
        assert service.countries == [expected[0]] * 8 + [expected[1]] * 8
        assert both.shared.handed_over == 8  # for LAST alone
        lane, plain = await ask_both(both, post("/updates", CHECK, b"CF-IPCountry: DE", b"CF-IPCountry: FR"))
        assert lane == plain
        assert service.countries[16:] == ["", ""]  # stated twice: by whom?


@pytest.mark.parametrize(("proxies", "expected"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.9")])
async def test_a_check_is_charged_to_the_address_that_a_proxy_forwards_at_both_doors(tmp_path, proxies, expected):
    async with doors(tmp_path, proxies=proxies) as both:
        forwarded = (b"X-Forwarded-For: 203.0.113.4, 192.0.2.9", b"x-forwarded-for: 127.0.0.1")
        for _ in range(2):  # the second time by a head that is known
            await ask_both(both, post("/updates", CHECK, *forwarded))
        assert both.shared.service.prefixes == [expected] * 4


async def test_idle_connections_end_and_half_said_heads_are_cut(both):
    for beginning in (b"", b"POST /upd"):
        reader, writer = await asyncio.open_connection("127.0.0.1", both.lane)
        writer.write(beginning)
        for _ in range(5):
            await asyncio.sleep(0)
        (lane,) = both.shared.open_lanes
        assert lane.overdue(math.inf) == ("slow_head" if beginning else "")
        both.shared.open_lanes.end_idle(both.shared.now + 1_000)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                assert await reader.read() == b""
        except ConnectionError:
            assert beginning
        writer.close()
