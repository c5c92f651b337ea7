"""What one update check costs over TLS 1.3: ours with its real decision, and nginx `return 200` of the same bytes.

Three kinds of connections: a new one with a full handshake, a new one that resumes a session, and kept ones. Both
servers have the same certificate, on the curve of most, and their own defaults beyond it.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.check import CONNECTIONS, DEVICES, HOST, NEXT, RELEASE, SAME_LOAD, SHARE
from benchmarks.contenders.servers import NGINX, OURS, Server, nginx, nginx_return, node
from benchmarks.delivery_tls import make_certificate
from benchmarks.load.handshakes import run_handshakes
from benchmarks.load.wrk import Load
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.sampling import CheckSample, check_table, in_turns, measure
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores, need_program
from benchmarks.worlds.answers import fetch, padding, to_say
from benchmarks.worlds.releases import (
    PUBLIC_URL,
    Sizes,
    check_request,
    device_ids,
    outside,
    prepare_app,
    question,
    roll_out,
)

NEW_CONNECTIONS = 8  # at a time
KEPT = {
    f"kept: {SAME_LOAD:,.0f} checks/s, {CONNECTIONS} connections": SAME_LOAD,
    f"kept: as many as it can, {CONNECTIONS} connections": 0.0,
}
FULL, RESUMED = "full", "resumed"
NEW = {FULL: "one connection per check, full handshake", RESUMED: "one connection per check, resumed session"}


def run(options: Options) -> BenchReport:
    for name in ("wrk", "nginx"):
        need_program(name)
    with tempfile.TemporaryDirectory(prefix="edge-check-tls-") as temporary:
        tables = tuple(_measure(Path(temporary), options))
    return BenchReport(compares="CPU per update check over TLS 1.3: ours, nginx.", tables=tables)


def _measure(folder: Path, options: Options) -> Iterator[Table]:
    on, generators = cores(options.pin)
    prepare_app(folder / "data", [(RELEASE, Sizes())])
    roll_out(folder / "data", NEXT, SHARE)
    devices = outside(device_ids(DEVICES), SHARE)
    requests, closing = (
        [check_request(question(device, version=RELEASE), HOST, close=close) for device in devices]
        for close in (False, True)
    )
    files, seconds = make_certificate(folder), 1 if options.quick else 4
    with node(folder / "data", on, public_url=PUBLIC_URL, tls=files) as ours:
        answer = fetch(ours.server.port, requests[0], tls=True)
        start = partial(nginx, folder / "nginx", on, nginx_return(answer), tls=files)
        kind, headers = answer.header("Content-Type"), to_say(answer)
        with start(headers, kind) as trial:
            pad = padding(answer, fetch(trial.port, requests[0], tls=True))
        with start([*headers, ("X-Pad", pad)] if pad else headers, kind) as other:
            if fetch(other.port, requests[0], tls=True).body != answer.body:
                raise RuntimeError("nginx answers other bytes than ours")
            both = {OURS: ours.server, NGINX: other}
            for name, title in NEW.items():
                found = in_turns(both, options.rounds, partial(_connect, closing[0], name, seconds, generators))
                yield check_table(title, found, NGINX)
            for title, rate in KEPT.items():
                load = Load(requests, CONNECTIONS, seconds, rate, tls=True)
                once = partial(measure, load=load, on=generators, script=folder / "load.lua")
                yield check_table(title, in_turns(both, options.rounds, once), NGINX)


def _connect(request: bytes, kind: str, seconds: int, generators: set[int], server: Server) -> CheckSample:
    pids = server.pids()
    before = cpu_seconds(pids)
    summary = run_handshakes(request, server.port, seconds, NEW_CONNECTIONS, kind, generators)
    return CheckSample((cpu_seconds(pids) - before) / summary.requests * 1e6, summary)
