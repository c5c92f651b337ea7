"""Zips: what each release accepts, where it resumes, what it spoils."""

import random

import pytest
from device_world import crc32, files_in, hashes, sha256, web_build, zipped

from edge.device.ledger import UpdateResult
from edge.device.network import Cut, CutKind, CutPlan

FILES = web_build(1)
ARCHIVE = zipped(FILES)
FORMS = {"crc32": crc32(ARCHIVE), "sha256": sha256(ARCHIVE), "empty": "", "SHA256": sha256(ARCHIVE).upper()}

# PROTOCOL.md §11.2 and §11.3, release by release on both sides of the borders.
ACCEPTED = [
    ("android", "5.3.0", {"crc32", "empty"}),
    ("ios", "5.3.0", {"crc32", "empty"}),
    ("android", "5.9.5", {"crc32", "empty"}),
    ("ios", "5.43.3", {"sha256", "empty"}),
    ("android", "6.14.24", {"crc32", "empty"}),
    ("ios", "6.14.27", {"crc32", "empty"}),
    ("android", "6.14.28", {"sha256", "empty"}),
    ("android", "6.39.0", {"empty"}),
    ("android", "6.42.9", {"empty"}),
    ("ios", "6.42.9", {"sha256", "empty"}),
    ("android", "6.43.5", {"sha256", "empty"}),
    ("android", "7.0.0", {"crc32", "empty"}),
    ("ios", "7.0.1", {"crc32", "empty"}),
    ("android", "7.0.18", {"empty"}),
    ("ios", "7.0.18", {"sha256", "empty"}),
    ("android", "7.0.30", {"sha256", "empty"}),
    ("android", "7.9.2", {"sha256", "empty"}),
    ("android", "7.17.0", {"sha256", "empty"}),
    ("ios", "7.36.1", {"sha256", "empty"}),
    ("android", "8.40.2", {"sha256", "empty"}),
    ("ios", "8.45.11", {"sha256", "empty"}),
    ("android", "8.51.16", {"sha256", "empty"}),
    ("android", "8.51.23", {"sha256"}),
    ("ios", "8.51.23", {"sha256"}),
    ("android", "9.0.0", {"crc32", "empty"}),
    ("ios", "10.0.0", {"crc32", "empty"}),
]


@pytest.mark.parametrize(("platform", "release", "accepted"), ACCEPTED)
async def test_checksum_forms(world, tmp_path, platform, release, accepted):
    for form, checksum in FORMS.items():
        world.offer_zip("1.1.0", ARCHIVE, checksum)
        outcome = await world.device(platform, release, tmp_path / form).check_and_update()
        assert (outcome.result is UpdateResult.UPDATED) == (form in accepted), form
        if form in accepted:
            assert files_in(outcome.folder) == hashes(FILES)
        elif form != "empty":
            assert {"checksum_fail", "download_fail"} <= set(outcome.ledger.actions), form


@pytest.mark.parametrize(
    ("platform", "actions"), [("android", {"checksum_required"}), ("ios", {"checksum_required", "download_fail"})]
)
async def test_missing_checksum_from_8_51_23(world, tmp_path, platform, actions):
    world.offer_zip("1.1.0", ARCHIVE, None)
    device = world.device(platform, "8.51.23", tmp_path)
    outcome = await device.check_and_update()
    assert outcome.result is UpdateResult.FAILED
    assert {a for a in outcome.ledger.actions if not a.startswith("download_") or a == "download_fail"} == actions
    required = next(r for r in outcome.ledger.reports if r["action"] == "checksum_required")
    assert required["version_name"] == ("1.0.0" if platform == "android" else "1.1.0")
    again = await device.check_and_update()
    assert again.result is (
        UpdateResult.SKIPPED if platform == "android" else UpdateResult.FAILED
    )  # Android believes it still loads


# What the second launch does after the app died half way (PROTOCOL.md §11.3, §11.6).
SECOND_LAUNCH = [
    ("android", "6.14.24", True),
    ("android", "6.14.28", True),
    ("android", "7.36.1", True),
    ("ios", "7.36.1", True),
    ("android", "8.40.2", True),
    ("android", "5.9.5", False),
    ("ios", "5.9.5", False),
    ("android", "7.0.0", False),
    ("android", "7.41.1", False),
    ("ios", "8.41.0", False),
    ("android", "8.51.16", False),
    ("ios", "8.51.16", False),
    ("android", "8.51.23", False),
]


def good_checksum(device) -> str:
    return {"crc32": crc32(ARCHIVE), "any_value_refused": ""}.get(device.profile.zip_checksum.value, sha256(ARCHIVE))


@pytest.mark.parametrize("ignore_range", [False, True])
@pytest.mark.parametrize(("platform", "release", "resumes"), SECOND_LAUNCH)
async def test_second_launch_after_a_kill(world, tmp_path, platform, release, resumes, ignore_range):
    world.ignore_range = ignore_range
    first = world.device(platform, release, tmp_path)
    world.offer_zip("1.1.0", ARCHIVE, good_checksum(first))
    killed = await first.check_and_update(cut=CutPlan(Cut(60_000, CutKind.KILLED)))
    assert (killed.result, killed.ledger.actions) == (UpdateResult.KILLED, [])
    second = await world.device(platform, release, tmp_path).check_and_update()
    assert (world.ranges[-1] == "bytes=60000-") == resumes
    if resumes and ignore_range:  # the whole body appended to the half that was there
        assert second.result is UpdateResult.FAILED
        assert {"checksum_fail", "download_fail"} <= set(second.ledger.actions)
        third = await world.device(platform, release, tmp_path).check_and_update()
        assert third.result is UpdateResult.UPDATED
    else:
        assert second.result is UpdateResult.UPDATED
        assert files_in(second.folder) == hashes(FILES)


# What Android's job does when the network goes and comes back.
SAME_JOB = [
    ("8.51.16", False, UpdateResult.UPDATED, "bytes=50000-"),
    ("8.51.16", True, UpdateResult.FAILED, "bytes=50000-"),
    ("8.51.20", False, UpdateResult.UPDATED, "bytes=50000-"),
    ("8.51.20", True, UpdateResult.UPDATED, "bytes=50000-"),
    ("7.51.16", True, UpdateResult.FAILED, "bytes=50000-"),
    ("7.51.20", True, UpdateResult.UPDATED, "bytes=50000-"),
    ("5.9.5", True, UpdateResult.UPDATED, ""),
]


@pytest.mark.parametrize(("release", "ignore_range", "result", "span"), SAME_JOB)
async def test_same_job_after_the_network_was_gone(world, tmp_path, release, ignore_range, result, span):
    world.ignore_range = ignore_range
    device = world.device("android", release, tmp_path)
    world.offer_zip("1.1.0", ARCHIVE, good_checksum(device))
    outcome = await device.check_and_update(cut=CutPlan(Cut(50_000, CutKind.OFFLINE)))
    assert (outcome.result, world.ranges) == (result, ["", span])


async def test_android_asks_for_a_part_uncompressed(world, tmp_path):
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    await world.device("android", "8.51.16", tmp_path).check_and_update(cut=CutPlan(Cut(50_000, CutKind.OFFLINE)))
    assert world.encodings == ["gzip", "identity"]


async def test_ios_does_not_run_its_job_again(world, tmp_path):
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    device = world.device("ios", "8.51.16", tmp_path)
    outcome = await device.check_and_update(cut=CutPlan(Cut(50_000, CutKind.OFFLINE)))
    assert (outcome.result, world.ranges) == (UpdateResult.FAILED, [""])


# One partial file for all bundles, known by the version name alone (PROTOCOL.md §5.2).
@pytest.mark.parametrize(
    ("version", "span", "result"), [("1.2.0", "", UpdateResult.UPDATED), ("1.1.0", "bytes=60000-", UpdateResult.FAILED)]
)
async def test_shared_partial_file_and_other_bytes(world, tmp_path, version, span, result):
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    device = world.device("android", "8.40.2", tmp_path)
    await device.check_and_update(cut=CutPlan(Cut(60_000, CutKind.KILLED)))
    other = zipped(web_build(2))
    world.offer_zip(version, other, sha256(other))
    outcome = await world.device("android", "8.40.2", tmp_path).check_and_update()
    assert (outcome.result, world.ranges[-1]) == (result, span)


@pytest.mark.parametrize("release", ["8.40.2", "8.51.16", "8.51.20", "5.9.5"])
async def test_random_cuts_never_install_other_bytes(world, tmp_path, release):
    world.end_of_file = "empty 206" if release != "8.51.20" else "416"
    dice = random.Random(release)
    cuts = [Cut(dice.randrange(1, 40_000), CutKind.OFFLINE) for _ in range(5)]
    device = world.device("android", release, tmp_path)
    world.offer_zip("1.1.0", ARCHIVE, good_checksum(device))
    outcome = await device.check_and_update(cut=CutPlan(*cuts))
    assert outcome.result is UpdateResult.UPDATED
    assert files_in(outcome.folder) == hashes(FILES)
    assert len(world.ranges) == 6


# A complete partial file asks for bytes behind the end (PROTOCOL.md §11.6).
AT_THE_END = [
    ("8.51.16", "empty 206", UpdateResult.UPDATED),
    ("8.51.16", "416", UpdateResult.FAILED),
    ("8.51.20", "empty 206", UpdateResult.WAITING),
    ("8.51.20", "416", UpdateResult.FAILED),
]


@pytest.mark.parametrize(("release", "end_of_file", "result"), AT_THE_END)
async def test_range_at_the_end_of_the_file(world, tmp_path, release, end_of_file, result):
    world.end_of_file = end_of_file
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    device = world.device("android", release, tmp_path)
    outcome = await device.check_and_update(cut=CutPlan(Cut(len(ARCHIVE), CutKind.OFFLINE)))
    assert outcome.result is result
    assert ("download_fail" in outcome.ledger.actions) == (result is UpdateResult.FAILED)


@pytest.mark.parametrize("status", [500, 503, 408, 429])
async def test_new_android_retries_what_older_ones_report(world, tmp_path, status):
    for release, result, waits in [("8.51.16", UpdateResult.FAILED, []), ("8.51.20", UpdateResult.UPDATED, [10, 20])]:
        world.fail_first, world.waits = [status, status], []
        world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
        outcome = await world.device("android", release, tmp_path / release).check_and_update()
        assert (outcome.result, world.waits, outcome.ledger.waits) == (result, waits, waits)
        world.fail_first = []


@pytest.mark.parametrize(("release", "result"), [("8.51.16", UpdateResult.FAILED), ("8.51.20", UpdateResult.UPDATED)])
async def test_a_body_that_ends_too_early(world, tmp_path, release, result):
    world.close_after = [70_000]
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    outcome = await world.device("android", release, tmp_path).check_and_update()
    assert outcome.result is result


@pytest.mark.parametrize("release", ["6.14.24", "8.51.16", "8.51.20"])
@pytest.mark.parametrize("platform", ["android", "ios"])
async def test_missing_file_fails_at_once(world, tmp_path, platform, release):
    world.offer_zip("1.1.0", ARCHIVE, "")
    world.blobs.clear()
    outcome = await world.device(platform, release, tmp_path).check_and_update()
    assert (outcome.result, outcome.ledger.waits) == (UpdateResult.FAILED, [])
    failed = outcome.ledger.reports[-1]
    assert failed["action"] == "download_fail"
    # Android loses the name on the way (PROTOCOL.md §4.1).
    assert ("version_name" in failed) == (platform == "ios")


@pytest.mark.parametrize(("release", "first"), [("8.40.2", "bytes=0-"), ("8.45.10", "bytes=0-"), ("8.45.11", "")])
async def test_ios_asks_for_a_range_from_0(world, tmp_path, release, first):
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    outcome = await world.device("ios", release, tmp_path).check_and_update()
    assert (outcome.result, world.ranges) == (UpdateResult.UPDATED, [first])


@pytest.mark.parametrize(("release", "result"), [("8.45.10", UpdateResult.UPDATED), ("8.45.11", UpdateResult.FAILED)])
async def test_ios_ends_a_transfer_after_its_total_time(world, tmp_path, release, result):
    ticks = iter(range(0, 100_000, 26))  # each look at the clock is 26 s later; 25 s is the limit
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE))
    device = world.device("ios", release, tmp_path, clock=lambda: float(next(ticks)))
    assert (await device.check_and_update()).result is result


UNSAFE = [
    ("..\\evil.js", "windows_path_fail"),
    ("../evil.js", "canonical_path_fail"),
    ("/evil.js", "canonical_path_fail"),
]


@pytest.mark.parametrize(("name", "action"), UNSAFE)
async def test_unsafe_names_are_refused(world, tmp_path, name, action):
    archive = zipped({**FILES, name: b"evil"})
    world.offer_zip("1.1.0", archive, sha256(archive))
    outcome = await world.device("android", "8.51.16", tmp_path / "device").check_and_update()
    assert outcome.result is UpdateResult.FAILED
    assert {action, "download_fail"} <= set(outcome.ledger.actions)
    assert not list(tmp_path.rglob("evil.js"))


async def test_bytes_that_are_no_zip(world, tmp_path):
    world.offer_zip("1.1.0", b"PK nothing", "")
    outcome = await world.device("android", "8.51.16", tmp_path).check_and_update()
    assert {"unzip_fail", "download_fail"} <= set(outcome.ledger.actions)


async def test_single_top_folder_is_the_bundle(world, tmp_path):
    archive = zipped(
        {"dist/" + name: content for name, content in FILES.items()} | {"__MACOSX/x": b"1", ".DS_Store": b"2"}
    )
    world.offer_zip("1.1.0", archive, sha256(archive))
    outcome = await world.device("ios", "8.51.23", tmp_path / "device").check_and_update()
    assert files_in(outcome.folder) == hashes(FILES)
