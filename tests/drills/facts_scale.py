"""Device facts at scale: `python -m tests.drills.facts_scale [--devices N] [--directory DIR]`.

Fills a table through the writer, as workers do, and prints the figures that the README states: bytes per million
devices, changes per second, the time of a look-up, and of a start after the writer was killed. Removes what it made.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge.facts.changes import Chose, FactChange, Failed, Offered
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter

APP = "com.acme.shop"
BATCH = 2048
SAMPLES = 200_000
LOOK_UPS_AT_ONCE = 100


def device(number: int) -> str:
    return f"{number:08x}-1d2a-4c3b-9e8f-112233445566"


def changes_of(number: int) -> list[FactChange]:
    """Every device was offered something, one in ten failed, one in ten chose a channel."""
    changes: list[FactChange] = [Offered(APP, device(number), "1.0.0")]
    if number % 10 == 0:
        changes.append(Failed(APP, device(number), "1.0.0"))
    if number % 10 == 1:
        changes.append(Chose(APP, device(number), "beta"))
    return changes


async def fill(directory: Path, devices: int) -> tuple[int, float]:
    """Two batches wait at any time, so that the thread never does. Answers changes and seconds."""
    writer = FactsWriter(directory, capacity=devices)
    count, started = 0, time.perf_counter()
    places = asyncio.Semaphore(2)

    async def record(changes: list[FactChange]) -> None:
        async with places:
            await writer.record(changes)

    async with asyncio.TaskGroup() as tasks:
        for first in range(0, devices, BATCH):
            changes = [change for number in range(first, min(first + BATCH, devices)) for change in changes_of(number)]
            count += len(changes)
            async with places:
                tasks.create_task(record(changes))
    seconds = time.perf_counter() - started
    print(f"evicted before the capacity was reached: {sum(writer.condition.evicted.values())} of {devices:,}")
    return count, seconds


def look_up_seconds(table: FactsTable, numbers: list[int]) -> list[float]:
    """Mean seconds of a look-up, for each hundred."""
    devices = [device(number) for number in numbers]
    clock, look_up, took = time.perf_counter, table.look_up, []
    for first in range(0, len(devices), LOOK_UPS_AT_ONCE):
        some = devices[first : first + LOOK_UPS_AT_ONCE]
        started = clock()
        for name in some:
            look_up(APP, name)
        took.append((clock() - started) / len(some))
    return took


def print_look_ups(path: Path, devices: int) -> None:
    table = FactsTable(path)
    pick = random.Random(1)
    known = [pick.randrange(devices) for _ in range(SAMPLES)]
    cases = {
        "first touches": known,  # the kernel maps the page while we wait: once for each page and worker
        "known (any)": pick.sample(known, len(known)),
        "known, withheld": [number - number % 10 for number in known],
        "unknown": [number + devices for number in known],
        "the same ten": [number % 10 for number in known],
    }
    for name, numbers in cases.items():
        took = look_up_seconds(table, numbers)
        p99 = statistics.quantiles(took, n=100)[98]
        print(f"look-up, {name:16}: median {statistics.median(took) * 1e6:.2f} us, p99 {p99 * 1e6:.2f} us")
    found = sum(table.look_up(APP, device(number)).offered != () for number in known if number % 10)
    print(f"found {found:,} of {sum(1 for number in known if number % 10):,} devices that were offered something")
    table.close()


async def start_seconds(directory: Path, devices: int) -> float:
    started = time.perf_counter()
    writer = FactsWriter(directory, capacity=devices)
    seconds = time.perf_counter() - started
    await writer.close()
    return seconds


async def print_lift(directory: Path, devices: int) -> None:
    """While it runs, a change is made every 10 ms or so, as devices do, and the loop is watched."""
    writer = FactsWriter(directory, capacity=devices)
    lifting = asyncio.create_task(writer.lift_all(APP, "1.0.0", 0.0, dry_run=False))
    started, turns, waits = time.perf_counter(), [0.0], [0.0]
    while not lifting.done():
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        turns.append(time.perf_counter() - before - 0.01)
        before = time.perf_counter()
        await writer.record([Chose(APP, device(1), f"beta-{len(waits)}")])
        waits.append(time.perf_counter() - before)
    print(
        f"lift from all: {lifting.result():,} devices in {time.perf_counter() - started:.1f} s; meanwhile the loop was"
        f" at most {max(turns) * 1e3:.0f} ms late, and a choice took at most {max(waits) * 1e3:.0f} ms"
    )
    await writer.close()


def print_figures(directory: Path, devices: int) -> None:
    # In a process of its own, that dies without a word: the start below finds what a kill leaves.
    fill_there = ["--fill", str(directory), "--devices", str(devices)]
    subprocess.run([sys.executable, "-m", "tests.drills.facts_scale", *fill_there])
    table = directory / "facts.table"
    size, logs = table.stat().st_size, sum(path.stat().st_size for path in directory.glob("*.log"))
    print(f"{devices:,} devices: table {size / 1e6:.0f} MB, {size / devices:.0f} bytes each; log {logs / 1e6:.0f} MB")
    print(f"start after the kill: {asyncio.run(start_seconds(directory, devices)):.2f} s")
    print_look_ups(table, devices)
    asyncio.run(print_lift(directory, devices))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--devices", type=int, default=1_000_000)
    arguments.add_argument("--directory", type=Path, help="where to make and remove a directory")
    arguments.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.fill:
        count, seconds = asyncio.run(fill(chosen.fill, chosen.devices))
        print(f"{count:,} changes in {seconds:.1f} s: {count / seconds:,.0f} a second", flush=True)
        os._exit(9)
    directory = Path(tempfile.mkdtemp(prefix="facts-", dir=chosen.directory))
    try:
        print_figures(directory, chosen.devices)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
