"""The answers that peers do not read: cut when they are not taken at the pace of a download, and bounded in bytes.

Both servers of a port register their connections here. A connection that is told to close with much unread stays until
that is taken: closed at once, it would be the kernel's to keep, with nobody to count it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from edge.node.delivery.pace import Patience, Stalled
from edge.node.delivery.send import reset_open
from edge.node.delivery.unread import Taking, waiting_bytes
from edge.node.service.peers import Proxies, prefix_of

# Bytes that wait in a worker's memory beyond 64 KiB of each connection: large offers of devices that are slow, or gone.
ADDRESS_WAITING_BYTES = 32 * 2**20
WORKER_WAITING_BYTES = 256 * 2**20
SHARED_BYTES = 16 * 1024  # an answer above this is large: without TLS it is held once for all that wait for it
CLOSING_BYTES = 16 * 1024  # left to the kernel when a connection closes: less than any large answer
SCAN_SECONDS = 5.0  # between two looks at every connection that was used in between


class Answering(Protocol):
    """A connection as this sees it."""

    touched: float  # monotonic seconds, as of `UnreadAnswers.now`: when a request arrived or an answer was finished

    @property
    def downloads(self) -> bool:
        """Whether a file is being sent, of which the sender judges the pace."""


class UnreadAnswers:
    """`note_cut` is called with "unread" or "unread_limit" for each connection that is cut."""

    def __init__(
        self,
        patience: Patience,
        proxies: Proxies,
        note_cut: Callable[[str], None],
        address_limit_bytes: int = ADDRESS_WAITING_BYTES,
        limit_bytes: int = WORKER_WAITING_BYTES,
    ) -> None:
        self._patience = patience
        self._proxies = proxies
        self._note_cut = note_cut
        self._address_limit_bytes = address_limit_bytes
        self._limit_bytes = limit_bytes
        self.now = self._scanned = 0.0
        self._open: dict[Answering, tuple[asyncio.Transport, str]] = {}
        self._taking: dict[Answering, Taking] = {}
        self._closing: set[Answering] = set()
        self._held: dict[Answering, tuple[str, int]] = {}  # oldest first
        self._by_prefix: Counter[str] = Counter()
        self.held_bytes = 0

    def add(self, connection: Answering, transport: asyncio.Transport, address: str) -> None:
        """`transport` is open until `remove`."""
        self._open[connection] = transport, address

    def remove(self, connection: Answering) -> None:
        """The connection has ended, or another protocol has taken it over."""
        self._open.pop(connection, None)
        self._taking.pop(connection, None)
        self._closing.discard(connection)
        self.release(connection)

    def hold(self, connection: Answering) -> None:
        """The transport's buffer is over its mark. Over a limit, the connection that has waited longest is cut."""
        if connection not in self._open:  # cut
            return
        transport, address = self._open[connection]
        size = transport.get_write_buffer_size()
        prefix = "" if self._proxies.trusts(address) else prefix_of(address)
        self._held[connection] = (prefix, size + self._held.get(connection, ("", 0))[1])
        self._by_prefix[prefix] += size
        self.held_bytes += size
        while prefix and self._by_prefix[prefix] > self._address_limit_bytes:
            self._cut(next(each for each, (of, _) in self._held.items() if of == prefix), "unread_limit")
        while self.held_bytes > self._limit_bytes:
            self._cut(next(iter(self._held)), "unread_limit")

    def release(self, connection: Answering) -> None:
        """The transport's buffer is below its mark again."""
        if connection not in self._held:
            return
        prefix, size = self._held.pop(connection)
        self.held_bytes -= size
        self._by_prefix[prefix] -= size
        if not self._by_prefix[prefix]:
            del self._by_prefix[prefix]

    def close(self, connection: Answering) -> None:
        """Close now if little is unread, otherwise when it was taken. No further answer may follow."""
        if connection not in self._open:  # cut, or lost while it was answered
            return
        transport, _ = self._open[connection]
        if transport.is_closing():
            return
        if waiting_bytes(transport) <= CLOSING_BYTES:
            transport.close()
        elif connection not in self._closing:
            self._closing.add(connection)
            self._taking.setdefault(connection, Taking(self._patience))
            if transport.can_write_eof():
                transport.write_eof()

    def sweep(self, now: float) -> None:
        """Cut the connections whose peers take nothing, or too little; `now` in monotonic seconds."""
        self.now = now
        if now - self._scanned >= SCAN_SECONDS:
            used = [each for each in self._open if each.touched >= self._scanned and each not in self._taking]
            self._scanned = now
        else:
            used = []
        for connection in (*self._taking, *used):
            self._look(connection, now)

    def _look(self, connection: Answering, now: float) -> None:
        transport, _ = self._open[connection]
        waiting = 0 if connection.downloads else waiting_bytes(transport)
        if not waiting:
            self._taking.pop(connection, None)
            self.release(connection)
            if connection in self._closing and not transport.is_closing():
                transport.close()
            return
        taking = self._taking.setdefault(connection, Taking(self._patience))
        try:
            taking.check(transport, now, waiting)
        except Stalled:
            self._cut(connection, "unread")

    def _cut(self, connection: Answering, why: str) -> None:
        self._note_cut(why)
        transport, _ = self._open[connection]
        self.remove(connection)
        reset_open(transport)
