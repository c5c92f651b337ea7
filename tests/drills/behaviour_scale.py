"""How devices are used, of a million of them: `python -m tests.drills.behaviour_scale [--devices N]`.

Judges every device in the database of figures, as a fold does, makes the table that workers map, and looks devices up
in it. Prints bytes a device, and CPU times: of a batch, of making the table again, of growing it, of a look-up. Exit
code 1 above 100 MB a million, if a device is missing, or if a look-up needs more than its promise.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edge.domain.behaviour.daily_counts import Use
from edge.domain.facts import NOT_JUDGED
from edge.telemetry.behaviour.rows import all_judgements, note_batch
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.behaviour.table_writer import BehaviourTableWriter
from edge.telemetry.folding.database import open_for_folding

APP, DAY = "com.example.app", 20_000
BATCH = 50_000
PROMISE_BYTES = 100
PROMISE_MICROSECONDS = 8.0
LOOK_UPS = 100_000
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1_000_000)
    devices = parser.parse_args().devices
    draw = random.Random(1)
    keys = [draw.getrandbits(64) - (1 << 63) for _ in range(devices)]
    with tempfile.TemporaryDirectory() as folder:
        database, path = Path(folder) / "counts.sqlite", Path(folder) / "behaviour.table"
        shown = _fill(database, path, keys)
        made = _make_again(database, path, keys)
        table = BehaviourTable(path)
        missing = sum(table.of_device(APP, key) is NOT_JUDGED for key in keys)
        each = _look_up_microseconds(table, keys)
        print(f"look-up: {each:.1f} µs, promised {PROMISE_MICROSECONDS:.0f} µs; {missing} devices are missing")
    return missing > 0 or max(shown, made) > PROMISE_BYTES or each > PROMISE_MICROSECONDS


def _fill(database: Path, path: Path, keys: list[int]) -> float:
    """Bytes a device of a table that grew with them."""
    writer = BehaviourTableWriter(path)
    folding = showing = 0.0
    with closing(open_for_folding(database)) as connection:
        for uses in _batches(keys):
            begun = time.process_time()
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                noted = note_batch(connection, uses)
            folded = time.process_time()
            writer.show(noted)
            folding, showing = folding + folded - begun, showing + time.process_time() - folded
        before = time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            note_batch(connection, next(_batches(keys)))
        again = (time.process_time() - before) / min(len(keys), BATCH) * 1e6
    size = path.stat().st_size / len(keys)
    rows = database.stat().st_size / len(keys)
    print(
        f"rows: {rows:.0f} bytes a device; table grown to {size:.0f}, in {writer.made} steps, evicted {writer.evicted}"
    )
    print(f"a device: {folding / len(keys) * 1e6:.1f} µs to judge it first, {showing / len(keys) * 1e6:.1f} to show it")
    print(f"a device with a session on a day on which it was judged: {again:.1f} µs", flush=True)
    writer.close()
    return size


def _make_again(database: Path, path: Path, keys: list[int]) -> float:
    writer, begun = BehaviourTableWriter(path), time.process_time()
    with closing(open_for_folding(database)) as connection:
        writer.make(all_judgements(connection), {}, len(keys))
    seconds, size = time.process_time() - begun, path.stat().st_size / len(keys)
    print(
        f"made again at a start: {seconds:.1f} s of CPU, {size:.0f} bytes a device, promised {PROMISE_BYTES}",
        flush=True,
    )
    writer.close()
    return size


def _batches(keys: list[int]) -> Iterator[list[Use]]:
    for first in range(0, len(keys), BATCH):
        yield [Use(APP, key, DAY, sessions=1) for key in keys[first : first + BATCH]]


def _look_up_microseconds(table: BehaviourTable, keys: list[int]) -> float:
    """As a check asks, by the app's and the device's names; of others than those in it. The quickest of some rounds."""
    names = [f"{APP}\0{random.Random(at).getrandbits(64):x}".encode() for at in range(LOOK_UPS // 2)]
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for name in names:
            table.look_up_name(name)
        for key in keys[: LOOK_UPS // 2]:
            table.of_device(APP, key)
        rounds.append((time.process_time() - begun) / (len(names) + min(len(keys), LOOK_UPS // 2)) * 1e6)
    return min(rounds)


if __name__ == "__main__":
    sys.exit(main())
