"""What an app's features cost, all 50 at once, beside an update check on the same worker, and nginx `return 200`.

A browser that polls sends two requests: what it asks before each conditional one, and that one. So both have a row.
Devices differ in five shares; their answers are those that the node gives, with the stream of changes in them.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import NGINX, BenchNode, Server, nginx, nginx_return, node
from benchmarks.load.wrk import Load
from benchmarks.measuring.sampling import CheckSample, check_table, in_turns, measure
from benchmarks.output.report import BenchReport, Options
from benchmarks.programs import cores, need_program
from benchmarks.worlds.answers import HttpAnswer, fetch, to_say
from benchmarks.worlds.releases import (
    APP,
    PUBLIC_URL,
    Sizes,
    check_request,
    commit,
    device_ids,
    offer_files,
    outside,
    prepare_app,
    question,
    roll_out,
)
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import Command, SegmentSettings, SetSegment
from edge.domain.changes.features.feature_commands import (
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    SetFeature,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.features.asking import digest_of_key

FEATURES = 50
DEVICES = 1_000
CONNECTIONS = 64
SECONDS = 3  # of one run: all of them take four minutes and a half
SAME_LOAD = 6_000.0
SHARE = 10_000
RELEASE, NEXT = "1.0.1", "1.0.2"
HOST = "updates.example.com"
KEY = "fk_" + "b" * 24
CHECK, BULK, PACKED, SAME, ASKED = (
    "an update check",
    "all features",
    "all features, gzip",
    "unchanged (304)",
    "preflight",
)
RATES = {f"the same load: {SAME_LOAD:,.0f} requests/s, 64 kept connections": SAME_LOAD, "as many as it can": 0.0}

PATH = f"/features/{APP}/ofrep/v1/evaluate/flags"
# As Chromium on Android sends them for a page of the app.
BROWSER = (
    f"Host: {HOST}",
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="156", "Android WebView";v="156", "Not.A/Brand";v="24"',
    "sec-ch-ua-mobile: ?1",
    'sec-ch-ua-platform: "Android"',
    "User-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Mobile",
    "Accept: */*",
    "Origin: https://localhost",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Dest: empty",
    "Referer: https://localhost/",
    "Accept-Language: en-US,en;q=0.9",
)


class Asked(NamedTuple):
    """The requests of one row, and who answers them."""

    server: Server
    requests: tuple[bytes, ...]


def run(options: Options) -> BenchReport:
    for name in ("wrk", "nginx"):
        need_program(name)
    servers, generators = cores(options.pin)
    with tempfile.TemporaryDirectory(prefix="edge-features-") as temporary:
        folder = Path(temporary)
        prepare(folder / "data")
        with node(folder / "data", servers, public_url=PUBLIC_URL) as ours:
            asked = requests_of(ours)
            answer = fetch(ours.server.port, asked[BULK].requests[0])
            headers = [each for each in to_say(answer) if each[0].lower() != "etag"]
            content = nginx_return(answer).replace("location /updates", "location /")
            with nginx(folder / "nginx", servers, content, headers, answer.header("Content-Type")) as plain:
                asked[NGINX] = Asked(plain, asked[BULK].requests)
                tables = []
                for title, rate in RATES.items():
                    loads = {
                        name: (each.server, Load(each.requests, CONNECTIONS, 1 if options.quick else SECONDS, rate))
                        for name, each in asked.items()
                    }
                    found = in_turns(
                        loads,
                        options.rounds,
                        lambda pair: measure(pair[0], pair[1], generators, folder / "load.lua"),
                    )
                    tables.append(check_table(title, found, CHECK, notes(answer, found)))
            if shed := ours.count("checks_shed") + ours.count("features_shed") + ours.count("features_over_limit"):
                raise RuntimeError(f"ours shed {shed} requests: the figures are not of real answers")
    return BenchReport(
        compares="CPU per request for all features of an app, and per update check.", tables=tuple(tables)
    )


def prepare(data_dir: Path) -> None:
    """The app of `check`, with features."""
    prepare_app(data_dir, [(RELEASE, Sizes())])
    offer_files(data_dir)
    roll_out(data_dir, NEXT, SHARE)
    truth = DataDirectory(data_dir, time.time())
    droids = SetSegment(name="droids", settings=SegmentSettings(where='platform == "android" && version_os >= "12"'))
    commands: list[Command] = [droids, *(_feature(at) for at in range(FEATURES))]
    commands.append(MakeFeatureKey(digest=digest_of_key(KEY), shown=KEY, keep_seconds=0))
    commit(truth, APP, commands, "features")


def _feature(at: int) -> SetFeature:
    """Of ten: six that are the same for everybody, two by segment, one by the bundle that runs, one by a share."""
    settings = FeatureSettings(kind=FeatureKind.BOOLEAN, default="false")
    match at % 10:
        case 1 | 2:
            settings = FeatureSettings(kind=FeatureKind.STRING, default='"plain"')
        case 3:
            settings = FeatureSettings(kind=FeatureKind.JSON, default='{"columns":3,"ads":{"every":5}}')
        case 6 | 7:
            rule = NewFeatureRule(value="true", segment="droids")
            settings = FeatureSettings(kind=FeatureKind.BOOLEAN, default="false", rules=(rule,))
        case 8:
            rule = NewFeatureRule(value="true", where='version_name >= "1.0.1"')
            settings = FeatureSettings(kind=FeatureKind.BOOLEAN, default="false", rules=(rule,))
        case 9:
            share = NewFeatureShare(share=30_000, value="true")
            settings = FeatureSettings(kind=FeatureKind.BOOLEAN, default="false", share=share)
    return SetFeature(name=f"feature-{at:02}", settings=settings)


def requests_of(ours: BenchNode) -> dict[str, Asked]:
    """Each device asks with the tag of its own answer."""
    devices, server = device_ids(DEVICES), ours.server
    bodies = [context_of(device) for device in devices]
    bulk = tuple(browser_request("POST", body) for body in bodies)
    for request in bulk[:50]:
        fetch(server.port, request)  # from the second time on its answer stands
    tags = [fetch(server.port, request).header("ETag") for request in bulk]
    packed = tuple(browser_request("POST", body, "Accept-Encoding: gzip, br") for body in bodies)
    _require_real(fetch(server.port, bulk[0]), fetch(server.port, packed[0]), tags)
    preflight = browser_request(
        "OPTIONS",
        "",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization,content-type,if-none-match",
    )
    checks = [check_request(question(each, version=RELEASE), HOST) for each in outside(devices, SHARE)]
    pairs = zip(bodies, tags, strict=True)
    return {
        CHECK: Asked(server, tuple(checks)),
        BULK: Asked(server, bulk),
        PACKED: Asked(server, packed),
        SAME: Asked(server, tuple(browser_request("POST", body, f"If-None-Match: {tag}") for body, tag in pairs)),
        ASKED: Asked(server, (preflight,)),
    }


def context_of(device: str) -> str:
    """As an app words it that runs in the updater's plugin."""
    context = {
        "targetingKey": device,
        "platform": "android",
        "version_name": RELEASE,
        "version_build": "1.0.0",
        "version_os": "14",
        "plan": "pro",
        "locale": "en-GB",
    }
    return json.dumps({"context": context}, separators=(",", ":"))


def browser_request(method: str, body: str, *lines: str) -> bytes:
    own = (
        f"Authorization: Bearer {KEY}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
    )
    head = (f"{method} {PATH} HTTP/1.1", *BROWSER, *(own if method == "POST" else ()), *lines)
    return "\r\n".join((*head, "", body)).encode()


def notes(answer: HttpAnswer, found: dict[str, list[CheckSample]]) -> Sequence[str]:
    def typical(name: str) -> float:
        spent = sorted(sample.cpu_microseconds for sample in found[name])
        return spent[len(spent) // 2]

    check = typical(CHECK)
    whole, packed, poll = typical(BULK) / check, typical(PACKED) / check, (typical(SAME) + typical(ASKED)) / check
    return [
        f"One answer has {FEATURES} features and {answer.total_bytes} bytes with its head, {len(answer.body)} without.",
        f"All features cost {whole:.2f} of a check (aim: at most 2), with gzip {packed:.2f}; a poll of a browser "
        f"without a change, preflight and 304, {poll:.2f}.",
    ]


def _require_real(answer: HttpAnswer, packed: HttpAnswer, tags: list[str]) -> None:
    if packed.header("Content-Encoding") != "gzip" or 2 * len(packed.body) > len(answer.body):
        raise RuntimeError(f"ours answers {len(packed.body)} bytes, not compressed, to who takes gzip")
    said = json.loads(answer.body)
    if answer.status != 200 or len(said["flags"]) != FEATURES or "eventStreams" not in said or len(set(tags)) < 8:
        raise RuntimeError(f"ours answers {answer.status} {answer.body[:200]!r}: no features to measure")
