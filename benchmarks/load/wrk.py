"""One run of wrk: the requests as a script, the summary as values.

Without `rate` every connection sends its next request as soon as it is answered; with it each waits a random time, so
that all servers are offered the same number of requests a second whatever they could do.
"""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.programs import need_program, pinned

TIMEOUT_SECONDS = 10
LEAST_SECONDS = 1  # wrk counts whole seconds

_SCRIPT = """
local requests = {{
{requests}
}}
local at = 0
function request()
  at = at + 1
  if at > #requests then at = 1 end
  return requests[at]
end
{delay}
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('RESULT {{"requests":%d,"bytes":%d,"microseconds":%d,"failed":%d,"p50":%d,"p90":%d,' ..
    '"p99":%d,"p999":%d,"most":%d}}\\n', summary.requests, summary.bytes, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency:percentile(99.9), latency.max))
end
"""
_DELAY = "function delay() return math.random(0, {most}) end"


class Load(NamedTuple):
    """`rate` in requests per second over all connections; 0 for as many as the server can answer.

    Over TLS no certificate is verified.
    """

    requests: Sequence[bytes]
    connections: int
    seconds: int
    rate: float = 0.0
    tls: bool = False


class Summary(NamedTuple):
    """Latencies in microseconds. `busy` is wrk's own share of a core: above 0.8 it is wrk that was measured."""

    requests: int
    bytes: int
    seconds: float
    failed: int
    busy: float
    p50: float
    p90: float
    p99: float
    p999: float
    most: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run_wrk(load: Load, port: int, on: set[int], script: Path) -> Summary:
    """Blocks until wrk has ended. `script` is a file to write. Raises Missing, and RuntimeError with wrk's words."""
    script.write_text(encode_script(load))
    seconds = max(LEAST_SECONDS, load.seconds)
    command = [need_program("wrk"), "-t1", f"-c{load.connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s"]
    started, before = time.monotonic(), os.times()
    with pinned(on):
        process = subprocess.Popen(
            [*command, "-s", str(script), f"{'https' if load.tls else 'http'}://127.0.0.1:{port}/updates"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    output, words = process.communicate()
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return parse_summary(output, busy=spent / (time.monotonic() - started), words=words)


def encode_script(load: Load) -> str:
    lines = ",\n".join(f'"{_escaped(request)}"' for request in load.requests)
    # The mean of what a connection waits; the answer's own time comes on top and shows in the rate reached.
    mean_milliseconds = load.connections / load.rate * 1000 if load.rate else 0
    delay = _DELAY.format(most=max(1, round(2 * mean_milliseconds))) if load.rate else ""
    return _SCRIPT.format(requests=lines, delay=delay)


def parse_summary(output: str, *, busy: float, words: str = "") -> Summary:
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk printed no result: {(words or output)[:500]}")
    told = json.loads(line.removeprefix("RESULT "))
    return Summary(
        told["requests"],
        told["bytes"],
        told["microseconds"] / 1e6,
        told["failed"],
        busy,
        *(float(told[name]) for name in ("p50", "p90", "p99", "p999", "most")),
    )


def _escaped(request: bytes) -> str:
    """A Lua string: printable ASCII as it is, everything else by number."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}" for byte in request)
