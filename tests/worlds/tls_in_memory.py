"""A TLS connection without sockets: the node's transport over a wire that keeps what is written, and a peer's end."""

import _ssl
import asyncio
import ctypes
import ssl

from edge.node.tls.port import PortTls

HIGH_BYTES = 64 * 1024  # of a plain transport


class Wire(asyncio.Transport):
    """The plain transport: what is written waits until `take`. Tells its protocol to pause, as both loops' do."""

    def __init__(self, protocol):
        super().__init__({"peername": ("192.0.2.1", 50_000)})
        self.protocol = protocol
        self.writes = []
        self.closed = self.reset = self.ended = self.paused = False

    def write(self, data):
        assert not self.closed
        self.writelines([data])

    def writelines(self, parts):
        self.writes.append(b"".join(parts))
        if not self.paused and self.get_write_buffer_size() > HIGH_BYTES:
            self.paused = True
            self.protocol.pause_writing()

    def take(self):
        """The peer's kernel takes everything."""
        said, self.writes = b"".join(self.writes), []
        if self.paused:
            self.paused = False
            self.protocol.resume_writing()
        return said

    def get_write_buffer_size(self):
        return sum(map(len, self.writes))

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.reset = True

    def is_closing(self):
        return self.closed


class Connected:
    """A peer and the node, in turns. `say` and `hear` are the peer's."""

    def __init__(self, tls: PortTls, protocol, client: ssl.SSLContext, session=None):
        self.transport = tls.protect(protocol)
        self.wire = Wire(self.transport)
        self.transport.connection_made(self.wire)
        self.heard, self.said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = client.wrap_bio(self.heard, self.said, server_hostname="localhost", session=session)

    def deliver(self, *pieces: bytes) -> None:
        """Bytes reach the node, a piece an event, as long as it is open."""
        for piece in pieces:
            if not self.wire.closed:
                self.transport.data_received(piece)

    def say(self, plain: bytes) -> bytes:
        """The bytes with which the peer says this, and what it still had to say."""
        if plain:
            self.peer.write(plain)
        return self.said.read()

    def hear(self) -> bytes:
        """What the node's bytes mean to the peer."""
        self.heard.write(self.wire.take())
        plain = b""
        try:
            while part := self.peer.read(1 << 20):
                plain += part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pass
        return plain

    def shake(self) -> bytes:
        """The peer's side of the handshake: returns its last flight, which is not delivered."""
        while True:
            try:
                self.peer.do_handshake()
                return self.said.read()
            except ssl.SSLWantReadError:
                self.deliver(self.said.read())
                self.heard.write(self.wire.take())

    def open(self) -> "Connected":
        """With the handshake over on both sides."""
        self.deliver(self.shake())
        self.heard.write(self.wire.take())
        self.peer.do_handshake()
        return self

    def update_keys(self) -> bytes:
        """The peer's message that its keys change, and that the node's shall."""
        library = ctypes.CDLL(_ssl.__file__)
        # After the head of any object, a reference to a socket, and then OpenSSL's pointer.
        pointer = ctypes.c_void_p.from_address(id(self.peer._sslobj) + object.__basicsize__ + 8)
        assert library.SSL_key_update(pointer, 1) == 1
        assert library.SSL_do_handshake(pointer) == 1
        return self.said.read()


def trusting_anyone(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A peer's context, for one version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context
