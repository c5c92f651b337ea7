"""Explain with parameters: what is given, what is known, what is assumed; and the same check as with a body."""

import asyncio

import pytest
from control_world import APP, DEVICE, NOW
from factories import a_check

from edge.control.work_queue import LOOKS_AT_ONCE, LOOKS_WAITING
from edge.domain.model import Platform
from edge.domain.plugin import Plugin
from edge.telemetry.devices.known_devices import KnownDevice
from edge.wire.plugins.capabilities import NEWEST_PLUGIN

EXPLAIN = f"/v1/apps/{APP}/explain"
ALL = {
    "device_id": DEVICE,
    "platform": "ios",
    "version_name": "1.0.1",
    "version_build": "1.0.0",
    "plugin_version": "8.51.14",
    "defaultChannel": "beta",
    "custom_id": "vip",
    "key_id": "abcd",
    "version_os": "17.4",
    "install_source": "testflight",
}


def query(**fields):
    return f"{EXPLAIN}?{'&'.join(f'{name}={value}' for name, value in fields.items())}"


async def test_parameters_and_a_body_give_the_same_check(acme):
    asked = await acme("GET", query(**ALL, is_prod="false", is_emulator="true", country="de"))
    body = ALL | {"app_id": APP, "is_prod": False, "is_emulator": True}
    assert asked == await acme("POST", f"{EXPLAIN}?country=DE", body)
    assert asked["asked"] == body | {"country": "DE"}


async def test_an_unknown_device_is_taken_for_a_fresh_one(acme):
    asked = await acme("GET", query(device_id=DEVICE, platform="ios"))
    assert asked["reported"] is None
    assert asked["asked"] == {
        "app_id": APP,
        "device_id": DEVICE,
        "platform": "ios",
        "version_name": "builtin",
        "version_build": "1.0.0",
        "plugin_version": NEWEST_PLUGIN,
        "country": "",
    }


async def test_absent_parameters_come_from_the_latest_report(acme, world):
    check = a_check(
        app=APP,
        device=DEVICE,
        platform=Platform.IOS,
        version_name="1.0.1",
        plugin=Plugin("7.0.0"),
        is_prod=False,
        default_channel="beta",
        custom_id="vip",
        version_os="17.4",
    )
    world.known[APP, DEVICE] = KnownDevice(check, NOW)
    asked = await acme("GET", query(device_id=DEVICE.upper(), version_name="1.0.2", is_prod="true"))
    assert asked["reported"] == NOW
    said = asked["asked"]
    assert (said["platform"], said["version_name"], said["version_build"]) == ("ios", "1.0.2", "1.0.0")
    assert (said["plugin_version"], said["is_prod"], said["is_emulator"]) == ("7.0.0", True, False)
    assert (said["defaultChannel"], said["custom_id"], said["version_os"]) == ("beta", "vip", "17.4")


WRONG = {
    "a device that is none": ({"device_id": "me"}, "invalid_device_id"),
    "a flag that is none": ({"device_id": DEVICE, "is_prod": "yes"}, "invalid_boolean"),
    "a country that is none": ({"device_id": DEVICE, "country": "Germany"}, "invalid_country"),
}


@pytest.mark.parametrize(("given", "code"), WRONG.values(), ids=WRONG)
async def test_invalid_parameters_are_refused_with_their_code(acme, given, code):
    assert await acme("GET", query(**given), status=422) == code


async def test_the_country_of_a_body_is_checked_too(acme):
    assert await acme("POST", f"{EXPLAIN}?country=1", {"app_id": APP}, status=422) == "invalid_country"


async def test_explain_needs_read_access_to_the_app(acme):
    assert await acme("GET", query(**ALL), by="reader-other", status=403) == "forbidden"
    await acme("GET", query(**ALL), by="reader-acme")


async def test_an_unknown_app_is_refused_before_anything_is_read(api):
    assert await api("GET", query(**ALL), status=404) == "unknown_app"


async def test_a_bounded_number_is_explained_at_once_and_the_rest_get_busy(serve, world):
    """Each takes a thread and a core: readers' requests must not keep a rollback waiting for one."""
    begun, release = 0, asyncio.Event()

    async def explain(app, body, country):
        nonlocal begun
        begun += 1
        await release.wait()
        return await world.explain(app, body, country)

    api = await serve(explain=explain)
    await api("POST", "/v1/apps", {"app": APP})
    headers = {"Authorization": f"Bearer {world.secrets['reader']}"}

    async def ask():
        async with api.client.get(query(**ALL), headers=headers) as response:
            return response.status, (await response.json()).get("error")

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(ask()) for _ in range(LOOKS_AT_ONCE + LOOKS_WAITING + 1)]
        done, rest = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [(503, "busy")] and begun == LOOKS_AT_ONCE
        release.set()
    assert {task.result() for task in rest} == {(200, None)}
