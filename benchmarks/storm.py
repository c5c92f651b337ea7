"""50,000 devices wake after a publish: each checks, is offered the new release, downloads and verifies it.

At most 5,000 are connected at once. Half of them take manifests, half are old enough to take zips. The release's
bytes are stored before; the publish itself is only its last step: the channel moves.
"""

import json
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders.servers import BenchNode, node
from benchmarks.load.fleet import Orders
from benchmarks.measuring.accounting import cpu_seconds, memory_of
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.programs import cores, module, running
from benchmarks.worlds.releases import APP, CHANNEL, Sizes, prepare_app
from edge.cli.terminal.client import app_path

DEVICES, WAVE = 50_000, 5_000
QUICK_DEVICES, QUICK_WAVE = 2_000, 1_000
SIZES = Sizes(zip_bytes=128 * 1024, files=20, file_bytes=4096)
OLD, NEW = "1.0.1", "1.0.2"
SAMPLE_SECONDS = 0.1
WELL = "complete"
COUNTERS = ("offer", "checks_shed", "downloads_shed", "connections_refused", "connections_full", "offers_not_noted")


class StormBench(NamedTuple):
    """`told` is the fleet's own account. Memory in bytes, of all the node's processes: at the start, at the worst."""

    told: dict[str, Any]
    cpu_seconds: float
    start_bytes: int
    peak_bytes: int
    counts: dict[str, int]


def run(options: Options) -> BenchReport:
    on, generators = cores(options.pin)
    devices, wave = (QUICK_DEVICES, QUICK_WAVE) if options.quick else (DEVICES, WAVE)
    with tempfile.TemporaryDirectory(prefix="edge-storm-") as temporary:
        data = Path(temporary) / "data"
        prepare_app(data, [(NEW, SIZES), (OLD, SIZES)])
        with (
            node(data, on) as ours,
            running(
                module("benchmarks.load.fleet"), generators, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as fleet,
        ):
            storm = _wake(ours, fleet, Orders(ours.server.port, devices, wave, OLD, NEW))
    table = _table(storm, devices, wave)
    return BenchReport(compares=f"{devices:,} devices wake after a publish, {wave:,} at a time.", tables=(table,))


def _wake(ours: BenchNode, fleet: "subprocess.Popen[str]", orders: Orders) -> StormBench:
    assert fleet.stdin and fleet.stdout
    pids = ours.server.pids()
    start_bytes, before = _resident(pids), cpu_seconds(pids)
    ours.control.patch(app_path(APP, "channels", CHANNEL), {"bundle": NEW})
    with Peak(pids) as peak:
        fleet.stdin.write(json.dumps(orders._asdict()) + "\n")
        fleet.stdin.flush()
        line = fleet.stdout.readline()
    if not line:
        raise RuntimeError("the fleet exited before it printed its results")
    counts = {name: ours.count(name) for name in COUNTERS}
    return StormBench(json.loads(line), cpu_seconds(pids) - before, start_bytes, peak.resident_bytes, counts)


class Peak:
    """Watches the memory of processes inside the block; what they hold together at one moment, at the worst."""

    def __init__(self, pids: list[int]) -> None:
        self.resident_bytes = 0
        self._pids = pids
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.resident_bytes = max(self.resident_bytes, _resident(self._pids))
            if self._left.wait(SAMPLE_SECONDS):
                return


def _resident(pids: list[int]) -> int:
    return sum(memory_of(pid).resident_bytes for pid in pids)


def _table(storm: StormBench, devices: int, wave: int) -> Table:
    told = storm.told
    refused = {name: count for name, count in told["happened"].items() if name != WELL}
    rows: list[tuple[Cell, ...]] = [
        ("devices", devices),
        ("woken at once", wave),
        ("complete and verified", told["happened"].get(WELL, 0)),
        ("seconds", told["seconds"]),
        ("received, GiB", told["received_bytes"] / 2**30),
        ("server CPU seconds", storm.cpu_seconds),
        ("server CPU ms/device", storm.cpu_seconds / devices * 1e3),
        ("check, p50 / p99 / max ms", _three(told["check_milliseconds"])),
        ("update, p50 / p99 / max ms", _three(told["update_milliseconds"])),
        ("memory of the node before, MB", storm.start_bytes / 1e6),
        ("memory of the node at its peak, MB", storm.peak_bytes / 1e6),
        ("refused or broken, tried again", sum(refused.values())),
        *((f"  {name}", count) for name, count in sorted(refused.items())),
        *((f"node counted: {name}", count) for name, count in storm.counts.items()),
    ]
    note = f"The fleet is one process and was {told['busy']:.0%} busy; above 80%, the times are partly its own."
    return Table(title="A publish storm", columns=("what", "figure"), rows=tuple(rows), notes=(note,))


def _three(milliseconds: list[float]) -> str:
    return " / ".join(f"{value:,.0f}" for value in milliseconds)
