"""TLS of a port: which pair and which ticket keys a handshake uses, and how long it may take.

Connections keep the pair they began with. A handshake uses what is current when its first bytes arrive, except that one
with a ticket of the keys before the current ones uses those: OpenSSL itself knows one set of keys per context.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

from edge.node.delivery.send import reset_open
from edge.node.tls.openssl import NAME_BYTES, order_suites, use_ticket_keys
from edge.node.tls.pair import Pair, build_context
from edge.node.tls.tickets import TicketKeys
from edge.node.tls.transport import SecureTransport

HANDSHAKE_SECONDS = 10.0  # three round trips of the slowest network; a device gives up its whole request after 10 to 20
LOOK_SECONDS = 1.0  # between two looks at the handshakes: a timer for each would cost more than all of its sums

SLOW, BAD = "slow_handshake", "bad_tls"


class PortTls:
    """`note_cut` is told SLOW or BAD for each connection that is cut. Without `keys` each context has its own."""

    def __init__(self, pair: Pair, note_cut: Callable[[str], None], keys: TicketKeys | None = None) -> None:
        """Raises BadPair."""
        self._note_cut = note_cut
        self._pair = pair
        self._keys = keys
        self._shaking: dict[SecureTransport, float] = {}  # since when; oldest first
        self._now = time.monotonic()
        self._build()

    @property
    def shaking(self) -> int:
        """Connections whose handshake is not over."""
        return len(self._shaking)

    def replace(self, pair: Pair) -> None:
        """New connections use `pair`; open ones continue. Raises BadPair, and then nothing has changed."""
        build_context(pair)
        self._pair = pair
        self._build()

    def take_keys(self, keys: TicketKeys) -> None:
        """New connections use these."""
        self._keys = keys
        self._build()

    def protect(self, protocol: asyncio.Protocol) -> SecureTransport:
        """The protocol of an accepted connection that speaks TLS with its peer and plain text with `protocol`, which is
        connected at once: it counts, and can be closed, while the handshake goes on."""
        return SecureTransport(self, protocol)

    def context_for(self, hello: bytes) -> ssl.SSLContext:
        """`hello` is what has arrived first. A name of keys is 16 random bytes, in every ticket in the clear."""
        if self._former is not None and self._former_name in hello:
            return self._former
        return self._current

    def begin(self, transport: SecureTransport) -> None:
        """The clock of its handshake starts."""
        self._shaking[transport] = self._now

    def end(self, transport: SecureTransport) -> None:
        """The handshake is over, or the connection is."""
        self._shaking.pop(transport, None)

    def refuse(self) -> None:
        """A peer sent what is not TLS, or not as it may be."""
        self._note_cut(BAD)

    def sweep(self, now: float) -> None:
        """Cut the handshakes that take too long; `now` in monotonic seconds."""
        self._now = now
        late = [each for each, begun in self._shaking.items() if now - begun > HANDSHAKE_SECONDS]
        for transport in late:
            self.end(transport)
            self._note_cut(SLOW)
            reset_open(transport)

    async def watch(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.sweep(time.monotonic())

    def _build(self) -> None:
        keys = self._keys or TicketKeys(b"")
        self._current = _context_with(self._pair, keys.current)
        self._former = _context_with(self._pair, keys.former) if keys.former else None
        self._former_name = keys.former[:NAME_BYTES]


def _context_with(pair: Pair, keys: bytes) -> ssl.SSLContext:
    context = build_context(pair)
    if keys:
        use_ticket_keys(context, keys)
        order_suites(context)
    return context
