"""Two network namespaces joined by the relay: a place for the server and a place for the client, with a link between.

Everything made here is gone when the context ends, whatever ended it: the namespaces, the devices in them, and every
process that was started inside. What a run that was killed left behind is swept by the next one.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple

from benchmarks.output.report import Missing
from benchmarks.wide_area.link import WanLink

SERVER_ADDRESS, CLIENT_ADDRESS = "10.203.0.1", "10.203.0.2"  # invisible outside the two namespaces
MTU_BYTES = 1_500
TRANSMIT_QUEUE_PACKETS = 10_000  # the link's own queue is the only one that may drop
CONGESTION = "cubic"  # what Linux and Android come with
NICENESS = -15  # of servers and clients alike
END_SECONDS = 10.0  # that a process gets to end by itself
PREFIX = "edgewan"
TUN = Path("/dev/net/tun")


class NoLink(Missing):
    """This machine cannot emulate a link; the message states why."""


class Side(NamedTuple):
    """One end: a namespace, its device and its address."""

    namespace: str
    device: str
    address: str
    other: str

    def command(self, words: Sequence[str]) -> list[str]:
        """`words` run here, before whatever else the machine does: its load is not what is measured."""
        return ["ip", "netns", "exec", self.namespace, "nice", "-n", str(NICENESS), *words]


def check_machine() -> None:
    """Raises NoLink unless namespaces and TUN devices can be made here."""
    if sys.platform != "linux":
        raise NoLink("network namespaces and TUN devices are Linux's")
    if os.geteuid() != 0:
        raise NoLink("network namespaces and TUN devices need root")
    if not TUN.exists():
        raise NoLink(f"{TUN} is missing: modprobe tun")
    if shutil.which("ip") is None:
        raise NoLink("the `ip` command is missing: install iproute2")
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        raise NoLink(f"{TUN}: {error.strerror}") from error
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    if probe.returncode:
        raise NoLink(f"no network namespace can be made: {probe.stderr.strip()}")


class Space:
    """Two sides and the link between them; made by `space()`."""

    def __init__(self, server: Side, client: Side, relay: "Talker") -> None:
        self.server = server
        self.client = client
        self._relay = relay

    def set(self, link: WanLink, congestion: str = CONGESTION) -> None:
        """Change the link, forget its counts, and name the congestion control of connections made from now on.

        Raises NoLink when the kernel does not have that one.
        """
        for side in (self.server, self.client):
            inside = ("-n", side.namespace)
            _ip(*inside, "link", "set", side.device, "gso_max_segs", str(link.segments_per_frame))
            # A route may name one; a namespace's default may only be what the host allows all of them.
            route = (f"{side.other}/32", "dev", side.device, "src", side.address)
            _ip(*inside, "route", "replace", *route, "congctl", congestion)
        self._relay.ask({"link": link._asdict()})

    def counts(self) -> dict[str, int]:
        """The link's counts from the server to the client since it was set, which is where the bytes go."""
        down: dict[str, int] = self._relay.ask({"count": True})[0]
        return down


@contextlib.contextmanager
def space() -> Iterator[Space]:
    """For the main thread: SIGTERM ends what is inside as Ctrl-C does. Raises NoLink."""
    check_machine()
    sweep()
    stem = f"{PREFIX}-{os.getpid()}"
    server = Side(f"{stem}-s", f"ws{os.getpid()}", SERVER_ADDRESS, CLIENT_ADDRESS)
    client = Side(f"{stem}-c", f"wc{os.getpid()}", CLIENT_ADDRESS, SERVER_ADDRESS)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_unwinding_on_sigterm())
        for side in (server, client):
            _ip("netns", "add", side.namespace)
            stack.callback(_remove, side.namespace)
        words = [sys.executable, "-m", "benchmarks.wide_area.relay", server.device, client.device]
        relay = stack.enter_context(talker(words))
        relay.hear()
        for side in (server, client):
            _join(side)
        yield Space(server, client, relay)


def sweep() -> None:
    """Remove the namespaces of runs that are no more, and the processes left in them."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    for name, pid in re.findall(rf"^({PREFIX}-(\d+)-[sc])\b", listed, re.MULTILINE):
        if not Path("/proc", pid).exists():
            _remove(name)


class Talker:
    """A process that answers one line of JSON to each line of JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout

    def ask(self, command: Mapping[str, Any] | Sequence[Any]) -> Any:
        self._input.write(json.dumps(command) + "\n")
        self._input.flush()
        return self.hear()

    def hear(self) -> Any:
        """Raises RuntimeError when the process is gone: its error is on standard error."""
        line = self._output.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)


@contextlib.contextmanager
def talker(words: Sequence[str]) -> Iterator[Talker]:
    with running(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Talker(process)


@contextlib.contextmanager
def running(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is over when the context ends: by the end of its input, by SIGTERM, or killed.

    It runs in a new session, so that only the benchmark gets Ctrl-C and everything stops in order.
    """
    process = subprocess.Popen(words, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        _end(process)


@contextlib.contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the tidying
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _join(side: Side) -> None:
    """Bring the relay's device into the namespace and switch it on."""
    _ip("link", "set", side.device, "netns", side.namespace)
    inside = ("-n", side.namespace)
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "address", "add", side.address, "peer", side.other, "dev", side.device)
    size = ("mtu", str(MTU_BYTES), "txqueuelen", str(TRANSMIT_QUEUE_PACKETS))
    _ip(*inside, "link", "set", side.device, *size, "up")
    # A kernel remembers what it learnt about a host: one transfer would speed up or slow down the next.
    subprocess.run(side.command(["sysctl", "-q", "-w", "net.ipv4.tcp_no_metrics_save=1"]), check=True)


def _remove(namespace: str) -> None:
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout
    for pid in listed.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise NoLink(f"ip {' '.join(words)}: {done.stderr.strip()}")
