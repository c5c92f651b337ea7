"""The database of figures: what an app's day costs, and each of its devices.

    python -m tests.drills.figures_size [--devices 20000] [--days 4]

An app with two channels, three platforms, two segments, five releases of Android, and a release a day: all devices
check every hour, update, and report. Each day is folded and aged as a node does it. It prints the bytes of each table,
and what a day adds once rows by the minute go as they come.
"""

import argparse
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.record import encode_record
from edge.telemetry.spool.segment import SegmentWriter
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.upkeep.ageing import age
from edge.telemetry.upkeep.keeping import keep_segments
from edge.wire.stats import Event

APP = "com.example.size"
BEGIN = 1_760_054_400  # a midnight, UTC
HOUR, DAY = 3_600, 86_400
PLATFORMS, CHANNELS, SYSTEMS = ("android", "ios", "electron"), ("production", "beta"), ("11", "12", "13", "14", "15")
COUNTRIES = ("DE", "FR", "US", "BR", "IN", "JP")
CELL = 500  # devices that are alike in all labels, about


def lines_of_hour(devices: list[str], at: float, day: int, sequence: int, dice: random.Random) -> Iterator[bytes]:
    """The hour's checks, by labels; and what a device reports after a release, or when it is used."""
    for number in range(0, len(devices), CELL):
        some = devices[number : number + CELL]
        cell = random.Random(number)
        group = Group(
            platform=cell.choice(PLATFORMS),
            channel=cell.choices(CHANNELS, (9, 1))[0],
            segments=tuple(each for each in ("new", "power") if cell.random() < 0.5),
        )
        cohort = Cohort(group, cell.choice(SYSTEMS), cell.choice(COUNTRIES), "8.51.14")
        keys = b"".join(device_key(APP, each).to_bytes(8, "little", signed=True) for each in some)
        counts = [heard_count(cohort, f"1.0.{day}", "no_new", "", len(some), keys)]
        yield encode_heard(HeardChecks(f"n-0-{number}", sequence, APP, counts), at)
        for device in some:
            if dice.random() < 0.3:
                yield from (encode_record(event, at) for event in _events(device, group.platform, day, at, dice))


def _events(device: str, platform: str, day: int, at: float, dice: random.Random) -> Iterator[Event]:
    about = {"app": APP, "device": device, "platform": platform, "os": "14", "plugin": "8.51.14", "native": "1.0.0"}
    shift = dice.uniform(0, HOUR)
    actions = ("app_moved_to_foreground", "download_complete", "set", "app_launch_ready", "app_moved_to_background")
    for n, action in enumerate(actions):
        yield Event(action=action, version=f"1.0.{day}", device_time_ms=int((at + shift + 20 * n) * 1000), **about)


def sizes(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=4)
    asked = parser.parse_args()
    dice = random.Random(1)
    devices = [f"{n:08x}-eefe-490a-9c60-8e965132ae51" for n in range(asked.devices)]
    names = frozenset(f"1.0.{day}" for day in range(asked.days))
    with tempfile.TemporaryDirectory() as folder:
        spool, database = Path(folder) / "spool", Path(folder) / "counts.sqlite"
        spool.mkdir()
        before: dict[str, int] = {}
        for day in range(asked.days):
            for hour in range(24):
                at = BEGIN + day * DAY + hour * HOUR
                writer = SegmentWriter(spool, "node", 0, now=at)
                lines = list(lines_of_hour(devices, at, day, day * 24 + hour + 1, dice))
                for start in range(0, len(lines), 1_000):
                    writer.append(lines[start : start + 1_000])
                writer.seal()
                fold(spool, database, now=at + HOUR, names_of=lambda app: names)
                keep_segments(spool, database, now=at + HOUR, keep_seconds=DAY, keep_bytes=0)
            with closing(open_for_folding(database)) as connection:
                age(connection, BEGIN + (day + 1) * DAY)
            now = sizes(database)
            grown = {name: now[name] - before.get(name, 0) for name in now}
            top = sorted(grown.items(), key=lambda each: -each[1])[:8]
            total, new = sum(now.values()) / 1e6, sum(grown.values()) / 1e6
            print(f"day {day + 1}: {total:.1f} MB, of these new {new:.1f}: {top}", flush=True)
            before = now
        of_devices = sum(before.get(name, 0) for name in ("devices", "steps", "behaviour"))
        print(f"{of_devices / asked.devices:.0f} bytes a device, of {asked.days} bundles")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
