"""What one request costs a node behind nginx or Caddy, of what it costs the node when asked directly.

Checks and, in every twentieth place, reports, of devices that each have an address of their own. The proxies have the
shipped configurations: TLS in front, kept connections behind. Access logs are off or on, the proxy's and the node's.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.check import CONNECTIONS, HOST, NEXT, RELEASE, SHARE
from benchmarks.contenders.fronts import NAMES, Front, front
from benchmarks.contenders.servers import BenchNode, node
from benchmarks.delivery_tls import make_certificate
from benchmarks.load.wrk import Load, Summary, run_wrk
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.figures import ratios, spread
from benchmarks.measuring.sampling import in_turns, milliseconds, throughput_words
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores, need_program
from benchmarks.worlds.answers import fetch
from benchmarks.worlds.releases import (
    PUBLIC_URL,
    Sizes,
    device_ids,
    outside,
    post_request,
    prepare_app,
    question,
    roll_out,
)

DEVICES = 7_000
REPORTS_EVERY = 20  # requests: 5 %
SAME_LOAD = 4_000.0  # requests a second: what Caddy answers with time to spare beside the node on one core
DIRECT = "the node, asked directly"
PROXIED = {"EDGE_DEVICES_TRUSTED_PROXIES": "127.0.0.1"}
# All load comes from one address, and direct requests may not be dropped for it.
UNLIMITED = {
    "EDGE_TELEMETRY_ADDRESS_EVENTS_PER_SECOND": "0",
    "EDGE_TELEMETRY_APP_EVENTS_PER_SECOND": "0",
}


class Sample(NamedTuple):
    """CPU in microseconds per request."""

    node: float
    proxy: float
    summary: Summary


def run(options: Options) -> BenchReport:
    for name in ("wrk", *NAMES):
        need_program(name)
    with tempfile.TemporaryDirectory(prefix="edge-check-proxied-") as temporary:
        tables = tuple(_measure(Path(temporary), options))
    return BenchReport(
        compares="CPU per request of the node behind nginx and Caddy, and of the proxies; 5 % are reports.",
        tables=tables,
    )


def _measure(folder: Path, options: Options) -> Iterator[Table]:
    on, generators = cores(options.pin)
    files, seconds = make_certificate(folder), 1 if options.quick else 4
    requests = [_request(place, device) for place, device in enumerate(outside(device_ids(DEVICES), SHARE))]
    for logs in (False, True):
        with ExitStack() as stack:
            direct = stack.enter_context(_node(folder / f"direct-{logs}", on, logs, {}))
            behind = stack.enter_context(_node(folder / f"behind-{logs}", on, logs, PROXIED))
            contenders: dict[str, Front] = {DIRECT: Front(direct.server, direct.server)}
            for name in NAMES:
                place = folder / f"{name}-{logs}"
                made = front(name, place, on, behind.server, files, logs=logs)
                contenders[f"the node, behind {name}"] = stack.enter_context(made)
            for each in contenders.values():
                for request in requests[:REPORTS_EVERY]:
                    _require(fetch(each.proxy.port, request, tls=each.proxy != each.node).status == 200, "refused")
            for title, rate in _rates().items():
                load = Load(requests, CONNECTIONS, seconds, rate)
                once = partial(_once, load, generators, folder / "load.lua")
                found = in_turns(contenders, options.rounds, once)
                yield _table(f"{title}, logs {'on' if logs else 'off'}", found, rate)
            for each in (direct, behind):
                _require(not each.count("lane_handed_over"), "the lane handed connections over")
                _require(not each.count("checks_shed"), "checks were shed as overload")


def _rates() -> dict[str, float]:
    return {
        f"{SAME_LOAD:,.0f} requests/s, {CONNECTIONS} kept connections in front": SAME_LOAD,
        f"as many as it can, {CONNECTIONS} kept connections in front": 0.0,
    }


def _node(folder: Path, on: set[int], logs: bool, settings: Mapping[str, str]) -> AbstractContextManager[BenchNode]:
    folder.mkdir()
    prepare_app(folder / "data", [(RELEASE, Sizes())])
    roll_out(folder / "data", NEXT, SHARE)
    own = {**UNLIMITED, **settings, "EDGE_LOG_ACCESS": "true" if logs else "false"}
    return node(folder / "data", on, public_url=PUBLIC_URL, more=own, errors=folder / "said")


def _request(place: int, device: str) -> bytes:
    """A check, or a report: with the address of a device on whatever is in front, and its own phone."""
    asked = question(device, version=RELEASE)
    forwarded = f"X-Forwarded-For: 100.{64 + (place >> 16)}.{place >> 8 & 255}.{place & 255}"
    agent = f"User-Agent: CapacitorUpdater/8.51.14 (com.example.bench) android/{8 + place % 9}"
    if place % REPORTS_EVERY:
        return post_request("/updates", json.dumps(asked, separators=(",", ":")), HOST, forwarded, agent)
    event = [asked | {"action": "ping"}]
    return post_request("/stats", json.dumps(event, separators=(",", ":")), HOST, forwarded, agent)


def _once(load: Load, generators: set[int], script: Path, asked: Front) -> Sample:
    nodes, proxies = asked.node.pids(), [] if asked.proxy == asked.node else asked.proxy.pids()
    before = cpu_seconds(nodes), cpu_seconds(proxies)
    summary = run_wrk(load._replace(tls=bool(proxies)), asked.proxy.port, generators, script)
    spent = cpu_seconds(nodes) - before[0], cpu_seconds(proxies) - before[1]
    _require(bool(summary.requests), "nothing was answered")
    return Sample(*(seconds / summary.requests * 1e6 for seconds in spent), summary)


def _table(title: str, found: Mapping[str, Sequence[Sample]], rate: float) -> Table:
    columns = ("contender", "node CPU µs/request", "of the node asked directly", "proxy CPU µs/request")
    columns += ("requests/s", "counts as throughput", "p50 ms", "p99 ms", "failed")
    direct = [sample.node for sample in found[DIRECT]]
    rows = []
    for name, samples in found.items():
        summaries, nodes = [sample.summary for sample in samples], [sample.node for sample in samples]
        row = (name, spread(nodes), ratios(nodes, direct), spread([sample.proxy for sample in samples]))
        told = throughput_words([summary.busy for summary in summaries])
        row += (spread([summary.rate for summary in summaries]), told, milliseconds([each.p50 for each in summaries]))
        rows.append((*row, milliseconds([each.p99 for each in summaries]), sum(each.failed for each in summaries)))
    notes = ("A proxy and its node share one core; wrk speaks HTTP/1.1, over TLS to a proxy.",)
    if not rate:
        notes += (f"The proxy limits the rate here: compare the node's CPU at {SAME_LOAD:,.0f} requests/s.",)
    return Table(title=title, columns=columns, rows=tuple(rows), notes=notes)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(f"not comparable: {otherwise}")
