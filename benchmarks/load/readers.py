"""A crowd of slow readers: `python -m benchmarks.load.readers PORT REQUEST_FILE ANSWER_BYTES`, driven by its input.

`open N RATE` connects N readers of RATE bytes a second each; `count` prints bytes received, seconds and cut connections
since the last count; `close` hangs up. A reader takes a piece five times a second, has a receive buffer like a phone on
a slow network, and sends its request again when the answer is complete.
"""

import json
import select
import socket
import sys
import time
from pathlib import Path

from benchmarks.load.drain import TAKEN_AT_ONCE_BYTES, WAIT_SECONDS

PIECES_PER_SECOND = 5
TURNS = 10  # the crowd is divided, so that its reads are spread over time
RECEIVE_BUFFER_BYTES = 32 * 1024

_sink = memoryview(bytearray(TAKEN_AT_ONCE_BYTES))


class SlowReader:
    def __init__(self, port: int, request: bytes, answer_bytes: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._request = request
        self._answer_bytes = answer_bytes
        self._left = 0
        self.cut = False
        self._ask()

    def take(self, most: int) -> int:
        """Discard at most so many bytes in the kernel; 0 if there are none yet or the server hung up."""
        try:
            count = self.socket.recv_into(_sink, min(most, self._left), socket.MSG_TRUNC)
        except BlockingIOError:
            return 0
        except ConnectionError:
            count = 0
        self.cut = not count
        self._left -= count
        if not self._left:
            self._ask()
        return count

    def _ask(self) -> None:
        self.socket.send(self._request)  # a few hundred bytes into an empty buffer
        self._left = self._answer_bytes


class Crowd:
    def __init__(self, port: int, request: bytes, answer_bytes: int) -> None:
        self._door = (port, request, answer_bytes)
        self._readers: list[SlowReader] = []
        self._piece_bytes = 0
        self._turn = 0
        self._received, self._cut, self._since = 0, 0, time.perf_counter()

    def open(self, count: int, bytes_per_second: int) -> str:
        self._piece_bytes = bytes_per_second // PIECES_PER_SECOND
        self._readers = [SlowReader(*self._door) for _ in range(count)]
        return f"open {count}"

    def close(self) -> str:
        for reader in self._readers:
            reader.socket.close()
        self._readers = []
        return "closed"

    def count(self) -> str:
        now = time.perf_counter()
        told = {"bytes": self._received, "seconds": now - self._since, "cut": self._cut}
        self._received, self._cut, self._since = 0, 0, now
        return json.dumps(told)

    def read_turn(self) -> None:
        """Let one part of the crowd read; cut connections are counted once and leave."""
        for reader in self._readers[self._turn :: TURNS]:
            if not reader.cut:
                self._received += reader.take(self._piece_bytes)
                self._cut += reader.cut
        self._turn = (self._turn + 1) % TURNS


def main() -> None:
    crowd = Crowd(int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), int(sys.argv[3]))
    pause_seconds = 1 / PIECES_PER_SECOND / TURNS
    due = time.perf_counter()
    while True:
        due = max(due + pause_seconds, time.perf_counter() - pause_seconds)
        crowd.read_turn()
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))
        if ready:
            order = sys.stdin.readline().split()
            if not order:
                return
            print(_obey(crowd, order), flush=True)


def _obey(crowd: Crowd, order: list[str]) -> str:
    match order:
        case ["open", count, rate]:
            return crowd.open(int(count), int(rate))
        case ["count"]:
            return crowd.count()
        case ["close"]:
            return crowd.close()
    raise ValueError(f"no such order: {order}")


if __name__ == "__main__":
    main()
