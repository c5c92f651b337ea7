"""What bundle bytes cost: 5 MB and 64 KiB, whole and in ranges, to 1, 16 and 128 clients; ours, nginx with `sendfile`,
aiohttp's FileResponse on uvloop.

All send the same file from the page cache, with the same headers as far as each can be configured. The load generator
discards bodies in the kernel, so the servers are what is measured.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import NGINX, OURS, Server, nginx, node, program
from benchmarks.delivery_rows import COLUMNS, DeliverySample, delivery_row
from benchmarks.delivery_tls import measure_tls
from benchmarks.load.drain import Drained
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.sampling import in_turns
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.programs import cores, module, need_program, running
from benchmarks.worlds.answers import fetch, to_say
from benchmarks.worlds.releases import APP, Sizes, get_request, prepare_app
from edge.store.objects.port import blob_key

HOST = "updates.example.com"
AIOHTTP_FILES = "aiohttp files"
CLIENTS = (1, 16, 128)
SIZES = {"5 MB": 5_000_000, "64 KiB": 65_536}
WARM_SECONDS = 0.1
RANGES = 4  # parts of a file that are requested in turns


class Subject(NamedTuple):
    """What is requested, in words, and the requests, sent in turns; `little` is a request for one byte of it."""

    title: str
    answer_bytes: int  # of one body
    requests: tuple[bytes, ...]
    little: bytes


def run(options: Options) -> BenchReport:
    for name in ("nginx", "wrk"):
        need_program(name)
    on, generators = cores(options.pin)
    with tempfile.TemporaryDirectory(prefix="edge-delivery-") as temporary:
        folder = Path(temporary)
        made = prepare_app(
            folder / "data", [(f"1.0.{at}", Sizes(zip_bytes=size)) for at, size in enumerate(SIZES.values(), 1)]
        )
        zips = {name: bundle.zip for name, bundle in zip(SIZES, made.values(), strict=True)}
        tree = _tree(folder, list(zips.values()))
        with (
            node(folder / "data", on) as ours,
            running(
                module("benchmarks.load.drain"), generators, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as drainer,
        ):
            tables = []
            for subject in _subjects(zips):
                with _contenders(ours.server, subject, folder, tree, on) as contenders:
                    tables.append(_measure_subject(subject, contenders, drainer, options))
        tables += measure_tls(folder, zips, tree, options)
    return BenchReport(
        compares="CPU per GiB delivered: ours, nginx sendfile, aiohttp FileResponse.", tables=tuple(tables)
    )


def _subjects(zips: Mapping[str, str]) -> Iterator[Subject]:
    for name, size in SIZES.items():
        path = f"/bundles/{APP}/zip/{zips[name]}"
        little = get_request(path, HOST, "bytes=0-0")
        yield Subject(f"{name}, whole", size, (get_request(path, HOST),), little)
        part = size // RANGES
        wanted = [f"bytes={at * part}-{(at + 1) * part - 1}" for at in range(RANGES)]
        parts = tuple(get_request(path, HOST, each) for each in wanted)
        yield Subject(f"{name}, in ranges of a quarter", part, parts, little)


def _tree(folder: Path, digests: Sequence[str]) -> Path:
    """The same files under the same addresses, for servers that know only folders."""
    tree = folder / "tree"
    place = tree / "bundles" / APP / "zip"
    place.mkdir(parents=True)
    for digest in digests:
        (place / digest).hardlink_to(folder / "data" / "store" / blob_key(digest))
    return tree


@contextmanager
def _contenders(ours: Server, subject: Subject, folder: Path, tree: Path, on: set[int]) -> Iterator[dict[str, Server]]:
    """All contenders, after each has sent exactly our bytes."""
    answer = fetch(ours.port, subject.requests[0])
    headers = to_say(answer)
    file = folder / "file-headers.json"
    kept = {name: value for name, value in headers if name.lower() not in ("content-range", "accept-ranges", "etag")}
    file.write_text(json.dumps(kept))
    with ExitStack() as stack:
        content = f"location / {{ root {tree}; }}"
        contenders = {
            OURS: ours,
            NGINX: stack.enter_context(nginx(folder / "nginx", on, content, headers, answer.header("Content-Type"))),
            AIOHTTP_FILES: stack.enter_context(program(AIOHTTP_FILES, [tree, file], on)),
        }
        for name, server in contenders.items():
            found = fetch(server.port, subject.requests[0])
            if (found.status, sha256(found.body).digest()) != (answer.status, sha256(answer.body).digest()):
                raise RuntimeError(f"{name} answers {found.status} with {len(found.body)} other bytes than ours")
        yield contenders


def _measure_subject(
    subject: Subject, contenders: Mapping[str, Server], drainer: "subprocess.Popen[str]", options: Options
) -> Table:
    seconds = 0.25 if options.quick else 3.0
    rows: list[tuple[Cell, ...]] = []
    for clients in CLIENTS:
        for server in contenders.values():
            _once(subject, clients, WARM_SECONDS, drainer, server)  # warms caches and buffers
        found = in_turns(contenders, options.rounds, partial(_once, subject, clients, seconds, drainer))
        rows += [delivery_row(name, clients, samples, found[NGINX]) for name, samples in found.items()]
    return Table(title=subject.title, columns=COLUMNS, rows=tuple(rows))


def _once(
    subject: Subject, clients: int, seconds: float, drainer: "subprocess.Popen[str]", server: Server
) -> DeliverySample:
    requests = [request.decode("latin-1") for request in subject.requests]
    little = subject.little.decode("latin-1")
    orders = {
        "port": server.port,
        "requests": requests,
        "connections": clients,
        "seconds": seconds,
        "little": little,
    }
    assert drainer.stdin and drainer.stdout
    pids = server.pids()
    before = cpu_seconds(pids)
    drainer.stdin.write(json.dumps(orders) + "\n")
    drainer.stdin.flush()
    told = drainer.stdout.readline()
    spent = cpu_seconds(pids) - before
    if not told:
        raise RuntimeError(f"the load generator exited while {server.name} was measured")
    return DeliverySample(spent, subject.answer_bytes, Drained(*json.loads(told)))
