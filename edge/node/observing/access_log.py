"""The access log: one line per request, formatted and written in batches by a separate thread.

A request costs one append. The buffer is bounded: lines that the reader of standard error does not take in time are
dropped and counted. A line holds no token, no body and no device id.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import orjson

BUFFER_LINES = 50_000  # half a second of a worker at full speed, 15 MB; a reader that is later than that is stuck
BATCH_LINES = 1_000  # wakes the thread early
FLUSH_SECONDS = 0.5  # how late a line of a quiet node may be
METHOD_LIMIT = 16  # characters; the longest real one is OPTIONS, the longest that parses has some kB

STANDARD_ERROR = 2


class Line(NamedTuple):
    """`at` is when the answer was sent, in seconds since the epoch; `seconds` is how long it took. `app` is a valid id
    or "", `request_id` what a trusted proxy calls the request, or ""."""

    at: float
    method: str
    route: str
    status: int
    sent_bytes: int
    seconds: float
    app: str
    peer: str
    request_id: str = ""


class AccessLog:
    """`dropped` counts lines that were not written."""

    def __init__(self, form: Literal["text", "json"], descriptor: int = STANDARD_ERROR) -> None:
        self.dropped = 0
        self._encode = encode_json if form == "json" else encode_text
        self._descriptor = descriptor
        self._lines: deque[Line] = deque()
        self._due = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def note(self, line: Line) -> None:
        """Queue a line, or drop it if the buffer is full."""
        lines = self._lines
        if len(lines) >= BUFFER_LINES:
            self.dropped += 1
            return
        lines.append(line)
        if len(lines) == BATCH_LINES:
            self._due.set()

    def close(self, seconds: float = 2.0) -> None:
        """Write what is queued; give up after `seconds`, so that a stuck reader does not keep a worker alive."""
        self._closed = True
        self._due.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closed:
            self._due.wait(FLUSH_SECONDS)
            self._due.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = (self._lines.popleft() for _ in range(len(self._lines)))
        for chunk in chunks_of(map(self._encode, lines)):
            try:
                os.write(self._descriptor, chunk)
            except OSError:  # the reader is gone, or the disk is full
                self.dropped += chunk.count(b"\n")


def encode_text(line: Line) -> bytes:
    """One line of ASCII, with a dash for an empty app, peer or request id."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(line.at))
    words = (
        f"{moment}.{int(line.at * 1000) % 1000:03d}Z {line.method} {line.route} {line.status} {line.sent_bytes} "
        f"{line.seconds * 1000:.2f}ms {line.app or '-'} {line.peer or '-'} {line.request_id or '-'}\n"
    )
    return words.encode("ascii", "backslashreplace")


def encode_json(line: Line) -> bytes:
    """One JSON object and a newline."""
    named = {
        "time": line.at,
        "name": "edge.access",
        "method": line.method,
        "route": line.route,
        "status": line.status,
        "bytes": line.sent_bytes,
        "ms": round(line.seconds * 1000, 3),
        "app": line.app,
        "peer": line.peer,
        "request": line.request_id,
    }
    return orjson.dumps(named, option=orjson.OPT_APPEND_NEWLINE)


def chunks_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, at most PIPE_BUF bytes per chunk: several workers write to one pipe, and only such writes are atomic
    (pipe(7)).
    """
    chunk = b""
    for line in lines:
        if chunk and len(chunk) + len(line) > select.PIPE_BUF:
            yield chunk
            chunk = b""
        chunk += line
    if chunk:
        yield chunk
