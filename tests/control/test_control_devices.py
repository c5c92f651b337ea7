"""What is known of single devices, through the control API."""

from control_world import APP, DEVICE, NOW

from edge.domain.facts import WITHHELD_DAYS
from edge.telemetry.facts_changes import Chose, Failed, Offered

PATH = f"/v1/apps/{APP}/devices/{DEVICE}"


async def test_a_device_nobody_heard_of_has_no_facts(acme):
    known = await acme("GET", PATH)
    assert known == {"app": APP, "device": DEVICE, "override": None, "channel": None, "withheld": [], "offered": []}


async def test_facts_are_shown_by_the_names_the_app_still_has(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"})
    await acme("PUT", f"/v1/apps/{APP}/overrides/{DEVICE}", {"channel": "beta"})
    changes = [Chose(APP, DEVICE, "beta"), Offered(APP, DEVICE, "1.0.1"), Failed(APP, DEVICE, "1.0.1")]
    await world.record([*changes, Offered(APP, DEVICE, "1.0.2")])
    known = await acme("GET", PATH)
    assert (known["override"], known["channel"], known["offered"]) == ("beta", "beta", [None])
    (withheld,) = known["withheld"]
    assert withheld["version"] is None  # this app never had such a bundle
    assert NOW + (WITHHELD_DAYS - 1) * 86_400 < withheld["until"] <= NOW + WITHHELD_DAYS * 86_400


async def test_what_is_withheld_can_be_lifted_once(acme, world):
    await world.record([Offered(APP, DEVICE, "1.0.1"), Failed(APP, DEVICE, "1.0.1")])
    assert await acme("DELETE", f"{PATH}/withheld/1.0.1") == {"app": APP, "device": DEVICE, "version": "1.0.1"}
    assert not world.facts_of(APP, DEVICE).withheld
    assert await acme("DELETE", f"{PATH}/withheld/1.0.1", status=404) == "not_withheld"
    assert await acme("DELETE", f"{PATH}/withheld/one", status=422) == "invalid_version"


async def test_a_device_can_be_forgotten(acme, world):
    await world.record([Chose(APP, DEVICE, "beta")])
    for _ in range(2):
        assert await acme("DELETE", PATH) == {"app": APP, "device": DEVICE}
    assert world.facts_of(APP, DEVICE).channel == 0
    assert await acme("DELETE", f"/v1/apps/{APP}/devices/x", status=422) == "invalid_device_id"


async def test_readers_look_and_publishers_change(acme):
    await acme("GET", PATH, by="reader")
    assert await acme("DELETE", PATH, by="reader", status=403) == "forbidden"
    assert await acme("GET", PATH, by="publisher-other", status=403) == "forbidden"
    assert await acme("GET", "/v1/apps/com.nobody.app/devices/" + DEVICE, status=404) == "unknown_app"
