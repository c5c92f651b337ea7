"""Latency is counted from when an arrival was due: what a stall did to all users shows, although one request hung.

Runs where locust is installed: `make loadtest-smoke`. A real server stalls for a second; a real locust run asks it.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
STALL_SECONDS = 1.0
HUNG_MS = 300  # between a healthy answer (some ms, even on a busy machine) and one that met the stall
RUN_SECONDS = 3


class Times(NamedTuple):
    count: int
    seconds: float
    hung: int
    failures: int


@contextlib.contextmanager
def stalling(seconds: float) -> Iterator[str]:
    command = [sys.executable, str(HERE / "stall_server.py"), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def measure(host: str, folder: Path, stop_timeout: int = 15) -> dict[str, Times]:
    command = [
        *(sys.executable, "-m", "locust", "-f", str(HERE / "stall_locustfile.py"), "--host", host, "--headless"),
        *("--users", "1", "--run-time", f"{RUN_SECONDS}s", "--stop-timeout", str(stop_timeout)),
        *("--json-file", str(folder / "stats"), "--exit-code-on-error", "0"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return {row["name"]: times(row) for row in json.loads((folder / "stats.json").read_text())}


def times(row: dict[str, Any]) -> Times:
    hung = sum(count for ms, count in row["response_times"].items() if float(ms) >= HUNG_MS)
    seconds = row["last_request_timestamp"] - row["start_time"]
    return Times(row["num_requests"], seconds, hung, row["num_failures"])


def test_a_stall_shows_in_every_arrival_that_it_delayed(tmp_path: Path) -> None:
    with stalling(STALL_SECONDS) as host:
        found = measure(host, tmp_path)
    # A client that waits for answers sees one slow request in hundreds: below its p99.
    assert found["/updates"].hung <= 2
    assert found["/updates"].hung / found["/updates"].count < 0.01
    # Devices arrived all the while: those of the first 0.7 of the second waited 0.3 s and more.
    assert found["arrival to answer"].hung >= 60
    assert found["arrival to answer"].count >= found["arrival to answer"].seconds * 95  # and none was left out
    assert found["arrival to answer"].failures == 0


def test_without_a_stall_both_ways_of_counting_agree(tmp_path: Path) -> None:
    with stalling(0.0) as host:
        found = measure(host, tmp_path)
    assert found["/updates"].hung == 0
    assert found["arrival to answer"].hung <= found["arrival to answer"].count * 0.05


def test_arrivals_that_nobody_answered_until_the_end_are_errors(tmp_path: Path) -> None:
    with stalling(3600.0) as host:
        found = measure(host, tmp_path, stop_timeout=1)
    lost = found["arrival to answer"].failures
    assert lost >= 50  # a hundred a second, less half a second of answers and the start


def test_a_run_that_does_not_keep_its_limits_exits_with_1() -> None:
    scenario = HERE.parent / "scenarios" / "steady_day.py"
    with stalling(0.0) as host:  # answers `{}` to every check, which no device can read
        command = [sys.executable, "-m", "locust", "-f", str(scenario), "--host", host, "--headless", "--users", "2"]
        done = subprocess.run([*command, "--run-time", f"{RUN_SECONDS}s"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "FAILED arrival to answer: 100.00% errors" in done.stdout
