"""A real npm package as the app, from the first publish to assembled files on simulated devices of every generation.

    python -m tests.walks.npm_package                    (needs npm and a package registry; about a minute)

Two consecutive versions are fetched, published by the command line to a node of their own, and taken by Android and iOS
devices: the first straight, the second over a line that breaks at random places. What a device ends up with must equal
the package file by file. A release that marks a version as dead after a broken manifest download (iOS does) gets the
same files under a new name, which is what the plugin's users have to do. Exits 1 when a device ends up with less.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp

from edge.device.identity import Identity
from edge.device.ledger import UpdateOutcome, UpdateResult
from edge.device.network import Cut, CutKind, CutPlan
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform

APP = "com.example.walk"
RELEASES = {
    Platform.ANDROID: (
        *("5.4.1", "5.9.5", "5.43.3", "5.50.2", "6.14.24", "6.14.28", "6.25.3", "6.40.0", "6.42.9", "6.43.5"),
        *("7.0.1", "7.0.18", "7.0.30", "7.0.38", "7.9.2", "7.16.0", "7.18.15", "7.36.1", "7.45.10", "7.51.21"),
        *("8.0.0", "8.40.8", "8.45.10", "8.45.11", "8.51.16", "8.51.20", "8.51.23", "9.0.0", "10.0.0"),
    ),
    Platform.IOS: (
        *("5.4.1", "5.9.5", "5.43.3", "5.50.2", "6.14.24", "6.14.28", "6.25.3", "6.43.5", "6.51.16"),
        *("7.0.1", "7.0.30", "7.16.0", "7.25.1", "7.26.0", "7.36.1", "7.45.10", "7.51.21"),
        *("8.0.0", "8.40.8", "8.45.10", "8.45.11", "8.51.16", "8.51.23", "9.0.0", "10.0.0"),
    ),
}
ATTEMPTS = 12  # checks a device gets to finish one update: more than it has cuts
CUTS = 3  # an update
START_SECONDS = 120.0


class Walked(NamedTuple):
    platform: str
    plugin: str
    mode: str
    outcome: str
    checks: int
    received_bytes: int
    reused: int
    note: str


def fetch(package: str, version: str, folder: Path) -> Path:
    """The package's files without source maps, as an app's web folder."""
    npm = [shutil.which("npm") or "npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(npm, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.split()[-1]
    target = folder / version
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has no filters yet
        tar.extractall(target)
    for file in target.rglob("*.map"):
        file.unlink()
    return target / "package"


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextlib.contextmanager
def node(data_dir: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A node on free ports: the devices' address, and the environment that the command line needs to reach it."""
    ports = {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_DEVICES_HOST": "127.0.0.1"}
    environment = os.environ | {"EDGE_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "edge", "serve", "--json"]
    process = subprocess.Popen(command, env=environment | ports, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield f"http://127.0.0.1:{said['devices']}", environment | {"EDGE_CONTROL_PORT": str(said["control"])}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)
        process.stdout.close()


def edge(environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "edge", *words]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


class Fleet:
    def __init__(self, address: str, folder: Path, seed: int) -> None:
        self._address = address
        self._folder = folder
        self._dice = random.Random(seed)
        self._ids = {
            (platform, release): str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
            for platform, releases in RELEASES.items()
            for release in releases
        }

    async def update(self, expected: dict[str, str], *, cut: bool) -> list[Walked]:
        walked = []
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session:
            for platform, release in self._ids:
                walked.append(await self._one(session, platform, release, expected, cut))
        return walked

    def _device(self, session: aiohttp.ClientSession, platform: Platform, release: str) -> Device:
        return Device(
            DeviceSetup(
                build_profile(platform, release),
                Identity(app=APP, device_id=self._ids[platform, release], version_build="1.0.0"),
                self._folder / f"{platform.value}-{release}",
                session,
                update_url=f"{self._address}/updates",
                stats_url=f"{self._address}/stats",
                sleep=_no_wait,
            )
        )

    async def _one(
        self, session: aiohttp.ClientSession, platform: Platform, release: str, expected: dict[str, str], cut: bool
    ) -> Walked:
        device = self._device(session, platform, release)
        received = checks = reused = 0
        for _ in range(ATTEMPTS):
            outcome = await device.check_and_update(cut=self._cuts() if cut and checks < CUTS else None)
            checks += 1
            received += outcome.ledger.received_bytes
            reused += len(outcome.ledger.reused)
            if outcome.result is UpdateResult.KILLED:
                device = self._device(session, platform, release)
            elif outcome.result is UpdateResult.UPDATED or "says error" in outcome.reason:
                break
        asked = {kind for request in outcome.ledger.requests for kind in ("zip", "file") if f"/{kind}/" in request.url}
        mode = "zip" if "zip" in asked else "manifest" if "file" in asked or reused else "none"
        verdict, note = _verdict(outcome, expected)
        return Walked(platform.value, release, mode, verdict, checks, received, reused, note)

    def _cuts(self) -> CutPlan:
        kind = self._dice.choice(list(CutKind))
        return CutPlan(Cut(self._dice.randrange(1, 1_500_000), kind))


def _verdict(outcome: UpdateOutcome, expected: dict[str, str]) -> tuple[str, str]:
    if outcome.result is not UpdateResult.UPDATED:
        return outcome.result.value, outcome.reason
    got = tree(outcome.folder) if outcome.folder else {}
    differing = sorted(name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name))
    return ("differs", ", ".join(differing[:3])) if differing else ("equal", "")


async def _no_wait(seconds: float) -> None:
    await asyncio.sleep(0)


def show(title: str, walked: list[Walked]) -> None:
    print(f"\n{title}\n{'platform':8} {'plugin':8} {'mode':8} {'files':10} {'checks':>6} {'MB':>7} {'reused':>6}")
    for each in walked:
        megabytes = each.received_bytes / 1e6
        print(
            f"{each.platform:8} {each.plugin:8} {each.mode:8} {each.outcome:10} {each.checks:6} {megabytes:7.2f} "
            f"{each.reused:6} {each.note}"
        )


def walk(package: str, first: str, second: str, seed: int) -> int:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        versions = {version: fetch(package, version, folder) for version in (first, second)}
        address, environment = stack.enter_context(node(folder / "data"))
        edge(environment, "app", "create", APP)
        edge(environment, "channel", "create", APP, "production", "--public", "--policy", "none")
        fleet = Fleet(address, folder / "devices", seed)
        runs: list[list[Walked]] = []
        for title, version, name, cut in (
            (f"{package} {first}, straight", first, "2.0.1", False),
            (f"{package} {second}, over a line that breaks", second, "2.0.2", True),
            (f"{package} {second} under a new name, for what gave the last one up", second, "2.0.3", False),
        ):
            edge(
                environment,
                "bundle",
                "publish",
                APP,
                str(versions[version]),
                "--version",
                name,
                "--channel",
                "production",
            )
            runs.append(asyncio.run(fleet.update(tree(versions[version]), cut=cut)))
            show(title, runs[-1])
        edge(environment, "stats", APP)
    return report(runs)


def report(runs: list[list[Walked]]) -> int:
    """0 when every device has every file of the first and the last run, and nobody ever ran something else."""
    lost = [each for run in (runs[0], runs[-1]) for each in run if each.outcome != "equal"]
    wrong = [each for run in runs for each in run if each.outcome == "differs"]
    devices = len(runs[0])
    print(f"\n{devices - len(lost)} of {devices} devices have every file, {len(wrong)} ever ran other files")
    return 1 if lost or wrong else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", default="swagger-ui-dist")
    parser.add_argument("--first", default="5.18.2")
    parser.add_argument("--second", default="5.18.3")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    sys.exit(walk(words.package, words.first, words.second, words.seed))


if __name__ == "__main__":
    main()
