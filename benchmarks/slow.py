"""What slow readers cost update checks: update checks alone, 2,000 readers at 50 kB/s alone, and both together.

Sending 100 MB/s costs CPU too, so the cost of a check beside the readers is the difference between both together and
the readers alone. Memory is the worker's resident memory; what the kernel holds in socket buffers is not in it.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import BenchNode, node
from benchmarks.load.wrk import Load, Summary, run_wrk
from benchmarks.measuring.accounting import cpu_seconds, memory_of
from benchmarks.measuring.figures import ratios, spread
from benchmarks.measuring.sampling import milliseconds, throughput_words
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.programs import cores, module, need_program, running
from benchmarks.worlds.answers import fetch
from benchmarks.worlds.releases import (
    APP,
    PUBLIC_URL,
    Sizes,
    check_request,
    device_ids,
    get_request,
    prepare_app,
    question,
)

READERS = 2_000
READER_BYTES_PER_SECOND = 50_000
FILE_BYTES = 5_000_000  # lasts 100 s at that rate, longer than a round
CHECKS_PER_SECOND = 4_000.0
CONNECTIONS = 64
DEVICES = 1_000
HOST = "updates.example.com"
RELEASE = "1.0.1"
SETTLE_SECONDS = 1.0  # until every reader's buffers are full and the flow is even
LEAVE_SECONDS = 30.0


class Round(NamedTuple):
    """CPU in seconds a second. `resident_bytes` before and with the readers."""

    alone_cpu: float
    alone: Summary
    readers_cpu: float
    both_cpu: float
    both: Summary
    received_bps: float
    cut: int
    resident_bytes: tuple[int, int]

    @property
    def check_alone(self) -> float:
        """Microseconds."""
        return self.alone_cpu / self.alone.rate * 1e6

    @property
    def check_beside(self) -> float:
        return (self.both_cpu - self.readers_cpu) / self.both.rate * 1e6


def run(options: Options) -> BenchReport:
    need_program("wrk")
    on, generators = cores(options.pin)
    with tempfile.TemporaryDirectory(prefix="edge-slow-") as temporary:
        folder = Path(temporary)
        made = prepare_app(folder / "data", [(RELEASE, Sizes(zip_bytes=FILE_BYTES))])
        path = f"/bundles/{APP}/zip/{made[RELEASE].zip}"
        with node(folder / "data", on, public_url=PUBLIC_URL) as ours:
            request = get_request(path, HOST)
            (folder / "request").write_bytes(request)
            answer_bytes = fetch(ours.server.port, request).total_bytes
            command = module("benchmarks.load.readers", ours.server.port, folder / "request", answer_bytes)
            with running(command, generators, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
                bench = SlowBench(ours, crowd, generators, folder / "load.lua", 2 if options.quick else 5)
                bench.warm()
                rounds = [bench.round() for _ in range(options.rounds)]
    return BenchReport(
        compares=f"CPU per check beside {READERS:,} readers at {READER_BYTES_PER_SECOND // 1000} kB/s, and alone.",
        tables=(_checks_table(rounds), _memory_table(rounds)),
    )


class SlowBench:
    def __init__(
        self, ours: BenchNode, crowd: "subprocess.Popen[str]", generators: set[int], script: Path, seconds: int
    ) -> None:
        self._ours = ours
        self._crowd = crowd
        self._generators = generators
        self._script = script
        self._worker = ours.worker_pids()[0]
        asked = [check_request(question(device, version=RELEASE), HOST) for device in device_ids(DEVICES)]
        self._load = Load(asked, CONNECTIONS, seconds, CHECKS_PER_SECOND)

    def warm(self) -> None:
        self._checks()

    def round(self) -> Round:
        """Checks alone, then the readers come, then both, then they go."""
        alone_cpu, alone = self._checks()
        before = memory_of(self._worker).resident_bytes
        self._order(f"open {READERS} {READER_BYTES_PER_SECOND}")
        time.sleep(SETTLE_SECONDS)
        self._order("count")
        readers_cpu = self._idle()
        both_cpu, both = self._checks()
        told = json.loads(self._order("count"))
        beside = memory_of(self._worker).resident_bytes
        self._order("close")
        self._await_leaving()
        rate = told["bytes"] / told["seconds"]
        return Round(alone_cpu, alone, readers_cpu, both_cpu, both, rate, told["cut"], (before, beside))

    def _checks(self) -> tuple[float, Summary]:
        pids, started = self._ours.server.pids(), time.perf_counter()
        before = cpu_seconds(pids)
        summary = run_wrk(self._load, self._ours.server.port, self._generators, self._script)
        return (cpu_seconds(pids) - before) / (time.perf_counter() - started), summary

    def _idle(self) -> float:
        """What the readers alone cost."""
        pids, started = self._ours.server.pids(), time.perf_counter()
        before = cpu_seconds(pids)
        time.sleep(self._load.seconds)
        return (cpu_seconds(pids) - before) / (time.perf_counter() - started)

    def _order(self, words: str) -> str:
        assert self._crowd.stdin and self._crowd.stdout
        self._crowd.stdin.write(words + "\n")
        self._crowd.stdin.flush()
        return self._crowd.stdout.readline()

    def _await_leaving(self) -> None:
        deadline = time.monotonic() + LEAVE_SECONDS
        while self._ours.count("connections"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"readers hung up {LEAVE_SECONDS} s ago and their connections are still open")
            time.sleep(0.1)


def _checks_table(rounds: Sequence[Round]) -> Table:
    alone = [each.check_alone for each in rounds]
    beside = [each.check_beside for each in rounds]
    columns = (
        "checks",
        "server CPU µs/check",
        "of alone",
        "checks/s",
        "generator",
        "p50 ms",
        "p99 ms",
        "max ms",
        "failed",
    )
    rows = (
        ("alone", spread(alone), ratios(alone, alone), *_summary_cells([each.alone for each in rounds])),
        ("beside readers", spread(beside), ratios(beside, alone), *_summary_cells([each.both for each in rounds])),
    )
    own = spread([each.readers_cpu for each in rounds])
    note = f"The readers alone: {own.median:.3f} ({own.low:.3f}-{own.high:.3f}) CPU seconds per second, subtracted."
    return Table(title="Update checks beside slow readers", columns=columns, rows=rows, notes=(note,))


def _summary_cells(summaries: Sequence[Summary]) -> tuple[Cell, ...]:
    return (
        spread([each.rate for each in summaries]),
        throughput_words([each.busy for each in summaries]),
        milliseconds([each.p50 for each in summaries]),
        milliseconds([each.p99 for each in summaries]),
        milliseconds([each.most for each in summaries]),
        sum(each.failed for each in summaries),
    )


def _memory_table(rounds: Sequence[Round]) -> Table:
    before, beside = rounds[0].resident_bytes
    rows: tuple[tuple[Cell, ...], ...] = (
        ("worker without readers, MB", before / 1e6),
        ("worker with readers, MB", beside / 1e6),
        ("beyond the kernel's, kB a connection", (beside - before) / READERS / 1e3),
        ("kB/s a reader received", spread([each.received_bps / READERS / 1e3 for each in rounds])),
        ("connections cut by the server", sum(each.cut for each in rounds)),
    )
    note = "Memory is from the first round, since later ones start with what it left."
    return Table(title=f"{READERS:,} slow readers", columns=("what", "figure"), rows=rows, notes=(note,))
