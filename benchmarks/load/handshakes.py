"""A load generator of TLS connections, each for one request: `python -m benchmarks.load.handshakes PORT SECONDS
CONNECTIONS full|resumed`, the request on standard input. Prints one line of JSON.

Every connection is proven to be what it counts as: TLS 1.3, resumed or not. It is a process of its own, in Python, and
so busier than what it asks: only the servers' CPU means something.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.load.wrk import Summary
from benchmarks.measuring.figures import percentile
from benchmarks.programs import module, pinned

WAIT_SECONDS = 10.0
VERSION = "TLSv1.3"


def run_handshakes(request: bytes, port: int, seconds: float, connections: int, kind: str, on: set[int]) -> Summary:
    """Blocks until the generator has ended. `kind` is "full" or "resumed". Raises RuntimeError with what went wrong."""
    with pinned(on):
        process = subprocess.Popen(
            module("benchmarks.load.handshakes", port, seconds, connections, kind),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
    output, words = process.communicate(request)
    if process.returncode:
        raise RuntimeError(f"the generator failed: {words.decode()[-500:]}")
    return Summary(**json.loads(output))


class Asker:
    """One thread: a connection after another, until `until`."""

    def __init__(self, request: bytes, port: int, resumes: bool) -> None:
        self._request = request
        self._port = port
        self._resumes = resumes
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._session: ssl.SSLSession | None = None
        self.took: list[float] = []
        self.bytes = 0
        self.fault: BaseException | None = None

    def run(self, until: float) -> None:
        try:
            if self._resumes:
                self._ask(expected=False)
            while time.monotonic() < until:
                begun = time.perf_counter()
                self.bytes += self._ask(expected=self._resumes)
                self.took.append((time.perf_counter() - begun) * 1e6)
        except BaseException as fault:
            self.fault = fault

    def _ask(self, *, expected: bool) -> int:
        with socket.create_connection(("127.0.0.1", self._port), WAIT_SECONDS) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(plain, session=self._session) as connection:
                if (connection.session_reused, connection.version()) != (expected, VERSION):
                    raise RuntimeError(f"{connection.version()}, resumed: {connection.session_reused}")
                connection.sendall(self._request)
                count = 0
                while part := connection.recv(65536):
                    count += len(part)
                if self._resumes:
                    self._session = connection.session
        return count


def main() -> None:
    port, seconds, connections = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    request = sys.stdin.buffer.read()
    askers = [Asker(request, port, sys.argv[4] == "resumed") for _ in range(connections)]
    begun, before = time.monotonic(), os.times()
    threads = [threading.Thread(target=each.run, args=(begun + seconds,)) for each in askers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in askers:
        if each.fault is not None:
            raise each.fault
    elapsed, after = time.monotonic() - begun, os.times()
    took = sorted(microseconds for each in askers for microseconds in each.took)
    busy = (after.user + after.system - before.user - before.system) / elapsed
    shares = {f"p{name}": percentile(took, share) for name, share in PERCENTILES.items()}
    counts = {"requests": len(took), "bytes": sum(each.bytes for each in askers), "seconds": elapsed, "failed": 0}
    print(json.dumps({**counts, "busy": busy, **shares, "most": took[-1]}))


PERCENTILES = {"50": 0.5, "90": 0.9, "99": 0.99, "999": 0.999}


if __name__ == "__main__":
    main()
