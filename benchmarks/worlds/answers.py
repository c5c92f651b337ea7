"""One answer as it came over the wire: what ours answers, every contender must answer.

`padding` makes two heads equally long. What a server adds by itself (its name, the order of lines) may differ; the
other headers are the same as far as the server can be configured, as are the number of bytes and the whole body.
"""

import socket
import ssl
from typing import NamedTuple

ANSWER_SECONDS = 30.0
BLOCK_BYTES = 1 << 20
OWN_WORDS = frozenset({"server", "date", "content-length", "connection", "keep-alive"})  # written by each server itself


class HttpAnswer(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    head: bytes  # with the empty line
    body: bytes

    @property
    def total_bytes(self) -> int:
        return len(self.head) + len(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def fetch(port: int, request: bytes, *, tls: bool = False) -> HttpAnswer:
    """Send the bytes, read one answer with a Content-Length, close. Over TLS no certificate is verified."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as plain:
        connection = _over_tls(plain) if tls else plain
        connection.sendall(request)
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += _read(connection)
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        status, headers = parse_head(head + b"\r\n\r\n")
        length = int({name.lower(): value for name, value in headers}["content-length"])
        parts = bytearray(body)
        while len(parts) < length:
            parts += _read(connection)
    return HttpAnswer(status, headers, head + b"\r\n\r\n", bytes(parts))


def parse_head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), tuple((name, value.strip()) for name, _, value in pairs)


def to_say(ours: HttpAnswer) -> list[tuple[str, str]]:
    """The headers to configure on another server: all but those that every server writes itself."""
    return [(name, value) for name, value in ours.headers if name.lower() not in OWN_WORDS]


def padding(ours: HttpAnswer, theirs: HttpAnswer) -> str:
    """The value of an `X-Pad` header that makes their head as long as ours; "" if there is no room for one."""
    room = len(ours.head) - len(theirs.head) - len("X-Pad: \r\n")
    return "x" * room if room > 0 else ""


def _over_tls(connection: socket.socket) -> socket.socket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _read(connection: socket.socket) -> bytes:
    block = connection.recv(BLOCK_BYTES)
    if not block:
        raise ConnectionError("the server closed before its answer was whole")
    return block
