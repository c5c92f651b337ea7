"""The access log: a line for each request, formatted and written in batches by a thread of its own.

A request costs an append. The buffer is bounded: what the reader of standard error does not take in time is dropped and
counted, never waited for. A line holds no token, no body and no device id.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import orjson

BUFFER_LINES = 50_000  # half a second of a worker at its fastest, some 15 MB; a reader that is later than that is stuck
BATCH_LINES = 1_000  # wakes the thread before its time
FLUSH_SECONDS = 0.5  # how late a quiet node's line may be
METHOD_LIMIT = 16  # characters; the longest that anybody means is OPTIONS, the longest that parses is some kB

STANDARD_ERROR = 2


class Line(NamedTuple):
    """`at` in seconds since the epoch, when the answer was out. `app` is a valid id or empty."""

    at: float
    method: str
    route: str
    status: int
    sent_bytes: int
    seconds: float
    app: str
    peer: str


class AccessLog:
    """`dropped` counts lines that nobody will see."""

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
        lines = self._lines
        if len(lines) >= BUFFER_LINES:
            self.dropped += 1
            return
        lines.append(line)
        if len(lines) == BATCH_LINES:
            self._due.set()

    def close(self, seconds: float = 2.0) -> None:
        """Write what is there; give up after `seconds`, for a reader that is stuck must not keep a worker alive."""
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
            except OSError:  # nobody reads any more, or the disk is full
                self.dropped += chunk.count(b"\n")


def encode_text(line: Line) -> bytes:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(line.at))
    words = (
        f"{moment}.{int(line.at * 1000) % 1000:03d}Z {line.method} {line.route} {line.status} {line.sent_bytes} "
        f"{line.seconds * 1000:.2f}ms {line.app or '-'} {line.peer or '-'}\n"
    )
    return words.encode("ascii", "backslashreplace")


def encode_json(line: Line) -> bytes:
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
    }
    return orjson.dumps(named, option=orjson.OPT_APPEND_NEWLINE)


def chunks_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, at most PIPE_BUF bytes together: several workers write to one pipe, and only such writes stay whole
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
