"""What many apps cost: a check at 1, 100 and 10,000 apps, the memory of a worker, the time to load, and 1,000 swaps of
snapshots while checks run.

Devices of up to 1,000 apps check in turns. All nodes run at the same time and are loaded in turns. A swap is a change
of a channel through the control API, which answers when every worker serves it.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import BenchNode, node
from benchmarks.load.wrk import Load, Summary
from benchmarks.measuring.accounting import memory_of
from benchmarks.measuring.figures import spread
from benchmarks.measuring.sampling import CheckSample, check_table, in_turns, measure
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.programs import cores, need_program
from benchmarks.worlds.many_apps import CHANNELS, VERSIONS, app_id, open_scaled
from benchmarks.worlds.releases import PUBLIC_URL, check_request, device_ids, question
from edge.cli.terminal.client import app_path

APPS = (1, 100, 10_000)
QUICK_APPS = (1, 100, 1_000)
ASKING_APPS = 1_000
DEVICES = 2_000
CHECKS_PER_SECOND = 4_000.0
CONNECTIONS = 64
HOST = "updates.example.com"
SWAPS, QUICK_SWAPS = 1_000, 100
SWAPPED_APPS = 100  # that change in turns
SWAP_CHECKS_PER_SECOND = 1_000.0
SWAPS_TO_WARM = 20
WARM_SECONDS = 2  # in which every swapped app's offer is made once


class Loaded(NamedTuple):
    apps: int
    node: BenchNode
    load_seconds: float
    resident_bytes: int  # of the worker, after one check for each app


class Swaps(NamedTuple):
    """Resident memory of the worker before, at half and after all; what a swap took, until every worker served it."""

    without: Summary
    during: Summary
    milliseconds: Sequence[float]
    resident_bytes: tuple[int, int, int]


def run(options: Options) -> BenchReport:
    need_program("wrk")
    on, generators = cores(options.pin)
    script = options.cache_dir / "scale.lua"
    with ExitStack() as stack:
        loaded = [_load(stack, apps, options, on) for apps in (QUICK_APPS if options.quick else APPS)]
        contenders = {f"{each.apps:,} apps": each for each in loaded}
        swapper = Swapper(loaded[-1])
        loads = {each.apps: _requests(each.apps, 1 if options.quick else 5) for each in loaded}
        for each in loaded:
            measure(each.node.server, loads[each.apps], generators, script)  # warms caches and records device facts

        def once(each: Loaded) -> CheckSample:
            return measure(each.node.server, loads[each.apps], generators, script)

        found = in_turns(contenders, options.rounds, once)
        swaps = _swap(loaded[-1], swapper, QUICK_SWAPS if options.quick else SWAPS, generators, script)
        tables = (_checks_table(found), _memory_table(loaded), _swaps_table(loaded[-1].apps, swaps))
    return BenchReport(compares=f"One worker with {', '.join(contenders)}.", tables=tables)


def _load(stack: ExitStack, apps: int, options: Options, on: set[int]) -> Loaded:
    data_dir = open_scaled(options.cache_dir, apps)
    started = time.perf_counter()
    running = stack.enter_context(node(data_dir, on, public_url=PUBLIC_URL))
    _ask_for_all(running.server.port, apps)
    seconds = time.perf_counter() - started
    return Loaded(apps, running, seconds, memory_of(running.worker_pids()[0]).resident_bytes)


def _ask_for_all(port: int, apps: int) -> None:
    """One check for each app: an app is loaded when a device asks for it."""
    (device,) = device_ids(1)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(apps):
        asked = question(device, app=app_id(number), version=VERSIONS[-1])
        connection.request("POST", "/updates", json.dumps(asked), {"Content-Type": "application/json"})
        connection.getresponse().read()
    connection.close()


def _requests(apps: int, seconds: int) -> Load:
    """Devices that run what is offered, of apps drawn at random."""
    noise = random.Random(apps)
    asking = [app_id(noise.randrange(apps)) for _ in range(min(apps, ASKING_APPS))]
    version = VERSIONS[-1]
    asked = [
        check_request(question(device, app=asking[at % len(asking)], version=version), HOST)
        for at, device in enumerate(device_ids(DEVICES))
    ]
    return Load(asked, CONNECTIONS, seconds, CHECKS_PER_SECOND)


class Swapper:
    """Changes apps in turns, each back and forth between its two latest bundles, so that every change has an effect."""

    def __init__(self, loaded: Loaded) -> None:
        self._control = loaded.node.control
        self._apps = [app_id(number) for number in range(min(loaded.apps, SWAPPED_APPS))]
        self._turn = 0
        for app in self._apps:  # a run that was killed may have left another bundle
            self._offer(app, VERSIONS[-1])

    def requests(self, seconds: int) -> Load:
        """Devices of these very apps that run what is built in: the first after each swap has a new offer made."""
        asked = [
            check_request(question(device, app=self._apps[at % len(self._apps)]), HOST)
            for at, device in enumerate(device_ids(DEVICES))
        ]
        return Load(asked, CONNECTIONS, seconds, SWAP_CHECKS_PER_SECOND)

    def swap(self) -> float:
        """Milliseconds until every worker serves the next app's other bundle."""
        app, back = self._apps[self._turn % len(self._apps)], self._turn // len(self._apps) % 2
        self._turn += 1
        started = time.perf_counter()
        self._offer(app, VERSIONS[-1 if back else -2])
        return (time.perf_counter() - started) * 1e3

    def restore(self) -> None:
        for app in self._apps:
            self._offer(app, VERSIONS[-1])

    def _offer(self, app: str, bundle: str) -> None:
        forth_and_back = {"bundle": bundle, "downgrade": True, "again": True}
        self._control.patch(app_path(app, "channels", CHANNELS[0]), forth_and_back)


def _swap(loaded: Loaded, swapper: Swapper, count: int, generators: set[int], script: Path) -> Swaps:
    """The same checks twice: alone, and while apps change in turn."""
    worker = loaded.node.worker_pids()[0]
    taken = [swapper.swap() for _ in range(SWAPS_TO_WARM)]
    load = swapper.requests(max(2, round(sum(taken) / len(taken) * count / 1000) + 1))
    measure(loaded.node.server, load._replace(seconds=WARM_SECONDS), generators, script)
    without = measure(loaded.node.server, load, generators, script).summary
    milliseconds: list[float] = []
    resident = [memory_of(worker).resident_bytes]

    def swap_all() -> None:
        for number in range(count):
            milliseconds.append(swapper.swap())
            if number == count // 2:
                resident.append(memory_of(worker).resident_bytes)

    swapping = threading.Thread(target=swap_all)
    swapping.start()
    try:
        during = measure(loaded.node.server, load, generators, script).summary
    finally:
        swapping.join()
    resident.append(memory_of(worker).resident_bytes)
    swapper.restore()
    return Swaps(without, during, milliseconds, (resident[0], resident[1], resident[2]))


def _checks_table(found: Mapping[str, Sequence[CheckSample]]) -> Table:
    least = next(iter(found))
    return check_table("The same load on few and many apps: 4,000 checks/s", found, least)


def _memory_table(loaded: Sequence[Loaded]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for each in loaded:
        per_app = (each.resident_bytes - loaded[0].resident_bytes) / (each.apps - 1) / 1e3 if each.apps > 1 else None
        load = (each.load_seconds - loaded[0].load_seconds) / (each.apps - 1) * 1e3 if each.apps > 1 else None
        rows.append((f"{each.apps:,} apps", each.resident_bytes / 1e6, per_app, each.load_seconds, load))
    columns = ("node", "worker MB", "kB/app more", "seconds to serve", "ms/app more")
    note = "From the start of the command to the line that reports its ports; once, not in rounds."
    return Table(title="Memory of a worker and time to load", columns=columns, rows=tuple(rows), notes=(note,))


def _swaps_table(apps: int, swaps: Swaps) -> Table:
    before, half, after = (each / 1e6 for each in swaps.resident_bytes)
    pairs = (("without swaps", swaps.without), ("during swaps", swaps.during))
    rows: list[tuple[Cell, ...]] = [
        (f"checks {name}, p50 / p99 / p99.9 / max ms", _latencies(summary)) for name, summary in pairs
    ]
    rows += [
        ("swaps", len(swaps.milliseconds)),
        ("ms until every worker serves a swap", spread(swaps.milliseconds)),
        ("worker before, MB", before),
        ("worker after half of them, MB", half),
        ("worker after all, MB", after),
    ]
    title = f"Swaps of snapshots under {SWAP_CHECKS_PER_SECOND:,.0f} checks/s, {apps:,} apps"
    return Table(title=title, columns=("what", "figure"), rows=tuple(rows))


def _latencies(summary: Summary) -> str:
    return " / ".join(f"{each / 1000:.2f}" for each in (summary.p50, summary.p99, summary.p999, summary.most))
