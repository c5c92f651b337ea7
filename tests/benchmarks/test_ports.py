import socket
import subprocess
import sys

from benchmarks.ports import KERNELS_OWN, free_port

ASKING = "import sys; from benchmarks.ports import free_port; print(free_port(4_321), flush=True); sys.stdin.read()"


def test_no_port_is_given_twice_nor_one_of_the_kernels():
    first, last = map(int, KERNELS_OWN.read_text().split())
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == len(ports) and not [port for port in ports if first <= port <= last]


def test_a_port_stays_its_owners_while_nothing_listens():
    mine = free_port(4_321)
    socket.create_server(("127.0.0.1", mine)).close()
    with subprocess.Popen(
        [sys.executable, "-c", ASKING], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        theirs = int(other.stdout.readline())
        assert theirs not in (mine, free_port(4_321))
        other.stdin.close()
    assert other.returncode == 0


def test_a_port_where_somebody_listens_is_not_free():
    following = free_port(5_432) + 1
    with socket.create_server(("127.0.0.1", following)):
        assert free_port(5_432) != following
