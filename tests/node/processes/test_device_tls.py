"""TLS on the device port: pairs that fit, replaced under running connections, on both loops and as processes."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import aiohttp
import pytest
from certificates import Files, a_certificate
from factories import APP
from node_world import PROMPT_SECONDS, a_config, a_truth, check, publish, running

from edge.node.delivery.send import Wire
from edge.node.processes.supervisor import Supervisor
from edge.node.tls.pair import BadPair, Pair, expiry_of, read_pair
from edge.node.tls.port import PortTls

BODY_BYTES = 8 << 20  # more than the sockets' buffers hold: it cannot be through before it is read


def trusting(files: Files) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.certificate)


def other_key(folder) -> Files:
    return Files(a_certificate(folder, "one").certificate, a_certificate(folder, "two").key)


def written(folder, name, content) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


BAD = {
    "no file": (lambda f: Files(str(f / "none.pem"), str(f / "none.key")), r"none\.pem: No such file"),
    "a folder": (lambda f: Files(str(f), str(f)), "Is a directory"),
    "another file": (lambda f: Files(*[written(f, "text", b"no PEM")] * 2), "PEM|no start line"),
    "empty": (lambda f: Files(*[written(f, "empty", b"")] * 2), "PEM|no start line"),
    "key of another": (other_key, "do not match"),
    "password": (lambda f: a_certificate(f, password=b"secret"), "without a password"),
    "huge": (lambda f: Files(*[written(f, "huge", b"x" * 2_000_000)] * 2), "exceeds the limit of"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_pair_that_cannot_work_is_refused_by_name(tmp_path, case):
    make, reason = BAD[case]
    with pytest.raises(BadPair, match=reason) as caught:
        read_pair(*make(tmp_path))
    assert str(tmp_path) in caught.value.message


def test_a_pair_is_never_printed_and_tells_when_it_ends(tmp_path):
    pair = read_pair(*a_certificate(tmp_path, ends=timedelta(hours=1)))
    assert repr(pair) == "Pair(...)" and "PRIVATE" not in f"{[pair]}"
    assert expiry_of(pair) > expiry_of(read_pair(*a_certificate(tmp_path, ends=timedelta(minutes=1))))


def a_tls(pair) -> PortTls:
    return PortTls(pair, lambda why: None)


class Sender(asyncio.Protocol):
    """Sends the file to whoever asks."""

    def __init__(self, path):
        self.path = path

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.sending = asyncio.create_task(self.send(self.transport))

    async def send(self, transport):
        wire = Wire(transport)
        with open(self.path, "rb") as file:
            await wire.send_file(file.fileno(), 0, BODY_BYTES)
        wire.close()
        transport.close()


@asynccontextmanager
async def a_port(tls: PortTls, path):
    server = await asyncio.get_running_loop().create_server(lambda: tls.protect(Sender(path)), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def presented(port, context, **options) -> bytes:
    """The certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, **options)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return shown


def own(files: Files) -> bytes:
    with open(files.certificate) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(BODY_BYTES))
    return path


async def test_a_new_pair_is_shown_to_new_connections_while_a_download_goes_on(tmp_path, body):
    old, new = a_certificate(tmp_path, "old"), a_certificate(tmp_path, "new")
    tls = a_tls(read_pair(*old))
    async with a_port(tls, body) as port:
        # A client of uvloop that has stopped reading loses what it did not read when the connection is closed.
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(old), limit=BODY_BYTES)
        writer.write(b"please")
        begun = await reader.readexactly(100_000)
        tls.replace(read_pair(*new))
        assert await presented(port, trusting(new)) == own(new)  # without a name: only an address was dialled
        assert await presented(port, trusting(new), server_hostname="localhost") == own(new)
        with pytest.raises(ssl.SSLCertVerificationError):
            await presented(port, trusting(old))
        assert begun + await reader.read() == body.read_bytes()
        writer.transport.abort()


async def test_a_pair_that_does_not_fit_changes_nothing(tmp_path, body):
    good, other = (read_pair(*a_certificate(tmp_path, name)) for name in ("good", "other"))
    tls = a_tls(good)
    async with a_port(tls, body) as port:
        with pytest.raises(BadPair):
            tls.replace(Pair(other.certificate, good.key))
        files = Files(str(tmp_path / "good.pem"), "")
        assert await presented(port, trusting(files)) == own(files)


async def test_old_versions_are_refused_and_only_http_1_1_is_spoken(tmp_path, body):
    files = a_certificate(tmp_path)
    async with a_port(a_tls(read_pair(*files)), body) as port:
        modern = trusting(files)
        modern.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=modern)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.transport.abort()
        weak = trusting(files)
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-GCM-SHA256")  # without forward secrecy
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await presented(port, weak)


def copied(files: Files, to: Files) -> None:
    for source, target in zip(files, to, strict=True):
        shutil.copyfile(source, target)


async def test_a_node_offers_https_and_takes_a_new_pair_from_its_files(tmp_path):
    first, second = a_certificate(tmp_path, "first"), a_certificate(tmp_path, "second")
    used = Files(str(tmp_path / "used.pem"), str(tmp_path / "used.key"))
    copied(first, used)
    truth = a_truth(tmp_path / "data")
    publish(truth, "1.0.1")
    config = a_config(tmp_path / "data", tls_certificate=used.certificate, tls_key=used.key)
    async with running(config, truth) as (supervisor, address):
        port = int(address.rsplit(":", 1)[1])
        connector = aiohttp.TCPConnector(ssl=trusting(first))
        async with aiohttp.ClientSession(connector=connector) as session:
            offer = await check(session, f"https://127.0.0.1:{port}")
            assert offer["url"].startswith(f"https://127.0.0.1:{port}/bundles/{APP}/zip/")
            async with session.get(offer["url"]) as response:
                assert await response.read() == b"zip 1.0.1"
        copied(second, used)
        await supervisor.reload_pair()
        assert {await presented(port, trusting(second)) for _ in range(10)} == {own(second)}
        with open(used.key, "w") as file:
            file.write("half a k")
        await supervisor.reload_pair()
        for worker in supervisor.pool.workers:  # the files are no good now, and a worker needs none
            worker.ready.clear()
            os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(PROMPT_SECONDS):
            await supervisor.pool.ready()
        assert await presented(port, trusting(second)) == own(second)


def resumed(port, context, count, session=None):
    """Whether each of so many connections resumes the session of the one before, and the last session. Blocks."""
    found = []
    for _ in range(count):
        with (
            socket.create_connection(("127.0.0.1", port), PROMPT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as peer,
        ):
            peer.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while peer.recv(65536):
                pass
            found.append(peer.session_reused)
            session = peer.session
    return found, session


@pytest.mark.long
async def test_all_workers_of_a_node_resume_a_session_over_one_change_of_keys(tmp_path):
    files = a_certificate(tmp_path)
    truth = a_truth(tmp_path / "data")
    config = a_config(tmp_path / "data", tls_certificate=files.certificate, tls_key=files.key, workers=3)
    async with running(config, truth) as (supervisor, address):
        port, context = int(address.rsplit(":", 1)[1]), trusting(files)
        found, session = await asyncio.to_thread(resumed, port, context, 20)
        assert found == [False] + [True] * 19
        for worker in supervisor.pool.workers:  # one that starts later has the same keys
            worker.ready.clear()
            os.kill(worker.pid, signal.SIGKILL)
        async with asyncio.timeout(PROMPT_SECONDS):
            await supervisor.pool.ready()
        for known in (True, False):
            supervisor.rotate_tickets()
            assert None not in await supervisor.statuses()  # which every worker tells after it has taken the keys
            found, _ = await asyncio.to_thread(resumed, port, context, 10, session)
            assert found == [known] + [True] * 9


async def test_who_does_not_speak_tls_gets_no_http_and_fills_no_log(tmp_path, body, caplog):
    async with a_port(a_tls(read_pair(*a_certificate(tmp_path))), body) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        with suppress(ConnectionError):
            got = await reader.read()
        assert not got.startswith(b"HTTP")
        writer.transport.abort()
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_supervisor_does_not_start_with_a_bad_pair(tmp_path):
    truth = a_truth(tmp_path / "data")
    files = other_key(tmp_path)
    with pytest.raises(BadPair, match="do not match"):
        Supervisor(a_config(tmp_path / "data", tls_certificate=files.certificate, tls_key=files.key), truth)
