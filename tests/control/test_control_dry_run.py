"""`dry_run` of every change: the change's own answer and refusals, its impact, and nothing written."""

import pytest
from control_world import APP, DEVICE, NOW, pack

from edge.control.doors.table import OPERATIONS
from edge.domain.changes.messages.message_changes import message_id

CHANNELS, BUNDLES = f"/v1/apps/{APP}/channels", f"/v1/apps/{APP}/bundles"
STABLE = f"{CHANNELS}/stable"
ROLLOUT, EXPERIMENT = f"{STABLE}/rollout", f"{STABLE}/experiment"
PLAN = {"bundle": "1.2.0", "steps": ["50"]}
ARMS = {"name": "look", "arms": [{"name": n, "bundle": v, "share": "50"} for n, v in (("a", "1.1.0"), ("b", "1.2.0"))]}
PACKED = pack(page="1.3.0")
PUBLISH = {"version": "1.3.0", "zip": PACKED.zip, "manifest": PACKED.manifest}
SET = f"/v1/apps/{APP}/segments/vips"
IDS = f"/v1/apps/{APP}/id-sets/vip"
OVERRIDE = f"/v1/apps/{APP}/overrides/{DEVICE}"

START = ("POST", ROLLOUT, PLAN)
PAUSE = ("POST", f"{ROLLOUT}/pause", None)
MESSAGES = f"/v1/apps/{APP}/messages"
MESSAGE = ("POST", MESSAGES, {"texts": [{"title": "Hello"}], "expected": 0}, "say-hello")
MESSAGE_ID = message_id("say-hello")
# Each change by its operation, after what has to be there before.
FEATURE_KEYS = f"/v1/apps/{APP}/feature-keys"
FEATURE_KEY = ("POST", FEATURE_KEYS, {"keep_seconds": 0})
KEY = ("POST", f"/v1/apps/{APP}/event-keys", {})
FEATURE = f"/v1/apps/{APP}/features/checkout"
SET_FEATURE = ("PATCH", FEATURE, {"type": "boolean", "default": False})
VALUES = [{"name": n, "value": v, "share": "50"} for n, v in (("a", True), ("b", False))]
TRY_VALUES = ("POST", f"{FEATURE}/experiment", {"name": "values", "arms": VALUES})
FREEZE = ("POST", f"/v1/apps/{APP}/freezes", {"ends": NOW + 3_600})
CHANGES = {
    "create_app": ((), ("POST", "/v1/apps", {"app": "com.acme.new"})),
    "delete_app": ((), ("DELETE", f"/v1/apps/{APP}", None)),
    "prune_bundles": ((), ("POST", f"{BUNDLES}/prune", {"keep": 0})),
    "publish_bundle": ((), ("POST", BUNDLES, PUBLISH)),
    "delete_bundle": ((), ("DELETE", f"{BUNDLES}/1.2.0", None)),
    "withdraw_bundle": ((), ("POST", f"{BUNDLES}/1.1.0/withdraw", {"reason": "crashes"})),
    "create_channel": ((), ("POST", CHANNELS, {"name": "beta"})),
    "set_channel": ((), ("PATCH", STABLE, {"bundle": "builtin"})),
    "delete_channel": ((), ("DELETE", STABLE, None)),
    "roll_channel_back": ((), ("POST", f"{STABLE}/rollback", {})),
    "make_event_key": ((), KEY),
    "remove_event_keys": ((KEY,), ("DELETE", f"/v1/apps/{APP}/event-keys", None)),
    "make_feature_key": ((), FEATURE_KEY),
    "remove_feature_keys": ((FEATURE_KEY,), ("DELETE", FEATURE_KEYS, None)),
    "create_message": ((), MESSAGE),
    "cancel_message": ((MESSAGE,), ("POST", f"{MESSAGES}/{MESSAGE_ID}/cancel", None)),
    "set_message_caps": ((), ("PUT", f"/v1/apps/{APP}/message-caps", {"per_day": 5})),
    "undo": ((), ("POST", f"/v1/apps/{APP}/undo", {})),
    "set_app_approval": ((), ("PUT", f"/v1/apps/{APP}/approval", {"people": 2})),
    "set_approval": ((), ("PUT", f"{STABLE}/approval", {"people": 2})),
    "start_freeze": ((), FREEZE),
    "end_freeze": ((FREEZE,), ("DELETE", f"/v1/apps/{APP}/freezes/f6", None)),
    "set_guard": ((), ("PATCH", f"{STABLE}/guard", {"max_failure": "1%"})),
    "put_back": (
        (("PATCH", STABLE, {"self_set": True}), ("PATCH", STABLE, {"prod": False})),
        ("POST", f"/v1/apps/{APP}/put-back", {"revision": 6}),
    ),
    "start_rollout": ((), START),
    "pause_rollout": ((START,), PAUSE),
    "resume_rollout": ((START, PAUSE), ("POST", f"{ROLLOUT}/resume", None)),
    "advance_rollout": ((("POST", ROLLOUT, PLAN | {"steps": ["1", "50"]}),), ("POST", f"{ROLLOUT}/advance", None)),
    "promote_rollout": ((START,), ("POST", f"{ROLLOUT}/promote", None)),
    "roll_back_rollout": ((START,), ("POST", f"{ROLLOUT}/rollback", None)),
    "start_experiment": ((), ("POST", EXPERIMENT, ARMS)),
    "stop_experiment": ((("POST", EXPERIMENT, ARMS),), ("POST", f"{EXPERIMENT}/stop", {"keep": "b"})),
    "set_feature": ((), SET_FEATURE),
    "kill_feature": ((SET_FEATURE,), ("POST", f"{FEATURE}/kill", None)),
    "revive_feature": ((SET_FEATURE, ("POST", f"{FEATURE}/kill", None)), ("POST", f"{FEATURE}/revive", None)),
    "delete_feature": ((SET_FEATURE,), ("DELETE", FEATURE, None)),
    "start_feature_experiment": ((SET_FEATURE,), TRY_VALUES),
    "stop_feature_experiment": ((SET_FEATURE, TRY_VALUES), ("POST", f"{FEATURE}/experiment/stop", {"keep": "b"})),
    "set_segment": ((), ("PATCH", SET, {"where": "is_prod", "channel": "stable"})),
    "delete_segment": ((("PATCH", SET, {"where": "is_prod"}),), ("DELETE", SET, None)),
    "put_id_set": ((), ("PUT", IDS, b"one\ntwo\n")),
    "delete_id_set": ((("PUT", IDS, b"one\n"),), ("DELETE", IDS, None)),
    "set_override": ((), ("PUT", OVERRIDE, {"channel": "stable"})),
    "clear_override": ((("PUT", OVERRIDE, {"channel": "stable"}),), ("DELETE", OVERRIDE, None)),
}


@pytest.fixture
async def released(acme):
    """1.0.0, then 1.1.0 on the public channel; 1.2.0 published."""
    await acme("POST", CHANNELS, {"name": "stable", "public": True})
    for version, channel in (("1.0.0", "stable"), ("1.1.0", "stable"), ("1.2.0", None)):
        await acme.publish(version, channel=channel)
    await acme.upload(PACKED)
    return acme


def send(api, request, **said):
    method, path, body, *more = request
    if more:  # an id, by which the change names what it makes
        said["headers"] = {"Idempotency-Key": more[0]}
    given = {"content": body} if isinstance(body, bytes) else {"body": body}
    return api(method, path + said.pop("query", ""), **given, **said)


def test_every_change_has_its_dry_run():
    assert {operation.name for operation in OPERATIONS if operation.changes} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_dry_run_answers_as_the_change_does_and_writes_nothing(released, world, name):
    before, change = CHANGES[name]
    for each in before:
        await send(released, each)
    stored, announced = list(world.store.keys("")), list(world.announced)
    foreseen = await send(released, change, query="?dry_run=true")
    assert (list(world.store.keys("")), world.announced) == (stored, announced)
    assert foreseen.pop("dry_run") is True
    impact = foreseen.pop("impact")
    assert set(impact) == {"channels", "more_channels", "withdrawn", "removed", "devices", "features"}
    done = await send(released, change)
    assert done.pop("impact", impact) == impact  # a rollback tells it afterwards too
    assert done | {"key": None} == foreseen | {"key": None}  # a secret is made by the change alone


async def test_the_impact_shows_what_channels_would_offer(released):
    seen = await released("POST", f"{BUNDLES}/1.1.0/withdraw?dry_run=true", {"reason": "crashes"})
    (channel,) = seen["impact"]["channels"]
    assert (channel["channel"], channel["before"]["bundle"], channel["after"]["bundle"]) == ("stable", "1.1.0", "1.0.0")
    assert seen["impact"]["withdrawn"] == ["1.1.0"]
    assert not (await released("GET", f"{BUNDLES}/1.1.0"))["withdrawn"]


REFUSED = [
    ("POST", f"{BUNDLES}/9.9.9/withdraw", {"reason": "x"}, 404, "unknown_bundle"),
    ("DELETE", f"{BUNDLES}/1.1.0", None, 409, "bundle_in_use"),
    ("POST", f"{ROLLOUT}/pause", None, 404, "no_rollout"),
    ("POST", "/v1/apps", {"app": APP}, 409, "app_exists"),
    ("POST", BUNDLES, PUBLISH | {"zip": "0" * 64}, 422, "missing_blob"),
    ("PATCH", STABLE, {"publik": True}, 422, "invalid_body"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
async def test_a_dry_run_is_refused_where_the_change_would_be(released, method, path, body, status, code):
    assert await released(method, path + "?dry_run=true", body, status=status) == code
    assert await released(method, path, body, status=status) == code


async def test_a_used_id_is_refused_and_a_dry_run_uses_none(released):
    path, key = f"{BUNDLES}/1.2.0/withdraw", {"Idempotency-Key": "once"}
    await released("POST", path + "?dry_run=true", {"reason": "x"}, headers=key)
    assert (await released("POST", path, {"reason": "x"}, headers=key))["changed"]
    again = await released("POST", path + "?dry_run=true", {"reason": "x"}, headers=key)
    assert (again["changed"], again["impact"]["channels"]) == (False, [])
    refused = {"headers": key, "status": 409}
    assert await released("POST", path + "?dry_run=true", {"reason": "y"}, **refused) == "command_id_used"


@pytest.mark.parametrize("value", ["", "1", "True", "yes"])
async def test_an_unclear_dry_run_flag_is_refused_and_nothing_is_carried_out(released, value):
    path = f"{BUNDLES}/1.2.0/withdraw?dry_run={value}"
    assert await released("POST", path, {"reason": "x"}, status=422) == "invalid_dry_run"
    assert not (await released("GET", f"{BUNDLES}/1.2.0"))["withdrawn"]


async def test_a_dry_run_needs_the_permission_of_the_change(released):
    path = f"{BUNDLES}/1.2.0/withdraw?dry_run=true"
    assert await released("POST", path, {"reason": "x"}, by="reader-acme", status=403) == "forbidden"
