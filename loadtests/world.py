"""What the node under load serves: apps, channels and releases with made files, the same on every machine.

Publishing goes through the control API as anybody's does and only where something is missing, so a second run on the
same node finds its world. Nothing here is imported by a client that makes load, except names and `build_files`.
"""

import hashlib
import random
import tempfile
from pathlib import Path
from typing import NamedTuple

from edge.bundles.sources.selection import Selection
from edge.cli.publishing.publish import PublishOptions, Release, publish
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path

APP = "com.example.load"
CHANNEL = "production"
NATIVE = "1.0.0"  # what the app in the store is
OLD = "1.1.0"  # what devices that have not updated yet run; published, so that they hold its files
CURRENT = "1.2.0"
STORM = "1.3.{}"  # published in the middle of a storm, under a new number each time

COLD_APPS = tuple(f"com.example.cold.n{number:02}" for number in range(12))
COLD_FILES = 120  # a release; all of them together are six times the descriptors a worker keeps open

EVERYTHING = Selection((), (), frozenset())  # nothing in what is made here is to be left out

CHUNKS = 60  # files of the load app: a web build of medium size, some 1.5 MB
SAME_OF_TEN = 8  # chunks of a release that the one before had too: a bundler renames what changed


class Published(NamedTuple):
    app: str
    version: str
    outcome: str  # "published" or "found"


def build_files(version: str, chunks: int = CHUNKS, *, app: str = APP) -> dict[str, bytes]:
    """A release's files. Chunks of equal names in two versions have equal bytes, as with content hashes in names."""
    files = {"index.html": f"<!doctype html><title>{app} {version}</title>".encode()}
    for number in range(chunks):
        owner = f"{app}/{number}" if number % 10 < SAME_OF_TEN else f"{app}/{number}/{version}"
        name = hashlib.sha256(owner.encode()).hexdigest()[:8]
        files[f"assets/chunk-{number}-{name}.js"] = _script(owner)
    return files


def _script(owner: str) -> bytes:
    """3 to 45 kB that compress to about a half, as minified code does."""
    dice = random.Random(owner)
    return f"// {owner}\n".encode() + dice.randbytes(dice.randrange(1_500, 22_000)).hex().encode()


def held_hashes(version: str) -> frozenset[str]:
    """Of the files a device that runs `version` has on its disk: what a manifest need not bring again."""
    return frozenset(hashlib.sha256(content).hexdigest() for content in build_files(version).values())


def prepare(client: ControlClient, scenario: str) -> list[Published]:
    """Make what `scenario` needs where it is missing. Raises EdgeError. Blocks."""
    made = [_publish(client, APP, version) for version in (OLD, CURRENT)]
    client.patch(app_path(APP, "channels", CHANNEL), {"bundle": CURRENT})
    if scenario == "cold_cache":
        made += [_publish(client, app, CURRENT, COLD_FILES) for app in COLD_APPS]
    if scenario == "publish_storm":
        made.append(_publish(client, APP, STORM.format(len(_storms(client))), offered=False))
    return made


def start_storm(client: ControlClient) -> str:
    """Offer the storm's release, uploaded before, to everybody: one small change. The version. Raises EdgeError."""
    version = max(_storms(client), key=lambda name: int(name.rpartition(".")[2]))
    client.patch(app_path(APP, "channels", CHANNEL), {"bundle": version})
    return version


def _storms(client: ControlClient) -> list[str]:
    found = (bundle["version"] for bundle in client.get(app_path(APP, "bundles")))
    return [version for version in found if version.startswith(STORM.format(""))]


def _publish(client: ControlClient, app: str, version: str, chunks: int = CHUNKS, *, offered: bool = True) -> Published:
    _unless_there(client, "/v1/apps", {"app": app})
    _unless_there(client, app_path(app, "channels"), {"name": CHANNEL, "public": True, "policy": "none"})
    if version in {bundle["version"] for bundle in client.get(app_path(app, "bundles"))}:
        return Published(app, version, "found")
    with tempfile.TemporaryDirectory(prefix="edge-load-") as folder:
        for name, content in build_files(version, chunks, app=app).items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        publish(client, Release(app, version, CHANNEL if offered else None), Path(folder), PublishOptions(EVERYTHING))
    return Published(app, version, "published")


def _unless_there(client: ControlClient, path: str, body: dict[str, object]) -> None:
    try:
        client.post(path, body)
    except RequestRefused as refusal:
        if refusal.answered != 409:
            raise
