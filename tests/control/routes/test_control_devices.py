"""Facts about single devices through the control API."""

import logging

import pytest
from control_world import APP, DEVICE, NOW
from factories import a_check

from edge.control.shapes.devices import RawErasedView
from edge.facts.changes import Chose, Failed, Offered
from edge.telemetry.devices.known_devices import KnownDevice

PATH = f"/v1/apps/{APP}/devices/{DEVICE}"


async def test_an_unknown_device_has_no_facts(acme):
    nothing = {"override": None, "channel": None, "withheld": [], "failing": [], "forgot": False, "offered": []}
    nothing |= {"behaviour": None}
    assert await acme("GET", PATH) == {"app": APP, "device": DEVICE} | nothing


async def test_facts_are_shown_by_the_names_the_app_still_has(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    await acme("PUT", f"/v1/apps/{APP}/overrides/{DEVICE}", {"channel": "beta"})
    changes = [Chose(APP, DEVICE, "beta"), Offered(APP, DEVICE, "1.0.1"), Failed(APP, DEVICE, "1.0.1")]
    await world.record([*changes, Offered(APP, DEVICE, "1.0.2")])
    known = await acme("GET", PATH)
    assert (known["override"], known["channel"], known["offered"]) == ("beta", "beta", [None])
    # This app never had such a bundle.
    assert known["withheld"] == [{"version": None, "cause": "update_fail", "attempts": 1, "until": None, "node": ""}]


def attempt(version: str, action: str) -> list:
    return [Offered(APP, DEVICE, version), Failed(APP, DEVICE, version, action)]


async def test_attempts_are_shown_with_their_cause_and_until_when_they_withhold(acme, world):
    await world.record(attempt("1.0.1", "checksum_fail") * 2 + attempt("1.0.2", "download_fail") * 2)
    known = await acme("GET", PATH)
    (withheld,), (failing,) = known["withheld"], known["failing"]
    assert (withheld["cause"], withheld["attempts"]) == ("checksum_fail", 2)
    assert NOW + 86_400 <= withheld["until"] < NOW + 86_400 + 3_600
    assert failing == {"version": None, "cause": "download_fail", "attempts": 2}


async def test_withheld_bundles_that_were_dropped_show(acme, world):
    for number in range(4):
        await world.record(attempt(f"1.0.{number}", "update_fail"))
    known = await acme("GET", PATH)
    assert (len(known["withheld"]), known["forgot"]) == (3, True)


async def test_attempts_can_be_lifted_before_they_withhold(acme, world):
    await world.record(attempt("1.0.1", "download_fail"))
    await acme("DELETE", f"{PATH}/withheld/1.0.1")
    assert world.facts_of(APP, DEVICE).failures == ()


async def test_what_is_withheld_can_be_lifted_once(acme, world):
    await world.record([Offered(APP, DEVICE, "1.0.1"), Failed(APP, DEVICE, "1.0.1")])
    assert await acme("DELETE", f"{PATH}/withheld/1.0.1") == {"app": APP, "device": DEVICE, "version": "1.0.1"}
    assert not world.facts_of(APP, DEVICE).failures
    assert await acme("DELETE", f"{PATH}/withheld/1.0.1", status=404) == "not_withheld"
    assert await acme("DELETE", f"{PATH}/withheld/one", status=422) == "invalid_version"


async def test_a_device_can_be_erased(acme, world):
    await world.record([Chose(APP, DEVICE, "beta")])
    for _ in range(2):
        erased = await acme("DELETE", PATH)
        assert (erased["app"], erased["device"], erased["done_by"]) == (APP, DEVICE, NOW + 7200)
        assert erased["erased"] == {"rows": 1, "lines": 2, "segments": 1, "open_segments": 1}
        assert erased["known"] is True
        assert any("sketches" in each for each in erased["remains"])
    assert world.facts_of(APP, DEVICE).channel == 0
    assert await acme("DELETE", f"/v1/apps/{APP}/devices/x", status=422) == "invalid_device_id"


@pytest.mark.parametrize(
    ("erased", "known"), [((0, 0, 0, 1), False), ((0, 1, 1, 0), True), ((1, 0, 0, 1), True), (None, None)]
)
async def test_an_id_of_which_nothing_is_known_is_told_apart(serve, world, erased, known):
    async def erase(app, device):
        names = ("rows", "lines", "segments", "open_segments")
        return None if erased is None else RawErasedView(**dict(zip(names, erased, strict=True)))

    api = await serve(erase=erase)
    await api("POST", "/v1/apps", {"app": APP})
    assert (await api("DELETE", PATH))["known"] is known
    await world.record([Chose(APP, DEVICE, "beta")])
    assert (await api("DELETE", PATH))["known"] is True


async def test_readers_read_and_publishers_change(acme):
    await acme("GET", PATH, by="reader")
    assert await acme("DELETE", PATH, by="reader", status=403) == "forbidden"
    assert await acme("GET", PATH, by="publisher-other", status=403) == "forbidden"
    assert await acme("GET", "/v1/apps/com.nobody.app/devices/" + DEVICE, status=404) == "unknown_app"


OTHERS = [DEVICE[:-1] + digit for digit in "89ab"]


async def test_a_bundle_is_lifted_from_all_devices_of_one_app_at_once(acme, world, caplog):
    caplog.set_level(logging.INFO)
    path = f"/v1/apps/{APP}/withheld/1.0.1"
    await acme.publish("1.0.1")
    for device in OTHERS:
        await world.record([Offered(APP, device, "1.0.1"), Failed(APP, device, "1.0.1")])
    await world.record([Offered("com.other", DEVICE, "1.0.1"), Failed("com.other", DEVICE, "1.0.1")])
    told = {"app": APP, "version": "1.0.1", "devices": 4}
    assert await acme("DELETE", f"{path}?dry_run=true") == told | {"dry_run": True}
    assert world.facts_of(APP, OTHERS[0]).failures
    assert await acme("DELETE", f"{path}?within_seconds=86400") == told | {"dry_run": False}
    assert not any(world.facts_of(APP, device).failures for device in OTHERS)
    assert f"root lifted bundle 1.0.1 of {APP} from 4 devices" in caplog.text  # who did it, and nothing of a dry run
    assert caplog.text.count("lifted") == 1
    assert world.facts_of("com.other", DEVICE).failures
    assert await acme("DELETE", path) == told | {"devices": 0, "dry_run": False}


async def test_what_cannot_be_lifted_from_all_is_refused(acme):
    path = f"/v1/apps/{APP}/withheld"
    assert await acme("DELETE", f"{path}/6.6.6", status=404) == "unknown_bundle"
    assert await acme("DELETE", f"{path}/one", status=422) == "invalid_version"
    assert await acme("DELETE", f"{path}/1.0.1?within_seconds=0", status=422) == "invalid_within_seconds"
    assert await acme("DELETE", f"{path}/1.0.1?dry_run=maybe", status=422) == "invalid_dry_run"
    assert await acme("DELETE", f"{path}/1.0.1", by="reader", status=403) == "forbidden"


async def test_devices_are_listed_with_what_is_noted_of_them(acme, world):
    path = f"/v1/apps/{APP}/devices"
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    for number, device in enumerate(OTHERS):
        check = a_check(app=APP, device=device, custom_id=f"user-{number % 2}", version_name="1.0.0")
        world.known[APP, device] = KnownDevice(check, NOW - 100 * number)
    await world.record([Chose(APP, OTHERS[0], "beta")])
    await world.record([Offered(APP, OTHERS[0], "6.0.0"), Failed(APP, OTHERS[0], "6.0.0")])
    listed = await acme("GET", f"{path}?limit=3")
    assert [each["device"] for each in listed["devices"]] == OTHERS[:3]
    assert (listed["matching"], listed["cut"]) == (4, False)
    first = listed["devices"][0]
    assert (first["runs"], first["reported"], first["channel"], first["withheld"]) == ("1.0.0", NOW, "beta", [None])
    rest = await acme("GET", f"{path}?limit=3&after={listed['next_page']}")
    assert ([each["device"] for each in rest["devices"]], rest["next_page"]) == (OTHERS[3:], None)
    found = await acme("GET", f"{path}?custom_id=user-1&within_seconds=150")
    assert [each["device"] for each in found["devices"]] == [OTHERS[1]]
    assert (await acme("GET", f"{path}?id_prefix=FFFF"))["devices"] == []
    await acme("GET", path, by="reader")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("after=x", "invalid_after"),
        ("id_prefix=xyz", "invalid_id_prefix"),
        ("within_seconds=soon", "invalid_within_seconds"),
    ],
)
async def test_a_search_that_cannot_be_read_is_refused(acme, query, code):
    assert await acme("GET", f"/v1/apps/{APP}/devices?{query}", status=422) == code


OTHER = "00000009-0000-4000-8000-000000000000"


@pytest.fixture
async def part(acme, world):
    """The digest of the altered part of the overrides that `DEVICE` is in."""
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    await acme("PUT", f"/v1/apps/{APP}/overrides/{OTHER}", {"channel": "beta"})
    before = set(world.store.keys("blobs/"))
    await acme("PUT", f"/v1/apps/{APP}/overrides/{DEVICE}", {"channel": "beta"})
    (key,) = set(world.store.keys("blobs/")) - before
    world.store.path(key).write_bytes(b"altered")
    return key.rpartition("/")[2]


async def test_a_device_whose_override_cannot_be_read_is_shown_as_such(acme, world, part):
    await world.record([Offered(APP, DEVICE, "1.0.1")])
    world.known[APP, DEVICE] = KnownDevice(a_check(device=DEVICE), NOW)
    (listed,) = (await acme("GET", f"/v1/apps/{APP}/devices"))["devices"]
    shown, other = await acme("GET", PATH), await acme("GET", f"/v1/apps/{APP}/devices/{OTHER}")
    assert (listed["override"], shown["override"], other["override"]) == ("(cannot be read)",) * 2 + ("beta",)


async def test_only_what_needs_a_lost_part_of_the_overrides_is_refused(acme, part):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "gamma"})
    await acme("PUT", f"/v1/apps/{APP}/overrides/{OTHER}", {"channel": "gamma"})
    for method, path, body in (
        ("PUT", f"overrides/{DEVICE}", {"channel": "gamma"}),
        ("DELETE", f"overrides/{DEVICE}", None),
        ("GET", "overrides", None),
        ("DELETE", "channels/gamma", None),
    ):
        code = await acme(method, f"/v1/apps/{APP}/{path}", body, status=503)
        assert code == "overrides_lost", path
