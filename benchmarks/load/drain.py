"""A load generator for large answers: `python -m benchmarks.load.drain` reads orders and prints results, line by line.

Kept connections send the next request as soon as an answer is complete. Bodies are read with MSG_TRUNC, which discards
them in the kernel without a copy, so the generator costs little and the server's speed shows. The caller checks the
bytes once beforehand. One more connection asks for a little now and then: it shows how long others wait.
"""

import json
import math
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.measuring.figures import percentile
from benchmarks.worlds.answers import parse_head

HEAD_BYTES = 8192
TAKEN_AT_ONCE_BYTES = 4 << 20
BESIDE_SECONDS = 0.005  # from a little answer to the next such request
WAIT_SECONDS = 10.0  # without a byte on any connection: the server is stuck

_sink = memoryview(bytearray(TAKEN_AT_ONCE_BYTES))


class Drained(NamedTuple):
    """Bytes with heads; latencies in microseconds, from the request to the last byte; `busy` of one core. The last two
    are of the little answers beside, 0 without."""

    bytes: int
    answers: int
    seconds: float
    busy: float
    p50: float
    p99: float
    most: float
    beside_p50: float = 0.0
    beside_p99: float = 0.0


class Taker:
    """One connection and what it still has to receive."""

    def __init__(self, port: int, requests: Sequence[bytes], first: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.socket.setblocking(False)
        self._requests = requests
        self._next = first
        self._head = b""
        self._left = 0
        self._asked = 0.0

    def ask(self) -> None:
        self.socket.sendall(self._requests[self._next % len(self._requests)])
        self._next += 1
        self._asked = time.perf_counter()

    def take(self) -> tuple[int, float]:
        """Bytes received now, and the seconds of the answer that they completed; 0 seconds if it continues."""
        if not self._left:
            return self._take_head()
        count = self.socket.recv_into(_sink, min(self._left, TAKEN_AT_ONCE_BYTES), socket.MSG_TRUNC)
        if not count:
            raise ConnectionError("the server closed within an answer")
        self._left -= count
        return count, self._finished()

    def _take_head(self) -> tuple[int, float]:
        block = self.socket.recv(HEAD_BYTES)
        if not block:
            raise ConnectionError("the server closed instead of answering")
        head, end, body = (self._head + block).partition(b"\r\n\r\n")
        if not end:
            self._head = head
            return len(block), 0.0
        self._head = b""
        status, headers = parse_head(head + end)
        if status not in (200, 206):
            raise ConnectionError(f"the server answers {status}")
        length = next(int(value) for name, value in headers if name.lower() == "content-length")
        self._left = length - len(body)
        return len(block), self._finished()

    def _finished(self) -> float:
        return 0.0 if self._left else time.perf_counter() - self._asked


class Beside:
    """One connection with a little request at a time, and the latencies in microseconds."""

    def __init__(self, port: int, request: bytes) -> None:
        self.taker = Taker(port, [request], 0)
        self.latencies: list[float] = []
        self._next = 0.0

    def ask(self, now: float) -> None:
        if now >= self._next:
            self.taker.ask()
            self._next = math.inf

    def take(self) -> None:
        _, took = self.taker.take()
        if took:
            self.latencies.append(took * 1e6)
            self._next = time.perf_counter() + BESIDE_SECONDS


def drain(port: int, requests: Sequence[bytes], connections: int, seconds: float, little: bytes = b"") -> Drained:
    """Raises ConnectionError at the first answer that is not a complete 200 or 206, TimeoutError if nothing arrives."""
    poll = select.epoll()
    takers = {taker.socket.fileno(): taker for taker in (Taker(port, requests, at) for at in range(connections))}
    for number, taker in takers.items():
        poll.register(number, select.EPOLLIN)
        taker.ask()
    latencies: list[float] = []
    beside = Beside(port, little) if little else None
    if beside:
        poll.register(beside.taker.socket.fileno(), select.EPOLLIN)
    received, started, spent = 0, time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) - started < seconds:
        if beside:
            beside.ask(now)
        ready = poll.poll(WAIT_SECONDS)
        if not ready:
            raise TimeoutError(f"no byte in {WAIT_SECONDS} s")
        for number, _ in ready:
            if number not in takers:
                assert beside, "nothing else is registered"
                beside.take()
                continue
            count, took = takers[number].take()
            received += count
            if took:
                latencies.append(took * 1e6)
                takers[number].ask()
    seconds, spent = now - started, time.process_time() - spent
    for taker in (*takers.values(), *([beside.taker] if beside else [])):
        taker.socket.close()
    poll.close()
    figures = _percentiles(latencies, (0.5, 0.99, 1.0))
    waits = _percentiles(beside.latencies if beside else [], (0.5, 0.99))
    return Drained(received, len(latencies), seconds, spent / seconds, *figures, *waits)


def _percentiles(latencies: Sequence[float], shares: Sequence[float]) -> list[float]:
    ordered = sorted(latencies)
    return [percentile(ordered, share) if ordered else 0.0 for share in shares]


def main() -> None:
    for line in sys.stdin:
        orders: dict[str, Any] = json.loads(line)
        requests = [request.encode("latin-1") for request in orders["requests"]]
        little = orders["little"].encode("latin-1")
        told = drain(orders["port"], requests, orders["connections"], orders["seconds"], little)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
