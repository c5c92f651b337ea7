"""Apps, bundles, channels, overrides and history over HTTP, on the real store and releases."""

import asyncio
import io
import json
import zipfile

import pytest
from control_world import APP, DEVICE, NOW, OTHER, digest, pack

from edge.control.work_queue import Turns
from edge.domain.errors import Unavailable
from edge.store.damage import NotTaken
from edge.store.objects.port import blob_key, revision_key

BUNDLES, CHANNELS, OVERRIDES = f"/v1/apps/{APP}/bundles", f"/v1/apps/{APP}/channels", f"/v1/apps/{APP}/overrides"


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


async def channel(api, name="production", **fields):
    return await api("POST", CHANNELS, {"name": name} | fields)


async def test_a_new_app_is_shown_and_listed(api):
    made = await api("POST", "/v1/apps", {"app": APP, "expose_metadata": True})
    assert (made["app"], made["revision"], made["changed"], made["expose_metadata"]) == (APP, 1, True, True)
    shown = await api("GET", f"/v1/apps/{APP}")
    assert shown == {key: value for key, value in made.items() if key != "changed"}
    counts = {"bundles": 0, "channels": 0, "overrides": 0, "stopped": 0, "proposals": 0, "approval_warnings": []}
    assert await api("GET", "/v1/apps") == [{"app": APP, "revision": 1, "damaged": None} | counts]


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink(), replace_by_folder])
async def test_an_app_that_cannot_be_read_is_listed_with_the_others(acme, world, harm):
    await acme("POST", "/v1/apps", {"app": OTHER})
    whole = {each["app"]: each for each in await acme("GET", "/v1/apps")}
    head = world.releases.heads()[APP]
    harm(world.store.path(revision_key(APP, head.revision, head.digest)))
    listed = {each["app"]: each for each in await acme("GET", "/v1/apps")}
    assert listed[OTHER] == whole[OTHER]
    damaged = listed[APP].pop("damaged")
    assert "revision 1 cannot be read: " in damaged and "`edge store repair`" in damaged
    counts = {"bundles": None, "channels": None, "overrides": None, "stopped": None, "proposals": None}
    assert listed[APP] == {"app": APP, "revision": 1, "approval_warnings": []} | counts


async def test_an_app_is_created_once(acme):
    assert await acme("POST", "/v1/apps", {"app": APP}, status=409) == "app_exists"


async def test_an_app_id_is_checked(api):
    assert await api("POST", "/v1/apps", {"app": "non sense"}, status=422) == "invalid_app_id"
    assert await api("GET", "/v1/apps/non%20sense", status=422) == "invalid_app_id"
    assert await api("GET", "/v1/apps/%ff%00.x", status=422) == "invalid_app_id"


UNKNOWN_APP = [
    ("GET", f"/v1/apps/{APP}", None),
    ("GET", BUNDLES, None),
    ("GET", f"{BUNDLES}/1.0.0", None),
    ("POST", BUNDLES, {"version": "1.0.0", "zip": "0" * 64, "manifest": "0" * 64}),
    ("DELETE", f"{BUNDLES}/1.0.0", None),
    ("POST", f"/v1/apps/{APP}/blobs/missing", {"digests": []}),
    ("PUT", f"/v1/apps/{APP}/blobs/{'0' * 64}", None),
    ("GET", CHANNELS, None),
    ("POST", CHANNELS, {"name": "production"}),
    ("GET", f"{CHANNELS}/production", None),
    ("PATCH", f"{CHANNELS}/production", {}),
    ("DELETE", f"{CHANNELS}/production", None),
    ("GET", f"/v1/apps/{APP}/experiments", None),
    ("GET", f"{CHANNELS}/production/experiment", None),
    ("POST", f"{CHANNELS}/production/experiment", {"name": "x", "arms": []}),
    ("POST", f"{CHANNELS}/production/experiment/stop", {"keep": "x"}),
    ("GET", f"{CHANNELS}/production/windows", None),
    ("GET", f"/v1/apps/{APP}/segments", None),
    ("GET", f"/v1/apps/{APP}/segments/vip", None),
    ("PATCH", f"/v1/apps/{APP}/segments/vip", {"where": "is_prod"}),
    ("DELETE", f"/v1/apps/{APP}/segments/vip", None),
    ("POST", f"/v1/apps/{APP}/segments/vip/test", {"device": {}}),
    ("GET", f"/v1/apps/{APP}/id-sets", None),
    ("GET", f"/v1/apps/{APP}/id-sets/vip", None),
    ("PUT", f"/v1/apps/{APP}/id-sets/vip", None),
    ("DELETE", f"/v1/apps/{APP}/id-sets/vip", None),
    ("GET", OVERRIDES, None),
    ("PUT", f"{OVERRIDES}/{DEVICE}", {"channel": "production"}),
    ("DELETE", f"{OVERRIDES}/{DEVICE}", None),
    ("GET", f"/v1/apps/{APP}/history", None),
    ("POST", f"/v1/apps/{APP}/explain", {"app_id": APP}),
    ("GET", f"/v1/apps/{APP}/stats", None),
]


async def test_every_address_of_an_unknown_app_is_refused_with_its_code(api):
    codes = [await api(method, path, body, status=404) for method, path, body in UNKNOWN_APP]
    assert set(codes) == {"unknown_app"}


async def test_a_published_bundle_is_built_from_what_was_verified(acme):
    packed = pack(page="one")
    made = await acme.publish(
        "1.0.0", packed, min_native="1.0.0", max_native="1.9.0", link="https://x.test/1", comment="first"
    )
    assert (made["app"], made["revision"], made["changed"]) == (APP, 2, True)
    assert (made["files"], made["plain_bytes"], made["zip_bytes"]) == (2, 16, len(packed.blobs[packed.zip]))
    assert (made["published"], made["encrypted"], made["channels"]) == (NOW, False, [])
    shown = await acme("GET", f"{BUNDLES}/1.0.0")
    assert [entry["name"] for entry in shown["entries"]] == ["index.html", "page.js"]
    assert {**shown, "entries": 0} == {
        k: v
        for k, v in made.items()
        if k not in {"app", "revision", "changed", "added", "replaced", "zip_instead", "store_warnings", "rollout"}
    } | {"entries": 0, "patch_blobs": []}


async def test_bundles_are_listed_newest_first(serve):
    ticks = iter(range(100))
    api = await serve(now=lambda: NOW + next(ticks))
    await api("POST", "/v1/apps", {"app": APP})
    for version in ("1.0.0", "3.0.0", "2.0.0"):
        await api.publish(version)
    assert [bundle["version"] for bundle in await api("GET", BUNDLES)] == ["2.0.0", "3.0.0", "1.0.0"]


async def test_publishing_can_offer_the_bundle_in_the_same_revision(acme):
    await channel(acme, public=True)
    made = await acme.publish("1.0.0", channel="production")
    assert made["channels"] == ["production"] and made["revision"] == 3
    assert (await acme("GET", f"{CHANNELS}/production"))["bundle"] == "1.0.0"


async def test_a_version_with_build_metadata_has_an_address(acme):
    await acme.publish("1.0.0-rc.1+7")
    assert (await acme("GET", f"{BUNDLES}/1.0.0-rc.1+7"))["version"] == "1.0.0-rc.1+7"


async def test_the_same_bytes_again_change_nothing_and_others_are_refused(acme):
    await acme.publish("1.0.0", pack(page="one"))
    again = await acme.publish("1.0.0", pack(page="one"))
    assert (again["changed"], again["revision"]) == (False, 2)
    assert await acme.publish("1.0.0", pack(page="two"), status=409) == "version_taken"


async def test_a_repeated_command_is_harmless(acme, world):
    key = {"Idempotency-Key": "ci-run-7"}
    first = await acme.publish("1.0.0", headers=key)
    announced = len(world.announced)
    repeated = await acme.publish("1.0.0", headers=key)
    assert repeated == first | {"changed": False, "added": False}
    assert len(world.announced) == announced


async def test_a_repeated_command_after_a_delete_does_not_bring_it_back(acme):
    key = {"Idempotency-Key": "ci-run-7"}
    await acme.publish("1.0.0", headers=key)
    await acme("DELETE", f"{BUNDLES}/1.0.0")
    assert await acme.publish("1.0.0", headers=key, status=404) == "unknown_bundle"
    assert await acme("GET", BUNDLES) == []


async def test_an_odd_command_id_is_refused(acme):
    for key in ("", "x" * 65, "a b", "ä"):
        body, headers = {"name": "production"}, {"Idempotency-Key": key}
        assert await acme("POST", CHANNELS, body, headers=headers, status=422) == "invalid_command_id", key


async def test_publishing_what_was_not_uploaded_is_refused(acme):
    packed = pack(page="one")
    body = {"version": "1.0.0", "zip": packed.zip, "manifest": packed.manifest}
    assert await acme("POST", BUNDLES, body, status=422) == "missing_blob"


async def test_publishing_what_does_not_fit_together_is_refused_with_its_code(acme):
    one, two = pack(page="one"), pack(page="two")
    await acme.upload(one)
    await acme.upload(two)
    body = {"version": "1.0.0", "zip": one.zip, "manifest": two.manifest}
    assert await acme("POST", BUNDLES, body, status=422) == "manifest_mismatch"
    body = {"version": "1.0.0", "zip": one.manifest, "manifest": one.manifest}
    assert await acme("POST", BUNDLES, body, status=422) == "zip_malformed"
    body = {"version": "1.0.0", "zip": one.zip, "manifest": one.zip}
    assert await acme("POST", BUNDLES, body, status=422) == "invalid_manifest"
    assert (await acme("GET", f"/v1/apps/{APP}"))["revision"] == 1


async def test_publishing_a_zip_that_leaves_its_folder_is_refused(acme):
    packed = pack(**{"../page": "one"})
    assert await acme.publish("1.0.0", packed, status=422) == "unsafe_name"
    assert await acme("GET", BUNDLES) == []


async def test_publishing_without_one_of_the_files_is_refused(acme):
    packed = pack(page="one")
    del packed.blobs[digest(b"one")]
    assert await acme.publish("1.0.0", packed, status=422) == "missing_blob"


ODD_FIELDS = [
    ({"version": "one"}, "invalid_version"),
    ({"version": "builtin"}, "invalid_version"),
    ({"zip": "../../etc"}, "invalid_digest"),
    ({"manifest": "A" * 64}, "invalid_digest"),
    ({"min_native": "x"}, "invalid_min_native"),
    ({"max_native": "x"}, "invalid_max_native"),
    ({"link": "ftp://x"}, "invalid_link"),
    ({"comment": "x" * 4097}, "invalid_comment"),
    ({"version": 1}, "invalid_body"),
    ({"chanel": "production"}, "invalid_body"),
]


async def test_odd_fields_of_a_publish_are_refused(acme):
    packed = pack(page="one")
    await acme.upload(packed)
    for fields, code in ODD_FIELDS:
        body = {"version": "1.0.0", "zip": packed.zip, "manifest": packed.manifest} | fields
        assert await acme("POST", BUNDLES, body, status=422) == code, fields


async def test_publishing_into_an_unknown_channel_publishes_nothing(acme):
    assert await acme.publish("1.0.0", channel="beta", status=404) == "unknown_channel"
    assert await acme("GET", BUNDLES) == []


async def test_concurrent_publishers_all_succeed(acme):
    versions = [f"1.0.{n}" for n in range(4)]
    made = await asyncio.gather(*(acme.publish(version) for version in versions))
    assert sorted(answer["revision"] for answer in made) == [2, 3, 4, 5]
    assert {bundle["version"] for bundle in await acme("GET", BUNDLES)} == set(versions)


async def test_publishers_beyond_the_queue_get_busy():
    verifications, release = Turns(2, 3, "many"), asyncio.Event()

    async def publish():
        async with verifications.turn():
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(publish())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            async with verifications.turn():
                pass
        release.set()
    async with verifications.turn():
        pass


async def test_what_a_channel_offers_is_not_deleted(acme):
    await channel(acme)
    await acme.publish("1.0.0", channel="production")
    assert await acme("DELETE", f"{BUNDLES}/1.0.0", status=409) == "bundle_in_use"
    await acme("PATCH", f"{CHANNELS}/production", {"bundle": "builtin"})
    deleted = await acme("DELETE", f"{BUNDLES}/1.0.0")
    assert deleted == {"app": APP, "revision": 5, "changed": True, "version": "1.0.0"}
    assert await acme("GET", f"{BUNDLES}/1.0.0", status=404) == "unknown_bundle"
    assert await acme("DELETE", f"{BUNDLES}/1.0.0", status=404) == "unknown_bundle"


async def test_a_refusal_names_the_blocking_channels(acme):
    await channel(acme, "beta")
    await acme.publish("1.0.0", channel="beta")
    authorization = {"Authorization": f"Bearer {acme.secrets['root']}"}
    async with acme.client.delete(f"{BUNDLES}/1.0.0", headers=authorization) as response:
        assert "'beta'" in (await response.json())["message"]


async def test_a_channel_is_created_shown_changed_and_deleted(acme):
    made = await channel(acme, self_set=True, policy="none")
    assert (made["name"], made["bundle"], made["self_set"], made["policy"]) == ("production", None, True, "none")
    assert (made["revision"], made["changed"]) == (2, True)
    changed = await acme("PATCH", f"{CHANNELS}/production", {"ios": False})
    assert (changed["ios"], changed["self_set"], changed["revision"]) == (False, True, 3)
    same = await acme("PATCH", f"{CHANNELS}/production", {"ios": False})
    assert (same["changed"], same["revision"]) == (False, 3)
    shown = await acme("GET", f"{CHANNELS}/production")
    assert await acme("GET", CHANNELS) == [shown]
    assert shown.items() <= changed.items()
    deleted = await acme("DELETE", f"{CHANNELS}/production")
    assert deleted == {"app": APP, "revision": 4, "changed": True, "name": "production"}
    assert await acme("GET", f"{CHANNELS}/production", status=404) == "unknown_channel"


async def test_odd_channels_are_refused(acme):
    await channel(acme)
    assert await acme("POST", CHANNELS, {"name": "production"}, status=409) == "channel_exists"
    assert await acme("POST", CHANNELS, {"name": "a//b"}, status=422) == "invalid_channel_name"
    assert await acme("POST", CHANNELS, {}, status=422) == "invalid_body"
    assert await acme("PATCH", f"{CHANNELS}/production", {"policy": "any"}, status=422) == "invalid_body"
    assert await acme("PATCH", f"{CHANNELS}/production", {"bundle": "9.9.9"}, status=404) == "unknown_bundle"
    assert await acme("PATCH", f"{CHANNELS}/beta", {}, status=404) == "unknown_channel"
    assert await acme("DELETE", f"{CHANNELS}/beta", status=404) == "unknown_channel"


async def test_a_second_public_channel_needs_replace(acme):
    await channel(acme, public=True)
    body = {"name": "next", "public": True}
    assert await acme("POST", CHANNELS, body, status=409) == "public_channel_exists"
    await acme("POST", CHANNELS, body | {"replace": True})
    assert (await acme("GET", f"{CHANNELS}/production"))["public"] is False
    back = {"public": True}
    assert await acme("PATCH", f"{CHANNELS}/production", back, status=409) == "public_channel_exists"
    await acme("PATCH", f"{CHANNELS}/production", back | {"replace": True})
    assert (await acme("GET", f"{CHANNELS}/next"))["public"] is False


async def test_an_override_is_set_listed_and_cleared(acme):
    await channel(acme, "beta")
    made = await acme("PUT", f"{OVERRIDES}/{DEVICE.upper()}", {"channel": "beta"})
    assert made == {"app": APP, "revision": 3, "changed": True, "device": DEVICE, "channel": "beta"}
    assert (await acme("PUT", f"{OVERRIDES}/{DEVICE}", {"channel": "beta"}))["changed"] is False
    assert await acme("GET", OVERRIDES) == [{"device": DEVICE, "channel": "beta"}]
    assert await acme("DELETE", f"{CHANNELS}/beta", status=409) == "channel_in_use"
    cleared = await acme("DELETE", f"{OVERRIDES}/{DEVICE}")
    assert cleared == {"app": APP, "revision": 4, "changed": True, "device": DEVICE}
    assert await acme("DELETE", f"{OVERRIDES}/{DEVICE}", status=404) == "unknown_override"


async def test_odd_overrides_are_refused(acme):
    assert await acme("PUT", f"{OVERRIDES}/x", {"channel": "beta"}, status=422) == "invalid_device_id"
    assert await acme("DELETE", f"{OVERRIDES}/x", status=422) == "invalid_device_id"
    assert await acme("PUT", f"{OVERRIDES}/{DEVICE}", {"channel": "beta"}, status=404) == "unknown_channel"


async def test_a_repeated_override_after_a_clear_does_not_bring_it_back(acme):
    await channel(acme, "beta")
    key = {"Idempotency-Key": "once"}
    await acme("PUT", f"{OVERRIDES}/{DEVICE}", {"channel": "beta"}, headers=key)
    await acme("DELETE", f"{OVERRIDES}/{DEVICE}")
    body = {"channel": "beta"}
    assert await acme("PUT", f"{OVERRIDES}/{DEVICE}", body, headers=key, status=404) == "unknown_override"
    assert await acme("GET", OVERRIDES) == []


async def test_history_lists_who_did_what_newest_first(acme):
    await acme("POST", CHANNELS, {"name": "beta"}, by="publisher-acme", headers={"Idempotency-Key": "k-1"})
    await acme("DELETE", f"{CHANNELS}/beta")
    lines = await acme("GET", f"/v1/apps/{APP}/history")
    told = [(line["revision"], line["kind"], line["by"], line["at"]) for line in lines]
    assert told == [
        (3, "delete_channel", "root", NOW),
        (2, "create_channel", "publisher-acme", NOW),
        (1, "create_app", "root", NOW),
    ]
    assert lines[1]["id"] == "k-1" and "beta" in lines[1]["summary"]
    assert [line["revision"] for line in await acme("GET", f"/v1/apps/{APP}/history?limit=2")] == [3, 2]


async def test_history_names_the_bundles_of_every_channel_that_a_revision_changed(acme):
    await channel(acme, "production", public=True)
    for version in ("1.0.0", "1.1.0"):
        await acme.publish(version, channel="production")
    await acme.publish("1.2.0")
    await acme("POST", f"{CHANNELS}/production/rollout", {"bundle": "1.2.0", "steps": ["1"]})
    await acme("POST", f"{CHANNELS}/production/rollout/pause")
    await acme("POST", f"{CHANNELS}/production/rollout/promote")
    await acme("POST", f"/v1/apps/{APP}/bundles/1.2.0/withdraw", {"reason": "crashes"})
    lines = await acme("GET", f"/v1/apps/{APP}/history")

    def told(view):
        return view and (view["bundle"], view["rollout"])

    changes = [
        [(each["channel"], told(each["before"]), told(each["after"])) for each in line["channels"]] for line in lines
    ]
    assert changes == [
        [("production", ("1.2.0", None), ("1.1.0", None))],
        [("production", ("1.1.0", "1.2.0"), ("1.2.0", None))],
        [("production", ("1.1.0", "1.2.0"), ("1.1.0", "1.2.0"))],
        [("production", ("1.1.0", None), ("1.1.0", "1.2.0"))],
        [],  # published, and offered to nobody
        [("production", ("1.0.0", None), ("1.1.0", None))],
        [("production", (None, None), ("1.0.0", None))],
        [("production", None, (None, None))],
        [],
    ]
    page = await acme("GET", f"/v1/apps/{APP}/history?limit=1&before=4")
    assert page == [lines[-3]]  # the page before does not have to be read for what its last one changed


async def test_history_has_pages(acme):
    for number in range(9):
        await channel(acme, f"c{number}")
    whole = await acme("GET", f"/v1/apps/{APP}/history")
    pages, before = [], ""
    while page := await acme("GET", f"/v1/apps/{APP}/history?limit=4{before}"):
        pages.append(page)
        before = f"&before={page[-1]['revision']}"
    assert [len(page) for page in pages] == [4, 4, 2] and [*pages[0], *pages[1], *pages[2]] == whole
    assert await acme("GET", f"/v1/apps/{APP}/history?before=999&limit=10") == whole
    assert await acme("GET", f"/v1/apps/{APP}/history?before=3") == whole[-2:]
    for before in ("0", "-1", "x", "", "9" * 400):
        assert await acme("GET", f"/v1/apps/{APP}/history?before={before}", status=422) == "invalid_before"


async def test_an_odd_limit_is_refused(acme):
    for limit in ("0", "1001", "-1", "x", "", "1e3", "²", "9" * 5000, "0" * 9 + "1001", "0" * 9 + "9" * 5000):
        path = f"/v1/apps/{APP}/history?limit={limit}"
        assert await acme("GET", path, status=422) == "invalid_limit", limit


async def test_an_answer_waits_until_the_workers_serve_the_change(serve):
    announced, served = asyncio.Event(), asyncio.Event()
    heads = []

    async def announce(app, head):
        heads.append((app, head.revision))
        announced.set()
        await served.wait()
        return NotTaken()

    api = await serve(announce=announce)
    asking = asyncio.create_task(api("POST", "/v1/apps", {"app": APP}))
    await announced.wait()
    assert heads == [(APP, 1)] and not asking.done()
    served.set()
    assert (await asking)["changed"] is True


async def test_what_is_refused_or_changes_nothing_is_not_announced(acme, world):
    await acme("POST", "/v1/apps", {"app": APP}, status=409)
    await channel(acme)
    await acme("PATCH", f"{CHANNELS}/production", {"public": False})
    assert [(app, head.revision) for app, head in world.announced] == [(APP, 1), (APP, 2)]


async def test_a_limited_token_lists_only_its_own_app(acme):
    await acme("POST", "/v1/apps", {"app": OTHER})
    listed = {by: [app["app"] for app in await acme("GET", "/v1/apps", by=by)] for by in ("reader", "reader-other")}
    assert listed == {"reader": [APP, OTHER], "reader-other": [OTHER]}


async def test_a_publish_reports_which_releases_get_the_zip_and_why(acme):
    assert (await acme.publish("1.0.0"))["zip_instead"] == []
    made = await acme.publish("1.0.1", pack(**{"a/index": "one", "b/index": "two"}))
    (note,) = made["zip_instead"]
    assert (note["platform"], note["reason"], note["files"]) == ("android", "same_name", ["a/index.js", "b/index.js"])
    assert "8.2.0-8.42.6" in note["releases"] and "8.2.0-8.42.6" in note["message"]
    repeated = await acme.publish("1.0.1", pack(**{"a/index": "one", "b/index": "two"}))
    assert (repeated["changed"], repeated["zip_instead"]) == (False, made["zip_instead"])


def store_build(*permissions, **more):
    """A web build with a copy of its app's settings."""
    told = "".join(f'<uses-permission name="{each}"/>' for each in permissions)
    return pack(**{"AndroidManifest.xml": f'<manifest package="{APP}">{told}</manifest>'} | more)


def zip_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


NATIVE = b"\x7fELF\x02\x01\x01" + bytes(57)
NOT_ALLOWED = {
    "a.bin": NATIVE,
    "b.zip": zip_of(**{"lib/acme.so": NATIVE}),
    "capacitor.config.json": json.dumps({"appId": OTHER}),
    "other.html": '<script src="https://cdn.example.com/a.js"></script>',
}


async def test_a_publish_and_its_dry_run_warn_of_what_app_stores_do_not_allow(acme, world):
    await channel(acme, public=True)
    first = await acme.publish("1.0.0", store_build("NFC"), channel="production")
    assert first["store_warnings"] == [], "there is nothing to compare with"
    packed = store_build("CAMERA", **NOT_ALLOWED)
    await acme.upload(packed)
    body = {"version": "1.1.0", "zip": packed.zip, "manifest": packed.manifest, "channel": "production"}
    told = [await acme("POST", f"{BUNDLES}{query}", body) for query in ("?dry_run=true", "")]
    assert told[0]["store_warnings"] == told[1]["store_warnings"]
    assert [(each["file"], each["code"]) for each in told[1]["store_warnings"]] == [
        ("AndroidManifest.xml", "permissions_differ"),
        ("a.bin", "native_code"),
        ("b.zip", "native_code"),
        ("capacitor.config.json", "app_id_differs"),
        ("other.html", "remote_script"),
    ]
    permissions, *_ = told[1]["store_warnings"]
    assert "new: CAMERA; gone: NFC" in permissions["message"]
    assert {rule["store"] for rule in permissions["rules"]} == {"Apple", "Google Play"}
    assert world.scratch_files() == []


async def test_without_a_channel_a_bundle_is_held_beside_the_newest_and_never_beside_itself(acme):
    await acme.publish("1.0.0", store_build("NFC"))
    after = await acme.publish("1.1.0", store_build("CAMERA"))
    assert [each["code"] for each in after["store_warnings"]] == ["permissions_differ"]
    again = await acme.publish("1.1.0", store_build("CAMERA"))
    assert (again["changed"], again["store_warnings"]) == (False, [])


async def test_what_is_lost_of_the_bundle_before_is_not_compared(acme, world):
    before = store_build("NFC")
    await acme.publish("1.0.0", before)
    for blob in before.blobs:
        world.store.path(blob_key(blob)).unlink()
    assert (await acme.publish("1.1.0", store_build("CAMERA")))["store_warnings"] == []
