"""A node of its own process to be hostile to: `python -m tests.hostile.node FOLDER` serves until its input ends.

It prints one line of JSON when it is ready: its port and its workers; then one line of counts for each line it reads.
Everything it has to say for itself goes to FOLDER/node.log. The address limit is off: all requests come from one.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

from edge.config import Config, Devices, Log, Telemetry
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import Change, ChannelSettings, Command, CreateApp, CreateChannel, PublishBundle
from edge.domain.changes.features.feature_commands import FeatureSettings, NewFeatureRule, SetFeature
from edge.domain.manifest import encode_manifest
from edge.domain.model import AppId, Bundle, FileEntry
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.store.objects.port import blob_key
from tests.hostile.published import ZIP, digest_of
from tests.hostile.seeds import APP

WORKERS = 2
COLOUR = FeatureSettings(
    kind=FeatureKind.STRING,
    default='"blue"',
    rules=(NewFeatureRule(value='"red"', where='custom_id.contains("mk") && version_name >= "1.0.0" && bucket(50)'),),
)


def main() -> None:
    folder = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(serve(folder))


async def serve(folder: Path) -> None:
    truth = DataDirectory(folder, time.time())
    publish(truth)
    config = Config(
        data_dir=str(folder),
        devices=Devices(host="127.0.0.1", port=0, workers=WORKERS, connections_per_address=0, drain_seconds=3.0),
        telemetry=Telemetry(spool_limit_bytes=256 * 2**20),
        log=Log(),
    )
    supervisor = Supervisor(config, truth)
    ready = asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready))
    await ready.wait()
    pids = [worker.pid for worker in supervisor.pool.workers]
    _say({"port": port_of(supervisor.listening), "pids": pids})
    while await asyncio.to_thread(sys.stdin.readline):
        _say([{**each._asdict(), "counts": each.counts.by_name()} for each in await supervisor.statuses()])
    await supervisor.drain()
    await running


def publish(truth: DataDirectory) -> None:
    """One app with one channel, which everybody gets, and one bundle."""
    manifest = encode_manifest([FileEntry("index.html", digest_of(b"index"), digest_of(ZIP), len(ZIP))])
    for content in (ZIP, manifest):
        truth.store.create(blob_key(digest_of(content)), content)
    bundle = Bundle(
        version="1.0.1",
        content=digest_of(b"content"),
        zip=digest_of(ZIP),
        zip_bytes=len(ZIP),
        zip_crc32="0badcafe",
        manifest=digest_of(manifest),
        files=1,
        plain_bytes=len(ZIP),
        published=time.time(),
    )
    commands: list[Command] = [
        CreateApp(app=AppId(APP)),
        CreateChannel(name="production", settings=ChannelSettings(public=True)),
        PublishBundle(bundle=bundle, channel="production"),
        SetFeature(name="colour", settings=COLOUR),
    ]
    for number, command in enumerate(commands):
        change = Change(id=f"hostile-{number}", at=time.time(), by="hostile", command=command)
        truth.releases.commit(AppId(APP), change)


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
