"""TLS between a plain transport and a protocol: a protocol below, a transport above.

Everything that is written because of one event leaves in one write: the end of the handshake, tickets, answers and the
close. Nothing waits in here beyond an event but tickets, so what the peer has not taken is in the plain transport's
buffer and shows in `get_write_buffer_size`. A record that the peer sends costs sums whatever is in it, so connections
of which too little comes out are ended.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol, cast

# Given to OpenSSL at a time, in either direction. Its buffers never shrink, and each connection has two of them.
READ_BYTES = 16 * 1024  # also the most plain text of one record
WRITE_BYTES = 72 * 1024  # an answer of 64 KiB and its head
HANDSHAKE_BYTES = 32 * 1024  # from the peer: a ClientHello with post-quantum keys has 2 kB, and no certificate is asked
# Beyond plain text, and half of it: a record has 22 to 29 bytes of its own, and one may be incomplete. Each update of
# keys has 27 and takes 20 µs.
BARREN_BYTES = 32 * 1024

NOBODY = asyncio.Protocol()  # above a connection that is lost


class HandshakeRules(Protocol):
    """What a port decides for its connections."""

    def context_for(self, hello: bytes) -> ssl.SSLContext: ...

    def begin(self, transport: "SecureTransport") -> None: ...

    def end(self, transport: "SecureTransport") -> None: ...

    def refuse(self) -> None: ...


class SecureTransport(asyncio.Protocol, asyncio.Transport):
    """One accepted connection. `protocol` is connected at once, and may write from its first `data_received` on.

    `close` sends what was written and close_notify, and does not wait for the peer's: nothing is read any more, and a
    peer that wants to see the end has ours.
    """

    __slots__ = (
        *("_below", "_incoming", "_outgoing", "_port", "_protocol", "_tls"),
        *("_barren", "_closing", "_gathering", "_holding", "_over", "_said_end", "_shaken"),
    )

    def __init__(self, port: HandshakeRules, protocol: asyncio.Protocol) -> None:
        self._port = port
        self._protocol = protocol
        self._tls: ssl.SSLObject | None = None  # from the first byte to the end: it is a hundred times a connection
        self._barren = 0  # bytes that came to nothing
        self._shaken = False  # the handshake is over
        self._gathering = False  # during an event, at whose end all is sent
        self._holding = False  # tickets, until something else is sent
        self._said_end = False  # close_notify was sent
        self._over = False  # the peer's close_notify was read
        self._closing = False

    # A protocol, for the plain transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast(asyncio.Transport, transport)
        self._port.begin(self)
        self._protocol.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.end(self)
        self._closing = True
        protocol, self._protocol = self._protocol, NOBODY  # no circle is left for the collector
        self._tls = None
        protocol.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._closing or self._over:
            return
        if self._tls is None:
            self._begin(data)
        self._gathering = True
        try:
            plain = self._decrypt(data) if len(data) <= READ_BYTES else self._decrypt_pieces(memoryview(data))
            if plain:
                self._holding = False
                self._protocol.data_received(plain)
            if self._over and not self._closing:
                self.eof_received()
        except ssl.SSLError:
            self._port.refuse()
            self._closing = True  # what OpenSSL has to say about it is sent
            self._holding = False
        finally:
            self._gathering = False
            self._flush()

    def eof_received(self) -> bool:
        """The peer sends no more: with close_notify or, in TLS 1.2 and from many, without."""
        if self._protocol.eof_received():
            return True
        self.close()
        return False

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # A transport, for the protocol above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._said_end or not data:
            return
        tls = self._tls
        if tls is None or not self._shaken:
            raise RuntimeError("nothing can be written before the handshake is over")
        self._holding = False
        if len(data) > WRITE_BYTES:
            self._write_pieces(tls, memoryview(data))
            return
        tls.write(data)
        # Much is not gathered: if the peer does not read, the protocol above hears of it before it writes more.
        if not self._gathering or self._outgoing.pending > WRITE_BYTES:
            self._send()

    def _write_pieces(self, tls: ssl.SSLObject, data: memoryview) -> None:
        pieces = []
        for start in range(0, len(data), WRITE_BYTES):
            tls.write(data[start : start + WRITE_BYTES])
            pieces.append(self._outgoing.read())
        if not self._below.is_closing():
            self._below.writelines(pieces)  # all at once, so that whoever is told to pause sees how much waits

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        gathering, self._gathering = self._gathering, True
        try:
            for data in list_of_data:
                self.write(data)
        finally:
            self._gathering = gathering
        if not gathering and not self._closing:
            self._send()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._say_end()
        self._send()
        if not self._below.is_closing() and self._below.can_write_eof():
            self._below.write_eof()

    def close(self) -> None:
        if self._closing:
            return
        self._say_end()
        self._closing = True
        if not self._gathering:
            self._flush()

    def abort(self) -> None:
        self._closing = True
        if self._protocol is not NOBODY:  # asyncio's own fails if it was closed and is lost
            self._below.abort()

    def is_closing(self) -> bool:
        return self._closing or self._below.is_closing()

    def get_write_buffer_size(self) -> int:
        waiting = self._below.get_write_buffer_size()
        return waiting + self._outgoing.pending if self._gathering else waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._below.get_write_buffer_limits()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def is_reading(self) -> bool:
        return self._below.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What asyncio's own has; of a connection before its handshake, `sslcontext` is the port's."""
        tls = self._tls
        match name:
            case "sslcontext":
                return self._port.context_for(b"") if tls is None else tls.context
            case "ssl_object":
                return default if tls is None else tls
            case "cipher" | "compression" | "peercert":
                if tls is None or not self._shaken:
                    return default
                return tls.getpeercert() if name == "peercert" else getattr(tls, name)()
            case _:
                return self._below.get_extra_info(name, default)

    # Between the two

    def _begin(self, hello: bytes) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = self._port.context_for(hello)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _decrypt_pieces(self, data: memoryview) -> bytes:
        starts = range(0, len(data), READ_BYTES)
        return b"".join(self._decrypt(data[start : start + READ_BYTES]) for start in starts)

    def _decrypt(self, data: bytes | memoryview) -> bytes:
        """The plain text that these bytes complete. Raises SSLError."""
        incoming, tls = self._incoming, self._tls
        assert tls is not None, "there is one as long as bytes arrive"
        incoming.write(data)
        parts: list[bytes] = []
        try:
            if not self._shaken:
                self._shake(tls)
            while incoming.pending or tls.pending():
                part = tls.read(READ_BYTES)
                if not part:
                    self._over = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._over = True
        plain = parts[0] if len(parts) == 1 else b"".join(parts)
        self._barren += len(data) - len(plain) - len(plain) // 2
        if self._barren <= 0:
            self._barren = 0
        elif self._barren > (BARREN_BYTES if self._shaken else HANDSHAKE_BYTES):
            raise ssl.SSLError("too many records without content")
        return plain

    def _shake(self, tls: ssl.SSLObject) -> None:
        """Go on with the handshake. Raises SSLWantReadError until it is over."""
        tls.do_handshake()
        self._shaken = True
        self._barren = 0
        self._port.end(self)
        # In TLS 1.2 the client waits for what is written now. In TLS 1.3 it is a ticket, which can go with the answer.
        self._holding = tls.version() == "TLSv1.3"

    def _say_end(self) -> None:
        if self._shaken and not self._said_end and self._tls is not None:
            self._said_end = True
            self._holding = False
            with suppress(ssl.SSLError):  # it wants the peer's, which nobody waits for
                self._tls.unwrap()

    def _flush(self) -> None:
        """At the end of an event: send what was written, and close if that was asked."""
        if not self._holding:
            self._send()
        if self._closing and not self._below.is_closing():
            self._below.close()

    def _send(self) -> None:
        if self._tls is not None and self._outgoing.pending:
            sent = self._outgoing.read()
            if not self._below.is_closing():
                self._below.write(sent)
