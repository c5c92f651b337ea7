"""The sockets that a node listens on. The supervisor opens them once and passes them to its workers."""

import errno
import os
import socket

from edge.domain.errors import EdgeError

LISTEN_BACKLOG = 4_096  # a release wakes all devices at once; the kernel caps it at somaxconn
CONTROL_BACKLOG = 128  # people and CI jobs, not devices
_OTHER_PORTS = "a node that is stopping lets go of it; EDGE_DEVICES_PORT and EDGE_CONTROL_PORT name other ports"


class CannotListen(EdgeError):
    """The address is in use, or is not one of this machine's."""


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket. An empty `host` means every address, IPv6 and IPv4 on one socket if the machine has both.
    Raises CannotListen with the address and the reason.
    """
    try:
        return _bound(host, port, backlog)
    except OSError as error:
        where = f"{host or '*'}:{port}" if port else host or "every address"
        raise CannotListen("cannot_listen", f"cannot listen on {where}: {_reason(error)}") from error


def port_of(listening: socket.socket) -> int:
    """The port that the socket got, also if it was opened with port 0."""
    return int(listening.getsockname()[1])


def _bound(host: str, port: int, backlog: int) -> socket.socket:
    if host:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=backlog)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
    return socket.create_server(("", port), backlog=backlog)


def _reason(error: OSError) -> str:
    # `create_server` appends the address to the system's message; an unknown name has a message but no errno.
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    said = os.strerror(error.errno)
    return f"{said}; {_OTHER_PORTS}" if error.errno == errno.EADDRINUSE else said
