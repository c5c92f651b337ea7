"""What a process passes to its successor: open descriptors and what they are, named in one variable of the environment.

The successor is started with the same command line, reads its configuration again, and may not differ in what an
inherited descriptor already decides.
"""

import os
import socket
from collections.abc import MutableMapping
from pathlib import Path

import msgspec

from edge.config import Config
from edge.domain.errors import Conflict
from edge.node.succession.counterpart import CHANGE_OVER_FORMAT

SUCCESSION_VARIABLE = "EDGE_SUCCESSION"


class Estate(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of inherited descriptors: this end of the link, the two listening sockets, the lock of the facts.
    `managed`: the ports whose socket the service manager holds, too. `predecessor` is a process id. The rest is what
    the descriptors were opened for."""

    format: int
    link: int
    devices: int
    control: int
    lock: int
    managed: tuple[str, ...]
    predecessor: int
    data_dir: str
    devices_address: tuple[str, int]
    control_address: tuple[str, int]

    @property
    def descriptors(self) -> tuple[int, ...]:
        return self.link, self.devices, self.control, self.lock

    def encode(self) -> str:
        """For the variable."""
        return msgspec.json.encode(self).decode()


def take_estate(environ: MutableMapping[str, str]) -> Estate | None:
    """The estate that this process was started with, if any; the variable is removed. Raises Conflict."""
    said = environ.pop(SUCCESSION_VARIABLE, "")
    if not said:
        return None
    try:
        estate = msgspec.json.decode(said, type=Estate)
    except msgspec.MsgspecError as error:
        raise Conflict("unknown_succession", f"{SUCCESSION_VARIABLE} is not from a release that is known") from error
    for number in estate.descriptors:
        os.set_inheritable(number, False)
    return estate


def link_of(estate: Estate) -> socket.socket:
    """This end of the socket pair, each time a descriptor of its own."""
    return socket.socket(fileno=os.dup(estate.link))


def check_estate(estate: Estate, config: Config) -> None:
    """Raises Conflict `cannot_change_over` if the configuration needs something that was not inherited."""
    if estate.format != CHANGE_OVER_FORMAT:
        raise _conflict("this release and the running one do not understand each other")
    if not _same_directory(Path(estate.data_dir), Path(config.data_dir)):
        raise _conflict(f"data_dir was {estate.data_dir} and is now {config.data_dir}")
    devices, control = config.devices, config.control
    for name, was, now in (
        ("devices", estate.devices_address, (devices.host, devices.port)),
        ("control", estate.control_address, (control.host, control.port)),
    ):
        if was != now:
            raise _conflict(f"the {name} port was {was[0] or '*'}:{was[1]} and is now {now[0] or '*'}:{now[1]}")


def _conflict(reason: str) -> Conflict:
    return Conflict("cannot_change_over", f"{reason}: stop the node and start it")


def _same_directory(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
