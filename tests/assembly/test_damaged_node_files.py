"""Whatever is wrong with what a node keeps beside its releases, it starts and delivers, and says what it set aside."""

import os
from pathlib import Path

import aiohttp
import pytest
from factories import a_change
from node_world import APP, check, publish

from edge.assembly.standalone import Standalone
from edge.config import Config, Control, Devices
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel
from edge.store.disk.set_aside import count_set_aside

FACTS, SPOOL = "telemetry/facts", "telemetry/spool"
FILES = (
    *("id", "uploads", "reserve", "collected", "admin.token", "trust.json"),
    *("proofs.sqlite", "proofs.sqlite-wal", "telemetry/counts.sqlite"),
    *(f"{FACTS}/{name}" for name in ("facts.table", "facts.lock", "000000000001.log", "000000000002.log.new", "x.log")),
    *(f"{FACTS}/{name}" for name in ("000000000001.withheld", "facts.table.migrating", "facts.table.new")),
    *(f"{SPOOL}/{name}" for name in ("x.seg", "y.sealed", "z.seg.new")),
)
FOLDERS = ("telemetry", FACTS, SPOOL)


def a_node(folder) -> Standalone:
    devices = Devices(host="127.0.0.1", port=0, workers=1)
    return Standalone(Config(data_dir=str(folder), devices=devices, control=Control(port=0)))


def remove(path: Path) -> None:
    if path.is_dir():
        for each in path.iterdir():
            remove(each)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def holding(content: bytes):
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


@pytest.fixture
async def data(tmp_path):
    node = a_node(tmp_path)
    releases = node.directory.releases
    async with node.running():
        releases.commit(APP, a_change(CreateApp(app=APP)))
        releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
        publish(node.directory, "1.0.1")
    return tmp_path


async def delivers(data) -> int:
    """Returns how much is set aside."""
    node = a_node(data)
    async with node.running(), aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{node.device_port}"
        assert (await check(session, address))["version"] == "1.0.1"
        async with session.get(f"{address}/readyz") as response:
            assert response.status == 200
    return count_set_aside(*node.directory.own_dirs)


@pytest.mark.long
@pytest.mark.parametrize(
    "make", [holding(b""), holding(bytes(4096)), holding(b"\x80\xff" * 2048), Path.mkdir, os.mkfifo]
)
async def test_a_node_delivers_whatever_its_own_files_are(data, make, caplog):
    for name in FILES:
        path = data / "node" / name
        remove(path)
        make(path)
    await delivers(data)
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.long
@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("make", [holding(b"x"), os.mkfifo])
async def test_a_node_delivers_whatever_its_folders_are(data, name, make, caplog):
    remove(data / "node" / name)
    make(data / "node" / name)
    assert await delivers(data) == 1
    lines = [each.message for each in caplog.records if ".damaged" in each.message]
    assert len(lines) == 1 and str(data / "node" / name) in lines[0] and " lost" in lines[0]
