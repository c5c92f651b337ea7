"""Bytes of a file over a real connection: complete, in order, fair, given up in time, with nothing left open."""

import asyncio
import hashlib
import os
import random
import socket
import ssl
import struct
import tempfile
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.node.delivery.copying import COPY_BYTES
from edge.node.delivery.pace import Pace, Patience, Stalled, unacknowledged
from edge.node.delivery.send import Wire, reset_connection
from edge.node.delivery.turns import ROUND_BYTES, TURN_BYTES, Altered, Truncated

CONTENT = random.Random(7).randbytes(8 * 1024 * 1024)  # more than two kernels' buffers hold by default


class Door(asyncio.Protocol):
    def __init__(self, made):
        self._made = made

    def connection_made(self, transport):
        self._made.set_result(transport)


@asynccontextmanager
async def a_connection():
    """A server's transport and the client's plain, non-blocking socket."""
    loop = asyncio.get_running_loop()
    made = loop.create_future()
    server = await loop.create_server(lambda: Door(made), "127.0.0.1", 0)
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        transport = await made
        try:
            yield transport, client
        finally:
            reset_connection(transport)
            server.close()
            await server.wait_closed()


@pytest.fixture
def fd():
    """On a disk: a filesystem in memory cannot say whether a read would wait."""
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        file.write(CONTENT)
        file.seek(0)
        yield file.fileno()


async def send_file(transport, fd, offset, count, intact=lambda: True, **patience):
    wire = Wire(transport)
    try:
        await wire.send_file(fd, offset, count, Patience(**patience), intact)
    finally:
        wire.close()


def send_at_once(transport, head, fd, offset, count):
    wire = Wire(transport)
    try:
        return wire.send_at_once(head, fd, offset, count)
    finally:
        wire.close()


async def receive(client, count, step=1 << 20):
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < count and (chunk := await loop.sock_recv(client, min(step, count - len(got)))):
        got += chunk
        await asyncio.sleep(0)  # asyncio reads what is there without giving way
    return bytes(got)


async def discard(client, step):
    while await asyncio.get_running_loop().sock_recv(client, step):
        await asyncio.sleep(0)


async def blocked(transport):
    """Wait until the kernel has accepted nothing for many turns of the loop."""
    out, unchanged, before = transport.get_extra_info("socket").fileno(), 0, 0
    while unchanged < 20:
        await asyncio.sleep(0)
        before, last = unacknowledged(out), before
        unchanged = unchanged + 1 if before == last > 0 else 0


def mark(content):
    """Compare marks, not bytes: pytest takes minutes to explain how two megabytes differ."""
    return len(content), hashlib.sha256(content).hexdigest()


def open_descriptors():
    # All but /dev/null, which uvloop keeps in reserve from its first listening socket on.
    links = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    return sum(link.is_symlink() and os.readlink(link) != os.devnull for link in links)


async def settled(descriptors):
    """Closing a transport takes the loop a few turns."""
    async with asyncio.timeout(60):
        while open_descriptors() > descriptors:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        (0, 0),
        (0, 1),
        (len(CONTENT) - 1, 1),
        (len(CONTENT), 0),
        (1, TURN_BYTES - 1),
        (0, TURN_BYTES),
        (3, TURN_BYTES + 1),
        (0, len(CONTENT)),
    ],
)
async def test_the_asked_bytes_arrive(fd, offset, count):
    async with a_connection() as (transport, client):
        _, got = await asyncio.gather(send_file(transport, fd, offset, count), receive(client, count))
        assert mark(got) == mark(CONTENT[offset : offset + count])


@pytest.mark.parametrize(("offset", "count"), [(0, 0), (7, 1), (3, 50_000), (0, TURN_BYTES)])
async def test_a_head_and_its_file_go_at_once(fd, offset, count):
    async with a_connection() as (transport, client):
        sent = send_at_once(transport, b"head", fd, offset, count)
        assert 4 < sent <= 4 + count or (count, sent) == (0, 4)
        got = await receive(client, sent)
        assert mark(got) == mark(b"head" + CONTENT[offset : offset + sent - 4])


async def test_no_more_goes_at_once_than_a_turn_and_the_rest_fits(fd):
    async with a_connection() as (transport, client):
        sent = send_at_once(transport, b"head", fd, 0, len(CONTENT))
        assert sent <= 4 + TURN_BYTES
        rest = send_file(transport, fd, sent - 4, len(CONTENT) - sent + 4)
        _, got = await asyncio.gather(rest, receive(client, 4 + len(CONTENT)))
        assert mark(got) == mark(b"head" + CONTENT)


async def test_nothing_goes_past_what_the_transport_holds_or_down_a_closing_one(fd):
    async with a_connection() as (transport, client):
        transport.write(CONTENT)
        assert transport.get_write_buffer_size() > 0
        assert send_at_once(transport, b"head", fd, 0, 10) == 0
        assert mark(await receive(client, len(CONTENT))) == mark(CONTENT)
        transport.close()
        assert send_at_once(transport, b"head", fd, 0, 10) == 0


async def test_a_connection_that_is_full_takes_what_fits_and_then_nothing(fd):
    before = open_descriptors()
    async with a_connection() as (transport, client):
        taken = [TURN_BYTES]
        while taken[-1]:
            taken.append(send_at_once(transport, b"head", fd, 0, TURN_BYTES))
        got = await receive(client, sum(taken[1:]))
        assert mark(got) == mark(b"".join((b"head" + CONTENT[:TURN_BYTES])[:sent] for sent in taken[1:]))
    await settled(before)


async def test_a_peer_that_is_gone_takes_nothing_at_once(fd):
    async with a_connection() as (transport, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert send_at_once(transport, b"head", fd, 0, 10) == 0


async def test_what_the_transport_still_holds_goes_first(fd):
    async with a_connection() as (transport, client):
        transport.write(CONTENT)
        transport.write(b"head")
        assert transport.get_write_buffer_size() > 0
        total = len(CONTENT) + 4 + 1000
        _, got = await asyncio.gather(send_file(transport, fd, 5, 1000), receive(client, total))
        assert mark(got) == mark(CONTENT + b"head" + CONTENT[5:1005])


async def test_the_transport_goes_on_after_the_file(fd):
    async with a_connection() as (transport, client):
        await asyncio.gather(send_file(transport, fd, 0, 100_000), receive(client, 100_000))
        transport.write(b"next")
        assert await receive(client, 4) == b"next"


async def test_sending_nothing_ends_when_the_transport_holds_nothing(fd):
    async with a_connection() as (transport, client):
        transport.write(CONTENT)
        flushing = asyncio.create_task(send_file(transport, fd, 0, 0))
        assert mark(await receive(client, len(CONTENT))) == mark(CONTENT)
        await flushing
        assert transport.get_write_buffer_size() == 0


async def test_a_slow_reader_gets_everything(fd):
    async with a_connection() as (transport, client):
        count = 2 * 1024 * 1024
        _, got = await asyncio.gather(send_file(transport, fd, 0, count), receive(client, count, step=1500))
        assert mark(got) == mark(CONTENT[:count])


async def test_many_send_at_once_from_one_descriptor(fd):
    async def one(offset, count):
        async with a_connection() as (transport, client):
            _, got = await asyncio.gather(send_file(transport, fd, offset, count), receive(client, count))
            assert mark(got) == mark(CONTENT[offset : offset + count])

    before = open_descriptors()
    await asyncio.gather(*(one(n * 40_000, 600_000) for n in range(50)))
    await settled(before)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0


async def test_one_turn_of_the_loop_sends_no_more_than_its_share(fd):
    arrivals, got = [], bytearray()
    async with a_connection() as (transport, client):
        sending = asyncio.create_task(send_file(transport, fd, 0, len(CONTENT)))
        while len(got) < len(CONTENT):
            before = len(got)
            try:
                while len(got) < len(CONTENT):
                    got += client.recv(1 << 20)
            except BlockingIOError:
                pass
            arrivals.append(len(got) - before)
            await asyncio.sleep(0)
        await sending
    assert mark(got) == mark(CONTENT)
    assert max(arrivals) <= 2 * ROUND_BYTES  # sent all it can at once, a connection takes megabytes


async def test_a_reader_that_stops_is_given_up(fd):
    before = open_descriptors()
    async with a_connection() as (transport, _client):
        with pytest.raises(Stalled):
            await send_file(transport, fd, 0, len(CONTENT), stall_seconds=0.1)
        assert not transport.is_closing()  # that is for the caller to do
    await settled(before)


async def test_a_reader_that_stops_before_the_headers_are_out_is_given_up(fd):
    async with a_connection() as (transport, _client):
        transport.write(CONTENT)
        with pytest.raises(Stalled):
            await send_file(transport, fd, 0, 1, stall_seconds=0.1)


async def test_a_cut_connection_ends_with_a_reset(fd):
    async with a_connection() as (transport, client):
        with pytest.raises(Stalled):
            await send_file(transport, fd, 0, len(CONTENT), stall_seconds=0.1)
        reset_connection(transport)
        with pytest.raises(ConnectionResetError):
            await receive(client, len(CONTENT))


async def test_a_reader_that_moves_but_is_too_slow_is_given_up(tmp_path):
    endless = tmp_path / "sparse"
    endless.touch()
    os.truncate(endless, 1 << 40)
    descriptor = os.open(endless, os.O_RDONLY)
    async with a_connection() as (transport, client):
        reading = asyncio.create_task(discard(client, step=TURN_BYTES // 4))
        with pytest.raises(Stalled, match="bit/s"):
            await send_file(transport, descriptor, 0, 1 << 40, stall_seconds=0.2, minimum_bps=10**15)
        reading.cancel()
    os.close(descriptor)


async def test_a_peer_that_leaves_midway_is_a_connection_error(fd):
    before = open_descriptors()
    async with a_connection() as (transport, client):
        sending = asyncio.create_task(send_file(transport, fd, 0, len(CONTENT)))
        assert mark(await receive(client, 100_000)) == mark(CONTENT[:100_000])
        client.close()
        with pytest.raises(ConnectionError) as caught:
            await sending
        assert not isinstance(caught.value, Stalled)
    await settled(before)


async def test_a_transport_that_is_closed_meanwhile_ends_the_sending(fd):
    async with a_connection() as (transport, _client):
        sending = asyncio.create_task(send_file(transport, fd, 0, len(CONTENT), stall_seconds=1))
        await blocked(transport)
        transport.abort()
        with pytest.raises(ConnectionResetError):
            await sending


async def test_a_closed_transport_is_a_connection_error(fd):
    async with a_connection() as (transport, _client):
        transport.abort()
        with pytest.raises(ConnectionResetError):
            await send_file(transport, fd, 0, 1)


async def test_cancellation_leaves_nothing_behind(fd):
    before = open_descriptors()
    async with a_connection() as (transport, _client):
        sending = asyncio.create_task(send_file(transport, fd, 0, len(CONTENT)))
        await blocked(transport)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert open_descriptors() == before + 3  # listener, both ends
    await settled(before)
    loop = asyncio.get_running_loop()
    assert not any(loop.remove_writer(number) for number in range(100))  # nobody waits on a closed descriptor


async def test_the_end_of_a_file_that_was_changed_meanwhile_is_withheld(fd):
    async with a_connection() as (transport, client):
        reading = asyncio.create_task(receive(client, len(CONTENT)))
        with pytest.raises(Altered):
            await send_file(transport, fd, 0, len(CONTENT), intact=lambda: False)
        transport.abort()
        assert len(await reading) < len(CONTENT)


async def test_the_end_of_a_changed_file_is_withheld_over_tls_too(fd, certificate):
    async with a_tls_connection(certificate) as (transport, reader):
        reading = asyncio.create_task(reader.read(-1))
        with pytest.raises(Altered):
            await send_file(transport, fd, 0, len(CONTENT), intact=lambda: False)
        transport.abort()
        with suppress(ConnectionError):
            assert len(await reading) < len(CONTENT)


async def test_a_file_that_is_too_short_is_not_the_peers_fault(fd):
    async with a_connection() as (transport, client):
        reading = asyncio.create_task(receive(client, len(CONTENT)))
        with pytest.raises(Truncated):
            await send_file(transport, fd, 0, len(CONTENT) + 1)
        assert mark(await reading) == mark(CONTENT)


@pytest.mark.parametrize(
    ("steps", "given_up"),
    [
        ([(0, 0)], None),
        ([(9.9, 0)], None),
        ([(10, 0)], "nothing"),
        ([(9, 10_000), (18.9, 10_000)], None),
        ([(9, 10_000), (19, 10_000)], "nothing"),
        # 8,000 bit/s is 1,000 bytes a second, after the first ten seconds
        ([(9, 1), (18, 8_000)], None),
        ([(9, 1), (18, 7_999)], "bit/s"),
        ([(9, 5_000_000), (18, 5_000_001), (27, 5_000_002), (36, 5_000_003)], None),
        # less than before: the kernel took more than was acknowledged
        ([(9, -5), (10, -6)], "nothing"),
    ],
)
def test_the_pace_of_a_transfer(steps, given_up):
    pace = Pace(100.0, 50, 10.0, 8_000)
    try:
        for seconds, delivered in steps:
            pace.check(100.0 + seconds, 50 + delivered)
    except Stalled as stalled:
        assert given_up is not None
        assert given_up in str(stalled)
        assert (seconds, delivered) == steps[-1]
    else:
        assert given_up is None


async def test_progress_is_what_the_peer_acknowledged(fd):
    async with a_connection() as (transport, client):
        out = transport.get_extra_info("socket").fileno()
        assert unacknowledged(out) == 0
        with pytest.raises(Stalled):
            await send_file(transport, fd, 0, len(CONTENT), stall_seconds=0.1)
        held = unacknowledged(out)
        assert 0 < held < len(CONTENT)
        async with asyncio.timeout(60):
            while unacknowledged(out) == held:  # nothing more is sent, only read
                assert await receive(client, 1000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def a_tls_connection(certificate):
    """A server's transport and the client's stream reader."""
    loop, made = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    server = await loop.create_server(lambda: Door(made), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusting, server_hostname="localhost", limit=4096
    )
    # Without it the kernel may take all of CONTENT for a reader that stopped: up to tcp_rmem, 32 MiB on some machines.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, COPY_BYTES)
    transport = await made
    try:
        yield transport, reader
    finally:
        reset_connection(transport)
        writer.transport.abort()
        server.close()
        await server.wait_closed()


async def test_tls_copies_the_same_bytes(fd, certificate):
    async with a_tls_connection(certificate) as (transport, reader):
        transport.write(b"head")
        count = 20 * COPY_BYTES + 7
        _, got = await asyncio.gather(send_file(transport, fd, 3, count), reader.readexactly(4 + count))
        assert mark(got) == mark(b"head" + CONTENT[3 : 3 + count])


async def test_tls_holds_little_in_memory_and_gives_up_a_reader_that_stops(fd, certificate):
    async with a_tls_connection(certificate) as (transport, _reader):
        with pytest.raises(Stalled):
            await send_file(transport, fd, 0, len(CONTENT), stall_seconds=0.2)
        assert transport.get_write_buffer_size() <= 3 * COPY_BYTES


@pytest.mark.parametrize(("count", "at_once"), [(0, True), (1, True), (COPY_BYTES, True), (COPY_BYTES + 1, False)])
async def test_tls_copies_at_once_what_is_little(fd, certificate, count, at_once):
    async with a_tls_connection(certificate) as (transport, reader):
        sent = send_at_once(transport, b"head", fd, 3, count)
        assert sent == (4 + count if at_once else 0)
        assert mark(await reader.readexactly(sent)) == mark((b"head" + CONTENT[3 : 3 + count])[:sent])


async def test_tls_promises_no_bytes_that_the_file_does_not_have(fd, certificate):
    async with a_tls_connection(certificate) as (transport, _reader):
        assert send_at_once(transport, b"head", fd, len(CONTENT) - 5, 6) == 0
        with pytest.raises(Truncated):
            await send_file(transport, fd, len(CONTENT) - 5, 6)


async def test_tls_leaves_the_loop_to_others(fd, certificate):
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with a_tls_connection(certificate) as (transport, reader):
        counting = asyncio.create_task(count_turns())
        await asyncio.gather(send_file(transport, fd, 0, len(CONTENT)), reader.readexactly(len(CONTENT)))
        counting.cancel()
    assert turns >= len(CONTENT) // (4 * COPY_BYTES)
