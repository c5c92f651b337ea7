"""Manifests: what each release fetches, reuses, decodes, notices and leaves behind."""

import hashlib
import os

import pytest
from device_world import files_in, hashes, sha256, web_build

from edge.device.ledger import UpdateResult
from edge.device.network import Cut, CutKind, CutPlan
from edge.device.state import BundleStatus
from edge.device.updating.manifest_download import parallel_files
from edge.device.updating.manifest_files import decode_brotli

FILES = web_build(1)

# Release, form of the manifest, and whether it ends with the right files (PROTOCOL.md §11.4).
FORMS = [
    ("android", "6.14.18", "every", True),
    ("android", "6.14.27", "every", True),
    ("android", "6.14.27", "suffix", False),
    ("ios", "6.14.27", "every", True),
    ("android", "6.14.28", "suffix", True),
    ("android", "6.14.28", "every", False),
    ("android", "7.0.18", "every", True),
    ("android", "7.0.37", "every", True),
    ("android", "7.0.38", "suffix", True),
    ("android", "7.9.1", "suffix", True),
    ("android", "7.9.2", "suffix", False),
    ("android", "7.17.0", "none", False),
    ("ios", "7.17.0", "suffix", True),
    ("android", "7.18.15", "suffix", True),
    ("android", "7.36.1", "suffix", True),
    ("ios", "7.36.1", "suffix", True),
    ("android", "5.43.3", "suffix", True),
    ("android", "8.40.2", "suffix", True),
    ("ios", "8.45.11", "suffix", True),
    ("android", "8.51.16", "suffix", True),
    ("ios", "8.51.16", "suffix", True),
    ("android", "8.51.23", "suffix", True),
    ("ios", "8.51.23", "suffix", True),
]


@pytest.mark.parametrize(("platform", "release", "compress", "right"), FORMS)
async def test_forms(world, tmp_path, platform, release, compress, right):
    world.offer_manifest("1.1.0", FILES, compress=compress)
    outcome = await world.device(platform, release, tmp_path).check_and_update()
    assert (outcome.result is UpdateResult.UPDATED) == right
    if right:
        assert files_in(outcome.folder) == hashes(FILES)
    else:
        assert "download_fail" in outcome.ledger.actions


@pytest.mark.parametrize("release", ["5.9.5", "7.0.0", "9.0.0"])
async def test_releases_without_manifests_take_the_zip(world, tmp_path, release):
    world.offer_manifest("1.1.0", FILES)
    outcome = await world.device("android", release, tmp_path).check_and_update()
    assert (outcome.result, list(world.served)) == (UpdateResult.FAILED, ["no.zip"])


@pytest.mark.parametrize("release", ["6.14.10", "6.14.11", "7.0.18"])
async def test_swallowed_failure_installs_empty_files(world, tmp_path, release):
    world.offer_manifest("1.1.0", FILES)
    outcome = await world.device("android", release, tmp_path).check_and_update()
    assert outcome.result is UpdateResult.UPDATED
    assert (outcome.folder / "index.html").read_bytes() == b""
    assert "download_fail" not in outcome.ledger.actions


async def test_every_file_is_fetched_once_and_reported(world, tmp_path):
    world.offer_manifest("1.1.0", FILES)
    outcome = await world.device("android", "8.51.16", tmp_path).check_and_update()
    assert set(world.served.values()) == {1}
    assert outcome.ledger.actions[:2] == ["download_manifest_start", "download_manifest_complete"]
    assert outcome.ledger.actions[-3:] == ["download_complete", "set_next", "set"]
    assert outcome.ledger.received_bytes >= 150_000


async def test_second_version_fetches_only_what_changed(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path)
    world.offer_manifest("1.1.0", FILES)
    await device.check_and_update()
    changed = FILES | {"index.html": b"<!doctype html>new"}
    world.offer_manifest("1.2.0", changed)
    world.served.clear()
    outcome = await device.check_and_update()
    assert outcome.result is UpdateResult.UPDATED
    assert len(world.served) == 1
    assert len(outcome.ledger.reused) == 3
    assert files_in(outcome.folder) == hashes(changed)


# Android looks for the decoded name, and only where the release can look into its own package; iOS for the listed one.
REUSE = [
    ("android", "8.51.9", 4),
    ("android", "8.51.10", 0),
    ("ios", "8.51.9", 1),
    ("ios", "8.51.16", 1),
]


@pytest.mark.parametrize(("platform", "release", "fetched"), REUSE)
async def test_builtin_files_are_reused(world, tmp_path, platform, release, fetched):
    builtin = tmp_path / "builtin"
    for name, content in FILES.items():
        (builtin / name).parent.mkdir(parents=True, exist_ok=True)
        (builtin / name).write_bytes(content)
    files = FILES | {"assets/photo.jpg": FILES["assets/photo.jpg"][:4000]}
    (builtin / "assets/photo.jpg").write_bytes(files["assets/photo.jpg"])
    world.offer_manifest("1.1.0", files)
    device = world.device(platform, release, tmp_path / "device", builtin=builtin)
    outcome = await device.check_and_update()
    assert files_in(outcome.folder) == hashes(files)
    assert len(world.served) == fetched


@pytest.mark.parametrize(("release", "span"), [("8.51.12", ""), ("8.51.13", "bytes=40000-")])
@pytest.mark.parametrize("platform", ["android", "ios"])
async def test_unfinished_file_is_continued(world, tmp_path, platform, release, span):
    photo = {"index.html": FILES["assets/photo.jpg"]}
    world.offer_manifest("1.1.0", photo, compress="none")
    first = await world.device(platform, release, tmp_path).check_and_update(cut=CutPlan(Cut(40_000, CutKind.KILLED)))
    assert first.result is UpdateResult.KILLED
    second = await world.device(platform, release, tmp_path).check_and_update()
    assert (second.result, world.ranges[-1]) == (UpdateResult.UPDATED, span)
    assert files_in(second.folder) == hashes(photo)


async def test_200_to_a_range_overwrites(world, tmp_path):
    world.ignore_range = True
    photo = {"index.html": FILES["assets/photo.jpg"]}
    world.offer_manifest("1.1.0", photo, compress="none")
    await world.device("android", "8.51.16", tmp_path).check_and_update(cut=CutPlan(Cut(40_000, CutKind.KILLED)))
    second = await world.device("android", "8.51.16", tmp_path).check_and_update()
    assert (second.result, world.ranges[-1]) == (UpdateResult.UPDATED, "bytes=40000-")


@pytest.mark.parametrize("platform", ["android", "ios"])
async def test_416_completes_a_file(world, tmp_path, platform):
    photo = {"index.html": FILES["assets/photo.jpg"]}
    size = len(photo["index.html"])
    world.offer_manifest("1.1.0", photo, compress="none")
    await world.device(platform, "8.51.16", tmp_path).check_and_update(cut=CutPlan(Cut(size, CutKind.KILLED)))
    second = await world.device(platform, "8.51.16", tmp_path).check_and_update()
    assert (second.result, world.ranges[-1]) == (UpdateResult.UPDATED, f"bytes={size}-")


async def test_old_unfinished_file_is_forgotten(world, tmp_path):
    photo = {"index.html": FILES["assets/photo.jpg"]}
    world.offer_manifest("1.1.0", photo, compress="none")
    await world.device("ios", "8.51.16", tmp_path).check_and_update(cut=CutPlan(Cut(40_000, CutKind.KILLED)))
    for path in (tmp_path / "partial").glob("partial_*"):
        os.utime(path, (path.stat().st_mtime - 3700,) * 2)
    await world.device("ios", "8.51.16", tmp_path).check_and_update()
    assert world.ranges[-1] == ""


async def test_spoiled_cache_is_fetched_again(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path)
    world.offer_manifest("1.1.0", FILES)
    await device.check_and_update()
    next((tmp_path / "capgo_downloads").glob("*_photo.jpg")).write_bytes(b"spoiled")
    world.offer_manifest("1.2.0", FILES)
    world.served.clear()
    outcome = await device.check_and_update()
    assert files_in(outcome.folder) == hashes(FILES)
    assert len(world.served) == 1


# Four files: 25, 50 and 75 per cent on the way.
@pytest.mark.parametrize(
    ("platform", "tens"),
    [("android", ["download_20", "download_50", "download_70", "download_90"]), ("ios", ["download_0", "download_50"])],
)
async def test_progress_reports(world, tmp_path, platform, tens):
    world.offer_manifest("1.1.0", FILES)
    outcome = await world.device(platform, "8.51.16", tmp_path).check_and_update()
    assert [a for a in outcome.ledger.actions if a.removeprefix("download_").isdigit()] == tens
    assert outcome.ledger.actions.count("download_complete") == 1


async def test_missing_file_fails_the_whole_update(world, tmp_path):
    world.offer_manifest("1.1.0", FILES)
    del world.blobs[f"file/{sha256(FILES['index.html'])}"]
    outcome = await world.device("android", "8.51.16", tmp_path).check_and_update()
    assert outcome.result is UpdateResult.FAILED
    lost = [r["version_name"] for r in outcome.ledger.reports if r["action"] == "download_manifest_file_fail"]
    assert lost == ["1.1.0:index.html"] * 2  # an inner and an outer handler


async def test_failed_manifest_is_tried_again_on_android_and_dead_on_ios(world, tmp_path):
    for platform, result, requests in [("android", UpdateResult.UPDATED, 4), ("ios", UpdateResult.FAILED, 0)]:
        world.offer_manifest("1.1.0", FILES)
        world.fail_first = [503]
        device = world.device(platform, "8.51.16", tmp_path / platform)
        assert (await device.check_and_update()).result is UpdateResult.FAILED
        world.served.clear()
        device = world.device(platform, "8.51.16", tmp_path / platform)
        outcome = await device.check_and_update()
        assert outcome.result is result
        assert len(world.served) <= requests
        if platform == "ios":
            assert [b.status for b in device.state.bundles] == [BundleStatus.ERROR]
            assert outcome.ledger.actions == ["download_fail"]
            world.offer_manifest("1.1.1", FILES)
            assert (await device.check_and_update()).result is UpdateResult.UPDATED


@pytest.mark.parametrize(("release", "result"), [("7.25.1", UpdateResult.UPDATED), ("7.26.0", UpdateResult.FAILED)])
async def test_ios_may_not_notice_a_lost_file(world, tmp_path, release, result):
    world.offer_manifest("1.1.0", FILES)
    world.broken = {f"file/{sha256(FILES['assets/same.css'])}"}
    outcome = await world.device("ios", release, tmp_path).check_and_update()
    assert outcome.result is result
    if result is UpdateResult.UPDATED:
        assert set(hashes(FILES)) - set(files_in(outcome.folder)) == {"assets/same.css"}


HASH_CASES = [
    ("android", "8.42.6", UpdateResult.FAILED),
    ("android", "8.42.7", UpdateResult.UPDATED),
    ("ios", "8.42.7", UpdateResult.FAILED),
    ("ios", "8.42.6", UpdateResult.UPDATED),  # does not compare the hash of an unencrypted file at all
]


@pytest.mark.parametrize(("platform", "release", "result"), HASH_CASES)
async def test_upper_case_hashes(world, tmp_path, platform, release, result):
    world.offer_manifest("1.1.0", FILES)
    for entry in world.answer[1]["manifest"]:
        entry["file_hash"] = entry["file_hash"].upper()
    assert (await world.device(platform, release, tmp_path).check_and_update()).result is result


async def test_other_bytes_are_noticed(world, tmp_path):
    world.offer_manifest("1.1.0", FILES)
    world.blobs[f"file/{sha256(FILES['index.html'])}"] = b"other bytes"
    outcome = await world.device("ios", "8.51.16", tmp_path).check_and_update()
    failed = next(r for r in outcome.ledger.reports if r["action"] == "download_manifest_checksum_fail")
    assert failed["version_name"] == "1.1.0:index.html"


PATHS = [
    ("android", "8.51.16", "../evil.js", True),
    ("android", "8.51.16", "/evil.js", True),
    ("ios", "8.51.16", "a\\evil.js", True),
    ("android", "8.47.2", "../evil.js", False),
]


@pytest.mark.parametrize(("platform", "release", "name", "reported"), PATHS)
async def test_escaping_paths_are_refused_before_the_first_byte(world, tmp_path, platform, release, name, reported):
    world.offer_manifest("1.1.0", FILES | {name: b"evil"})
    outcome = await world.device(platform, release, tmp_path / "device").check_and_update()
    assert (outcome.result, len(world.served)) == (UpdateResult.FAILED, 0)
    assert ("manifest_path_fail" in outcome.ledger.actions) == reported
    assert not list(tmp_path.rglob("evil.js"))


@pytest.mark.parametrize(
    ("platform", "release", "refused"),
    [
        ("android", "8.51.9", False),
        ("android", "8.51.10", True),
        ("ios", "8.51.21", False),
        ("ios", "8.51.22", True),
    ],
)
async def test_two_entries_for_one_target(world, tmp_path, platform, release, refused):
    world.offer_manifest("1.1.0", FILES)
    entries = world.answer[1]["manifest"]
    twin = next(entry for entry in entries if entry["file_name"] == "assets/app.js.br")
    world.blobs["plain.js"] = FILES["assets/app.js"]
    entries.append({**twin, "file_name": "assets/app.js", "download_url": world.url("plain.js")})
    outcome = await world.device(platform, release, tmp_path).check_and_update()
    assert (outcome.result is UpdateResult.FAILED) == refused


@pytest.mark.parametrize(("cores", "files"), [(1, 8), (4, 8), (8, 16), (32, 64), (128, 64)])
def test_parallel_files(cores, files):
    assert parallel_files(cores) == files


@pytest.mark.parametrize(
    ("stored", "plain"),
    [(b"", b""), (b"\x1b\x00\x06", b""), (b"\x1b\x00\x06raw\x03", b"raw"), (b"\x0b\x02\x80hello\x03", b"hello")],
)
def test_brotli_shapes_the_plugin_knows(stored, plain):
    assert decode_brotli(stored) == plain


async def test_asset_really_called_br_is_compressed_once_more(world, tmp_path):
    inner = hashlib.sha256(b"x").digest() * 400
    world.offer_manifest("1.1.0", {"index.html": b"i", "model.br": inner})
    outcome = await world.device("android", "8.51.23", tmp_path).check_and_update()
    assert files_in(outcome.folder) == {"index.html": sha256(b"i"), "model.br": sha256(inner)}
