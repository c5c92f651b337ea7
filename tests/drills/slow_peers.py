"""What peers that drip, that read nothing or that stop in the middle hold of a node: both ports, with and without TLS.

    python -m tests.drills.slow_peers [--seconds 75] [--scale 1.0]

Two real nodes, one with TLS on both ports. Every attack runs at once, with a byte every 15 s where it drips; honest
checks go on meanwhile, and so do an honest slow reader and an honest slow upload. Exits 1 if the kernel still has a
connection of an attacker or bytes for one, orphans included, or if an honest peer was cut. Linux.
"""

import argparse
import asyncio
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.worlds.certificates import Files, a_certificate

APP = "com.example.slow"
FILES = 2_600  # make an offer of about 1 MB
DRIP_SECONDS = 15.0
TIME_WAIT = 6  # of the kernel's states: nothing is held but the address
CHECK = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": "1.0.0",
    "version_name": "1.0.0",
    "plugin_version": "8.51.14",
}
CLI = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"


def post(path: str, body: bytes, length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


OFFER = post("/updates", json.dumps(CHECK).encode())
CLOSING_OFFER = OFFER.replace(b"Host: x", b"Host: x\r\nConnection: close")
LATEST = post("/updates", json.dumps(CHECK | {"version_name": "1.0.1"}).encode())  # whose answer is "nothing new"


class Node(NamedTuple):
    folder: Path
    devices: int
    control: int
    process: int
    token: str
    pair: Files | None

    @property
    def processes(self) -> list[int]:
        """The supervisor first, then its workers."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        return [self.process, *map(int, children)]

    def memory_mb(self) -> float:
        statuses = (Path(f"/proc/{pid}/status").read_text() for pid in self.processes)
        return sum(int(text.split("VmRSS:")[1].split()[0]) for text in statuses) / 1024


@contextmanager
def a_node(folder: Path, pair: Files | None) -> Iterator[Node]:
    """Serving, with one app whose offer is large."""
    folder.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    environ |= {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_DEVICES_WORKERS": "2"}
    if pair is not None:
        for port in ("DEVICES", "CONTROL"):
            environ |= {f"EDGE_{port}_TLS_CERTIFICATE": pair.certificate, f"EDGE_{port}_TLS_KEY": pair.key}
        environ |= {"SSL_CERT_FILE": pair.certificate}
    serve = [sys.executable, "-c", CLI, "serve", "--json"]
    with subprocess.Popen(serve, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            token = (folder / ready["token_file"]).read_text().strip()
            scheme = "http" if pair is None else "https"
            environ |= {"EDGE_URL": f"{scheme}://127.0.0.1:{ready['control']}", "EDGE_TOKEN": token}
            _publish(folder, environ | {"EDGE_CACHE_DIR": str(folder / "cache")})
            yield Node(folder, ready["devices"], ready["control"], process.pid, token, pair)
        finally:
            process.terminate()


def _publish(folder: Path, environ: dict[str, str]) -> None:
    build = folder / "build"
    build.mkdir()
    (build / "index.html").write_text("<!doctype html>")
    for number in range(FILES):
        (build / f"a-file-of-the-build-with-a-name-of-the-usual-length-{number}.svg").write_text(f"<svg>{number}</svg>")
    for words in (
        ["app", "create", APP],
        ["channel", "create", APP, "production", "--public"],
        ["channel", "set", APP, "production", "--prefer", "manifest"],  # a zip's offer is small
        ["bundle", "publish", APP, str(build), "--version", "1.0.1", "--channel", "production"],
    ):
        subprocess.run([sys.executable, "-c", CLI, *words], env=environ, check=True, stdout=subprocess.DEVNULL)


class Attack(NamedTuple):
    """`begin` is sent at once, a byte of `drops` every DRIP_SECONDS; nothing is read. `tls`: after a handshake."""

    name: str
    port: Callable[[Node], int]
    connections: int
    begin: bytes
    drops: bytes = b""
    tls: bool = False


def attacks(plain: Node) -> list[tuple[str, Attack]]:
    """With the node that each is for: `plain` or `tls`."""
    report = post("/stats", b"[", 1 << 20)
    upload = (
        f"PUT /v1/apps/{APP}/blobs/{'0' * 64} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{}}\r\n"
        f"Content-Length: {1 << 28}\r\n\r\n"
    )
    chunked = b"POST /channel_self HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

    def devices(node: Node) -> int:
        return node.devices

    def control(node: Node) -> int:
        return node.control

    return [
        ("plain", Attack("heads that drip, lane", devices, 400, OFFER[:10], OFFER[10:])),
        ("plain", Attack("heads that drip, aiohttp", devices, 200, b"G", b"ET /channel_self?x HTTP/1.1")),
        ("plain", Attack("bodies that drip, lane", devices, 400, report, b" " * 100)),
        ("plain", Attack("bodies that drip, aiohttp", devices, 200, chunked, b"1\r\nx\r\n" * 10)),
        ("plain", Attack("1 MB offers, three times, not read", devices, 200, OFFER * 3)),
        ("plain", Attack("1 MB offer that closes, not read", devices, 100, CLOSING_OFFER)),
        ("plain", Attack("1,000 checks pipelined, not read", devices, 100, LATEST * 1_000)),
        ("plain", Attack("control: heads half sent", control, 200, b"GET /v1/apps HTT", b"P/1.1\r\n")),
        ("plain", Attack("control: uploads that drip", control, 50, upload.format(plain.token).encode(), b"x" * 100)),
        ("tls", Attack("handshakes half sent", devices, 300, hello[:5], hello[5:])),
        ("tls", Attack("nothing sent", devices, 200, b"")),
        ("tls", Attack("heads that drip over TLS", devices, 100, OFFER[:10], OFFER[10:], True)),
        ("tls", Attack("bodies that drip over TLS", devices, 100, report, b" " * 100, True)),
        ("tls", Attack("1 MB offers over TLS, not read", devices, 100, OFFER * 3, tls=True)),
        ("tls", Attack("control: handshakes half sent", control, 100, hello[:5], hello[5:])),
        ("tls", Attack("control: heads half sent over TLS", control, 100, b"GET /v1/apps HTT", b"P/1.1\r\n", True)),
    ]  # fmt: skip


class Left(NamedTuple):
    connections: int
    bytes: int  # in the kernel, unacknowledged


class Flood:
    """The connections of one attack, from an address of their own for every 200."""

    def __init__(self, node: Node, attack: Attack, number: int, scale: float) -> None:
        self.attack = attack
        self._prefix = f"127.0.{number + 1}."
        self._sockets = []
        for n in range(max(1, int(attack.connections * scale))):
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            opened.bind((f"{self._prefix}{n // 200 + 1}", 0))
            opened.settimeout(10)
            opened.connect(("127.0.0.1", attack.port(node)))
            if attack.tls and node.pair is not None:
                opened = ssl.create_default_context(cafile=node.pair.certificate).wrap_socket(
                    opened, server_hostname="127.0.0.1"
                )
            opened.setblocking(False)
            self._sockets.append(opened)
            self._send(opened, attack.begin)

    @property
    def begun(self) -> int:
        return len(self._sockets)

    def drip(self, turn: int) -> None:
        if drop := self.attack.drops[turn : turn + 1]:
            for opened in self._sockets:
                self._send(opened, drop)

    def left(self) -> "Left":
        """What the node's side of the connections is now: a peer that reads nothing may not even see a reset."""
        mine = [(sent, state) for host, sent, state in node_sides() if host.startswith(self._prefix)]
        return Left(sum(state != TIME_WAIT for _, state in mine), sum(sent for sent, _ in mine))

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _send(self, opened: socket.socket, content: bytes) -> None:
        with suppress(OSError, ssl.SSLError):
            opened.send(content)


def node_sides() -> Iterator[tuple[str, int, int]]:
    """Every TCP socket of this machine: the peer's IPv4 address, the bytes in its send queue, its state."""
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            host = socket.inet_ntoa(bytes.fromhex(words[2].split(":")[0][-8:])[::-1])
            yield host, int(words[4].split(":")[0], 16), int(words[3], 16)


def kernel_mb() -> float:
    """The memory of all TCP sockets of this machine, the attackers' own included."""
    words = Path("/proc/net/sockstat").read_text().split("TCP:")[1].split("\n")[0].split()
    return int(words[words.index("mem") + 1]) * 4 / 1024


async def check_until(node: Node, until: float) -> list[float]:
    """Milliseconds of honest checks, one every 50 ms over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.devices)
    took = []
    while time.monotonic() < until:
        begun = time.perf_counter()
        writer.write(LATEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        took.append((time.perf_counter() - begun) * 1_000)
        await asyncio.sleep(0.05)
    writer.close()
    return took


async def read_slowly(node: Node, until: float) -> bool:
    """Take an offer of 1 MB at 40 kbit/s; whether the node still sends at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.devices, limit=4_096)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    writer.write(OFFER)
    try:
        while time.monotonic() < until:
            if not await reader.read(5_000):
                return False
            await asyncio.sleep(1.0)
    except ConnectionError:
        return False
    finally:
        writer.close()
    return True


async def upload_slowly(node: Node, until: float) -> bool:
    """Upload at 160 kbit/s with a pause of 20 s; whether the node still takes it at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.control)
    head = f"PUT /v1/apps/{APP}/blobs/{'1' * 64} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {node.token}\r\n"
    writer.write(f"{head}Content-Length: {1 << 28}\r\n\r\n".encode())
    turn = 0
    try:
        while time.monotonic() < until and not reader.at_eof():
            writer.write(bytes(20_000))
            await writer.drain()
            turn += 1
            await asyncio.sleep(20.0 if turn == 10 else 1.0)
    except ConnectionError:
        return False
    finally:
        writer.close()
    return not reader.at_eof()


async def drill(plain: Node, tls: Node, seconds: float, scale: float) -> bool:
    quiet = await check_until(plain, time.monotonic() + 5.0)
    memory = peak = (plain.memory_mb(), tls.memory_mb())
    kernel = kernel_peak = kernel_mb()
    until = time.monotonic() + seconds
    honest = [asyncio.create_task(each(plain, until)) for each in (check_until, read_slowly, upload_slowly)]
    floods = []
    for number, (which, attack) in enumerate(attacks(plain)):
        floods.append(await asyncio.to_thread(Flood, plain if which == "plain" else tls, attack, number, scale))
    turn = 0
    while (now := time.monotonic()) < until:
        if now > until - seconds + DRIP_SECONDS * (turn + 1):
            await asyncio.to_thread(lambda at=turn: [flood.drip(at) for flood in floods])
            turn += 1
        peak = (max(peak[0], plain.memory_mb()), max(peak[1], tls.memory_mb()))
        kernel_peak = max(kernel_peak, kernel_mb())
        await asyncio.sleep(0.5)
    took, reads, uploads = await asyncio.gather(*honest)
    clear = report(floods, seconds)
    for name, before, most in zip(("plain", "TLS"), memory, peak, strict=True):
        print(f"memory of the {name} node: {before:.0f} MB, at most {most:.0f} MB")
    print(f"the kernel's for TCP: {kernel:.0f} MB, at most {kernel_peak:.0f} MB")
    usual, late = statistics.median(quiet), statistics.median(took)
    print(f"honest checks: median {usual:.2f} ms, {late:.2f} ms under attack, worst {max(took):.0f} ms")
    for name, kept in (("slow reader", reads), ("slow upload", uploads)):
        print(f"an honest {name}: {'served' if kept else 'CUT'}")
    return clear and reads and uploads


def report(floods: list[Flood], seconds: float) -> bool:
    """Print what is left of each attack and end it; whether that is nothing."""
    print(f"after {seconds:.0f} s:")
    lefts = [flood.left() for flood in floods]
    for flood, left in zip(floods, lefts, strict=True):
        held = f"{left.connections:5d} of {flood.begun:4d} connections, {left.bytes / 2**20:5.1f} MB unread"
        print(f"{held}  {flood.attack.name}")
        flood.close()
    return not any(left.connections for left in lefts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=75.0, help="of the attacks")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of connections")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, ExitStack() as stack:
        folder = Path(top)
        plain = stack.enter_context(a_node(folder / "plain", None))
        tls = stack.enter_context(a_node(folder / "tls", a_certificate(folder)))
        held = asyncio.run(drill(plain, tls, words.seconds, words.scale))
    print("nobody holds anything" if held else "FAILED: something is left")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
