"""Whatever is killed, each observation is in ClickHouse once.

    python -m tests.drills.clickhouse_kills [KILLS]

A node sends blocks while they are folded; at random moments its sending process, or the server (ClickHouse's engine
behind HTTP), is killed with SIGKILL and started again. At the end every table has to have exactly what was folded.
Prints how often which of them was killed; exits 1 if anything differs.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from edge.domain.statistics.observation import Step
from edge.telemetry.clickhouse.server import ClickHouseFault
from edge.telemetry.clickhouse.sink import Sink
from tests.worlds.clickhouse_engine import EngineProcess
from tests.worlds.observed import NOON_MS, OutboxWorld, seen

KILLS = 40
DEVICES = 1_000  # of a block
BLOCKS = 2  # folded before each kill
LONGEST_SECONDS = 2.5  # until a kill: a sender takes a second to start, and an insert some 0.2 s
ROWS = 3  # a device

MEASURES = {
    "observations": "SELECT count() FROM observations",
    "sums by minute": "SELECT sum(n) FROM sums_minute",
    "sums by hour": "SELECT sum(n) FROM sums_hour",
    "sums by day": "SELECT sum(n) FROM sums_day",
    "seconds": "SELECT toInt64(sum(total)) FROM sums_day",
    "durations": "SELECT sum(n) FROM durations_day",
    "devices": "SELECT uniqExact(device) FROM devices",
    "days": "SELECT uniqExact(device) FROM device_days",
    "words": "SELECT uniqExact(device) FROM latest_words",
    "steps": "SELECT uniqExact(device) FROM steps",
}
EXPECTED = {
    "observations": 3,
    "sums by minute": 3,
    "sums by hour": 3,
    "sums by day": 3,
    "seconds": 7,
}  # a device; else 1


def block(first: int) -> list:
    found = []
    for device in range(first, first + DEVICES):
        found.append(seen(device, steps=Step.WORD))
        found.append(seen(device, "session_end", value=7.0))
        found.append(seen(device, "report:set", steps=Step.INSTALLED))
    return found


def sender(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.drills.clickhouse_kills", "--send", str(folder), str(port)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def send(folder: Path, port: int) -> None:
    """Until killed."""
    engine = EngineProcess.__new__(EngineProcess)
    engine.port = port
    sink = Sink(folder / "counts.db", folder / "outbox", engine.server(), "node-a")
    while True:
        try:
            sink.send_waiting(NOON_MS / 1000)
        except ClickHouseFault:
            time.sleep(0.05)
        time.sleep(0.02)


def main(kills: int) -> int:
    draw = random.Random(kills)
    killed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world, engine, devices = OutboxWorld(folder), EngineProcess(folder / "engine"), 0
        child = sender(folder, engine.port)
        for number in range(kills):
            for _ in range(BLOCKS):
                world.fold("segment", devices, block(1 + devices))
                devices += DEVICES
            time.sleep(draw.uniform(0, LONGEST_SECONDS))
            child.kill()
            child.wait()
            killed["sender"] += 1
            if number % 2:
                engine.kill()
                killed["server"] += 1
                engine = EngineProcess(folder / "engine")
            child = sender(folder, engine.port)
        child.kill()
        child.wait()
        Sink(world.database, world.folder, engine.server(), "node-a").send_waiting(NOON_MS / 1000)
        found = {name: engine.server().ask(question)[0][0] for name, question in MEASURES.items()}
        engine.kill()
        totals = world.totals
    wrong = {name: n for name, n in found.items() if n != devices * EXPECTED.get(name, 1)}
    print(f"killed: {dict(killed)}; {devices * ROWS:,} rows folded, {totals.sent:,} sent, {totals.waiting} wait")
    print(f"wrong: {wrong or 'nothing'}")
    return 1 if wrong or totals.waiting else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send(Path(sys.argv[2]), int(sys.argv[3]))
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else KILLS))
