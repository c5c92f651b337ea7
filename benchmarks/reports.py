"""What one reported event costs: ours, which has it on disk before the answer; nginx with its access log, which syncs
nothing and answers the same bytes; and a bare loop that appends the same bytes and syncs.

Batches of 20 events and of one; and batches of events of apps' own code, which take aiohttp's way. What counting the
events costs afterwards is measured apart.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.check import CONNECTIONS, DEVICES, HOST, RELEASE
from benchmarks.contenders.servers import NGINX, OURS, BenchNode, Server, nginx, node
from benchmarks.load.wrk import Load
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.figures import ratios, spread
from benchmarks.measuring.sampling import in_turns, measure, throughput_words
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores, need_program, pinned
from benchmarks.worlds.answers import fetch, padding, to_say
from benchmarks.worlds.releases import APP, PUBLIC_URL, Sizes, device_ids, prepare_app, question

BARE = "append + fdatasync"
BARE_APPENDS = 500
ACTIONS = (
    *("app_moved_to_foreground", "app_moved_to_background", "ping", "app_launch_start", "app_launch_ready"),
    *("download_10", "download_50", "download_90"),
)


class Kind(NamedTuple):
    """What is sent where, and the node's own counter of the events that were stored."""

    title: str
    path: str
    counted: str


REPORTS = Kind("reports", "/stats", "events")
APP_EVENTS = Kind("apps' own events", "/events", "app_events_stored")
# Requests a second: what takes a contender a good part of a small core.
SAME_LOAD = {(REPORTS, 20): 1_500.0, (REPORTS, 1): 8_000.0, (APP_EVENTS, 20): 1_000.0}
SPOOL_BYTES = 512 << 20  # what has been counted is deleted: a minute of this load is gigabytes
UNLIMITED = {
    "EDGE_TELEMETRY_APP_EVENTS_PER_SECOND": "0",
    "EDGE_TELEMETRY_ADDRESS_EVENTS_PER_SECOND": "0",
    "EDGE_TELEMETRY_SPOOL_LIMIT_BYTES": str(SPOOL_BYTES),
}


class EventSample(NamedTuple):
    """Microseconds of CPU for each event; `counting` is None where nothing counts."""

    answering: float
    counting: float | None = None
    events_per_second: float = 0.0
    p99_milliseconds: float = 0.0
    busy: float = 0.0
    failed: int = 0


def run(options: Options) -> BenchReport:
    tables = tuple(answering_tables(options, SAME_LOAD))
    return BenchReport(compares="CPU per reported event: ours, nginx with its access log, a bare loop.", tables=tables)


def answering_tables(options: Options, loads: Mapping[tuple[Kind, int], float]) -> Iterator[Table]:
    """For each kind and batch: at so many requests a second, and at as many as each can."""
    for name in ("wrk", "nginx"):
        need_program(name)
    with tempfile.TemporaryDirectory(prefix="edge-reports-") as temporary:
        yield from _measure_all(Path(temporary), options, loads)


def _measure_all(folder: Path, options: Options, loads: Mapping[tuple[Kind, int], float]) -> Iterator[Table]:
    servers, generators = cores(options.pin)
    prepare_app(folder / "data", [(RELEASE, Sizes())])
    with node(folder / "data", servers, public_url=PUBLIC_URL, more=UNLIMITED) as ours:
        for (kind, batch), rate in loads.items():
            make = report_request if kind is REPORTS else app_events_request
            requests = [make(device, batch, HOST) for device in device_ids(DEVICES)]
            with _nginx_like(ours, requests[0], folder / f"nginx-{kind.path[1:]}-{batch}", servers) as other:
                bench = _Bench(ours, kind, batch, folder, (servers, generators))
                for title, offered in ((f"{rate:,.0f} requests/s", rate), ("as many as it can", 0.0)):
                    load = Load(requests, CONNECTIONS, 1 if options.quick else 4, offered)
                    once = partial(bench.measure, load=load)
                    found = in_turns({OURS: ours.server, NGINX: other, BARE: None}, options.rounds, once)
                    yield _table(f"{kind.title}, batches of {batch}: {title}, {CONNECTIONS} kept connections", found)


class _Bench:
    def __init__(
        self, ours: BenchNode, kind: Kind, batch: int, folder: Path, places: tuple[set[int], set[int]]
    ) -> None:
        """`places` are the cores of the servers and of the generators."""
        self._ours, self._kind, self._batch, self._folder = ours, kind, batch, folder
        self._on, self._generators = places

    def measure(self, server: Server | None, load: Load) -> EventSample:
        if server is None:
            return self._append(load.requests)
        stored = self._ours.count(self._kind.counted)
        sample = measure(server, load, self._generators, self._folder / "load.lua")
        stored = self._ours.count(self._kind.counted) - stored
        counting = None
        if server.name == OURS:
            if stored < sample.summary.requests * self._batch:
                raise RuntimeError(f"ours stored {stored} events of {sample.summary.requests} reports")
            counting = self._count(server) / stored * 1e6
        summary = sample.summary
        return EventSample(
            sample.cpu_microseconds / self._batch,
            counting,
            summary.rate * self._batch,
            summary.p99 / 1000,
            summary.busy,
            summary.failed,
        )

    def _count(self, server: Server) -> float:
        """Have the events counted. Returns seconds of CPU."""
        before = cpu_seconds(server.pids())
        self._ours.control.get(f"/v1/apps/{APP}/stats")
        return cpu_seconds(server.pids()) - before

    def _append(self, requests: Sequence[bytes]) -> EventSample:
        bodies = [request.partition(b"\r\n\r\n")[2] + b"\n" for request in requests]
        path = self._folder / "bare"
        with pinned(self._on), path.open("wb", buffering=0) as file:
            before, began = time.process_time(), time.monotonic()
            for number in range(BARE_APPENDS):
                file.write(bodies[number % len(bodies)])
                os.fdatasync(file.fileno())
            spent, seconds = time.process_time() - before, time.monotonic() - began
        events = BARE_APPENDS * self._batch
        return EventSample(spent / events * 1e6, events_per_second=events / seconds)


def events_of(device: str, count: int) -> list[dict[str, object]]:
    """What a device queued: starts, moves to the background, progress; nothing that changes what is known of it."""
    about = question(device, version=RELEASE) | {"old_version_name": "", "defaultChannel": ""}
    now = int(time.time() * 1000)
    return [about | {"action": ACTIONS[at % len(ACTIONS)], "timestamp": now + at} for at in range(count)]


def report_request(device: str, count: int, host: str) -> bytes:
    """As the Android plugin's client words it."""
    head = "Content-Type: application/json; charset=utf-8\r\nConnection: Keep-Alive\r\nUser-Agent: okhttp/4.12.0"
    return _posted(REPORTS.path, events_of(device, count), head, host)


def app_events_request(device: str, count: int, host: str) -> bytes:
    """As a web view words what the module of `edge/client` sends."""
    now = int(time.time() * 1000)
    events = [
        {"kind": "feature", "name": f"feature {at % 8}", "time": now + at, "labels": {"from": "menu"}, "sent": now}
        for at in range(count)
    ]
    head = "Content-Type: text/plain;charset=UTF-8\r\nOrigin: https://localhost\r\nUser-Agent: Mozilla/5.0 (Linux)"
    who = {"app_id": APP, "device_id": device, "platform": "android"}
    return _posted(APP_EVENTS.path, who | {"events": events}, head, host)


def _posted(path: str, content: object, head: str, host: str) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    return f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _nginx_like(ours: BenchNode, request: bytes, folder: Path, on: set[int]):
    """nginx that answers as ours does, and logs each request."""
    answer = fetch(ours.server.port, request)
    if answer.status != 200 or b'"error"' in answer.body:
        raise RuntimeError(f"ours answers {answer.status} {answer.body[:200]!r}: no report was stored")
    path = request.split(b" ", 2)[1].decode()
    content = f"location {path} {{ access_log {folder}/access.log combined; return 200 '{answer.body.decode()}'; }}"
    kind, headers = answer.header("Content-Type"), to_say(answer)
    with nginx(folder, on, content, headers, kind) as trial:
        pad = padding(answer, fetch(trial.port, request))
    return nginx(folder, on, content, [*headers, ("X-Pad", pad)] if pad else headers, kind)


def _table(title: str, found: Mapping[str, Sequence[EventSample]]) -> Table:
    columns = ("contender", "server CPU µs/event", f"of {NGINX}", "events/s a core", "counting µs/event")
    return Table(
        title=title,
        columns=(*columns, "events/s", "counts as throughput", "p99 ms", "failed"),
        rows=tuple((name, *_cells(samples, found[NGINX], name == BARE)) for name, samples in found.items()),
        notes=("The bare loop has one append and one sync for each report, and no network.",),
    )


def _cells(samples: Sequence[EventSample], nginx_samples: Sequence[EventSample], bare: bool) -> tuple:
    answering = [sample.answering for sample in samples]
    counting = [sample.counting for sample in samples if sample.counting is not None]
    return (
        spread(answering),
        ratios(answering, [sample.answering for sample in nginx_samples]),
        spread([1e6 / each for each in answering]),
        spread(counting) if counting else None,
        spread([sample.events_per_second for sample in samples]),
        None if bare else throughput_words([sample.busy for sample in samples]),
        None if bare else spread([sample.p99_milliseconds for sample in samples]),
        sum(sample.failed for sample in samples),
    )
