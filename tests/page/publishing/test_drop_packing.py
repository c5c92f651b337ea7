"""The process that packs is ended at its limits, answers as its starter expects, and leaves nothing behind."""

import asyncio
import os
import signal
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from edge.bundles.intake.intake_messages import IntakeDone, IntakeRefused
from edge.page.publishing.packing import PackLimits, pack_dropped

MIB = 1 << 20
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell of processes")


@pytest.fixture
def zipped(tmp_path):
    path, workdir = tmp_path / "a.zip", tmp_path / "work"
    workdir.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", "<html></html>")
        archive.writestr("app.bin", os.urandom(MIB))
    return path, workdir


async def test_a_zip_is_packed_by_a_process_of_its_own(zipped):
    done = await pack_dropped(*zipped)
    assert isinstance(done, IntakeDone) and len(done.entries) == 2


@pytest.mark.parametrize(
    ("limits", "codes"),
    [
        (PackLimits(seconds=0.01), {"packing_time"}),
        (PackLimits(memory_bytes=64 * MIB), {"packing_memory", "packing_stopped"}),
        (PackLimits(file_bytes=64 * 1024), {"packing_stopped"}),
    ],
)
async def test_it_is_ended_at_its_limits(zipped, limits, codes):
    refused = await pack_dropped(*zipped, limits)
    assert isinstance(refused, IntakeRefused) and refused.code in codes
    assert "from the command line" in refused.message


@pytest.fixture
def large(zipped):
    """One that is not packed before a test has found its process."""
    with zipfile.ZipFile(zipped[0], "a") as archive:
        archive.writestr("large.bin", os.urandom(32 * MIB))
    return zipped


async def process_in(workdir):
    while True:
        for each in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"TMPDIR={workdir}\0".encode() in each.read_bytes():
                    return int(each.parent.name)
        await asyncio.sleep(0)


@needs_proc
async def test_one_that_was_killed_says_so(large):
    packing = asyncio.create_task(pack_dropped(*large))
    os.kill(await process_in(large[1]), signal.SIGKILL)
    refused = await packing
    assert (refused.code, refused.status) == ("packing_killed", 503) and "from outside" in refused.message


@needs_proc
async def test_one_that_stands_still_has_a_short_end(large):
    packing = asyncio.create_task(pack_dropped(*large, PackLimits(still_seconds=0.3)))
    os.kill(await process_in(large[1]), signal.SIGSTOP)
    refused = await packing
    assert (refused.code, refused.status) == ("packing_still", 503) and "drop it again" in refused.message


async def test_relative_paths_are_those_of_its_starter(zipped):
    done = await pack_dropped(*(Path(os.path.relpath(each)) for each in zipped))
    assert isinstance(done, IntakeDone)


async def test_a_refusal_comes_with_its_code(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "a.zip").write_bytes(b"no zip")
    refused = await pack_dropped(tmp_path / "a.zip", tmp_path / "work")
    assert isinstance(refused, IntakeRefused) and refused.code not in ("packing_stopped", "packing_time")


async def test_it_ends_with_whoever_waits_for_it(zipped):
    waiting = asyncio.create_task(pack_dropped(*zipped))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
