"""A node of real workers on a real port, told by a real supervisor; its store, and a device's question."""

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager

from factories import APP, DEVICE, a_bundle, a_change, a_manifest, the_files

from edge.config import Config, Devices
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, PublishBundle
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.store.objects.port import blob_key

WORKERS = 2
PROMPT_SECONDS = 60.0  # for what takes milliseconds on a quiet machine; waiting longer means it never comes


def a_config(folder, **devices) -> Config:
    settings = {"host": "127.0.0.1", "port": 0, "workers": WORKERS, "drain_seconds": 5.0} | devices
    return Config(data_dir=str(folder), devices=Devices(**settings))


def a_truth(folder) -> DataDirectory:
    truth = DataDirectory(folder, time.time())
    truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    return truth


def publish(truth: DataDirectory, version: str, channel: str | None = "production", zipped: bytes = b""):
    """A bundle whose blobs are in the store; offered on the channel by the returned commit."""
    zipped = zipped or f"zip {version}".encode()
    for content in (zipped, a_manifest(version), *the_files(version)):
        key = blob_key(hashlib.sha256(content).hexdigest())
        if not truth.store.has(key):
            truth.store.create(key, content)
    bundle = a_bundle(version, zip=hashlib.sha256(zipped).hexdigest())
    return truth.releases.commit(APP, a_change(PublishBundle(bundle=bundle, channel=channel)))


def upload(truth: DataDirectory, version: str, files: int = 2) -> None:
    """The blobs of a bundle: `zip <version>`, the manifest and its files."""
    for content in (f"zip {version}".encode(), a_manifest(version, files), *the_files(version, files)):
        key = blob_key(hashlib.sha256(content).hexdigest())
        if not truth.store.has(key):
            truth.store.create(key, content)


@asynccontextmanager
async def running(config: Config, truth: DataDirectory, **options):
    supervisor = Supervisor(config, truth, **options)
    ready = asyncio.Event()
    task = asyncio.create_task(supervisor.run(ready))
    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            await ready.wait()
        yield supervisor, f"http://127.0.0.1:{port_of(supervisor.listening)}"
    finally:
        await supervisor.drain()
        async with asyncio.timeout(2 * PROMPT_SECONDS):
            await task


async def check(session, address) -> dict:
    question = {
        "platform": "android",
        "device_id": DEVICE,
        "app_id": APP,
        "version_build": "1.0.0",
        "version_name": "1.0.0",
        "plugin_version": "8.51.14",
    }
    # A connection each: the kernel spreads them over the workers.
    async with session.post(f"{address}/updates", json=question, headers={"Connection": "close"}) as response:
        assert response.status == 200
        return await response.json()


def info(plugin: str = "8.51.14", **fields) -> dict:
    return {
        "platform": "android",
        "device_id": DEVICE,
        "app_id": APP,
        "version_build": "1.0.0",
        "version_name": "1.0.0",
        "version_os": "14",
        "plugin_version": plugin,
        "is_emulator": False,
        "is_prod": True,
    } | fields
