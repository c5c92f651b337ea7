"""Tokens and roles at the door, the one shape of errors, and that no secret is ever shown again."""

import itertools
import json
import logging

import msgspec
import pytest
from control_world import APP, DEVICE, GRANTS, NOW, OTHER

from edge.control.access.grants import Grant, hold_of
from edge.control.access.roles import Permission, Role
from edge.control.doors.table import OPERATIONS
from edge.control.operations import JSON_LIMIT_BYTES, may_pass

P = Permission
NEEDED = {
    "openapi": None,
    "show_definitions": None,
    "show_figures": P.READ_APP,
    "show_rollout_figures": P.READ_APP,
    "show_experiment_figures": P.READ_APP,
    "read_experiment": P.READ_APP,
    "show_releases": P.READ_APP,
    "show_node": P.READ_NODE,
    "explain": P.LOOK_UP_DEVICES,
    "explain_device": P.LOOK_UP_DEVICES,
    "show_stats": P.READ_APP,
    "list_apps": P.LIST_APPS,
    "create_app": P.CREATE_APP,
    "show_app": P.READ_APP,
    "delete_app": P.DELETE_APP,
    "make_event_key": P.CHANGE_APP,
    "remove_event_keys": P.CHANGE_APP,
    "list_feature_keys": P.READ_APP,
    "make_feature_key": P.CHANGE_FEATURES,
    "remove_feature_keys": P.CHANGE_FEATURES,
    "show_history": P.READ_APP,
    "put_back": P.CHANGE_APP,
    "preview_message": P.SEND_MESSAGES,
    "create_message": P.SEND_MESSAGES,
    "list_messages": P.READ_APP,
    "show_message": P.READ_APP,
    "cancel_message": P.SEND_MESSAGES,
    "set_message_caps": P.SET_RULES,
    "list_bundles": P.READ_APP,
    "publish_bundle": P.UPLOAD_BUNDLES,
    "show_bundle": P.READ_APP,
    "compare_bundles": P.READ_APP,
    "show_device_story": P.LOOK_UP_DEVICES,
    "show_segments_reach": P.READ_APP,
    "count_segment": P.READ_APP,
    "delete_bundle": P.DELETE_BUNDLES,
    "prune_bundles": P.DELETE_BUNDLES,
    "withdraw_bundle": P.ROLL_BACK,
    "list_missing_blobs": P.UPLOAD_BUNDLES,
    "list_prepared_blobs": P.UPLOAD_BUNDLES,
    "download_bundle_file": P.UPLOAD_BUNDLES,
    "export_events": P.EXPORT_EVENTS,
    "audit_telemetry": P.READ_NODE,
    "upload_blob": P.UPLOAD_BUNDLES,
    "show_metrics": P.READ_NODE,
    "list_channels": P.READ_APP,
    "create_channel": P.CHANGE_CHANNELS,
    "show_channel": P.READ_APP,
    "show_reach": P.READ_APP,
    "set_channel": P.CHANGE_CHANNELS,
    "delete_channel": P.CHANGE_CHANNELS,
    "start_rollout": P.CHANGE_ROLLOUTS,
    "show_rollout": P.READ_APP,
    "preview_rollout": P.READ_APP,
    "pause_rollout": P.CHANGE_ROLLOUTS,
    "resume_rollout": P.CHANGE_ROLLOUTS,
    "advance_rollout": P.CHANGE_ROLLOUTS,
    "promote_rollout": P.CHANGE_ROLLOUTS,
    "roll_back_rollout": P.ROLL_BACK,
    "roll_channel_back": P.ROLL_BACK,
    "undo": P.CHANGE_APP,
    "show_guard": P.READ_APP,
    "list_approval_rules": P.READ_APP,
    "set_approval": P.SET_RULES,
    "set_app_approval": P.SET_RULES,
    "list_proposals": P.READ_APP,
    "show_proposal": P.READ_APP,
    "approve_proposal": P.APPROVE_CHANGES,
    "reject_proposal": P.APPROVE_CHANGES,
    "withdraw_proposal": P.CHANGE_CHANNELS,
    "list_freezes": P.READ_APP,
    "start_freeze": P.SET_RULES,
    "end_freeze": P.SET_RULES,
    "set_guard": P.CHANGE_GUARD,
    "guard_history": P.READ_APP,
    "list_experiments": P.READ_APP,
    "show_experiment": P.READ_APP,
    "start_experiment": P.CHANGE_EXPERIMENTS,
    "stop_experiment": P.CHANGE_EXPERIMENTS,
    "show_windows": P.READ_APP,
    "list_segments": P.READ_APP,
    "show_segment": P.READ_APP,
    "set_segment": P.CHANGE_SEGMENTS,
    "delete_segment": P.CHANGE_SEGMENTS,
    "test_segment": P.LOOK_UP_DEVICES,
    "list_features": P.READ_APP,
    "show_feature": P.READ_APP,
    "show_features_reach": P.READ_APP,
    "show_feature_figures": P.READ_APP,
    "set_feature": P.CHANGE_FEATURES,
    "kill_feature": P.CHANGE_FEATURES,
    "revive_feature": P.CHANGE_FEATURES,
    "delete_feature": P.CHANGE_FEATURES,
    "preview_feature": P.READ_APP,
    "explain_feature": P.LOOK_UP_DEVICES,
    "explain_feature_of_device": P.LOOK_UP_DEVICES,
    "show_features_of_device": P.LOOK_UP_DEVICES,
    "start_feature_experiment": P.CHANGE_FEATURES,
    "stop_feature_experiment": P.CHANGE_FEATURES,
    "read_feature_experiment": P.READ_APP,
    "list_id_sets": P.READ_APP,
    "show_id_set": P.READ_APP,
    "put_id_set": P.CHANGE_SEGMENTS,
    "delete_id_set": P.CHANGE_SEGMENTS,
    "list_overrides": P.LOOK_UP_DEVICES,
    "set_override": P.LIFT_DEVICES,
    "clear_override": P.LIFT_DEVICES,
    "list_devices": P.LOOK_UP_DEVICES,
    "show_device": P.LOOK_UP_DEVICES,
    "lift_withheld": P.LIFT_DEVICES,
    "lift_withheld_from_all": P.LIFT_DEVICES,
    "erase_device": P.ERASE_DEVICES,
    "state_outcomes": P.STATE_OUTCOMES,
    "show_own_token": P.READ_SELF,
    "list_tokens": P.MANAGE_TOKENS,
    "create_token": P.MANAGE_TOKENS,
    "revoke_token": P.MANAGE_TOKENS,
    "rotate_token": P.MANAGE_TOKENS,
    "list_organisations": P.MANAGE_PEOPLE,
    "create_organisation": P.MANAGE_PEOPLE,
    "delete_organisation": P.MANAGE_PEOPLE,
    "own_app": P.MANAGE_PEOPLE,
    "list_people": P.MANAGE_PEOPLE,
    "show_person": P.MANAGE_PEOPLE,
    "add_person": P.MANAGE_PEOPLE,
    "remove_person": P.MANAGE_PEOPLE,
    "invite_person": P.MANAGE_PEOPLE,
    "sign_person_out": P.MANAGE_PEOPLE,
    "show_credentials": P.MANAGE_PEOPLE,
    "grant_role": P.MANAGE_PEOPLE,
    "revoke_role": P.MANAGE_PEOPLE,
    "list_groups": P.MANAGE_PEOPLE,
    "map_group": P.MANAGE_PEOPLE,
    "unmap_group": P.MANAGE_PEOPLE,
    "set_role": P.MANAGE_PEOPLE,
    "delete_role": P.MANAGE_PEOPLE,
    "show_permissions": P.READ_SELF,
    "create_login_link": P.MANAGE_TOKENS,
    "list_webhooks": P.MANAGE_WEBHOOKS,
    "add_webhook": P.MANAGE_WEBHOOKS,
    "remove_webhook": P.MANAGE_WEBHOOKS,
    "test_webhook": P.MANAGE_WEBHOOKS,
    "list_webhook_deliveries": P.MANAGE_WEBHOOKS,
    "list_push_credentials": P.READ_APP,
    "set_push_credentials": P.MANAGE_PUSH,
    "remove_push_credentials": P.MANAGE_PUSH,
    "test_push_credentials": P.MANAGE_PUSH,
    "test_push": P.MANAGE_PUSH,
    "test_push_device": P.MANAGE_PUSH,
    "list_nodes": P.READ_NODE,
    "show_reporting_node": P.READ_NODE,
    "forget_node": P.MANAGE_STORE,
    "report_node": P.SEND_HOME,
    "tell_facts": P.SEND_HOME,
    "hear_facts": P.SEND_HOME,
    "hear_behaviour": P.SEND_HOME,
    "show_reports": P.READ_NODE,
    "lift_brought": P.MANAGE_STORE,
    "take_segment": P.SEND_HOME,
    "known_segments": P.SEND_HOME,
    "all_sent": P.SEND_HOME,
    "show_restored": P.MANAGE_STORE,
    "accept_restored": P.MANAGE_STORE,
    "show_audit": P.READ_AUDIT,
    "show_app_audit": P.READ_AUDIT,
    "export_audit": P.READ_AUDIT,
    "export_app_audit": P.READ_AUDIT,
    "follow_documents": P.FOLLOW,
    "follow_blob": P.FOLLOW,
    "follow_revisions": P.FOLLOW,
    "follow_events": P.FOLLOW,
}


def address(operation, app=APP):
    return operation.path.format(
        app=app,
        version="9.9.9",
        digest="0" * 64,
        name="nobody",
        node="nobody",
        segment="none",
        device=DEVICE,
        organisation="nobody",
        person="nobody@example.com",
        role="nobody",
        proposal="p0",
        freeze="f0",
        provider="nobody",
        message="nobody",
    )


def test_every_operation_is_in_the_table():
    assert {operation.name: operation.permission for operation in OPERATIONS} == NEEDED


@pytest.mark.parametrize("by", GRANTS)
async def test_every_operation_requires_what_the_table_states(acme, by):
    """Bodies are empty or wrong, so what passes the door is refused as 404 or 422, or is a harmless read."""
    role, scope = GRANTS[by]
    grant = Grant(by, (hold_of(role, scope),))
    headers = {"Authorization": f"Bearer {acme.secrets[by]}"}
    for operation in OPERATIONS:
        passes = may_pass(operation, grant, APP if "{app}" in operation.path else None, "nobody")
        async with acme.client.request(operation.method, address(operation), headers=headers) as response:
            assert (response.status == 403) is not passes, f"{by} {operation.name}: {response.status}"
            assert response.status not in {401, 500}
            if not passes:
                assert (await response.json())["error"] == "forbidden"


UNKNOWN = ["", "Bearer", "Bearer ", "Basic cm9vdDp4", "Bearer edge_" + "A" * 43, "Bearer " + "A" * 5000, "edge_x"]


async def test_no_operation_answers_without_a_known_token(acme):
    guarded = [operation for operation in OPERATIONS if operation.permission is not None]
    for authorization, operation in itertools.product(UNKNOWN, guarded):
        headers = {"Authorization": authorization} if authorization else {}
        async with acme.client.request(operation.method, address(operation), headers=headers) as response:
            assert response.status == 401, f"{operation.name} {authorization[:20]}"
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await response.json())["error"] == "unauthorized"


async def test_the_scheme_is_read_in_any_case(acme):
    headers = {"Authorization": f"bearer  {acme.secrets['root']}"}
    async with acme.client.get("/v1/apps", headers=headers) as response:
        assert response.status == 200


async def test_another_apps_publisher_is_refused(acme):
    await acme("POST", "/v1/apps", {"app": OTHER})
    assert await acme("POST", f"/v1/apps/{APP}/channels", {"name": "x"}, by="publisher-other", status=403)
    await acme("POST", f"/v1/apps/{OTHER}/channels", {"name": "x"}, by="publisher-other")


async def test_a_device_question_about_another_app_is_refused(acme):
    await acme("POST", "/v1/apps", {"app": OTHER})
    explain = f"/v1/apps/{APP}/explain"
    body = {"app_id": OTHER, "device_id": DEVICE}
    assert await acme("POST", explain, body, by="reader-acme", status=422) == "app_mismatch"
    for odd, code in ((b"", "invalid_json"), (b"{", "invalid_json"), (b"[]", "invalid_body"), (b"{}", "app_mismatch")):
        assert await acme("POST", explain, content=odd, by="reader-acme", status=422) == code
    assert await acme("POST", explain, {"app_id": 1}, by="reader-acme", status=422) == "invalid_body"
    answer = await acme("POST", explain, {"app_id": APP, "device_id": DEVICE}, by="reader-acme")
    assert answer["steps"][0]["saw"] == {"device": DEVICE}


async def test_the_node_and_the_counts_are_shown(acme):
    assert (await acme("GET", "/v1/node", by="reader"))["apps"] == 1
    assert (await acme("GET", f"/v1/apps/{APP}/stats"))["counts"] == [{"bundle": "1.0.0", "action": "set", "n": 3}]


async def test_tokens_are_made_listed_and_revoked(acme):
    acme.secrets.all()
    made = await acme("POST", "/v1/tokens", {"name": "ci", "role": "publisher", "app": APP})
    acme.secrets["ci"] = made.pop("token")
    assert made == {"name": "ci", "role": "publisher", "app": APP, "expires": None, "absent": []}
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "beta"}, by="ci")
    listed = {token["name"]: token for token in await acme("GET", "/v1/tokens")}
    assert set(listed) == {*GRANTS, "ci"} and listed["ci"]["by"] == "root"
    assert await acme("DELETE", "/v1/tokens/ci") == {"name": "ci", "revoked": True}
    assert await acme("GET", "/v1/apps", by="ci", status=401) == "unauthorized"


async def test_a_repeated_token_command_shows_a_secret_that_works(acme):
    body, headers = {"name": "ci", "role": "reader"}, {"Idempotency-Key": "once"}
    lost = await acme("POST", "/v1/tokens", body, headers=headers)
    made = await acme("POST", "/v1/tokens", body, headers=headers)
    acme.secrets |= {"lost": lost["token"], "ci": made["token"]}
    await acme("GET", "/v1/apps", by="ci")
    assert await acme("GET", "/v1/apps", by="lost", status=401) == "unauthorized"
    assert await acme("POST", "/v1/tokens", body, status=409) == "token_exists"


async def test_an_expired_token_is_refused_with_its_code(serve, world):
    now = [NOW]
    api = await serve(now=lambda: now[0])
    made = await api("POST", "/v1/tokens", {"name": "ci", "role": "reader", "lifetime_seconds": 90 * 86_400})
    assert made["expires"] == NOW + 90 * 86_400
    api.secrets["ci"] = made["token"]
    now[0] = made["expires"] - 1
    assert (await api("GET", "/v1/token", by="ci"))["expires"] == made["expires"]
    now[0] = made["expires"]
    assert await api("GET", "/v1/apps", by="ci", status=401) == "token_expired"
    listed = {token["name"]: token for token in await api("GET", "/v1/tokens")}
    assert (listed["ci"]["expires"], listed["root"]["expires"]) == (made["expires"], None)


async def test_a_token_shows_its_permissions(acme):
    own = await acme("GET", "/v1/token", by="uploader-acme")
    assert [(each["role"], each["scope"]) for each in own.pop("holds")] == [("uploader", f"app:{APP}")]
    assert own.pop("ask") == []
    assert own == {
        "name": "uploader-acme",
        "role": "uploader",
        "app": APP,
        "expires": None,
        "permissions": [
            "export_events",
            "list_apps",
            "look_up_devices",
            "read_app",
            "read_node",
            "read_self",
            "upload_bundles",
        ],
    }


async def test_an_uploader_publishes_and_offers_nothing(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production", "public": True})
    done = await acme.publish("1.0.0", by="uploader-acme")
    assert (done["changed"], done["channels"]) == (True, [])
    was = world.releases.head(APP)
    offered = {"channel": "production", "by": "uploader-acme", "status": 403}
    assert await acme.publish("1.1.0", **offered) == "forbidden"
    assert await acme.publish("1.0.0", **offered) == "forbidden"
    patch = ("PATCH", f"/v1/apps/{APP}/channels/production", {"bundle": "1.0.0"})
    assert await acme(*patch, by="uploader-acme", status=403) == "forbidden"
    assert world.releases.head(APP) == was


async def test_a_developer_publishes_to_a_test_channel_and_undoes_that_alone(acme, world):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production", "public": True})
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "lab", "test": True})
    by = {"by": "developer-acme"}
    assert (await acme.publish("1.0.0", channel="lab", **by))["channels"] == ["lab"]
    await acme("POST", f"/v1/apps/{APP}/undo", {}, **by)
    await acme.publish("1.1.0", channel="lab", **by)
    was = world.releases.head(APP)
    assert await acme.publish("1.2.0", channel="production", status=403, **by) == "forbidden"
    lab = f"/v1/apps/{APP}/channels/lab"
    for wanted in ({"public": True, "replace": True}, {"test": False}, {"self_set": True}):
        assert await acme("PATCH", lab, wanted, status=403, **by) == "forbidden", wanted
        assert await acme("PATCH", f"{lab}?dry_run=true", wanted, status=403, **by) == "forbidden"
    assert world.releases.head(APP) == was
    await acme("PATCH", f"/v1/apps/{APP}/channels/production", {"ios": False})
    assert await acme("POST", f"/v1/apps/{APP}/undo", {}, status=403, **by) == "forbidden"
    assert await acme("DELETE", lab, status=403, **by) == "forbidden"


async def test_a_preview_names_no_device_to_who_may_not_look_one_up(acme):
    await acme("POST", f"/v1/apps/{APP}/channels", {"name": "production"})
    await acme.publish("1.0.0")
    preview = f"/v1/apps/{APP}/channels/production/rollout/preview?devices=7"
    for by, listed in (("viewer", 0), ("reader-acme", 7)):
        answer = await acme("POST", preview, {"bundle": "1.0.0", "steps": ["1"]}, by=by)
        assert answer["known"]["elsewhere"] == listed  # the world's double tells how many it was asked for


async def test_an_expression_of_ones_own_counts_for_who_may_look_up_devices(acme):
    count = f"/v1/apps/{APP}/segments/mine/count"
    assert await acme("POST", count, {"where": 'custom_id == "anna"'}, by="viewer", status=403) == "forbidden"
    assert await acme("POST", count, {}, by="viewer", status=404) == "unknown_segment"


async def test_a_refused_publish_names_what_is_missing(acme):
    headers = {"Authorization": f"Bearer {acme.secrets['uploader-acme']}"}
    body = {"version": "1.0.0", "zip": "0" * 64, "manifest": "0" * 64, "channel": "production"}
    async with acme.client.post(f"/v1/apps/{APP}/bundles", json=body, headers=headers) as response:
        message = (await response.json())["message"]
    assert message.startswith(
        f"token 'uploader-acme' (uploader of app {APP}) may not change channels or offer anything in app {APP!r} on "
        "channel 'production': releaser or publisher or admin may (change_channels)"
    )
    assert message.endswith("ask an admin for a token that may")


async def test_odd_tokens_are_refused(acme):
    refused = [
        ({"name": "root", "role": "admin"}, 409, "token_exists"),
        ({"name": "a b", "role": "admin"}, 422, "invalid_token_name"),
        ({"name": "guard", "role": "admin"}, 422, "invalid_token_name"),
        ({"name": "x", "role": "owner"}, 404, "unknown_role"),
        ({"name": "x", "role": "node", "app": APP}, 422, "invalid_token_scope"),
        ({"name": "x", "role": "reader", "app": "-x"}, 422, "invalid_app_id"),
        ({"name": "x"}, 422, "invalid_body"),
        ({"name": "x", "role": "reader", "lifetime_seconds": 59}, 422, "invalid_lifetime"),
        ({"name": "x", "role": "reader", "lifetime_seconds": 367 * 86_400}, 422, "invalid_lifetime"),
        ({"name": "x", "role": "reader", "lifetime_seconds": -1}, 422, "invalid_body"),
    ]
    for body, status, code in refused:
        assert await acme("POST", "/v1/tokens", body, status=status) == code
    assert await acme("DELETE", "/v1/tokens/nobody", status=404) == "unknown_token"
    assert await acme("DELETE", "/v1/tokens/root", status=409) == "last_admin"


async def test_no_secret_is_shown_or_logged(acme, world, caplog):
    caplog.set_level(logging.DEBUG)
    told = []
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    body = msgspec.json.encode({"name": "ci", "role": "node"})
    async with acme.client.post("/v1/tokens", data=body, headers=headers) as response:
        acme.secrets["ci"] = (await response.json())["token"]
    for by in acme.secrets.all():
        headers = {"Authorization": f"Bearer {acme.secrets[by]}"}
        for operation in OPERATIONS:
            async with acme.client.request(operation.method, address(operation), headers=headers) as response:
                goes_on = response.status == 200 and response.content_type == "text/event-stream"
                said = await response.content.readany() if goes_on else await response.read()
                told.append(f"{response.headers} {said.decode(errors='replace')}")
    stored = [world.store.get(key).data.decode("utf-8", "replace") for key in world.store.keys("")]
    everything = "\n".join([*told, *stored, caplog.text, *(str(record.__dict__) for record in caplog.records)])
    assert len(told) > 100 and APP in everything
    for by, secret in acme.secrets.items():
        assert secret not in everything, by


async def test_a_bug_is_500_with_a_traceback_in_the_log_and_nothing_in_the_answer(serve, caplog):
    async def broken():
        raise RuntimeError("inner workings")

    api = await serve(status=broken)
    assert await api("GET", "/v1/node", status=500) == "internal_error"
    assert "inner workings" in caplog.text and "Traceback" in caplog.text
    assert api.secrets["root"] not in caplog.text


async def test_an_unknown_address_is_404_in_the_same_shape(api):
    for path in ("/", "/v1", "/v2/apps", "/v1/apps/", f"/v1/apps/{APP}/nothing", "/%2e%2e/x"):
        assert await api("GET", path, status=404) == "not_found", path
        assert await api("GET", path, by=None, status=404) == "not_found", path


async def test_a_wrong_method_is_405_and_names_the_right_ones(api):
    assert await api("PATCH", "/v1/apps", status=405) == "method_not_allowed"
    async with api.client.put("/v1/apps") as response:
        assert response.headers["Allow"] == "GET,POST"


WRONG_BODIES = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"\xff\xfe", "invalid_json"),
    (b'{"app": "\xff"}', "invalid_json"),
    (b'{"app": "com.a.b"} x', "invalid_json"),
    (b"[]", "invalid_body"),
    (b"null", "invalid_body"),
    (b"{}", "invalid_body"),
    (b'{"app": 1}', "invalid_body"),
    (b'{"app": "com.a.b", "owner": 1}', "invalid_body"),
]


async def test_a_wrong_body_is_422(api):
    for content, code in WRONG_BODIES:
        assert await api("POST", "/v1/apps", content=content, status=422) == code, content
    assert await api("POST", "/v1/apps", content=b"[" * 100_000, status=422) in {"invalid_json", "invalid_body"}
    assert await api("POST", f"/v1/apps/{APP}/explain", content=b'{"a":' * 3000, status=422) == "invalid_json"


async def test_a_wrong_body_is_refused_with_the_path_to_it(api):
    headers = {"Authorization": f"Bearer {api.secrets['root']}"}
    async with api.client.post("/v1/apps", data=b'{"app": 1}', headers=headers) as response:
        assert "$.app" in (await response.json())["message"]


async def test_a_body_is_limited_declared_or_not(api):
    content = json.dumps({"app": "x" * JSON_LIMIT_BYTES}).encode()

    async def pieces():
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    assert await api("POST", "/v1/apps", content=content, status=413) == "body_too_large"
    assert await api("POST", "/v1/apps", content=pieces(), status=413) == "body_too_large"


async def test_an_answer_must_not_be_cached(api):
    async with api.client.get("/v1/openapi.json") as response:
        assert response.headers["Cache-Control"] == "no-store"


def test_an_admin_may_do_everything():
    assert all(Grant("root", (hold_of(Role.ADMIN),)).may(permission) for permission in Permission)
