"""systemd's protocols, spoken to real sockets."""

import json
import os
import socket
import subprocess
import sys

import pytest

from edge.node.succession.activation import ServiceManager, environ_of_successor, take_sockets

# What systemd does before it starts a service: the sockets are descriptors 3 and 4, named for the process to be.
PASSING = """
import os, sys
names, pid, *sources = sys.argv[1:]
kept = [os.dup(int(source)) for source in sources]
for target, source in enumerate(kept, 3):
    os.dup2(source, target)
os.environ |= {"LISTEN_FDS": str(len(kept)), "LISTEN_FDNAMES": names}
os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "ours" else pid
import json
from edge.domain.errors import EdgeError
from edge.node.succession.activation import take_sockets
ports = json.loads(os.environ["PORTS"])
try:
    found = take_sockets(os.environ, ports)
    said = {name: [each.getsockname()[1], os.get_inheritable(each.fileno())] for name, each in found.items()}
except EdgeError as error:
    said = {"error": error.code}
print(json.dumps([said, sorted(name for name in os.environ if name.startswith("LISTEN"))]))
"""


@pytest.fixture
def two_sockets():
    with socket.create_server(("127.0.0.1", 0)) as devices, socket.create_server(("127.0.0.1", 0)) as control:
        yield devices, control


def passed(sockets, names, ports, pid="ours"):
    """What a process makes of these sockets, and which variables are left for its children."""
    numbers = [each.fileno() for each in sockets]
    command = [sys.executable, "-c", PASSING, names, pid, *map(str, numbers)]
    environ = os.environ | {"PORTS": json.dumps(ports)}
    done = subprocess.run(command, env=environ, pass_fds=numbers, capture_output=True, text=True, check=True)
    said, left = json.loads(done.stdout)
    assert left == []
    return said


def test_sockets_are_known_by_their_names_or_their_ports(two_sockets):
    devices, control = (each.getsockname()[1] for each in two_sockets)
    for names, ports in (
        ("devices:control", {"devices": 0, "control": 0}),
        ("edge.socket:edge.socket", {"devices": devices, "control": control}),
        ("", {"control": control, "devices": devices}),
    ):
        assert passed(two_sockets, names, ports) == {"devices": [devices, False], "control": [control, False]}


def test_one_socket_is_enough(two_sockets):
    devices = two_sockets[0].getsockname()[1]
    assert passed(two_sockets[:1], "", {"devices": devices, "control": 8081}) == {"devices": [devices, False]}


def test_a_socket_that_no_port_is_configured_for_is_refused(two_sockets):
    assert passed(two_sockets, "a:b", {"devices": 1, "control": 2}) == {"error": "unknown_socket"}
    assert passed(two_sockets, "devices:devices", {"devices": 1, "control": 2}) == {"error": "unknown_socket"}


def test_sockets_of_another_process_are_not_taken(two_sockets):
    assert passed(two_sockets, "devices:control", {"devices": 0, "control": 0}, pid="1") == {}


def test_without_a_service_manager_nothing_is_passed_and_nothing_is_told():
    assert take_sockets({}, {"devices": 1, "control": 2}) == {}
    manager = ServiceManager({}, 7)
    manager.tell_ready("serving")
    assert (manager.is_there, manager.watchdog_seconds) == (False, 0.0)


@pytest.fixture(params=["path", "abstract"])
def service_manager(request, tmp_path):
    """A socket where news arrive, and its address as systemd writes it."""
    address = f"@edge-{os.getpid()}-{os.urandom(4).hex()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:] if address.startswith("@") else address)
        listening.settimeout(30)
        yield listening, address


def test_the_manager_hears_of_each_step(service_manager):
    listening, address = service_manager
    manager = ServiceManager({"NOTIFY_SOCKET": address}, 7)
    manager.tell_ready("serving")
    manager.tell_reloading()
    manager.tell_stopping()
    heard = [listening.recv(1_000).decode().split("\n") for _ in range(3)]
    assert heard[0] == ["READY=1", "MAINPID=7", "STATUS=serving"]
    assert heard[1][0] == "RELOADING=1" and heard[1][1].removeprefix("MONOTONIC_USEC=").isdecimal()
    assert heard[2][0] == "STOPPING=1"


async def test_the_watchdog_is_fed_if_it_watches_this_process(service_manager):
    listening, address = service_manager
    watching = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
    for pid, seconds in (("7", 2.0), ("8", 0.0)):
        assert ServiceManager(watching | {"WATCHDOG_PID": pid}, 7).watchdog_seconds == seconds
    assert ServiceManager(environ_of_successor(watching | {"WATCHDOG_PID": "7"}), 9).watchdog_seconds == 2.0
    await ServiceManager({"NOTIFY_SOCKET": address}, 7).keep_watchdog()  # nobody watches: it ends at once
    fed = ServiceManager(watching, 7).keep_watchdog()
    fed.send(None)  # to its first pause
    fed.close()
    assert listening.recv(1_000) == b"WATCHDOG=1"


def test_a_manager_that_is_gone_stops_nothing(tmp_path, caplog):
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 7).tell_ready("serving")
    assert "does not take READY=1" in caplog.text
