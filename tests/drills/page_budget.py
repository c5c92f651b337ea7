"""What the page costs at 100 apps, 10,000 bundles and some thousand devices: bytes of each page with its stylesheet,
its script and requests, and CPU time of the node.

    python -m tests.drills.page_budget [--apps N] [--bundles N] [--devices N] [--rounds N]

CPU time is of all processes of the node, asked figures included: of a page that nobody has asked for in the seconds
that answers are remembered, and of one that was just asked for. The limits are those of the budget: exits with 1 beyond
them.
"""

import argparse
import http.client
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.worlds.releases import Sizes, bundle_of, put_blob
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    MoveRollout,
    PublishBundle,
    SegmentSettings,
    SetSegment,
    StartRollout,
)
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Digest, FileEntry
from edge.domain.schedule.rollout import Move
from edge.node.processes.data_directory import DataDirectory
from edge.store.heads import Head, Heads, build_successor, encode_shard, shard_of
from edge.store.objects.port import head_key
from edge.store.releases import Revisions
from tests.worlds.login_screens import add_person, ask
from tests.worlds.running_node import serving_node

PAGE_LIMIT_BYTES = 150_000
# Of which uPlot is 52 kB, its licence included, as its package has it. Ours has no comments and no indentation; what is
# left does what a page does. Nothing shortens its names: that would take a tool for a build.
SCRIPT_LIMIT_BYTES = 66_000
REQUESTS_LIMIT = 3  # the page, its sheet, its script
CPU_LIMIT_MS = 200.0
FORGETS_SECONDS = 11.0  # answers and devices are remembered for up to 10
EXPRESSION = 'platform == "ios"'
BATCH = 500  # reports of one request
MOVING, STOPPED = 10, 2  # apps with a rollout on its way, and of these with one that is paused
PERSON, PASSWORD = "ada@example.com", "the heron waits by the lock"
SIZES = Sizes(zip_bytes=4096, files=40, file_bytes=10_000)
TICKS = os.sysconf("SC_CLK_TCK")


def app_id(number: int) -> str:
    return f"com.example.app{number:03}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apps", type=int, default=100)
    parser.add_argument("--bundles", type=int, default=100)
    parser.add_argument("--devices", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.apps <= MOVING:
        parser.error(f"--apps has to be more than {MOVING}: so many have a rollout, and others have none")
    calm = app_id(options.apps - 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder / "edge-data", options.apps, options.bundles)
        with serving_node(folder) as node:
            report(node, calm, options.devices)
            rows = measure_all(node, pages(calm, options.bundles), options.rounds)
    print(f"{options.apps} apps, {options.apps * options.bundles} bundles, {options.devices} devices; limits:")
    print(
        f"{PAGE_LIMIT_BYTES} B, {SCRIPT_LIMIT_BYTES} B of script, {REQUESTS_LIMIT} requests, {CPU_LIMIT_MS} ms of CPU"
    )
    for each in rows:
        print(
            f"{each.size:>8} B {each.script:>7} B {each.requests} requests {each.first_ms:>7.1f} ms, "
            f"again {each.again_ms:>6.1f} ms  {each.path}{''.join(f'  over: {name}' for name in each.over)}"
        )
    return 1 if any(each.over for each in rows) else 0


class Row(NamedTuple):
    """One page: with its stylesheet, and what a browser asks for that knows nothing yet."""

    path: str
    size: int
    script: int
    requests: int
    first_ms: float
    again_ms: float

    @property
    def over(self):
        """The limits that it is beyond."""
        limits = {
            "page": (self.size, PAGE_LIMIT_BYTES),
            "script": (self.script, SCRIPT_LIMIT_BYTES),
            "requests": (self.requests, REQUESTS_LIMIT),
            "time": (max(self.first_ms, self.again_ms), CPU_LIMIT_MS),
        }
        return [name for name, (found, limit) in limits.items() if found > limit]


def pages(calm: str, bundles: int) -> list[str]:
    app = app_id(STOPPED)
    versions = [f"1.0.{bundles - 1}", f"1.0.{bundles}"]
    return [
        "/",
        f"/apps/{app}",
        f"/apps/{app}/channels/production",
        f"/apps/{app_id(0)}/channels/production",
        f"/apps/{calm}/channels/production",
        f"/apps/{app}/channels/production/acts/pause",
        f"/apps/{calm}/bundles",
        f"/apps/{calm}/bundles?{urlencode({'from': versions[0], 'to': versions[1]})}",
        f"/apps/{calm}/segments",
        f"/apps/{calm}/segments?{urlencode({'where': EXPRESSION, 'device': device_id(7)})}",
        f"/apps/{calm}/devices",
        f"/apps/{calm}/devices?{urlencode({'q': device_id(7)})}",
        f"/apps/{calm}/search?{urlencode({'q': device_id(7)[:13]})}",
        f"/search?{urlencode({'q': '1.0.7'})}",
        f"/apps/{calm}/history",
        "/nodes",
        "/people",
        "/audit",
        "/account",
    ]


def measure_all(node, paths, rounds):
    """Every page once for its templates; then all in turn, so often that what is remembered has ended before."""
    browser = Browser(node)
    sources = {path: browser.get(path) for path in paths}
    time.sleep(FORGETS_SECONDS)  # until what was reported is counted
    first = Counter()
    for _ in range(rounds):
        for path in paths:
            time.sleep(FORGETS_SECONDS / len(paths))
            first[path] += cost(node, browser, path)
    rows = []
    for path, source in sources.items():
        browser.get(path)
        again = sum(cost(node, browser, path) for _ in range(rounds))
        sheets = set(re.findall(r'href="(/static/[^"]+\.css)"', source))
        scripts = set(re.findall(r'<script src="(/static/[^"]+\.js)"', source))
        size = sum(len(each.encode()) for each in [source, *map(browser.get, sheets)])
        script = sum(len(browser.get(each).encode()) for each in scripts)
        rows.append(
            Row(path, size, script, 1 + len(sheets | scripts), first[path] / rounds * 1000, again / rounds * 1000)
        )
    return rows


def cost(node, browser, path):
    """CPU seconds."""
    before = cpu_seconds(node.pid)
    browser.get(path)
    return cpu_seconds(node.pid) - before


def device_id(number):
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def report(node, app, devices):
    """Each device of the app says that it is in front, as from 20 networks."""
    host = urlsplit(node.devices).netloc
    for begin in range(0, devices, BATCH):
        body = [
            {
                "app_id": app,
                "device_id": device_id(number),
                "action": "app_moved_to_foreground",
                "platform": "ios" if number % 2 else "android",
                "version_name": f"1.0.{1 + number % 90}",
                "version_build": "1.0.0",
                "plugin_version": "8.51.14",
                "version_os": "14",
                "is_prod": True,
                "is_emulator": False,
                "custom_id": f"user-{number}",
            }
            for number in range(begin, min(devices, begin + BATCH))
        ]
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("POST", "/stats", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"/stats: {answer.status} {answer.read()[:200]!r}")
        answer.read()
        connection.close()


class Browser:
    """Signed in as a person, who has an account; by a name, so that passkeys are offered."""

    def __init__(self, node):
        place = urlsplit(node.control)
        self.place, self.host = place.netloc, f"localhost:{place.port}"
        self.cookie = ""
        add_person(node, PERSON, "admin")
        invited = ask(node, "POST", f"/v1/people/{PERSON}/invitation")["path"]
        fields = {"invitation": invited.partition("invitation=")[2], "new": PASSWORD, "again": PASSWORD}
        answer = self.ask("POST", "/welcome", urlencode(fields))
        if answer.status != 303:
            raise SystemExit(f"/welcome: {answer.status}")
        self.cookie = answer.getheader("Set-Cookie").partition(";")[0]

    def get(self, path):
        answer = self.ask("GET", path)
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return answer.text

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.place, timeout=60)
        headers = {"Host": self.host, "Cookie": self.cookie, "Origin": f"http://{self.host}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer


def cpu_seconds(root: int) -> float:
    """Of the process and of all below it."""
    parents, used = {}, {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                fields = (each / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(each.name)], used[int(each.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = {root}
    while more := {each for each, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(each, 0) for each in family) / TICKS


def make(folder: Path, apps: int, bundles: int) -> None:
    """Built by the real commands in memory; only the last revision of each app is stored."""
    now = time.time()
    truth = DataDirectory(folder, now)
    truth.releases.refresh(now)
    made = [_bundle(truth.store, f"1.0.{number + 1}") for number in range(bundles)]
    revisions, heads = Revisions(truth.store), Heads(truth.store, truth.trust)
    for number in range(apps):
        state, change = _state(number, made, now)
        digest = revisions.write(state, change, None, None)
        held = heads.shard(shard_of(state.app))
        moved = {**held.shard.apps, AppId(state.app): Head(state.revision, digest)}
        content = encode_shard(truth.writer, build_successor(held.shard, now, moved))
        if held.tag is None:
            truth.store.create(head_key(held.shard.shard), content)
        else:
            truth.store.swap(head_key(held.shard.shard), content, held.tag)
        heads = Heads(truth.store, truth.trust)


def _state(number, bundles, now):
    commands: list[Command] = [CreateApp(app=app_id(number))]
    commands += [
        CreateChannel(name=name, settings=ChannelSettings(public=name == "production"))
        for name in ("production", "beta", "staging")
    ]
    last = bundles[-2].version
    commands += [PublishBundle(bundle=each, channel="production" if each.version == last else None) for each in bundles]
    segments = {"ios": 'platform == "ios"', "old": 'version_os == "9"', "half": 'device_id.endsWith("7")'}
    commands += [SetSegment(name=name, settings=SegmentSettings(where=where)) for name, where in segments.items()]
    if number < MOVING:
        steps = (1_000, 100_000)
        commands.append(
            StartRollout(channel="production", bundle=bundles[-1].version, steps=steps, every_seconds=3_600)
        )
    if number < STOPPED:
        commands.append(MoveRollout(channel="production", move=Move.PAUSE))
    changes = [Change(id=f"budget-{at}", at=now, by="drill", command=each) for at, each in enumerate(commands)]
    state = apply(None, changes[0])
    for change in changes[1:]:
        state = apply(state, change)
    return state, changes[-1]


def _bundle(store, version):
    noise = random.Random(version)
    digests = [Digest(noise.randbytes(32).hex()) for _ in range(SIZES.files)]
    entries = [FileEntry(f"assets/{each[:8]}.js", each, each, SIZES.file_bytes) for each in sorted(digests)]
    archive = put_blob(store, noise.randbytes(SIZES.zip_bytes))
    return bundle_of(version, archive, SIZES, put_blob(store, encode_manifest(entries)))


if __name__ == "__main__":
    sys.exit(main())
