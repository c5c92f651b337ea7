"""The client of the control API: JSON requests, and uploads streamed from disk over kept-alive connections.

Plain blocking HTTP/1.1 of the standard library, to one node, from any number of threads. It follows neither proxies nor
redirects, so the token goes nowhere else. A change carries an id, so repeating it after a broken connection still makes
it once. Every failure is an EdgeError.
"""

import http.client
import os
import selectors
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from edge import __version__
from edge.cli.terminal.output import Advance, note
from edge.cli.terminal.waiting import WAITING, ChangeWaits, await_decision
from edge.config import is_loopback
from edge.domain.errors import EdgeError, Invalid

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 300.0  # of silence: the node verifies every file of a published bundle, 1 GiB on a small machine
LOOK_SECONDS = 1.0  # between looks for an interrupt that came in the instant before a wait began, and did not end it
ATTEMPTS = 3  # per request: the pauses between them outlast a restart of the node
PAUSE_SECONDS = 0.25  # before the second attempt; doubled each time
BLOCK_BYTES = 256 * 1024  # read from disk and sent at once
ANSWER_LIMIT_BYTES = 256 * 1024**2  # an app's 100,000 overrides are 10 MB; anything larger is not from a node
PORTS = "the control API listens on control.port, by default 8081"
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class RequestRefused(EdgeError):
    """The node's own error, with its code and message. `answered` is the HTTP status."""

    def __init__(self, answered: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.answered = answered


class Unreachable(EdgeError):
    """No answer (`unreachable`) or no more requests (`stopped`). The message names the address and the reason."""


class _Error(msgspec.Struct):
    error: str
    message: str


class _Upload(NamedTuple):
    file: BinaryIO
    bytes: int
    advance: Advance


class _Answer(NamedTuple):
    status: int
    content: bytes
    is_device_port: bool
    warning: str


class _Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | _Upload | None


class ControlClient:
    """Requests to the control API at `url`, authorised by `token`. Close it when done, from any thread.

    Methods return the decoded JSON answer; they raise RequestRefused and Unreachable.
    """

    def __init__(self, url: str, token: str) -> None:
        """Raises Invalid `invalid_url`, `invalid_token`."""
        self.url = url.rstrip("/")
        self._connect = _connector(self.url)
        self._prefix = urlsplit(self.url).path
        if not (token.isascii() and token.isprintable()):
            raise Invalid("invalid_token", "invalid token: only printable ASCII characters are allowed")
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": f"edge/{__version__}"}
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.reason = ""  # why changes are made, for the history
        self.waits = False  # for the decision on a change that has to be approved
        self.warnings: list[str] = []  # beside answers, each once: what they are not sure to be true of
        self.not_taken: list[Any] = []  # of the changes made: what the node's workers did not take

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self._json(method, path, body)

    def get(self, path: str) -> Any:
        return self._json("GET", path)

    def post(self, path: str, body: Any = None, change_id: str = "") -> Any:
        """`change_id` is the change's id; by default it gets a random one."""
        return self._json("POST", path, body, change_id)

    def put(self, path: str, body: Any) -> Any:
        return self._json("PUT", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self._json("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._json("DELETE", path)

    def upload(self, path: str, file: Path, advance: Advance, content_type: str = "application/octet-stream") -> Any:
        """PUT the file, streamed. `advance` gets each block's size in bytes, and a negative number before a retry."""

        def advance_or_stop(count: int) -> None:
            if self._closed:
                raise Unreachable("stopped", "the upload was stopped")
            advance(count)

        with file.open("rb") as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
            return self._exchange(_Request("PUT", path, headers, _Upload(stream, size_bytes, advance_or_stop)))

    def download(self, path: str) -> bytes:
        """The bytes of an answer that is no JSON."""
        content: bytes = self._exchange(_Request("GET", path, {}, None), lambda answer, url: answer.content)
        return content

    def fetch_into(self, path: str, file: BinaryIO) -> int:
        """Write the bytes of a long answer into the file as they come; returns how many. Not repeated: what a broken
        connection leaves is no whole file."""
        url = self.url
        request = _Request("GET", self._prefix + path, self._headers, None)
        try:
            with self._connection(fresh=True) as connection:
                connection.request(request.method, request.path, None, request.headers)
                with connection.getresponse() as response:
                    if response.status != http.client.OK:
                        content = response.read(ANSWER_LIMIT_BYTES)
                        _decode(_Answer(response.status, content, False, ""), url)
                    return _copy(response, file)
        except http.client.HTTPException as error:
            raise Unreachable("unreachable", f"the answer of {url} broke off: {_reason(error)}") from error
        except (ConnectionResetError, ConnectionRefusedError, TimeoutError, ssl.SSLError) as error:
            raise Unreachable("unreachable", f"no answer from {url}: {_reason(error)}") from error

    def close(self) -> None:
        """Refuse further requests. Those in progress in other threads end at once, without a retry."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                _wake(connection)
        for connection in idle:
            connection.close()

    def _json(self, method: str, path: str, body: Any = None, change_id: str = "") -> Any:
        encoded = None if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if encoded is not None else {}
        headers |= {"Idempotency-Key": change_id} if change_id else {}
        return self._exchange(_Request(method, path, headers, encoded))

    def _exchange(self, request: _Request, decode_success: "Callable[[_Answer, str], Any] | None" = None) -> Any:
        """Send the request, again if the connection breaks, and decode the answer."""
        headers = {**self._headers, **request.headers}
        if request.method in CHANGES:
            headers.setdefault("Idempotency-Key", uuid.uuid4().hex)
            headers |= {"Edge-Reason": quote(self.reason)} if self.reason else {}
        request = request._replace(path=self._prefix + request.path, headers=headers)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._connection(fresh=attempt > 1) as connection:
                    answer = _attempt(connection, request)
                self._keep_warning(answer.warning)
                decode = decode_success if decode_success is not None and answer.status == http.client.OK else _decode
                decoded = decode(answer, self.url)
                return (
                    self._noted(decoded) if answer.status != http.client.ACCEPTED else self._decided(request, decoded)
                )
            except (OSError, http.client.HTTPException) as error:
                lasting = isinstance(error, ssl.SSLCertVerificationError)
                if lasting or self._closed or attempt == ATTEMPTS:
                    raise Unreachable("unreachable", f"no answer from {self.url}: {_reason(error)}") from error
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _decided(self, request: _Request, proposed: Any) -> Any:
        """The answer to a change that waits for approval, once it is approved: as if it had been made at once. Raises
        ChangeWaits unless that is waited for, and Conflict for one that is rejected."""
        if proposed["proposal"]["state"] == WAITING and not self.waits:
            raise ChangeWaits(proposed)
        await_decision(proposed, self.get)
        return self._exchange(request._replace(path=request.path.removeprefix(self._prefix)))

    def _keep_warning(self, warning: str) -> None:
        with self._lock:
            if warning and warning.isprintable() and warning not in self.warnings:
                self.warnings.append(warning)

    def _noted(self, answered: Any) -> Any:
        if isinstance(answered, dict) and (not_taken := answered.get("not_taken")):
            self.not_taken.append(not_taken)
        return answered

    @contextmanager
    def _connection(self, fresh: bool) -> Iterator[http.client.HTTPConnection]:
        """An idle connection or a new one, kept for the next request unless something goes wrong.

        The node may have closed an idle one, so a second attempt takes a `fresh` one.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle and not fresh else None
            connection = connection or self._connect()
            self._busy.add(connection)
        kept = False
        try:
            if connection.sock is None:
                connection.connect()
                connection.sock.settimeout(ANSWER_SECONDS)  # type: ignore[attr-defined]
            yield connection
            kept = not self._closed
        finally:
            with self._lock:
                self._busy.remove(connection)
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()


def app_path(app: str, *parts: str) -> str:
    """`/v1/apps/<app>/<parts>`, each quoted."""
    return "/".join(["/v1/apps", quote(app, safe=""), *(quote(part, safe="") for part in parts)])


def _copy(response: http.client.HTTPResponse, file: BinaryIO) -> int:
    written = 0
    while block := response.read1(BLOCK_BYTES):
        file.write(block)
        written += len(block)
    return written


def _attempt(connection: http.client.HTTPConnection, request: _Request) -> _Answer:
    """Send once and read the answer whole. Raises OSError or HTTPException when the connection breaks."""
    if not isinstance(request.body, _Upload):
        connection.request(request.method, request.path, request.body, request.headers)
        return _read(connection)
    sending = _Counted(request.body)
    try:
        return _send(connection, request, sending)
    except (OSError, http.client.HTTPException):
        request.body.advance(-sending.sent_bytes)
        raise


def _send(connection: http.client.HTTPConnection, request: _Request, sending: "_Counted") -> _Answer:
    try:
        # http.client accepts any object with a `read`; its stub requires a whole file.
        connection.request(request.method, request.path, sending, request.headers)  # type: ignore[arg-type]
    except (BrokenPipeError, ConnectionResetError):
        # Refused half-way: the reason can be read, unless the connection simply broke.
        answered = _read(connection)
        connection.close()
        return answered
    return _read(connection)


def _wake(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that waits on this connection; closing it would not."""
    if connection.sock is not None:
        with suppress(OSError):  # it may have ended by itself
            connection.sock.shutdown(socket.SHUT_RDWR)


def _await_answer(connection: http.client.HTTPConnection) -> None:
    """Until the answer begins; raises TimeoutError after ANSWER_SECONDS, as a read does. Python runs no handler of a
    signal within a wait, and one that came just before it does not end it: so the wait is in pieces."""
    sock = connection.sock
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return  # read from the network already
    ends = time.monotonic() + ANSWER_SECONDS
    with selectors.DefaultSelector() as waiting:
        waiting.register(sock, selectors.EVENT_READ)
        while not waiting.select(LOOK_SECONDS):
            if time.monotonic() >= ends:
                raise TimeoutError  # as a read does, and not once more as long


def _read(connection: http.client.HTTPConnection) -> _Answer:
    _await_answer(connection)
    with connection.getresponse() as response:
        content = response.read(ANSWER_LIMIT_BYTES + 1)
        if len(content) > ANSWER_LIMIT_BYTES:
            raise http.client.HTTPException(f"the answer exceeds the limit of {ANSWER_LIMIT_BYTES} bytes")
        # Only the device port lets pages of any origin read its answers.
        is_device_port = response.getheader("Access-Control-Allow-Origin") == "*"
        return _Answer(response.status, content, is_device_port, response.getheader("Edge-Warning", ""))


def _decode(answer: _Answer, url: str) -> Any:
    """The document of a success. Raises RequestRefused."""
    status, content, is_device_port, _ = answer
    if status == http.client.NOT_FOUND and is_device_port:
        raise RequestRefused(status, "device_port", f"{url} is a node's device port, not its control API: {PORTS}")
    try:
        if 200 <= status < 300:
            return msgspec.json.decode(content)
        error = msgspec.json.decode(content, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise RequestRefused(
            status, "unexpected_answer", f"HTTP status {status} without JSON: is this a control API?"
        ) from failure
    raise RequestRefused(status, error.error, error.message)


class _Counted:
    """An upload's bytes from the start: counted as they are read, and never more than announced."""

    def __init__(self, upload: _Upload) -> None:
        upload.file.seek(0)
        self._upload = upload
        self.sent_bytes = 0

    def read(self, count: int) -> bytes:
        block = self._upload.file.read(min(count, self._upload.bytes - self.sent_bytes))
        if not block and self.sent_bytes < self._upload.bytes:
            raise Invalid("file_changed", f"{self._upload.file.name} shrank during the upload")
        self.sent_bytes += len(block)
        self._upload.advance(len(block))
        return block


def _connector(url: str) -> Callable[[], http.client.HTTPConnection]:
    host, port = parse_address(url)
    if url.startswith("http:"):
        return lambda: http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS, blocksize=BLOCK_BYTES)
    context = ssl.create_default_context()
    return lambda: http.client.HTTPSConnection(
        host, port, timeout=CONNECT_SECONDS, blocksize=BLOCK_BYTES, context=context
    )


def parse_address(url: str) -> tuple[str, int | None]:
    """Host and port of an http(s) address. Raises Invalid `invalid_url`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and not (parts.query or parts.fragment or parts.username)
        if parts.hostname and usable and url.isascii() and url.isprintable() and " " not in url:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise Invalid("invalid_url", f"{url!r} is not an address like http://127.0.0.1:8081")


def warn_of_plain_http(url: str) -> None:
    """On stderr, before a token is sent to an unencrypted address beyond this machine. Raises Invalid `invalid_url`."""
    if url.startswith("http:") and not is_loopback(parse_address(url)[0]):
        note(f"warning: {url} is not encrypted: anyone on the network path can read the token")


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is `edge serve` running there?)"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
        return "that port does not speak TLS (is it an http:// address?)"
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
