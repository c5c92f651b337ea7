"""The most expensive legal request of every device route: `python -m tests.drills.route_costs [--all] [--only WORD]`.

Sends each to a node with one worker, on connections of its own, and prints the CPU time that it takes of the loop,
which is the worker's main thread (/proc/<pid>/task/<pid>/schedstat). Exit code 1 if a request takes more than 5 ms and,
for moving its bytes and those of its answer, 2 ms for each MiB; on a slower machine as much more as a calibrating
computation takes there. A legal request is one that no limit refuses, or only when it has arrived. Linux.
"""

import argparse
import asyncio
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.assembly.standalone import Standalone
from edge.cli.demo.demo import prepare
from edge.cli.demo.release import APP
from edge.config import Config, Control, Devices, Telemetry
from edge.domain.manifest import FILE_COUNT_LIMIT
from edge.wire.app_events import EVENTS_BATCH_LIMIT, EVENTS_BODY_LIMIT_BYTES
from edge.wire.body import BODY_LIMIT_BYTES
from edge.wire.manifest_size import MANIFEST_SIZE_BODY_LIMIT_BYTES
from edge.wire.ofrep.context import CONTEXT_LIMIT_BYTES
from edge.wire.stats import BATCH_LIMIT, STATS_BODY_LIMIT_BYTES

PROMISE_MS, PROMISE_MS_PER_MIB = 5.0, 2.0
CALIBRATION_MS = 10.0  # that `_calibrate` takes on the machine of the stated figures
ANSWER_SECONDS = 60.0
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
INFO = (
    f'"app_id":"{APP}","device_id":"{DEVICE}","platform":"android","version_name":"1.0.0","version_build":"1.0.0",'
    '"plugin_version":"8.51.14","action":"set"'
).encode()
EVENT = b"{" + INFO[:-4] + b'%b"}'
FILE = (
    b'{"file_name":"assets/%d.js","file_hash":"' + b"a1" * 32 + b'","download_url":"https:\\/\\/updates.example.com'
    b"\\/bundles\\/" + APP.encode() + b"\\/file\\/" + b"b1" * 32 + b'"}'
)
QUERY = f"app_id={APP}&device_id={DEVICE}&platform=android&version_name=1.0.0&plugin_version=8.51.14".encode()


class Cost(NamedTuple):
    """The least of some requests, in milliseconds of the loop, and what is promised; `status` 0: no answer."""

    loop_ms: float
    promised_ms: float
    route: str
    name: str
    status: int


def filled(start: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


def members(size: int) -> dict[str, bytes]:
    """Objects of a device with something expensive in them."""
    start = b"{" + INFO + b","
    deep = b"[" * 200 + b"0" + b"]" * 200 + b","
    return {
        "nested arrays": filled(start + b'"x":[', deep, b"0]}", size),
        "empty objects": filled(start + b'"x":[', b"{},", b"0]}", size),
        "members": filled(start, b'"":0,', b'"x":0}', size),
        "one member again and again": filled(start, b'"key_id":"",', b'"x":0}', size),
        "escapes": filled(start + b'"custom_id":"', b"\\n", b'"}', size),
        "half surrogates": filled(start + b'"custom_id":"', b"\\ud800", b'"}', size),
        "escapes and half a surrogate": filled(start + b'"custom_id":"\\ud800', b"\\n", b'"}', size),
        "invalid UTF-8": filled(start + b'"custom_id":"', b"\xff", b'"}', size),
        "metadata": filled(start + b'"metadata":{', b'"":0,', b'"x":0}}', size),
        "unclosed arrays": filled(start + b'"x":', b"[", b"", size),
        "a number": filled(start + b'"timestamp":', b"9", b"}", size),
        "an array in every field": filled(start + b'"custom_id":[', b"[],", b"0]}", size),
    }


def array(items: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def post(path: str, body: bytes, method: str = "POST", more: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (
        *(method.encode(), path.encode(), more, len(body)),
        body,
    )


def chunked(path: str, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def get(target: bytes, *fields: bytes, method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, target, b"".join(each + b"\r\n" for each in fields))


def reports() -> dict[str, bytes]:
    failures = array([EVENT % b"download_fail"] * BATCH_LIMIT)
    texts = array([EVENT[:-1] % b"set" + b',"metadata":{"x":"' + b"y" * 700 + b'"}}'] * BATCH_LIMIT)
    refused = b'{"app_id":"%b"}' % APP.encode()
    made = {
        "1,000 failures": failures,
        "1,000 refused events": array([refused] * BATCH_LIMIT),
        "8 KiB of refused events": array([refused] * (8000 // len(refused))),
        "8 KiB of failures": array([EVENT % b"download_fail"] * (8000 // len(EVENT))),
        "64 KiB of failures": array([EVENT % b"download_fail"] * (64_000 // len(EVENT))),
        "1,000 events with texts": texts,
        "too many events": filled(b"[", b"{},", b"{}]", STATS_BODY_LIMIT_BYTES),
    }
    made |= {f"1 MiB of {name}": body for name, body in members(STATS_BODY_LIMIT_BYTES).items()}
    return made | {f"8 KiB of {name}": body for name, body in members(8 << 10).items()}


def app_events() -> dict[str, bytes]:
    start = b'{"app_id":"%b","device_id":"00009a6b-eefe-490a-9c60-8e965132ae51","events":' % APP.encode()
    labels = b",".join(b'"label%d":"%b"' % (n, b"x" * 40) for n in range(8))
    event = b'{"name":"checkout","kind":"purchase","time":1795000000123,"value":9.5,"labels":{%b}}' % labels
    made = {
        "100 events with labels": start + array([event] * EVENTS_BATCH_LIMIT) + b"}",
        "100 refused events": start + array([b"{}"] * EVENTS_BATCH_LIMIT) + b"}",
        "too many events": filled(start + b"[", b"{},", b"{}]}", EVENTS_BODY_LIMIT_BYTES),
        "labels": filled(start + b'[{"labels":{', b'"":0,', b'"":0}}]}', EVENTS_BODY_LIMIT_BYTES),
    }
    return made | members(EVENTS_BODY_LIMIT_BYTES)


def contexts() -> dict[str, bytes]:
    start = b'{"context":{"targetingKey":"%b","platform":"android",' % DEVICE.encode()
    size = CONTEXT_LIMIT_BYTES
    return {
        "as many attributes as it takes": start + b",".join(b'"a%d":0' % n for n in range(120)) + b"}}",
        "too many attributes": filled(start, b'"":0,', b'"x":0}}', size),
        "different attributes": start + b",".join(b'"a%d":0' % n for n in range(1_600)) + b"}}",
        "nested arrays": filled(start + b'"x":[', b"[" * 14 + b"]" * 14 + b",", b"0]}}", size),
        "too deep": filled(start + b'"x":', b"[", b"", size),
        "texts of brackets": filled(start + b'"x":[', b'"[{",', b"0]}}", size),
        "escapes": filled(start + b'"custom_id":"', b"\\n", b'"}}', size),
        "quotes": filled(start + b'"x":"', b'\\"', b'"}}', size),
        "one attribute again and again": filled(start, b'"key_id":"",', b'"x":0}}', size),
        "half surrogates": filled(start + b'"custom_id":"', b"\\ud800", b'"}}', size),
        "many kinds of wrong": filled(start + b'"version_name":7,', b'"platform":{},', b'"x":0}}', size),
    }


def manifests() -> dict[str, bytes]:
    start = b'{"app_id":"%b","manifest":' % APP.encode()
    files = array(FILE % n for n in range(FILE_COUNT_LIMIT))
    return {
        "20,000 files": start + files + b"}",
        "20,000 files of nothing": start + array([b"{}"] * FILE_COUNT_LIMIT) + b"}",
        "8 MiB of text": filled(start + b'[],"x":"', b"x", b'"}', MANIFEST_SIZE_BODY_LIMIT_BYTES),
        "8 MiB of invalid UTF-8": filled(start + b'[],"x":"', b"\xff", b'"}', MANIFEST_SIZE_BODY_LIMIT_BYTES),
        "as many brackets as it takes": filled(start + b'[],"x":[', b"[],", b"0]}", 800_000),
        "8 MiB of brackets": filled(start + b'[],"x":[', b"[],", b"0]}", MANIFEST_SIZE_BODY_LIMIT_BYTES),
    }


def requests(zip_path: bytes) -> Iterable[tuple[str, str, bytes]]:
    """Route, what it is, and its bytes."""
    for name, body in members(BODY_LIMIT_BYTES).items():
        yield "POST /updates", name, post("/updates", body)
        for method in ("POST", "PUT", "DELETE"):
            yield f"{method} /channel_self", name, post("/channel_self", body, method)
    yield (
        "POST /updates",
        "a byte a chunk",
        chunked("/updates", filled(b"{" + INFO + b",", b" ", b'"x":0}', BODY_LIMIT_BYTES)),
    )
    for name, body in reports().items():
        yield "POST /stats", name, post("/stats", body)
    for name in ("8 KiB of failures", "1,000 failures"):
        yield "POST /stats", f"a byte a chunk, {name}", chunked("/stats", reports()[name])
    for name, body in app_events().items():
        yield "POST /events", name, post("/events", body)
    for name, body in contexts().items():
        yield "POST /features", name, post(f"/features/{APP}/ofrep/v1/evaluate/flags", body)
        yield "POST /features/one", name, post(f"/features/{APP}/ofrep/v1/evaluate/flags/checkout", body)
    query = b"?" + b"a=b&" * 100 + b"flagConfigEtag=1-a"
    yield "POST /features", "query", post(f"/features/{APP}/ofrep/v1/evaluate/flags{query.decode()}", b"{}")
    tags = b"If-None-Match: " + b", ".join([b'"%b"' % (b"a" * 62)] * 110) + b"\r\n"
    yield "POST /features", "tags", post(f"/features/{APP}/ofrep/v1/evaluate/flags", b"{}", more=tags)
    yield "GET /features", "token", get(f"/features/{APP}/ofrep/v1/events?token={'A' * 7_000}".encode())
    for name, body in manifests().items():
        yield "POST /updates/manifest_size", name, post("/updates/manifest_size", body)
    for name, unit in {"pairs": b"&a=", "escapes": b"%ff", "names": b"&x", "flags": b"&is_prod=1"}.items():
        query = filled(QUERY + b"&y=", unit, b"", 8000)
        yield "GET /channel_self", name, get(b"/channel_self?" + query)
        yield "DELETE /channel_self", name, get(b"/channel_self?" + query, b"Content-Length: 0", method=b"DELETE")
        yield "GET /updates", name, get(b"/updates?" + query)
    yield from _downloads(zip_path)
    many = [b"X-%d: %b" % (n, b"x" * 400) for n in range(60)]
    for route, target in {"unknown path": b"/" + b"x" * 8000, "escaped path": b"/" + b"%2e%2f" * 1300}.items():
        yield f"GET {route}", "long", get(target)
    yield "GET /livez", "fields", get(b"/livez", *many)
    yield "GET /readyz", "fields", get(b"/readyz", *many)
    yield "OPTIONS /updates", "fields", get(b"/updates", *many, method=b"OPTIONS")


def _downloads(target: bytes) -> Iterable[tuple[str, str, bytes]]:
    tags = b", ".join([b'"%b"' % (b"a" * 62)] * 115)
    for name, field in {
        "ranges": filled(b"Range: bytes=", b"0-0,", b"1-1", 8000),
        "digits": filled(b"Range: bytes=", b"1", b"-", 8000),
        "spaces": filled(b"Range: bytes", b" ", b"=0-", 8000),
        "tags": b"If-None-Match: " + tags,
        "weak tags": filled(b"If-None-Match: ", b"W/", b'"', 8000),
        "quotes": filled(b"If-Match: ", b'"', b"", 8000),
        "commas": filled(b"If-None-Match: ", b",", b"", 8000),
        "a date": filled(b"If-Modified-Since: ", b"Mon, ", b"", 8000),
        "a date's zone": filled(b"If-Range: Mon, 01 Jan 2024 00:00:00 ", b"(", b"", 8000),
    }.items():
        yield "GET /bundles", name, get(target, field)
    yield "GET /bundles", "query", get(filled(target + b"?end=", b"&a", b"", 8000))
    yield "GET /bundles", "path", get(filled(b"/bundles/", b"a/", b"", 8000))


def ask(port: int, source: str, request: bytes) -> bytes:
    """The answer, empty without one. Every request has its own connection, from the address that it is charged to."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS, source_address=(source, 0)) as connection:
        connection.sendall(request)
        answer = bytearray()
        with suppress(ConnectionResetError):  # cut
            while not _is_whole(answer) and (block := connection.recv(1 << 20)):
                answer += block
    return bytes(answer)


def _is_whole(answer: bytearray) -> bool:
    head_bytes = answer.find(b"\r\n\r\n") + 4
    if head_bytes < 4 or answer.startswith(b"HTTP/1.1 204"):
        return head_bytes >= 4
    length = re.search(rb"content-length: (\d+)", answer[:head_bytes], re.IGNORECASE)
    return length is not None and len(answer) >= head_bytes + int(length[1])


def cpu_ms(pid: int) -> float:
    """Of a process's main thread."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6


def _calibrate() -> float:
    """Milliseconds of CPU for a fixed computation; the least of some, since another process only makes it longer."""

    def once() -> float:
        begun = time.thread_time()
        total = 0
        for number in range(200_000):
            total += number & 7
        return (time.thread_time() - begun) * 1e3

    return min(once() for _ in range(15))


async def measure(times: int, only: str) -> list[Cost]:
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        devices = Devices(host="127.0.0.1", port=0, workers=1, connections_per_address=0)
        telemetry = Telemetry(app_events_per_second=0)
        config = Config(data_dir=f"{folder}/data", devices=devices, control=Control(port=0), telemetry=telemetry)
        node = Standalone(config)
        async with node.running():
            await asyncio.to_thread(prepare, node)
            (worker,) = _workers()
            offered = await asyncio.to_thread(ask, node.device_port, "127.0.0.1", post("/updates", b"{" + INFO + b"}"))
            zip_path = re.search(rb"/bundles/[^?\"]+", offered)
            assert zip_path is not None, offered
            for number, (route, name, request) in enumerate(requests(zip_path[0])):
                if only in f"{route}: {name}":
                    costs.append(await _measure(node.device_port, worker, number, request, times, (route, name)))
    return costs


def _workers() -> list[int]:
    """The processes of the node in this process."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"edge.node.processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def _measure(port: int, worker: int, number: int, request: bytes, times: int, what: tuple[str, str]) -> Cost:
    costs = []
    for attempt in range(times):
        source = f"127.{attempt + 1}.{number >> 8}.{number & 255}"
        begun = cpu_ms(worker)
        answer = await asyncio.to_thread(ask, port, source, request)
        costs.append(cpu_ms(worker) - begun)
    moved_mib = (len(request) + len(answer)) / 2**20
    promised_ms = PROMISE_MS + PROMISE_MS_PER_MIB * moved_mib
    return Cost(min(costs), promised_ms, *what, int(answer.split(b" ", 2)[1]) if answer else 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help="requests whose route or name has this word")
    parser.add_argument("--all", action="store_true", help="print every request, not only the worst of a route")
    options = parser.parse_args()
    scale = max(1.0, _calibrate() / CALIBRATION_MS)
    costs = sorted(asyncio.run(measure(options.times, options.only)), reverse=True)
    printed: set[str] = set()
    for cost in costs:
        if options.all or cost.route not in printed:
            promised = f"of {cost.promised_ms * scale:4.1f}"
            print(f"{cost.loop_ms:9.2f} ms {promised}  {cost.route:28} {cost.status}  {cost.name}")
        printed.add(cost.route)
    return any(cost.loop_ms > cost.promised_ms * scale for cost in costs)


if __name__ == "__main__":
    raise SystemExit(main())
