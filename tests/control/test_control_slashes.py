"""Channels named as branches are, `feature/login`: on every route that names a channel, in its path or elsewhere."""

import pytest
from control_world import APP, DEVICE

from edge.control.doors.table import OPERATIONS

NAME, ENCODED = "feature/login", "feature%2Flogin"
CHANNELS = f"/v1/apps/{APP}/channels"
IT = f"{CHANNELS}/{ENCODED}"
PLAN = {"bundle": "1.1.0", "steps": ["1", "50"]}
ARMS = {"name": "look", "arms": [{"name": n, "bundle": v, "share": "50"} for n, v in (("a", "1.0.0"), ("b", "1.1.0"))]}
# Every route with a channel in its path, in an order in which each finds what it needs.
CALLS = [
    ("set_channel", "PATCH", "", {"bundle": "1.0.0", "self_set": True}),
    ("show_channel", "GET", "", None),
    ("show_reach", "GET", "/reach", None),
    ("preview_rollout", "POST", "/rollout/preview", PLAN),
    ("start_rollout", "POST", "/rollout", PLAN),
    ("show_rollout", "GET", "/rollout", None),
    ("set_guard", "PATCH", "/guard", {"max_failure": "3%"}),
    ("show_guard", "GET", "/guard", None),
    ("guard_history", "GET", "/guard/history", None),
    ("show_rollout_figures", "GET", "/rollout/figures", None),
    ("pause_rollout", "POST", "/rollout/pause", None),
    ("resume_rollout", "POST", "/rollout/resume", None),
    ("advance_rollout", "POST", "/rollout/advance", None),
    ("roll_back_rollout", "POST", "/rollout/rollback", None),
    ("start_rollout", "POST", "/rollout", PLAN | {"again": True}),
    ("promote_rollout", "POST", "/rollout/promote", None),
    ("start_experiment", "POST", "/experiment", ARMS | {"downgrade": True, "again": True}),
    ("show_experiment", "GET", "/experiment", None),
    ("show_experiment_figures", "GET", "/experiment/figures", None),
    ("read_experiment", "GET", "/experiment/reading", None),
    ("stop_experiment", "POST", "/experiment/stop", {"keep": "a"}),
    ("show_windows", "GET", "/windows", None),
    ("set_approval", "PUT", "/approval", {"people": 1}),
    ("roll_channel_back", "POST", "/rollback", {"to": "builtin"}),
    ("delete_channel", "DELETE", "", None),
]


@pytest.fixture
async def released(acme):
    await acme("POST", CHANNELS, {"name": NAME})
    await acme("POST", CHANNELS, {"name": "feature"})
    for version in ("1.0.0", "1.1.0"):
        await acme.publish(version)
    return acme


def test_every_route_with_a_channel_in_its_path_is_called():
    assert {operation.name for operation in OPERATIONS if "/channels/{" in operation.path} == {
        name for name, *_ in CALLS
    }


@pytest.mark.parametrize("path", [IT, IT.replace("%2F", "%2f")])
async def test_every_route_finds_the_channel_by_its_encoded_name(released, world, path):
    for operation, method, more, body in CALLS:
        answer = await released(method, path + more, body)
        if operation in ("set_channel", "show_channel", "roll_channel_back", "delete_channel"):
            assert answer["name"] == NAME, operation
        else:
            assert answer.get("channel", NAME) == NAME, operation
    assert set(world.releases.load(APP).channels) == {"feature"}


async def test_a_slash_that_is_not_encoded_is_another_address(released):
    assert await released("GET", f"{CHANNELS}/{NAME}", status=404) == "not_found"
    assert (await released("GET", f"{CHANNELS}/feature"))["name"] == "feature"
    assert await released("GET", f"{CHANNELS}/feature%252Flogin", status=404) == "unknown_channel"
    assert await released("GET", f"{CHANNELS}/..%2Ffeature", status=404) == "unknown_channel"


async def test_it_is_named_in_bodies_and_shown_in_answers(released):
    await released.publish("1.2.0", channel=NAME)
    assert (await released("GET", f"/v1/apps/{APP}/bundles/1.2.0"))["channels"] == [NAME]
    override = await released("PUT", f"/v1/apps/{APP}/overrides/{DEVICE}", {"channel": NAME})
    assert override["channel"] == NAME
    segment = await released("PATCH", f"/v1/apps/{APP}/segments/login", {"where": "is_prod", "channel": NAME})
    assert segment["channel"] == NAME
    latest, *_ = await released("GET", f"/v1/apps/{APP}/history")
    assert NAME in latest["summary"]
    assert [each["name"] for each in await released("GET", CHANNELS)] == ["feature", NAME]


@pytest.mark.parametrize("name", ["/a", "a/", "a//b", "a/../b", "..", "."])
async def test_names_that_could_be_paths_are_refused(acme, name):
    assert await acme("POST", CHANNELS, {"name": name}, status=422) == "invalid_channel_name"
