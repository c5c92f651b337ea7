"""What the page costs at 100 apps and 10,000 bundles: bytes of each page with its stylesheet, CPU time of the node.

    python -m tests.drills.page_budget [--apps N] [--bundles N] [--rounds N]

CPU time is of all processes of the node, asked figures included, after each page was asked for once; the limits are
those of the budget. Exits with 1 beyond them.
"""

import argparse
import http.client
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path
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
    StartRollout,
)
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Digest, FileEntry
from edge.domain.schedule.rollout import Move
from edge.node.processes.data_directory import DataDirectory
from edge.store.heads import Head, Heads, build_successor, encode_shard, shard_of
from edge.store.objects.port import head_key
from edge.store.releases import Revisions
from tests.worlds.running_node import serving_node

PAGE_LIMIT_BYTES = 150_000
CPU_LIMIT_MS = 200.0
MOVING, STOPPED = 10, 2  # apps with a rollout on its way, and of these with one that is paused
SIZES = Sizes(zip_bytes=4096, files=40, file_bytes=10_000)
TICKS = os.sysconf("SC_CLK_TCK")


def app_id(number: int) -> str:
    return f"com.example.app{number:03}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apps", type=int, default=100)
    parser.add_argument("--bundles", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder / "edge-data", options.apps, options.bundles)
        with serving_node(folder) as node:
            browser = Browser(node)
            rows = [measure(node, browser, path, options.rounds) for path in pages(options.bundles)]
    print(
        f"{options.apps} apps, {options.apps * options.bundles} bundles; limits {PAGE_LIMIT_BYTES} B, {CPU_LIMIT_MS} ms"
    )
    bad = False
    for path, size, cpu in rows:
        over = size > PAGE_LIMIT_BYTES or cpu > CPU_LIMIT_MS
        bad |= over
        print(f"{size:>8} B {cpu:>7.1f} ms  {path}{'  over' if over else ''}")
    return 1 if bad else 0


def pages(bundles: int) -> list[str]:
    app, calm = app_id(STOPPED), app_id(50)
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
        f"/apps/{calm}/devices",
        f"/apps/{calm}/history",
        "/nodes",
    ]


def measure(node, browser, path, rounds):
    """(path, bytes with the stylesheet, CPU time of one in ms)."""
    page = browser.get(path)
    sheet = re.search(r'href="(/static/[^"]+\.css)"', page)
    size = len(page.encode()) + (len(browser.get(sheet[1]).encode()) if sheet else 0)
    before = cpu_seconds(node.pid)
    for _ in range(rounds):
        browser.get(path)
    return path, size, (cpu_seconds(node.pid) - before) / rounds * 1000


class Browser:
    """Signed in with a link."""

    def __init__(self, node):
        self.host = urlsplit(node.control).netloc
        self.cookie = ""
        link = node.json("login-link")["url"].partition("link=")[2]
        answer = self.ask("POST", "/login", urlencode({"link": link}))
        self.cookie = answer.getheader("Set-Cookie").partition(";")[0]

    def get(self, path):
        answer = self.ask("GET", path)
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return answer.text

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {"Cookie": self.cookie, "Origin": f"http://{self.host}"}
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
