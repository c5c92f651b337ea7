"""Electron over several launches: what it reports, takes for an update and never does (PROTOCOL.md §11.11)."""

import pytest
from device_world import APP, DEVICE_ID, files_in, hashes, sha256, web_build, zipped

from edge.device.identity import Identity
from edge.device.ledger import UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.electron import ElectronDevice
from edge.domain.model import Platform

FILES = web_build(1)
ARCHIVE = zipped(FILES)


def device(world, folder, **more):
    urls = {"update_url": f"{world.base}/updates", "stats_url": f"{world.base}/stats"}
    profile = build_profile(Platform.ELECTRON, "0.0.6")
    identity = Identity(app=APP, device_id=DEVICE_ID)
    return ElectronDevice(DeviceSetup(profile, identity, folder, world.session, **{**urls, **more}))


def told(outcome):
    return [(r["action"], r["version_name"]) for r in outcome.ledger.reports]


async def test_an_update_is_a_zip_and_two_sets(world, tmp_path):
    world.offer_zip("1.1.0", ARCHIVE, sha256(ARCHIVE).upper())
    outcome = await device(world, tmp_path).check_and_update()
    assert (outcome.result, outcome.version) == (UpdateResult.UPDATED, "1.1.0")
    assert files_in(outcome.folder) == hashes(FILES)
    assert told(outcome) == [("set", "1.0.0"), ("download_complete", "1.1.0"), ("set", "1.1.0")]
    assert all(isinstance(body, dict) and "timestamp" not in body for body in world.stats)
    asked = world.asked[0]
    assert (asked["platform"], asked["plugin_version"], asked["custom_id"]) == ("electron", "0.0.1", None)
    assert (asked["version_code"], asked["defaultChannel"]) == ("1.0.0", "")


async def test_it_compares_nothing(world, tmp_path):
    world.offer_zip("1.1.0", ARCHIVE, "")
    for _ in range(2):
        outcome = await device(world, tmp_path).check_and_update()
        assert (outcome.result, outcome.version) == (UpdateResult.UPDATED, "1.1.0")
    assert world.served["1.1.0.zip"] == 2


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        ((200, {"error": "no_new_version_available", "message": "x"}), ["noNeedUpdate"]),
        ((200, {"error": "disable_auto_update_to_major", "message": "x"}), []),
        ((200, {"version": "builtin"}), []),
        ((200, {"url": "https://x.example/y.zip"}), []),
        ((200, ["no", "object"]), []),
        ((503, {"error": "no_new_version_available"}), []),
    ],
)
async def test_what_is_nothing_new(world, tmp_path, answer, events):
    world.answer = answer
    outcome = await device(world, tmp_path).check_and_update()
    assert (outcome.result, outcome.ledger.events) == (UpdateResult.UP_TO_DATE, events)
    assert told(outcome) == [("set", "1.0.0")]


async def test_a_silent_answer_of_the_plugin_is_a_failure_here(world, tmp_path):
    world.answer = (200, {"version": "1.0.0", "url": world.url("noop.zip")})
    outcome = await device(world, tmp_path).check_and_update()
    assert (outcome.result, told(outcome)[-1]) == (UpdateResult.FAILED, ("download_fail", "1.0.0"))
    assert outcome.ledger.reports[-1]["message"] == "Download failed with status 404"


async def test_breaking_tells_the_app_and_fetches_nothing(world, tmp_path):
    world.offer_zip("2.0.0", ARCHIVE, "", breaking=True)
    outcome = await device(world, tmp_path).check_and_update()
    assert outcome.ledger.events == ["updateAvailable", "breakingAvailable", "majorAvailable"]
    assert not world.served


@pytest.mark.parametrize("checksum", ["", None])
async def test_an_encrypted_bundle_of_the_plugin_fails(world, tmp_path, checksum):
    world.offer_zip("1.1.0", b"\x01" * 64, checksum, session_key="a:b")
    outcome = await device(world, tmp_path).check_and_update()
    assert told(outcome) == [("set", "1.0.0"), ("download_fail", "1.1.0")]
    assert outcome.ledger.events == ["updateAvailable", "downloadFailed"]


async def test_a_late_start_is_reported_and_the_bundle_stays(world, tmp_path):
    world.offer_zip("1.1.0", ARCHIVE, "")
    outcome = await device(world, tmp_path).check_and_update(boot_ok=False)
    assert (outcome.result, outcome.version) == (UpdateResult.FAILED, "1.1.0")
    assert told(outcome)[-1] == ("set_fail", "1.1.0")
