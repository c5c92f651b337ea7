"""Leaving a port: no peer stays in a queue that no one reads, and none loses an answer because its connection was idle.

A listening socket is one object of the kernel, however many processes hold it: the queue of connections that the kernel
has completed is answered by whoever accepts, and is reset when the last holder closes.
"""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web

# Connections that were idle when the node began to leave may ask once more, and are told that this was the last answer.
# A peer that uses its connection often does so within this time; at a proxy, a closed one would fail a request. Where a
# successor serves already, nobody waits for the end: they have nearly as long as the answers in progress.
LAST_CALL_SECONDS = 2.0
LOOK_SECONDS = 0.05  # between two looks at what is still open

# Classic BPF over the TCP header: drop what has SYN without ACK, pass everything else.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone: the next line; else: the one after
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)
_SO_ATTACH_FILTER = 26


class Manner(NamedTuple):
    """How to leave a port. `shared`: its queue has another reader, now or soon, so it is closed only here. `patient`:
    a successor serves, so idle connections may stay for as long as answers in progress may take."""

    shared: bool = False
    patient: bool = False

    def last_call_seconds(self, drain_seconds: float) -> float:
        """For idle connections, out of the time for everything."""
        if self.patient:
            return max(drain_seconds - LAST_CALL_SECONDS, 0.0)
        return min(LAST_CALL_SECONDS, drain_seconds)


ALONE = Manner()


def refuse_new(listening: socket.socket) -> None:
    """Let no new connection begin, at any holder of this socket; those that the kernel has completed can be accepted.

    A peer repeats its first packet a second later, when the port is closed or another process has it. Without this (no
    such filter here), a connection that completes between the last `accept` and the close is reset.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_SYN))
    with suppress(OSError):
        value = struct.pack("HL", len(_NO_SYN), ctypes.addressof(program))
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, value)


def close_for_all(listening: socket.socket) -> None:
    """Close the port even where another process still holds the socket, and reset what is left in its queue."""
    with suppress(OSError):  # it is closed already
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def accept_rest(listening: socket.socket) -> list[socket.socket]:
    """Every connection that waits to be accepted now."""
    found: list[socket.socket] = []
    with suppress(OSError):
        listening.setblocking(False)
    while True:
        try:
            found.append(listening.accept()[0])
        except ConnectionAbortedError:
            continue  # that peer has left
        except OSError:  # the queue is empty, the socket is closed, or no descriptor is left
            return found


async def connect(accepted: list[socket.socket], factory: Callable[[], asyncio.BaseProtocol]) -> None:
    """Serve connections that `accept_rest` returned."""
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.connect_accepted_socket(factory, each) for each in accepted), return_exceptions=True)


async def last_call(any_open: Callable[[], bool], seconds: float) -> None:
    """Returns when nothing is open any more, or after `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while any_open():  # noqa: ASYNC110 - aiohttp has no event for the end of a connection
                await asyncio.sleep(LOOK_SECONDS)


class Leaving:
    """Whether the port's aiohttp application is leaving: each answer then says that no request follows it."""

    begun = False

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """For the application's `on_response_prepare`."""
        if self.begun:
            response.headers["Connection"] = "close"
            response.force_close()
