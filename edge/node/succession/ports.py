"""The two listening sockets of a node: inherited from its predecessor, passed by the service manager, or opened."""

import os
import socket
from collections.abc import MutableMapping

from edge.config import Config
from edge.node.processes.leaving import Manner
from edge.node.processes.listening import CONTROL_BACKLOG, LISTEN_BACKLOG, listen
from edge.node.succession.activation import take_sockets
from edge.node.succession.estate import Estate, check_estate

DEVICES, CONTROL = "devices", "control"


class OpenPorts:
    """`elsewhere`: another process of this node accepts connections on both, so leaving must not close them for all."""

    def __init__(
        self, devices: socket.socket, control: socket.socket, managed: frozenset[str], elsewhere: bool
    ) -> None:
        self.devices = devices
        self.control = control
        self.managed = managed  # the service manager holds these, too
        self.elsewhere = elsewhere

    def manner(self, name: str) -> Manner:
        """How to leave this port now."""
        return Manner(shared=self.elsewhere or name in self.managed, patient=self.elsewhere)

    def close(self) -> None:
        """Only here."""
        self.devices.close()
        self.control.close()


def open_ports(config: Config, estate: Estate | None, environ: MutableMapping[str, str] = os.environ) -> OpenPorts:
    """Raises CannotListen, Conflict for an inherited port that the configuration changes, Invalid `unknown_socket`."""
    if estate is not None:
        check_estate(estate, config)
        devices, control = (socket.socket(fileno=number) for number in (estate.devices, estate.control))
        return OpenPorts(devices, control, frozenset(estate.managed), elsewhere=True)
    passed = take_sockets(environ, {DEVICES: config.devices.port, CONTROL: config.control.port})
    managed = frozenset(passed)
    try:
        if CONTROL not in passed:
            passed[CONTROL] = listen(config.control.host, config.control.port, CONTROL_BACKLOG)
        if DEVICES not in passed:
            passed[DEVICES] = listen(config.devices.host, config.devices.port, LISTEN_BACKLOG)
    except BaseException:
        for each in passed.values():
            each.close()
        raise
    return OpenPorts(passed[DEVICES], passed[CONTROL], managed, elsewhere=False)
