"""systemd's two protocols, in its words: sockets that it passes (sd_listen_fds(3)), and news of this process
(sd_notify(3)). Without its variables in the environment, both do nothing.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping, MutableMapping

from edge.domain.errors import Invalid

FIRST_DESCRIPTOR = 3
DESCRIPTORS_LIMIT = 16  # a node has two ports; more is a unit made for something else
LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
WATCHDOG_LIMIT_USEC = 86_400 * 10**6

log = logging.getLogger("edge.node")


def take_sockets(environ: MutableMapping[str, str], ports: Mapping[str, int]) -> dict[str, socket.socket]:
    """The sockets that the service manager opened, by the name of the port in `ports`; empty without any.

    A socket is recognised by its name (FileDescriptorName=), else by its port. The variables are removed, so that no
    child takes them for its own. Raises Invalid `unknown_socket`.
    """
    pid, count, names = (environ.pop(variable, "") for variable in LISTEN_VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found: dict[str, socket.socket] = {}
    for index in range(min(int(count), DESCRIPTORS_LIMIT)):
        number = FIRST_DESCRIPTOR + index
        os.set_inheritable(number, False)
        listening = socket.socket(fileno=number)
        name = _name_of(listening, names.split(":")[index : index + 1], ports)
        if name in found:
            raise Invalid("unknown_socket", f"the service manager passes two sockets for the {name} port: pass one")
        found[name] = listening
    return found


def _name_of(listening: socket.socket, given: list[str], ports: Mapping[str, int]) -> str:
    if given and given[0] in ports:
        return given[0]
    address = listening.getsockname()
    if listening.family in (socket.AF_INET, socket.AF_INET6) and listening.type == socket.SOCK_STREAM:
        for name, port in ports.items():
            if port and address[1] == port:
                return name
    wanted = " and ".join(f"{name}.port = {port}" for name, port in ports.items())
    raise Invalid("unknown_socket", f"the service manager passes a socket on {address}; the configuration has {wanted}")


class ServiceManager:
    """Tells the service manager about this process. `pid` is of the process that speaks."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._pid = pid
        watched = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        usec = environ.get("WATCHDOG_USEC", "")
        valid = watched and usec.isdecimal() and 0 < int(usec) <= WATCHDOG_LIMIT_USEC
        self.watchdog_seconds = int(usec) / 1e6 if valid else 0.0

    @property
    def is_there(self) -> bool:
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """One datagram. What cannot be sent is in the log: a node serves without its manager."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as speaking:
            speaking.setblocking(False)
            try:
                speaking.sendto("\n".join(lines).encode(), address)
            except OSError as error:
                log.warning("the service manager at %s does not take %s: %s", self._address, lines[0], error)

    def tell_ready(self, status: str) -> None:
        """This process is the main one, and serves."""
        self.tell("READY=1", f"MAINPID={self._pid}", f"STATUS={status}")

    def tell_reloading(self) -> None:
        """A successor starts; `tell_ready` follows, from it or from this process."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def tell_stopping(self) -> None:
        self.tell("STOPPING=1", "STATUS=finishing what is in progress")

    async def keep_watchdog(self) -> None:
        """Until cancelled: as long as this loop runs, so often that one may be lost."""
        while self.watchdog_seconds:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 2)


def environ_of_successor(environ: Mapping[str, str]) -> dict[str, str]:
    """The watchdog then watches the successor, whose id is not known yet."""
    return {name: value for name, value in environ.items() if name not in (*LISTEN_VARIABLES, "WATCHDOG_PID")}
