"""The simulator against what published releases did: reports of an install, of a failed boot, of the next update."""

import json

import pytest
from device_world import web_build, zipped
from places import VECTORS

RELEASES = json.loads((VECTORS / "clients/reports.json").read_bytes())["releases"]


def is_compared(action):
    return not action.removeprefix("download_").isdigit()


def offer(world, release, version):
    files = web_build(int(version[-1]))
    if release["form"] == "manifest":
        world.offer_manifest(version, files, compress="none")
    else:
        world.offer_zip(version, zipped(files), "")  # which every one of them takes


@pytest.mark.parametrize("release", RELEASES, ids=[each["release"] for each in RELEASES])
async def test_three_launches_report_what_the_published_release_reported(world, tmp_path, release):
    for launch in release["launches"]:
        offer(world, release, launch["offered"])
        device = world.device("android", release["release"], tmp_path)
        outcome = await device.check_and_update(boot_ok=launch["starts"])
        told = [[r["action"], r.get("version_name"), r["old_version_name"]] for r in outcome.ledger.reports]
        compared = sorted((each for each in told if is_compared(each[0])), key=lambda r: [word or "" for word in r])
        assert compared == launch["reports"]
    assert world.asked[0]["version_name"] == release["version_name_on_builtin"]
