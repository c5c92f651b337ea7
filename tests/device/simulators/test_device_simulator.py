"""One device over several launches: install, roll back, revert, report, keep quiet."""

import pytest
from device_world import APP, DEVICE_ID, files_in, hashes, sha256, web_build, zipped

from edge.device.identity import Identity
from edge.device.ledger import UpdateResult
from edge.device.network import Cut, CutPlan
from edge.device.state import DeviceState

FILES = web_build(1)
ARCHIVE = zipped(FILES)
SILENT = {"version": "1.0.0", "url": "https://updates.example.com/noop.zip"}


def offer(world, version="1.1.0"):
    world.offer_zip(version, ARCHIVE, sha256(ARCHIVE))


def about_bundles(outcome):
    return [r for r in outcome.ledger.reports if not r["action"].startswith("download_")]


async def test_update_is_installed_reported_and_kept(world, tmp_path):
    offer(world)
    outcome = await world.device("android", "8.51.16", tmp_path).check_and_update()
    told = [(r["action"], r["version_name"], r["old_version_name"]) for r in about_bundles(outcome)]
    assert told == [("set_next", "1.1.0", "1.0.0"), ("set", "1.1.0", "1.0.0")]
    relaunched = world.device("android", "8.51.16", tmp_path)
    assert (await relaunched.check_and_update()).result is UpdateResult.UP_TO_DATE
    assert [asked["version_name"] for asked in world.asked] == ["1.0.0", "1.1.0"]


# Android long said `delete` only of what was not there any more.
@pytest.mark.parametrize(
    ("platform", "release", "told"),
    [
        ("ios", "8.51.16", ["set_next", "set", "delete"]),
        ("android", "8.51.16", ["set_next", "set", "delete"]),
        ("android", "8.51.0", ["set_next", "set"]),
        ("android", "8.43.11", ["set"]),
    ],
)
async def test_next_update_deletes_the_previous_bundle(world, tmp_path, platform, release, told):
    device = world.device(platform, release, tmp_path)
    offer(world)
    await device.check_and_update()
    offer(world, "1.2.0")
    outcome = await device.check_and_update()
    assert [r["action"] for r in about_bundles(outcome)] == told
    assert all(r["version_name"] == ("1.1.0" if r["action"] == "delete" else "1.2.0") for r in about_bundles(outcome))
    assert [b.version for b in device.state.bundles] == ["1.2.0"]


async def test_failed_boot_rolls_back_and_loads_again_at_the_next_check(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path)
    offer(world)
    outcome = await device.check_and_update(boot_ok=False)
    assert (outcome.result, outcome.version, outcome.folder) == (UpdateResult.ROLLED_BACK, "1.0.0", None)
    assert [r["action"] for r in about_bundles(outcome)] == ["set_next", "set", "update_fail", "delete"]
    assert outcome.ledger.events[-1] == "updateFailed"
    assert all(r["version_name"] == "1.1.0" for r in about_bundles(outcome))
    await device.check_and_update(boot_ok=False)
    assert world.served["1.1.0.zip"] == 2


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("8.43.11", [("update_fail", "1.2.0", ""), ("reset", "builtin", "1.2.0"), ("set", "1.1.0", "builtin")]),
        ("8.45.3", [("update_fail", "1.2.0", ""), ("reset", "1.0.0", "1.2.0"), ("set", "1.1.0", "1.0.0")]),
        ("8.51.23", [("update_fail", "1.2.0", ""), ("set", "1.1.0", "1.0.0"), ("delete", "1.2.0", "")]),
    ],
)
async def test_failed_boot_goes_by_way_of_builtin_to_the_bundle_before(world, tmp_path, release, told):
    device = world.device("android", release, tmp_path)
    offer(world)
    await device.check_and_update()
    offer(world, "1.2.0")
    outcome = await device.check_and_update(boot_ok=False)
    assert (outcome.result, outcome.version) == (UpdateResult.ROLLED_BACK, "1.1.0")
    reports = [(r["action"], r["version_name"], r["old_version_name"]) for r in about_bundles(outcome)]
    assert reports[-3:] == told


@pytest.mark.parametrize("release", ["5.45.10", "6.45.10", "7.45.10", "8.45.9", "8.45.10"])
async def test_some_android_releases_end_a_failed_boot_on_builtin_and_report_the_bundle_before(
    world, tmp_path, release
):
    device = world.device("android", release, tmp_path)
    offer(world)
    await device.check_and_update()
    offer(world, "1.2.0")
    outcome = await device.check_and_update(boot_ok=False)
    assert (outcome.result, outcome.version, outcome.folder) == (UpdateResult.ROLLED_BACK, "1.0.0", None)
    last = about_bundles(outcome)[-1]
    assert (last["action"], last["version_name"], last["old_version_name"]) == ("set", "1.1.0", "1.0.0")
    offer(world)
    again = await device.check_and_update()
    assert (again.result, again.version, world.served["1.1.0.zip"]) == (UpdateResult.UPDATED, "1.1.0", 1)


@pytest.mark.parametrize(("platform", "release"), [("ios", "8.45.10"), ("android", "8.45.4"), ("android", "8.45.11")])
async def test_other_releases_run_the_bundle_before_after_a_failed_boot(world, tmp_path, platform, release):
    device = world.device(platform, release, tmp_path)
    offer(world)
    await device.check_and_update()
    offer(world, "1.2.0")
    assert (await device.check_and_update(boot_ok=False)).version == "1.1.0"


@pytest.mark.parametrize(("release", "name"), [("8.43.11", "builtin"), ("8.44.0", "1.0.0"), ("7.43.3", "builtin")])
async def test_what_a_release_calls_itself_on_builtin(world, tmp_path, release, name):
    world.answer = (200, SILENT | {"version": ""})
    outcome = await world.device("android", release, tmp_path).check_and_update()
    assert (outcome.result, outcome.version, world.asked[0]["version_name"]) == (UpdateResult.UP_TO_DATE, name, name)


async def test_revert_to_builtin_and_back_without_a_download(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path)
    offer(world)
    await device.check_and_update()
    world.answer = (200, {"version": "builtin"})
    reverted = await device.check_and_update()
    assert (reverted.result, reverted.version, reverted.ledger.actions) == (UpdateResult.REVERTED, "1.0.0", ["reset"])
    assert (await device.check_and_update()).result is UpdateResult.UP_TO_DATE
    offer(world)
    assert (await device.check_and_update()).result is UpdateResult.UPDATED
    assert world.served["1.1.0.zip"] == 1


async def test_blocked_and_failed_answers(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path)
    world.answer = (200, {"error": "no_channel", "kind": "blocked"})
    blocked = await device.check_and_update()
    assert (blocked.result, blocked.reason, blocked.ledger.actions) == (UpdateResult.BLOCKED, "no_channel", [])
    world.answer = (200, {"error": "no_channel", "kind": "failed"})
    assert (await device.check_and_update()).ledger.actions == ["download_fail"]


async def test_bundle_without_a_page_cannot_be_set(world, tmp_path):
    archive = zipped({"main.js": b"1"})
    world.offer_zip("1.1.0", archive, sha256(archive))
    outcome = await world.device("ios", "8.51.16", tmp_path).check_and_update()
    assert (outcome.result, [r["action"] for r in about_bundles(outcome)]) == (UpdateResult.FAILED, ["set_fail"])


async def test_no_server_is_a_failed_check(world, tmp_path):
    device = world.device("android", "8.51.16", tmp_path, update_url="http://127.0.0.1:1/updates")
    outcome = await device.check_and_update()
    assert (outcome.result, outcome.reason) == (UpdateResult.FAILED, "network_error")
    assert outcome.ledger.requests[0].status == 0


# The request's members by release (PROTOCOL.md §1.2, §11.9).
MEMBERS = [
    ("android", "4.9.2", set()),
    ("android", "5.4.1", {"is_emulator", "is_prod"}),
    ("android", "5.5.0", {"is_emulator", "is_prod", "defaultChannel"}),
    ("android", "8.49.7", {"is_emulator", "is_prod", "defaultChannel"}),
    ("android", "8.50.0", {"is_emulator", "is_prod", "defaultChannel", "install_source"}),
    ("ios", "8.50.0", {"is_emulator", "is_prod", "defaultChannel"}),
    ("ios", "9.0.0", {"is_emulator", "is_prod"}),
]
ALWAYS = {"platform", "device_id", "app_id", "custom_id", "version_build", "version_code", "version_os"}
ALWAYS |= {"version_name", "plugin_version"}


@pytest.mark.parametrize(("platform", "release", "members"), MEMBERS)
async def test_members_of_a_check(world, tmp_path, platform, release, members):
    world.answer = (200, SILENT)
    await world.device(platform, release, tmp_path).check_and_update()
    assert set(world.asked[0]) == ALWAYS | members


async def test_what_a_device_says_of_itself(world, tmp_path):
    world.answer = (200, SILENT)
    identity = Identity(app=APP, device_id=DEVICE_ID, version_os="17.4", install_source="testflight")
    await world.device("ios", "7.0.1", tmp_path / "old", identity=identity).check_and_update()
    await world.device("ios", "6.43.5", tmp_path / "odd", identity=identity).check_and_update()
    await world.device("ios", "8.51.16", tmp_path / "new", identity=identity).check_and_update()
    old, odd, new = world.asked
    assert (old["device_id"], odd["device_id"]) == (DEVICE_ID.upper(), DEVICE_ID)
    assert odd["plugin_version"] == "8.43.5"
    assert new["install_source"] == "testflight"
    assert world.user_agents["updates"] == f"CapacitorUpdater/8.51.16 ({APP}) ios/17.4"


async def test_android_zip_client_is_not_the_plugin(world, tmp_path):
    offer(world)
    await world.device("android", "8.51.16", tmp_path / "a").check_and_update()
    assert world.user_agents["blob"].startswith("Dalvik/")
    await world.device("ios", "8.51.16", tmp_path / "b").check_and_update()
    assert world.user_agents["blob"].startswith("CapacitorUpdater/")


@pytest.mark.parametrize(("release", "arrays"), [("8.41.13", False), ("8.42.0", True), ("5.43.3", True)])
async def test_form_of_reports(world, tmp_path, release, arrays):
    offer(world)
    outcome = await world.device("ios", release, tmp_path).check_and_update()
    assert all(isinstance(body, list) == arrays for body in world.stats)
    assert len(world.stats) == (1 if arrays else len(outcome.ledger.reports))
    assert all(("timestamp" in report) == arrays for report in outcome.ledger.reports)


async def test_android_download_worker_reports_alone(world, tmp_path):
    offer(world)
    await world.device("android", "8.51.16", tmp_path).check_and_update()
    singles = [body for body in world.stats if isinstance(body, dict)]
    assert [body["action"] for body in singles] == ["download_zip_start", "download_zip_complete"]
    assert all("timestamp" not in body for body in singles)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_undelivered_reports_survive_the_launch(world, tmp_path, status):
    world.stats_statuses = [status]
    world.answer = (200, {"error": "x", "kind": "failed"})
    first = await world.device("ios", "8.51.16", tmp_path).check_and_update()
    assert first.ledger.actions == []
    world.answer = (200, SILENT)
    second = await world.device("ios", "8.51.16", tmp_path).check_and_update()
    assert second.ledger.actions == ["download_fail"]


@pytest.mark.parametrize(("release", "status"), [("8.51.16", 400), ("8.51.16", 404), ("8.40.2", 503)])
async def test_refused_reports_and_old_ones_are_dropped(world, tmp_path, release, status):
    world.stats_statuses = [status]
    world.answer = (503, b"")
    device = world.device("ios", release, tmp_path)
    await device.check_and_update()
    world.answer = (200, SILENT | {"version": device.version_name})
    assert (await device.check_and_update()).ledger.actions == []
    assert len(world.stats) == 1


def test_queue_keeps_the_newest_two_hundred(tmp_path):
    DeviceState(tmp_path).keep_reports([{"timestamp": number} for number in range(201)])
    assert [report["timestamp"] for report in DeviceState(tmp_path).pending_reports] == list(range(1, 201))


async def test_empty_stats_url_reports_nothing(world, tmp_path):
    offer(world)
    outcome = await world.device("android", "8.51.16", tmp_path, stats_url="").check_and_update()
    assert (outcome.result, world.stats, outcome.ledger.actions) == (UpdateResult.UPDATED, [], [])


LATCHES = [("8.51.4", ["rate_limit_reached"]), ("7.23.8", []), ("7.23.12", ["rate_limit_reached"])]


@pytest.mark.parametrize(("release", "actions"), LATCHES)
async def test_429_silences_until_the_next_launch(world, tmp_path, release, actions):
    world.answer = (429, {"error": "x"})
    device = world.device("android", release, tmp_path)
    first = await device.check_and_update()
    assert (first.result, first.ledger.actions) == (UpdateResult.FAILED, actions)
    second = await device.check_and_update()
    assert (second.result, second.ledger.requests) == (UpdateResult.SKIPPED, [])
    assert (await world.device("android", release, tmp_path).check_and_update()).result is UpdateResult.FAILED


async def test_429_on_reports_latches_too(world, tmp_path):
    world.answer, world.stats_statuses = (200, {"error": "x", "kind": "failed"}), [429]
    device = world.device("ios", "8.51.4", tmp_path)
    assert (await device.check_and_update()).ledger.actions == ["rate_limit_reached"]
    assert (await device.check_and_update()).result is UpdateResult.SKIPPED


async def test_ios_zip_progress_jumps(world, tmp_path):
    offer(world)
    outcome = await world.device("ios", "8.51.16", tmp_path).check_and_update()
    tens = [a for a in outcome.ledger.actions if a.removeprefix("download_").isdigit()]
    assert tens == ["download_0", "download_70"]


WAITS = [
    ({"Retry-After": "30"}, {}, 30),
    ({}, {"moreInfo": {"retryAfterSeconds": 40}, "retryAfterSeconds": 50}, 40),
    ({}, {"retryAfterSeconds": 50}, 50),
    ({}, {"rateLimitResetAt": 1_000_060_000}, 60),
    ({"Retry-After": "999999"}, {}, 86_400),
    ({}, {}, 0),
]


@pytest.mark.parametrize(("headers", "body", "seconds"), WAITS)
async def test_429_with_a_hint_is_a_pause(world, tmp_path, headers, body, seconds):
    now = 1_000_000.0
    world.answer, world.answer_headers = (429, body), headers
    device = world.device("android", "8.51.5", tmp_path, clock=lambda: now)
    await device.check_and_update()
    world.answer, world.answer_headers = (200, SILENT), {}
    if seconds:
        now += seconds - 1
        assert (await device.check_and_update()).result is UpdateResult.SKIPPED
        now += 1
    assert (await device.check_and_update()).result is UpdateResult.UP_TO_DATE
    assert [a for body in world.stats for a in [r["action"] for r in body]] == ["download_fail"]


async def test_429_is_a_plain_failure_to_the_oldest(world, tmp_path):
    world.answer = (429, {"error": "x"})
    device = world.device("android", "6.14.27", tmp_path)
    assert [(await device.check_and_update()).ledger.actions for _ in range(2)] == [["download_fail"]] * 2


async def test_ledger_counts_what_was_spent(world, tmp_path):
    seen = []
    offer(world)
    device = world.device("android", "8.51.16", tmp_path, on_progress=seen.append)
    outcome = await device.check_and_update(cut=CutPlan(Cut(30_000)))
    (zip_request,) = [r for r in outcome.ledger.requests if r.method == "GET"]
    assert (outcome.result, zip_request.received_bytes, seen[-1].done_bytes) == (UpdateResult.FAILED, 30_000, 30_000)
    assert seen[-1].total_bytes == len(ARCHIVE)
    outcome = await device.check_and_update()
    assert files_in(outcome.folder) == hashes(FILES)
    assert [r.status for r in outcome.ledger.requests if r.method == "GET"] == [200]
