"""What counting costs: from segments on disk to committed figures, beside a bare loop that appends the same bytes and
syncs; then what taking them by HTTP costs, beside nginx that writes its access log. With other kinds of load, that is
`python -m benchmarks reports`.

A machine with other work counts slower per second of CPU, too (caches, clock). A loop that only adds is timed around
each round: "scaled" is as if it had taken what its fastest round took.
"""

import json
import os
import random
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring.figures import ratios, spread
from benchmarks.measuring.sampling import in_turns
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.reports import REPORTS, SAME_LOAD, answering_tables
from edge.domain.guard_policy import GUARD_DEFAULT
from edge.domain.guarding.watch import Watch
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.segment import SegmentWriter
from edge.telemetry.spool.worker_records import HeardChecks, encode_heard, heard_count
from edge.telemetry.votes.vote_keeper import VoteKeeper, WatchesOf, no_watches

FOLD, BARE = "segments to figures", "append + fdatasync"
WATCHED, UNWATCHED = "the same, every app's main release guarded", "the same, with no release guarded"
BATCHES = (5, 1)  # events in a report
EVENTS, QUICK_EVENTS = 100_000, 10_000
APPS, BUNDLES, WORKERS = 20, 20, 2
FRAME_RECORDS = 50  # that one commit of a busy worker has
LOOP_ADDITIONS = 1_000_000
NOW = 1_760_000_000.0
CHANNEL = "production"
ACTIONS = (  # of one update
    *("app_moved_to_foreground", "download_manifest_start", "download_10", "download_30", "download_50"),
    *("download_70", "download_90", "download_manifest_complete", "set_next", "app_moved_to_background"),
    *("set", "app_launch_start", "app_launch_ready", "webview_page_loaded"),
)
NAMES = {f"com.acme.app{number}": {f"1.0.{each}" for each in range(BUNDLES)} for number in range(APPS)}


class FoldSample(NamedTuple):
    """Microseconds of CPU an event, and what the loop of additions took around it."""

    microseconds: float
    events_per_second: float
    loop_seconds: float


def run(options: Options) -> BenchReport:
    events = QUICK_EVENTS if options.quick else EVENTS
    tables = []
    for batch in BATCHES:
        records = list(report_records(events, batch))
        once = partial(_measure, records=records, events=events // len(ACTIONS) * len(ACTIONS))
        works = {FOLD: _fold, WATCHED: partial(_fold_offered, watches_of=_watches_of), UNWATCHED: _fold_offered}
        found = in_turns(works | {BARE: _append}, options.rounds, once)
        tables.append(_table(f"{events:,} events of {APPS} apps, {batch} in a report", found))
    tables += answering_tables(options, {each: rate for each, rate in SAME_LOAD.items() if each[0] is REPORTS})
    compares = (
        "CPU per event: from segments to committed figures, and through HTTP to the disk beside nginx's access log."
    )
    return BenchReport(compares=compares, tables=tuple(tables))


def report_records(events: int, batch: int) -> Iterator[bytes]:
    """Reports of devices that update, each its 14 events."""
    chance = random.Random(1)
    for number in range(events // len(ACTIONS)):
        app = f"com.acme.app{min(APPS - 1, int(chance.expovariate(0.5)))}"
        version = f"1.0.{min(BUNDLES - 1, int(chance.expovariate(1.0)))}"
        at_ms = int(NOW * 1000) + number * 40
        about = {"platform": chance.choice(["ios", "android"]), "app_id": app, "version_name": version}
        about |= {"device_id": str(uuid.UUID(int=chance.getrandbits(128))), "plugin_version": "8.51.14"}
        about |= {"version_os": "17.4", "version_build": "0.9.0", "is_emulator": False, "is_prod": True}
        about |= {"old_version_name": "", "custom_id": "", "defaultChannel": "", "install_source": "App_Store"}
        told = [about | {"action": each, "timestamp": at_ms + at} for at, each in enumerate(ACTIONS)]
        for start in range(0, len(told), batch):
            part = told[start : start + batch]
            sent = json.dumps(part if len(part) > 1 else part[0], separators=(",", ":")).encode()
            yield b'{"received_ms":%d,"net":7,"events":%d,"sent":%s}' % (at_ms + start, len(part), sent)


def _measure(work, records: Sequence[bytes], events: int) -> FoldSample:
    with tempfile.TemporaryDirectory(prefix="edge-telemetry-") as temporary:
        before = _loop_seconds()
        spent, seconds = work(Path(temporary), records)
        return FoldSample(spent / events * 1e6, events / seconds, (before + _loop_seconds()) / 2)


def _fold_offered(folder: Path, records: Sequence[bytes], watches_of: WatchesOf = no_watches) -> tuple[float, float]:
    """Of devices whose offers are counted already: those of a guarded release vote, and the others' are the same."""
    keeper = VoteKeeper(watches_of)
    writer = SegmentWriter(folder, "node", WORKERS, now=NOW, sync=lambda descriptor: None)
    writer.append(list(_offers(records)))
    writer.seal()
    fold(folder, folder / "counts.sqlite", now=NOW, names_of=NAMES.get, keeper=keeper)
    return _fold(folder, records, keeper)


def _offers(records: Sequence[bytes]) -> Iterator[bytes]:
    """What workers noted of the checks before the reports."""
    keys: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for record in records:
        sent = json.loads(record)["sent"]
        first = sent[0] if isinstance(sent, list) else sent
        keys[first["app_id"], first["version_name"]].add(device_key(first["app_id"], first["device_id"]))
    cohort = Cohort(Group("ios", CHANNEL), "17", "DE", "8.51.14")
    for number, ((app, version), found) in enumerate(keys.items()):
        devices = b"".join(key.to_bytes(8, "little", signed=True) for key in found)
        of = [heard_count(cohort, "0.9.0", "offer", version, len(found), devices)]
        yield encode_heard(HeardChecks(f"node-{number}-1", 1, app, of), NOW - 1)


def _watches_of(app: str) -> list[Watch]:
    """More than half of all devices install it."""
    since_ms = int((NOW - 60) * 1000)
    return [
        Watch(id=app, channel=CHANNEL, bundle="1.0.0", rollout=None, since_ms=since_ms, acts=True, policy=GUARD_DEFAULT)
    ]


def _fold(folder: Path, records: Sequence[bytes], keeper: VoteKeeper | None = None) -> tuple[float, float]:
    frames = [records[start : start + FRAME_RECORDS] for start in range(0, len(records), FRAME_RECORDS)]
    for worker in range(WORKERS):
        writer = SegmentWriter(folder, "node", worker, now=NOW, sync=lambda descriptor: None)
        for frame in frames[worker::WORKERS]:
            writer.append(frame)
        writer.seal()
    began, wall = time.process_time(), time.monotonic()
    report = fold(folder, folder / "counts.sqlite", now=NOW, names_of=NAMES.get, keeper=keeper or VoteKeeper())
    spent = time.process_time() - began, time.monotonic() - wall
    if report.duplicates or report.malformed or not report.folded:
        raise RuntimeError(f"not every event was counted: {report}")
    return spent


def _append(folder: Path, records: Sequence[bytes]) -> tuple[float, float]:
    began, wall = time.process_time(), time.monotonic()
    with (folder / "bare").open("wb", buffering=0) as file:
        for start in range(0, len(records), FRAME_RECORDS):
            file.write(b"\n".join(records[start : start + FRAME_RECORDS]))
            os.fdatasync(file.fileno())
    return time.process_time() - began, time.monotonic() - wall


def _loop_seconds() -> float:
    began, total = time.process_time(), 0
    for number in range(LOOP_ADDITIONS):
        total += number & 3
    return time.process_time() - began


def _table(title: str, found: Mapping[str, Sequence[FoldSample]]) -> Table:
    fastest = min(sample.loop_seconds for samples in found.values() for sample in samples)
    bare = [sample.microseconds for sample in found[BARE]]
    rows = []
    for name, samples in found.items():
        scaled = [1e6 / each.microseconds * each.loop_seconds / fastest for each in samples]
        spent = [each.microseconds for each in samples]
        per_core = spread([1e6 / each for each in spent])
        rows.append((name, spread(spent), ratios(spent, bare), per_core, spread(scaled)))
    columns = ("contender", "CPU µs/event", f"of {BARE}", "events/s a core", "events/s a core, scaled")
    note = f"The fastest loop of {LOOP_ADDITIONS:,} additions took {fastest * 1e3:.1f} ms of CPU."
    return Table(title=title, columns=columns, rows=tuple(rows), notes=(note, f"{FRAME_RECORDS} reports a sync."))
