"""What figures cost in SQLite and in ClickHouse: adding up a day's observations, their size, and questions on them.

Both get the same observations through the code that a node uses: SQLite by `figures_store.apply`, in batches as large
as the fold's (reading and judging records comes on top), and ClickHouse's own engine (chdb) as the sink inserts them.
Each in a process of its own; CPU seconds are those of that process, with all threads.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec

from benchmarks.output.report import BenchReport, Missing, Options
from benchmarks.output.tables import Table
from edge.domain.statistics.observation import Cohort, Group, Observation, Step
from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.server import ClickHouseServer
from edge.telemetry.clickhouse.tables import COLUMNS, prepare_tables
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.figures_store import apply
from edge.telemetry.questions.port import By, Figures, Rollup, TimeSpan, Where
from edge.telemetry.questions.sqlite_figures import SqliteFigures

SIZES = (1_000_000, 10_000_000)  # events of a day
QUICK_SIZES = (100_000,)
BATCH = 100_000  # observations: what 8 MB of records make
EVENTS_A_DEVICE = 20  # of a device and day
APP = "com.example.app"
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
ANY = Where()
ASKED_TIMES = 5  # the first time warms caches; the median of the others counts

Ask = Callable[[Figures, int], object]

QUESTIONS: dict[str, Ask] = {
    "counts by hour": lambda figures, day: figures.sums(
        APP, ["report:*"], _day(day, Rollup.HOUR), ANY, (By.SUBJECT,), each=True
    ),
    "active devices": lambda figures, day: figures.devices(APP, ["heard"], _day(day, Rollup.HOUR), ANY, (By.PLATFORM,)),
    "durations": lambda figures, day: figures.durations(
        APP, "session_end", _day(day, Rollup.HOUR), ANY, (By.PLATFORM,)
    ),
    "steps by system": lambda figures, _: figures.steps(APP, "2.0.0", ANY, (By.OS,)),
    "adoption curve": lambda figures, _: figures.words(APP, "2.0.0", ANY),
    "who runs what": lambda figures, day: figures.heard_since(APP, day, ANY, (By.BUNDLE,)),
    "retention": lambda figures, day: figures.retention(APP, _day(day, Rollup.DAY), ANY, (By.ARM,)),
}


def run(options: Options) -> BenchReport:
    """Without chdb there is nothing to compare with."""
    if importlib.util.find_spec("chdb") is None:
        raise Missing("needs ClickHouse's engine: pip install chdb")
    rows: list[tuple[str | int | float, ...]] = []
    for events in QUICK_SIZES if options.quick else SIZES:
        for store in ("sqlite", "clickhouse"):
            rows.append(_measured(store, events))
    columns = ("events of a day", "store", "CPU s a million", "MB", *(f"{name}, ms" for name in QUESTIONS))
    note = f"{EVENTS_A_DEVICE} events a device, one app, four sides and arms, 30 countries; a question is asked"
    note += f" {ASKED_TIMES} times, and the median of all but the first counts."
    return BenchReport(
        compares="The same observations in SQLite and in ClickHouse's engine: added up, on disk, and asked.",
        tables=(Table(title="a day's figures", columns=columns, rows=tuple(rows), notes=(note,)),),
    )


def _measured(store: str, events: int) -> tuple[str | int | float, ...]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.figures", store, str(events), folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (events, store, *found)


def observed(events: int, day_ms: int) -> Iterator[list[Observation]]:
    """A day's observations of some devices, in batches; a new bundle comes at noon."""
    draw = Random(events)  # the same every time
    devices = [(draw.getrandbits(63), _cohort(draw)) for _ in range(events // EVENTS_A_DEVICE)]
    batch: list[Observation] = []
    for hour in range(EVENTS_A_DEVICE):
        for key, cohort in devices:
            batch.append(_one(draw, day_ms + hour * HOUR_MS + draw.randrange(HOUR_MS), key, cohort, hour))
            if len(batch) == BATCH:
                yield batch
                batch = []
    yield batch


def _cohort(draw: Random) -> Cohort:
    platform = draw.choice(("android", "ios"))
    group = Group(
        platform,
        "production",
        draw.choice(((), ("vip",))),
        draw.choice(("r/new", "r/rest")),
        draw.choice(("e/a", "e/b")),
    )
    return Cohort(group, str(draw.randrange(11, 17)), f"C{draw.randrange(30)}", draw.choice(("8.51.14", "7.40.0")))


def _one(draw: Random, at_ms: int, key: int, cohort: Cohort, hour: int) -> Observation:
    """Every third is a device heard of; the others are what it reports of a session or of the update."""
    bundle = "2.0.0" if hour >= 12 else "1.0.0"
    if hour % 3 == 0:
        return Observation(at_ms, APP, key, cohort, bundle, "heard", 0, None, Step.WORD)
    if hour in (13, 14, 16):
        subject, step = {
            13: ("step", Step.OFFERED),
            14: ("report:set", Step.DOWNLOADED | Step.INSTALLED),
            16: ("report:app_launch_ready", Step.HEALTHY),
        }[hour]
        return Observation(at_ms, APP, key, cohort, "2.0.0", subject, 1, None, step)
    if hour % 3 == 1:
        return Observation(at_ms, APP, key, cohort, bundle, "session_end", 1, draw.expovariate(1 / 300))
    return Observation(
        at_ms, APP, key, cohort, bundle, draw.choice(("report:app_moved_to_background", "session", "error"))
    )


def _day(day_ms: int, rollup: Rollup) -> TimeSpan:
    return TimeSpan(day_ms, day_ms + DAY_MS, rollup)


def _in_sqlite(folder: Path, events: int, day_ms: int) -> tuple[float, int, Figures]:
    connection = open_for_folding(folder / "counts.sqlite")
    spent = 0.0
    for batch in observed(events, day_ms):
        started = time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            apply(connection, batch)
        spent += time.process_time() - started
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return spent, (folder / "counts.sqlite").stat().st_size, SqliteFigures(connection)


def _in_clickhouse(folder: Path, events: int, day_ms: int) -> tuple[float, int, Figures]:
    import clickhouse_connect

    server = ClickHouseServer(lambda: clickhouse_connect.get_client(dsn=f"chdb://{folder}"), "the engine")
    prepare_tables(server)
    spent = 0.0
    for number, batch in enumerate(observed(events, day_ms)):
        started = time.process_time()
        lines = msgspec.json.Encoder().encode_lines(batch)
        server.insert("observations", COLUMNS, lines, {"insert_deduplication_token": str(number)})
        spent += time.process_time() - started
    started = time.process_time()
    for (name,) in server.ask("SELECT name FROM system.tables WHERE database = 'default' AND engine LIKE '%MergeTree'"):
        server.run(f"OPTIMIZE TABLE {name} FINAL")  # what a server does in the background, sooner or later
    spent += time.process_time() - started
    ((held,),) = server.ask("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'default'")
    return spent, held, ClickHouseFigures(server, dict)


def _asked(figures: Figures, day_ms: int) -> list[float]:
    found = []
    for ask in QUESTIONS.values():
        took = []
        for _ in range(ASKED_TIMES):
            started = time.perf_counter()
            ask(figures, day_ms)
            took.append(time.perf_counter() - started)
        found.append(round(sorted(took[1:])[(ASKED_TIMES - 1) // 2] * 1000, 1))
    return found


def _measure(store: str, events: int, folder: Path) -> list[float]:
    """CPU seconds for a million events, megabytes, and milliseconds of each question."""
    day_ms = (int(time.time() * 1000) // DAY_MS - 1) * DAY_MS
    spent, held, figures = (_in_sqlite if store == "sqlite" else _in_clickhouse)(folder, events, day_ms)
    return [round(spent / events * 1e6, 2), round(held / 1e6, 1), *_asked(figures, day_ms)]


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
