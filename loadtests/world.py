"""What the node under load serves: apps, channels and releases with generated files, the same on every machine.

Everything is published through the control API, and only what is missing, so a second run on the same node reuses it. A
client that makes load imports only names and `build_files` from here.
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
NATIVE = "1.0.0"  # the version of the app in the store
OLD = "1.1.0"  # run by devices that have not updated yet; published, so that they have its files
CURRENT = "1.2.0"
STORM = "1.3.{}"  # published during a storm, under a new number each time

COLD_APPS = tuple(f"com.example.cold.n{number:02}" for number in range(12))
COLD_FILES = 120  # per release; together six times the descriptors that a worker keeps open

EVERYTHING = Selection((), (), frozenset())  # leaves nothing out

CHUNKS = 60  # files of the load app: a medium web build of about 1.5 MB
SAME_OF_TEN = 8  # chunks shared with the previous release: a bundler renames only what changed


class LoadRelease(NamedTuple):
    app: str
    version: str
    outcome: str  # "published" or "found"


def build_files(version: str, chunks: int = CHUNKS, *, app: str = APP) -> dict[str, bytes]:
    """A release's files. Chunks with equal names in two versions have equal bytes, as with content hashes in names."""
    files = {"index.html": f"<!doctype html><title>{app} {version}</title>".encode()}
    for number in range(chunks):
        owner = f"{app}/{number}" if number % 10 < SAME_OF_TEN else f"{app}/{number}/{version}"
        name = hashlib.sha256(owner.encode()).hexdigest()[:8]
        files[f"assets/chunk-{number}-{name}.js"] = _script(owner)
    return files


def _script(owner: str) -> bytes:
    """3 to 45 kB that compress to about half, as minified code does."""
    dice = random.Random(owner)
    return f"// {owner}\n".encode() + dice.randbytes(dice.randrange(1_500, 22_000)).hex().encode()


def held_hashes(version: str) -> frozenset[str]:
    """The hashes of the files on a device that runs `version`, which it need not download again."""
    return frozenset(hashlib.sha256(content).hexdigest() for content in build_files(version).values())


def prepare(client: ControlClient, scenario: str) -> list[LoadRelease]:
    """Create what `scenario` needs and is missing. Raises EdgeError. Blocks."""
    made = [_publish(client, APP, version) for version in (OLD, CURRENT)]
    client.patch(app_path(APP, "channels", CHANNEL), {"bundle": CURRENT})
    if scenario == "cold_cache":
        made += [_publish(client, app, CURRENT, COLD_FILES) for app in COLD_APPS]
    if scenario == "publish_storm":
        made.append(_publish(client, APP, STORM.format(len(_storms(client))), offered=False))
    return made


def start_storm(client: ControlClient) -> str:
    """Offer the uploaded storm release to all devices, in one small change. Returns its version. Raises EdgeError."""
    version = max(_storms(client), key=lambda name: int(name.rpartition(".")[2]))
    client.patch(app_path(APP, "channels", CHANNEL), {"bundle": version})
    return version


def _storms(client: ControlClient) -> list[str]:
    found = (bundle["version"] for bundle in client.get(app_path(APP, "bundles")))
    return [version for version in found if version.startswith(STORM.format(""))]


def _publish(
    client: ControlClient, app: str, version: str, chunks: int = CHUNKS, *, offered: bool = True
) -> LoadRelease:
    _create_if_missing(client, "/v1/apps", {"app": app})
    _create_if_missing(client, app_path(app, "channels"), {"name": CHANNEL, "public": True, "policy": "none"})
    if version in {bundle["version"] for bundle in client.get(app_path(app, "bundles"))}:
        return LoadRelease(app, version, "found")
    with tempfile.TemporaryDirectory(prefix="edge-load-") as folder:
        for name, content in build_files(version, chunks, app=app).items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        publish(client, Release(app, version, CHANNEL if offered else None), Path(folder), PublishOptions(EVERYTHING))
    return LoadRelease(app, version, "published")


def _create_if_missing(client: ControlClient, path: str, body: dict[str, object]) -> None:
    try:
        client.post(path, body)
    except RequestRefused as refusal:
        if refusal.answered != 409:
            raise
