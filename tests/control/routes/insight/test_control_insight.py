"""Operations that compare and count: two bundles, a device's story, who is in which segment."""

import msgspec
import pytest
from control_world import APP, DEVICE, NOW, pack
from factories import a_check

from edge.telemetry.devices.known_devices import KnownDevice
from edge.wire.stats import Event

BUNDLES, SEGMENTS = f"/v1/apps/{APP}/bundles", f"/v1/apps/{APP}/segments"
STORY = f"/v1/apps/{APP}/devices/{DEVICE}/story"


async def test_two_bundles_are_compared(acme):
    await acme.publish("1.0.0", pack(page="old", both="same"))
    await acme.publish("1.1.0", pack(both="same", more="and more"))
    found = await acme("GET", f"{BUNDLES}/1.1.0/changes?than=1.0.0")
    assert (found["before"], found["version"], found["download_bytes"]) == ("1.0.0", "1.1.0", 8)
    groups = {name: found[name]["files"] for name in ("added", "changed", "removed", "same")}
    assert groups == {"added": 1, "changed": 0, "removed": 1, "same": 2}
    assert [(each["name"], each["fate"]) for each in found["files"]] == [("more.js", "added"), ("page.js", "removed")]
    short = await acme("GET", f"{BUNDLES}/1.1.0/changes?than=1.0.0&files=1")
    assert (len(short["files"]), short["more_files"]) == (1, 1)


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        (f"{BUNDLES}/1.0.0/changes", 400, "missing_than"),
        (f"{BUNDLES}/1.0.0/changes?than=0.0.1", 404, "unknown_bundle"),
        (f"{BUNDLES}/0.0.1/changes?than=1.0.0", 404, "unknown_bundle"),
        (f"{BUNDLES}?older_than=0.0.1", 404, "unknown_bundle"),
        (f"{BUNDLES}?state=gone", 422, "invalid_state"),
        (f"{BUNDLES}?first=0", 422, "invalid_first"),
        (f"{STORY}?before_ms=0", 422, "invalid_before_ms"),
    ],
)
async def test_what_cannot_be_answered_is_refused(acme, address, status, code):
    await acme.publish("1.0.0")
    assert await acme("GET", address, status=status) == code


async def test_bundles_are_listed_in_pages_and_found(acme):
    for number in range(5):
        await acme.publish(f"1.{number}.0")
    await acme("POST", f"{BUNDLES}/1.3.0/withdraw", {"reason": "white screen"})
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production", "bundle": "1.1.0", "public": True})

    async def versions(query=""):
        return [each["version"] for each in await acme("GET", BUNDLES + query)]

    assert await versions() == [f"1.{number}.0" for number in (4, 3, 2, 1, 0)]
    assert await versions("?first=2") == ["1.4.0", "1.3.0"]
    assert await versions("?first=2&older_than=1.3.0") == ["1.2.0", "1.1.0"]
    assert await versions("?find=.2.") == ["1.2.0"]
    assert await versions("?state=withdrawn") == ["1.3.0"] and await versions("?state=offered") == ["1.1.0"]
    (offered,) = await acme("GET", f"{BUNDLES}?state=offered")
    assert offered["uses"] == [{"channel": "production", "use": "all", "share": "100%", "arm": ""}]


async def test_a_device_tells_its_story(acme, world):
    told = [("update_fail", "1.1.0"), ("download_fail", "1.1.0:a.js"), ("set", "1.0.0")]
    world.stories[APP, DEVICE] = [
        (3_000 - 1_000 * number, Event(APP, DEVICE, action, version, "ios", old_version="0.9.0"))
        for number, (action, version) in enumerate(told)
    ]
    found = await acme("GET", STORY)
    assert [(each["at"], each["action"], each["bundle"], each["file"]) for each in found["events"]] == [
        (3.0, "update_fail", "1.1.0", ""),
        (2.0, "download_fail", "1.1.0", "a.js"),
        (1.0, "set", "1.0.0", ""),
    ]
    assert (found["next_page"], found["events"][2]["was"]) == (None, "0.9.0")
    first = await acme("GET", f"{STORY}?limit=2")
    assert first["next_page"] == 2_000
    assert len((await acme("GET", f"{STORY}?limit=2&before_ms=2000"))["events"]) == 1


async def test_an_expression_is_counted_before_it_is_saved(acme, world):
    for number, custom_id in enumerate(("qa-1", "qa-2", "")):
        device = DEVICE[:-1] + str(number)
        world.known[APP, device] = KnownDevice(a_check(app=APP, device=device, custom_id=custom_id), NOW)
    where = 'custom_id.startsWith("qa-") || sessions_7d > 3'
    found = await acme("POST", f"{SEGMENTS}/testers/count", {"where": where})
    assert (found["devices"], found["matching"], found["unknown"]) == (3, 2, {"sessions_7d": 3})
    await acme("PATCH", f"{SEGMENTS}/testers", {"where": 'custom_id == "qa-1"'})
    assert (await acme("POST", f"{SEGMENTS}/testers/count", {}))["matching"] == 1
    assert [each["name"] for each in (await acme("GET", f"{SEGMENTS}-reach"))["segments"]] == ["testers"]
    assert await acme("POST", f"{SEGMENTS}/x/count", {"where": "nonsense"}, status=422) == "invalid_expression"
    assert await acme("POST", f"{SEGMENTS}/x/count", {}, status=404) == "unknown_segment"


async def test_history_tells_from_what_to_what_and_why(acme):
    for where in ('version_os < "10"', 'version_os < "11"'):
        why = {"Edge-Reason": "WebView%2074%20is%20on%2010%20too"}
        body = msgspec.json.encode({"where": where})
        await acme("PATCH", f"{SEGMENTS}/old", content=body, headers=why)
    newest = (await acme("GET", f"/v1/apps/{APP}/history"))[0]
    assert newest["reason"] == "WebView 74 is on 10 too"
    assert newest["changes"] == [
        {
            "subject": "segment",
            "name": "old",
            "what": "where",
            "before": 'version_os < "10"',
            "after": 'version_os < "11"',
        }
    ]


async def test_an_older_change_is_put_back_by_a_new_one(acme):
    for where in ('version_os < "10"', 'version_os < "11"'):
        await acme("PATCH", f"{SEGMENTS}/old", {"where": where})
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    foreseen = await acme("POST", f"/v1/apps/{APP}/put-back?dry_run=true", {"revision": 3})
    assert foreseen["dry_run"] and (await acme("GET", f"{SEGMENTS}/old"))["where"] == 'version_os < "11"'
    done = await acme("POST", f"/v1/apps/{APP}/put-back", {"revision": 3})
    assert (done["changed"], done["put_back"]["revision"]) == (True, 3)
    assert (await acme("GET", f"{SEGMENTS}/old"))["where"] == 'version_os < "10"'
    again = await acme("POST", f"/v1/apps/{APP}/put-back", {"revision": 3})
    assert not again["changed"]


@pytest.mark.parametrize(
    ("revision", "status", "code"),
    [
        (1, 409, "cannot_put_back"),
        (2, 409, "cannot_put_back"),
        (0, 404, "unknown_revision"),
        (9, 404, "unknown_revision"),
    ],
)
async def test_what_cannot_be_put_back_is_refused(acme, revision, status, code):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    assert await acme("POST", f"/v1/apps/{APP}/put-back", {"revision": revision}, status=status) == code
