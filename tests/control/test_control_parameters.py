"""Parameters of an address: unknown ones are refused by name, so that a misspelt one is never ignored."""

import pytest
from control_world import APP, DEVICE, OTHER

from edge.control.doors.table import OPERATIONS

EXPLAIN = f"/v1/apps/{APP}/explain"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_refuses_a_parameter_that_it_does_not_read(api, operation):
    path = operation.path.format_map({part: APP if part == "app" else "x" for part in operation.parts})
    assert await api(operation.method, f"{path}?nonsense=1", status=400) == "unknown_parameter"


WRONG = {
    "misspelt": (f"{EXPLAIN}?device_id={DEVICE}&platfrom=ios", "unknown_parameter"),
    "an app of its own": (f"{EXPLAIN}?app_id={OTHER}", "unknown_parameter"),
    "in capitals": (f"{EXPLAIN}?Country=DE", "unknown_parameter"),
    "without a name": (f"{EXPLAIN}?=1", "unknown_parameter"),
    "given twice": (f"{EXPLAIN}?platform=ios&platform=android", "repeated_parameter"),
}


@pytest.mark.parametrize(("path", "code"), WRONG.values(), ids=WRONG)
async def test_invalid_parameters_are_refused_with_their_code(acme, path, code):
    assert await acme("GET", path, status=400) == code


async def test_the_refusal_names_the_parameter_and_the_known_ones(api):
    headers = {"Authorization": f"Bearer {api.secrets['root']}"}

    async def message(path):
        async with api.client.get(path, headers=headers) as response:
            assert response.status == 400
            return (await response.json())["message"]

    assert await message(f"/v1/apps/{APP}/history?limt=3") == (
        "unknown parameter 'limt': GET /v1/apps/{app}/history takes limit, before"
    )
    assert await message("/v1/apps?limit=3") == "unknown parameter 'limit': GET /v1/apps takes no parameters"
    assert "x" * 64 in await message(f"/v1/apps?{'x' * 1000}") and "x" * 65 not in await message(f"/v1/apps?{'x' * 65}")


async def test_a_missing_permission_is_reported_first(api):
    assert await api("GET", f"{EXPLAIN}?nonsense=1", by="reader-other", status=403) == "forbidden"
    assert await api("GET", f"{EXPLAIN}?nonsense=1", by="", status=401) == "unauthorized"


async def test_a_request_with_an_unknown_parameter_does_nothing(api):
    assert await api("POST", "/v1/apps?dryrun=true", {"app": "com.never.made"}, status=400) == "unknown_parameter"
    assert "com.never.made" not in [each["app"] for each in await api("GET", "/v1/apps")]
