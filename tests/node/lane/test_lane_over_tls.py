"""Over TLS the lane and aiohttp answer every stream as they do without, however it is sent, and hold peers to the same
limits. Clients are Python's, aiohttp's, curl's and OpenSSL's own."""

import asyncio
import hashlib
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import aiohttp
import pytest
from certificates import Files, a_certificate
from test_lane import ALIKE, ANSWER_SECONDS, CHECK, EVENT, LARGE, LAST, RUNS_IT, Doors, answers, doors, get, post

from edge.node.delivery.pace import Patience
from edge.node.lane.connection import Lane
from edge.node.service.limits.unread_answers import SCAN_SECONDS
from edge.node.tls.pair import read_pair
from edge.node.tls.port import BAD, HANDSHAKE_SECONDS, SLOW, PortTls

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
PATIENCE = Patience(stall_seconds=30.0, minimum_bps=8_000)


class Secure(NamedTuple):
    doors: Doors
    tls: PortTls
    port: int
    files: Files

    def trusting(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.files.certificate)
        context.minimum_version = context.maximum_version = version
        return context

    def cut(self, why: str) -> int:
        return self.doors.shared.connections.closed()[why]


@asynccontextmanager
async def secured(folder):
    files = a_certificate(folder)
    async with doors(folder / "data", patience=PATIENCE) as opened:
        tls = PortTls(read_pair(*files), opened.shared.connections.note_cut)
        accept = lambda: tls.protect(Lane(opened.shared))  # noqa: E731
        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
        yield Secure(opened, tls, server.sockets[0].getsockname()[1], files)
        server.close()


@pytest.fixture
async def secure(tmp_path):
    async with secured(tmp_path) as opened:
        yield opened


def ask(secure: Secure, version: ssl.TLSVersion, *pieces: bytes) -> bytes:
    """Everything that is answered until the end, which the node has to say. Blocks."""
    with (
        socket.create_connection(("127.0.0.1", secure.port), ANSWER_SECONDS) as plain,
        secure.trusting(version).wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as peer,
    ):
        for piece in pieces:
            peer.sendall(piece)
        said = b""
        while part := peer.recv(1 << 20):
            said += part
        return said


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_stream_is_answered_as_without_tls(secure, version):
    for name, stream in ALIKE.items():
        stream = stream.replace(b" @", b" " + secure.doors.zip_path.encode())
        stream += b"" if b"Connection: close" in stream else LAST
        plain = answers(await asyncio.to_thread(ask_plainly, secure.doors.lane, stream))
        for pieces in ((stream,), (stream[:7], stream[7:-3], stream[-3:])):
            assert answers(await asyncio.to_thread(ask, secure, version, *pieces)) == plain, name
    assert secure.doors.shared.bugs == 0


def ask_plainly(port: int, stream: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as peer:
        peer.sendall(stream)
        said = b""
        while part := peer.recv(1 << 20):
            said += part
        return said


@pytest.mark.long
async def test_a_large_download_arrives_whole_beside_other_requests(secure):
    stream = post("/updates", CHECK) + get(secure.doors.large) + post("/stats", EVENT) + LAST
    said = answers(await asyncio.to_thread(ask, secure, VERSIONS[1], stream))
    assert len(said) == 4
    assert hashlib.sha256(said[1][2]).digest() == hashlib.sha256(LARGE).digest()


async def test_aiohttps_client_keeps_its_connection_over_all_kinds_of_requests(secure):
    connector = aiohttp.TCPConnector(ssl=secure.trusting(), limit=1)
    async with aiohttp.ClientSession(f"https://localhost:{secure.port}", connector=connector) as session:
        for _ in range(3):
            async with session.post("/updates", data=CHECK) as response:
                assert (await response.json())["version"] == "1.0.1"
            async with session.get(secure.doors.zip_path) as response:
                assert await response.read() == b"zip 1.0.1"
        async with session.get("/nowhere") as response:  # aiohttp's, from here on
            assert response.status == 404
        async with session.get(secure.doors.large) as response:
            assert await response.read() == LARGE
    assert secure.doors.shared.handed_over == 1


async def test_half_a_handshake_counts_as_a_connection_and_has_its_time(secure):
    connections = secure.doors.shared.connections
    peers = [await asyncio.open_connection("127.0.0.1", secure.port) for _ in range(3)]
    for (_, writer), begun in zip(peers, (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), strict=True):
        writer.write(begun)
    async with asyncio.timeout(ANSWER_SECONDS):
        while connections.open < 3:
            await asyncio.sleep(0)
    assert secure.tls.shaking == 3
    secure.tls.sweep(secure.tls._now + HANDSHAKE_SECONDS + 1.0)
    for reader, writer in peers:
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
    async with asyncio.timeout(ANSWER_SECONDS):
        while connections.open:
            await asyncio.sleep(0)
    assert secure.cut(SLOW) == 3


async def test_a_peer_that_reads_nothing_is_cut_as_without_tls(secure):
    shared = secure.doors.shared
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=secure.trusting(), limit=1)
    flood = post("/updates", CHECK) * 2_000
    for _ in range(20):
        writer.write(flood)
        await asyncio.sleep(0)
    async with asyncio.timeout(ANSWER_SECONDS):
        while not shared.connections.unread.held_bytes:
            await asyncio.sleep(0)
    answered = shared.checks
    for _ in range(200):
        await asyncio.sleep(0)
    assert shared.checks == answered < 40_000
    now = max(shared.connections.unread.now, SCAN_SECONDS)
    for later in (SCAN_SECONDS, SCAN_SECONDS + PATIENCE.stall_seconds):
        shared.connections.unread.sweep(now + later)
    async with asyncio.timeout(ANSWER_SECONDS):
        while shared.connections.open:
            await asyncio.sleep(0)
    assert secure.cut("unread") == 1
    writer.transport.abort()
    del reader


async def test_plain_http_gets_no_answer_and_is_counted(secure, caplog):
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    writer.write(post("/updates", CHECK))
    got = b""
    with suppress(ConnectionError):
        got = await reader.read()
    writer.close()
    assert not got.startswith(b"HTTP") and secure.cut(BAD) == 1
    assert caplog.record_tuples == []


@pytest.mark.long
async def test_lanes_drain_in_the_middle_of_handshakes_and_downloads(secure):
    half, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    writer.write(b"\x16\x03\x01")
    download = asyncio.create_task(asyncio.to_thread(ask, secure, VERSIONS[1], get(secure.doors.large)))
    shared = secure.doors.shared
    async with asyncio.timeout(ANSWER_SECONDS):
        while not shared.service.overload.downloads or shared.connections.open < 2:
            await asyncio.sleep(0)
    draining = asyncio.create_task(shared.open_lanes.drain(ANSWER_SECONDS))
    while not draining.done():  # a connection closes when its answer was read
        shared.connections.unread.sweep(0.0)
        await asyncio.sleep(0)
    assert answers(await download)[0][2] == LARGE
    assert await half.read() == b""
    writer.close()
    assert shared.connections.open == 0


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_curl_checks_and_downloads_over_one_connection(secure):
    base = f"https://localhost:{secure.port}"
    words = [
        "curl",
        "-sS",
        "--fail",
        "--cacert",
        secure.files.certificate,
        "--resolve",
        f"localhost:{secure.port}:127.0.0.1",
    ]
    words += ["-w", "%{num_connects} ", "-d", RUNS_IT.decode(), f"{base}/updates", "--next", "-sS", "--cacert"]
    words += [secure.files.certificate, "-w", " %{num_connects}", f"{base}{secure.doors.zip_path}"]
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, timeout=ANSWER_SECONDS)
    assert done.stderr == b"" and b'"up_to_date"' in done.stdout
    assert done.stdout.endswith(b"1 zip 1.0.1 0")


def openssl(secure: Secure, *words: str, said: bytes = b"") -> str:
    """What `openssl s_client` prints, its input held open until the node ends the connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{secure.port}", "-servername", "localhost", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdin.write(said)
        process.stdin.flush()
        output = process.stdout.read()
        process.stdin.close()
    return output.decode(errors="replace")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
async def test_early_data_is_not_taken_and_the_session_is_resumed(secure, tmp_path):
    session, early = tmp_path / "session", tmp_path / "early"
    last = post("/updates", RUNS_IT, b"Connection: close")
    early.write_bytes(last)
    first = await asyncio.to_thread(openssl, secure, "-tls1_3", "-ign_eof", "-sess_out", str(session), said=last)
    assert "up_to_date" in first and "Max Early Data: 0" in first
    words = ("-tls1_3", "-ign_eof", "-sess_in", str(session))
    again = await asyncio.to_thread(openssl, secure, *words, "-early_data", str(early), said=last)
    assert again.count("up_to_date") <= 1 and "Early data was accepted" not in again
    resumed = await asyncio.to_thread(openssl, secure, *words, said=last)
    assert "Reused, TLSv1.3" in resumed and resumed.count("up_to_date") == 1


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
async def test_no_connection_is_negotiated_again(secure):
    last = post("/updates", RUNS_IT, b"Connection: close")
    said = await asyncio.to_thread(openssl, secure, "-tls1_2", said=b"R\n" + last)
    assert "no renegotiation" in said.lower()
    assert secure.doors.shared.bugs == 0
