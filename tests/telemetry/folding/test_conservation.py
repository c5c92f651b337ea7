"""The conservation law: what was acknowledged is counted once, or told to be a duplicate, whatever is killed and
whenever one looks.
"""

import asyncio
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT, WORLDS
from telemetry_lines import APP, NOW, line, no_sync, stored, write_segment

from edge.telemetry.folding.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.folding.duplicates import WINDOW_SECONDS
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.segment import list_segments
from edge.telemetry.spool.spool import Spool

WORKERS = st.integers(0, 2)
LABELS = st.tuples(
    st.sampled_from(["set", "download_fail", "invented"]),
    st.sampled_from(["1.0.0", "1.0.0:index.js", "builtin", ""]),
    st.sampled_from(["android", "ios", "toaster"]),
    st.none() | st.integers(1, 3),  # when it happened: few values, so that reports come again
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), WORKERS, st.lists(LABELS, min_size=1, max_size=4)),
        st.tuples(st.just("seal"), WORKERS, st.none()),
        st.tuples(st.just("tear"), WORKERS, st.integers(1, 40)),
        st.tuples(st.just("fold"), st.just(0), st.floats(0, 7 * 86_400) | st.floats(0, 2 * WINDOW_SECONDS)),
    ),
    max_size=30,
)


def expected_labels(action, version, platform, _):
    bundle = version.split(":")[0]
    return bundle, action if action != "invented" else "other", platform if platform != "toaster" else "other"


def torn_writer(writer, size_bytes):
    """What a killed process leaves: the beginning of a frame, no seal, and no lock."""
    with writer.path.open("ab") as file:
        file.write((b"\xff\x00\x00\x00" + b"torn" * 10)[:size_bytes])
    orphan = writer.path.read_bytes()
    writer.seal()
    writer.path.with_suffix(".sealed").unlink()
    writer.path.write_bytes(orphan)


@settings(max_examples=60)
@given(STEPS)
def test_what_goes_in_comes_out(steps):
    with TemporaryDirectory() as name:
        directory, database = Path(name), Path(name) / "counts.db"
        writers, expected, now, torn = {}, Counter(), NOW, 0
        counted_ms, duplicates = {}, 0
        for step, worker, detail in steps:
            writer = writers.get(worker)
            if step == "append":
                writer = writers.setdefault(worker, writer or write_segment(directory, worker=worker, seal=False))
                writer.append([line(a, v, p, now, ms) for a, v, p, ms in detail])
                for labels in detail:
                    since_ms = int(now * 1000) - counted_ms.get((*labels[:2], labels[3]), -math.inf)
                    again = labels[3] is not None and since_ms <= WINDOW_SECONDS * 1000
                    duplicates += again
                    if not again:
                        counted_ms[*labels[:2], labels[3]] = int(now * 1000)
                        expected[expected_labels(*labels)] += 1
            elif step == "fold":
                now += detail
                fold(directory, database, now=now)
            elif writer and step == "seal":
                writers.pop(worker).seal()
            elif writer:
                torn_writer(writers.pop(worker), detail)
                torn += 1
        for writer in writers.values():
            writer.seal()
        fold(directory, database, now=now)
        counts = {(count.bundle, count.action, count.platform): count.n for count in read_counts(database, APP)}
        assert counts == expected
        totals = read_totals(database)
        assert totals.get("folded", 0) == expected.total()
        assert totals.get("duplicates", 0) == read_duplicates(database, APP) == duplicates
        assert totals.get("torn_tails", 0) == torn


async def test_counting_while_it_is_written_counts_all_of_it(tmp_path):
    """Fifty clients on two workers' spools go on until a folder, looking all the while, has looked five times."""
    spools = [Spool(tmp_path, "node", worker, sync=no_sync) for worker in range(2)]
    looks = 0
    sent = Counter()

    async def client(number):
        while looks < 5:
            records = 1 + number % 3
            await spools[number % 2].append([line(version=f"{number}.0.0")] * records)
            sent[f"{number}.0.0"] += records

    clients = asyncio.gather(*(client(number) for number in range(50)))
    seen = []
    for looks in range(1, 6):  # noqa: B007  read by the clients
        seen.append((await asyncio.to_thread(fold, tmp_path, tmp_path / "counts.db", now=NOW)).folded)
    await clients
    await asyncio.gather(*(spool.close() for spool in spools))
    seen.append(fold(tmp_path, tmp_path / "counts.db", now=NOW).folded)
    assert sum(seen) == sent.total() == sum(spool.acknowledged for spool in spools)
    assert {count.bundle: count.n for count in read_counts(tmp_path / "counts.db", APP)} == sent


CHILD = """
import asyncio, os, sys
from pathlib import Path
import uvloop
from edge.telemetry.spool.spool import Spool
sys.path.insert(0, sys.argv[3])
from telemetry_lines import line

async def main():
    spool = Spool(Path(sys.argv[1]), "node", 0)
    async def client(number):
        turn = 0
        while True:
            name = f"{number}.{turn}.0"
            await spool.append([line(version=name)])
            os.write(1, name.encode() + b"\\n")
            turn += 1
    await asyncio.gather(*(client(number) for number in range(40)))

asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[2] == "uvloop" else None).run(main())
"""


@pytest.mark.long
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("lines_before_the_kill", [1, 150, 777])
def test_a_killed_process_has_lost_nothing_it_acknowledged(tmp_path, loop, lines_before_the_kill):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path, loop, WORLDS],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as child:
        acknowledged = [child.stdout.readline() for _ in range(lines_before_the_kill)]
        fold(tmp_path, tmp_path / "counts.db", now=NOW)  # a live segment, read in the middle
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.readlines()
    names = {name.decode().strip() for name in acknowledged}
    fold(tmp_path, tmp_path / "counts.db", now=NOW)
    records = stored(tmp_path)
    assert names and names <= {record.split(b'"version": "')[1].split(b'"')[0].decode() for record in records}
    assert sum(count.n for count in read_counts(tmp_path / "counts.db", APP)) == len(records)
    assert len(records) - len(names) <= 40  # written, and killed before the answer: at most one a client
    assert [path.suffix for path in list_segments(tmp_path)] == [".sealed"]
