"""The sockets a node listens on, made once by the supervisor and handed to its workers."""

import os
import socket

from edge.domain.errors import EdgeError

LISTEN_BACKLOG = 4_096  # a release wakes every device at once; the kernel caps it at somaxconn


class CannotListen(EdgeError):
    """The address is taken or not this machine's."""


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket. An empty `host` means every address: IPv6 and IPv4 on one socket where the machine has
    both. Raises CannotListen with the address and the reason.
    """
    try:
        return _bound(host, port, backlog)
    except OSError as error:
        where = f"{host or '*'}:{port}" if port else host or "every address"
        raise CannotListen("cannot_listen", f"cannot listen on {where}: {_reason(error)}") from error


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def _bound(host: str, port: int, backlog: int) -> socket.socket:
    if host:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=backlog)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
    return socket.create_server(("", port), backlog=backlog)


def _reason(error: OSError) -> str:
    # `create_server` appends the address to the system's words; a name that is unknown has words of its own.
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)
