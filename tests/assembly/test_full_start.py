"""A node starts on a disk that cannot be written, and serves: whatever is new at its start must be able to fail."""

import asyncio

import aiohttp
import pytest
from factories import a_change
from node_world import APP, PROMPT_SECONDS, check, publish
from small_disk import a_small_disk

from edge.assembly.standalone import Standalone
from edge.config import Config, Control, Devices
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel


def a_node(disk) -> Standalone:
    devices = Devices(host="127.0.0.1", port=0, workers=1)
    return Standalone(Config(data_dir=str(disk.path / "data"), devices=devices, control=Control(port=0)))


@pytest.mark.parametrize("spoil", ["fill", pytest.param("seal", marks=pytest.mark.long)])
async def test_a_node_starts_on_a_disk_that_cannot_be_written(tmp_path, spoil, caplog):
    with a_small_disk(tmp_path / "disk") as disk:
        node = a_node(disk)
        releases = node.directory.releases
        async with node.running():
            releases.commit(APP, a_change(CreateApp(app=APP)))
            releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
            publish(node.directory, "1.0.1")
        getattr(disk, spoil)()
        node = a_node(disk)
        async with node.running(), aiohttp.ClientSession() as session:
            address = f"http://127.0.0.1:{node.device_port}"
            assert (await check(session, address))["version"] == "1.0.1"
            async with session.get(f"{address}/readyz") as response:
                assert response.status == 200
            async with asyncio.timeout(PROMPT_SECONDS):
                while "is full or read-only" not in caplog.text:
                    await asyncio.sleep(0.05)
