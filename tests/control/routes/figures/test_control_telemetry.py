"""Exports through the control API: streamed, refused by name, cut when they fail."""

import pytest
from aiohttp import ClientError
from control_world import APP, NOW

PATH = f"/v1/apps/{APP}/telemetry/export"


async def get(api, path):
    headers = {"Authorization": f"Bearer {api.secrets['reader']}"}
    async with api.client.get(path, headers=headers) as response:
        return response.status, response.content_type, await response.read()


async def test_an_export_is_what_came_in_a_time(acme):
    until_ms = int(NOW * 1000) + 1
    status, kind, content = await get(acme, f"{PATH}?within_seconds=60&format=parquet")
    assert (status, kind) == (200, "application/octet-stream")
    assert content == b'{"app":"%s","since_ms":%d,"until_ms":%d,"form":"parquet"}\n' % (
        APP.encode(),
        until_ms - 60_000,
        until_ms,
    )


async def test_an_unknown_app_and_an_unknown_format_are_refused_by_name(acme):
    assert await acme("GET", PATH.replace(APP, "com.no.app"), status=404) == "unknown_app"
    assert await acme("GET", f"{PATH}?format=csv", status=422) == "invalid_format"


async def test_an_export_that_fails_is_cut_and_one_that_never_began_is_refused(world, acme):
    world.export_fails_after = 1
    with pytest.raises(ClientError):
        await get(acme, PATH)
    world.export_fails_after = 0
    assert await acme("GET", PATH, status=503) == "export_failed"
