"""Names that some releases get wrong, and what a small zip does to progress (PROTOCOL.md §4.5, §5.7)."""

import random

import pytest
from device_world import files_in, hashes, sha256, zipped

from edge.device.ledger import UpdateResult

SCRIPT = b"export const answer = 42;\n" * 800  # big enough to be compressed
PAGE = b"<!doctype html>"


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("6.27.11", ["app.js.br", "index.html"]),
        ("7.34.3", ["app.js.br", "index.html"]),
        ("7.36.0", ["app.js", "index.html"]),
        ("8.51.23", ["app.js", "index.html"]),
    ],
)
async def test_under_which_name_a_reused_file_is_written(world, tmp_path, release, names):
    device = world.device("android", release, tmp_path)
    for version in ("1.1.0", "1.2.0"):
        world.offer_manifest(version, {"index.html": PAGE + version.encode(), "app.js": SCRIPT})
        outcome = await device.check_and_update()
        assert outcome.result is UpdateResult.UPDATED
    assert sorted(files_in(outcome.folder)) == names
    assert outcome.ledger.reused == ["app.js.br"]


SAME = {"index.html": PAGE, "a/part.js": b"same", "b/part.js": b"same"}
OTHER = {"index.html": PAGE, "a/part.js": b"one", "b/part.js": b"two"}


@pytest.mark.parametrize(
    ("platform", "release", "works_with_same", "works_with_other"),
    [
        ("android", "8.42.6", False, False),
        ("android", "8.42.7", False, True),
        ("android", "8.51.8", False, True),
        ("android", "8.51.9", True, True),
        ("ios", "8.42.6", True, True),
    ],
)
async def test_two_files_with_one_base_name(world, tmp_path, platform, release, works_with_same, works_with_other):
    for number, (files, works) in enumerate([(SAME, works_with_same), (OTHER, works_with_other)]):
        world.offer_manifest("1.1.0", files)
        outcome = await world.device(platform, release, tmp_path / str(number)).check_and_update()
        assert outcome.result is (UpdateResult.UPDATED if works else UpdateResult.FAILED)
        if not works:
            assert "download_manifest_file_fail" in outcome.ledger.actions
            assert outcome.ledger.reports[-1]["action"] == "download_fail"


# The last length that works, and whether `.br` counts.
@pytest.mark.parametrize(
    ("platform", "release", "longest"),
    [
        ("android", "8.42.3", 186),
        ("android", "8.51.8", 189),
        ("android", "8.51.23", 193),
        ("ios", "8.51.23", 152),
    ],
)
async def test_the_longest_base_name(world, tmp_path, platform, release, longest):
    for size, result in ((longest, UpdateResult.UPDATED), (longest + 1, UpdateResult.FAILED)):
        name = "n" * (size - len(".br")) + ".br"
        world.offer_manifest("1.1.0", {"index.html": PAGE, name.removesuffix(".br"): SCRIPT})
        outcome = await world.device(platform, release, tmp_path / str(size)).check_and_update()
        assert outcome.result is result


# 75 + 15 x (read buffer + bytes unpacked) / zip size; the published 8.51.23 said download_400 of a zip of 12 kB.
@pytest.mark.parametrize(
    ("release", "size", "highest"),
    [("8.51.14", 12_000, 90), ("8.51.14", 2_000, 130), ("8.51.15", 12_000, 390), ("8.51.23", 12_000, 390)],
)
async def test_unpacking_a_small_zip_goes_beyond_100_per_cent(world, tmp_path, release, size, highest):
    archive = zipped({"index.html": PAGE, "noise.bin": random.Random(1).randbytes(size)})
    world.offer_zip("1.1.0", archive, sha256(archive))
    outcome = await world.device("android", release, tmp_path).check_and_update()
    tens = [a.removeprefix("download_") for a in outcome.ledger.actions]
    assert max(int(each) for each in tens if each.isdigit()) == highest


async def test_files_of_a_zip_need_not_come_again(world, tmp_path):
    files = {"index.html": PAGE, "app.js": SCRIPT}
    device = world.device("android", "8.51.23", tmp_path)
    archive = zipped(files)
    world.offer_zip("1.1.0", archive, sha256(archive))
    await device.check_and_update()
    world.offer_manifest("1.2.0", files)
    outcome = await device.check_and_update()
    assert sorted(outcome.ledger.reused) == ["app.js.br", "index.html"]
    assert files_in(outcome.folder) == hashes(files)
