"""Ports for programs that cannot choose one and say which: benchmarks and tests know it beforehand."""

import itertools
import os
import socket
from pathlib import Path

KERNELS_OWN = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_000  # below it are the ports of services that may be installed
HIGHEST = 65_535


def free_port(begin: int | None = None) -> int:
    """Kept for this process until it ends: nobody else is given it while its program is not up yet, or not any more.

    The kernel gives the ports of its own range to connections that go out, so this is none of them. `begin` says where
    to look first; without it every process begins elsewhere. Raises RuntimeError if none is free."""
    first, last = map(int, KERNELS_OWN.read_text().split())
    ports = [*range(LOWEST, first), *range(max(last + 1, LOWEST), HIGHEST + 1)]
    at = (61 * os.getpid() if begin is None else begin) % max(len(ports), 1)
    for port in itertools.chain(ports[at:], ports[:at]):
        if _is_kept(port):
            return port
    raise RuntimeError(f"no port is free outside of {first} to {last}, the kernel's own range")


def _is_kept(port: int) -> bool:
    """A name without a file, which ends with its process, says that the port is somebody's."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0edge-port-{port}")
        for address in ("127.0.0.1", "0.0.0.0"):
            socket.create_server((address, port)).close()
    except OSError:
        name.close()
        return False
    name.detach()
    return True
