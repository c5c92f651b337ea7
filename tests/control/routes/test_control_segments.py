"""Segments over HTTP: saved or refused with the place of the error, and tested on a device before and after."""

import pytest
from control_world import APP, DEVICE, OTHER

from edge.domain.changes.segments import PRIORITY_LIMIT, SEGMENT_LIMIT
from edge.domain.facts import NO_FACTS, Behaviour
from edge.domain.targeting.parser import EXPRESSION_LEVELS_LIMIT, EXPRESSION_LIMIT_BYTES

SEGMENTS, CHANNELS, ID_SETS = f"/v1/apps/{APP}/segments", f"/v1/apps/{APP}/channels", f"/v1/apps/{APP}/id-sets"


async def revision(api):
    return (await api("GET", f"/v1/apps/{APP}"))["revision"]


def device(**changed):
    asked = {"app_id": APP, "device_id": DEVICE, "platform": "ios", "version_build": "2.1.0", "version_name": "2.1.0"}
    return asked | {"plugin_version": "8.51.14", "version_os": "17.5", "custom_id": "qa-anna"} | changed


async def test_a_segment_is_made_shown_and_changed_one_setting_at_a_time(acme):
    await acme("POST", CHANNELS, {"name": "beta"})
    made = await acme("PATCH", f"{SEGMENTS}/testers", {"where": "is_prod", "channel": "beta", "priority": 5})
    segment = {"name": "testers", "where": "is_prod", "channel": "beta", "priority": 5, "yield_to_self_set": None}
    segment |= {"leave": None}
    assert made == segment | {"app": APP, "revision": 3, "changed": True, "warnings": []}
    assert await acme("GET", f"{SEGMENTS}/testers") == segment
    for change in ({"where": "!is_prod"}, {"priority": 0}, {"yield_to_self_set": False}, {"channel": None}):
        segment |= change
        after = await acme("PATCH", f"{SEGMENTS}/testers", change)
        assert after["changed"] and segment.items() <= after.items()
    again = await acme("PATCH", f"{SEGMENTS}/testers", {"priority": 0})
    assert (again["changed"], again["revision"]) == (False, 7)


async def test_segments_are_listed_in_the_order_of_evaluation(acme):
    for name, priority in (("b", 7), ("c", 7), ("z", 0), ("a", 100)):
        await acme("PATCH", f"{SEGMENTS}/{name}", {"where": "is_prod", "priority": priority})
    assert [each["name"] for each in await acme("GET", SEGMENTS)] == ["z", "b", "c", "a"]


REFUSED = [
    ({}, 422, "missing_expression"),
    ({"where": ""}, 422, "missing_expression"),
    ({"where": 'platform = "ios"'}, 422, "invalid_expression"),
    (
        {"where": " || ".join(["is_prod"] * EXPRESSION_LIMIT_BYTES)[: EXPRESSION_LIMIT_BYTES + 1]},
        422,
        "invalid_expression",
    ),
    ({"where": "!" * (EXPRESSION_LEVELS_LIMIT + 1) + "is_prod"}, 422, "invalid_expression"),
    ({"where": 'in_set("nobody")'}, 404, "unknown_id_set"),
    ({"where": "is_prod", "channel": "nowhere"}, 404, "unknown_channel"),
    ({"where": "is_prod", "priority": -1}, 422, "invalid_priority"),
    ({"where": "is_prod", "priority": PRIORITY_LIMIT + 1}, 422, "invalid_priority"),
    ({"where": "is_prod", "priority": "first"}, 422, "invalid_body"),
    ({"where": "is_prod", "chanel": "beta"}, 422, "invalid_body"),
    ({"where": ["is_prod"]}, 422, "invalid_body"),
    ({"where": None}, 422, "invalid_body"),
    ({"where": "sessions_7d > 10", "leave": "sessions_7d <"}, 422, "invalid_expression"),
    ({"where": "sessions_7d > 10", "leave": "is_prod"}, 422, "invalid_leave"),
    ({"where": "sessions_7d > 10", "leave": "sessions_7d < 7 && is_prod"}, 422, "invalid_leave"),
    ({"where": "is_prod", "leave": "sessions_7d < 7"}, 422, "invalid_leave"),
    ({"where": "sessions_7d > 10", "leave": 7}, 422, "invalid_body"),
]


@pytest.mark.parametrize(("body", "status", "code"), REFUSED)
async def test_what_is_refused_changes_nothing(acme, body, status, code):
    before = await revision(acme)
    assert await acme("PATCH", f"{SEGMENTS}/testers", body, status=status) == code
    assert await revision(acme) == before and await acme("GET", SEGMENTS) == []


async def test_a_wrong_expression_is_refused_with_its_place(acme):
    headers = {"Authorization": f"Bearer {acme.secrets['root']}"}
    body = {"where": "is_prod && sessions > 3"}
    async with acme.client.patch(f"{SEGMENTS}/x", json=body, headers=headers) as response:
        message = (await response.json())["message"]
    assert message == "column 12: unknown field 'sessions'; did you mean 'sessions_7d'?"


async def test_a_name_is_checked(acme):
    assert await acme("PATCH", f"{SEGMENTS}/-x", {"where": "is_prod"}, status=422) == "invalid_segment_name"
    assert await acme("PATCH", f"{SEGMENTS}/{'x' * 65}", {"where": "is_prod"}, status=422) == "invalid_segment_name"


async def test_an_app_has_a_limit_of_segments(acme):
    for number in range(SEGMENT_LIMIT):
        await acme("PATCH", f"{SEGMENTS}/s{number}", {"where": "is_prod"})
    assert await acme("PATCH", f"{SEGMENTS}/more", {"where": "is_prod"}, status=409) == "too_many_segments"
    await acme("PATCH", f"{SEGMENTS}/s0", {"where": "!is_prod"})


async def test_a_segment_in_use_is_not_deleted(acme):
    await acme("POST", CHANNELS, {"name": "beta"})
    await acme("PATCH", f"{SEGMENTS}/testers", {"where": "is_prod", "channel": "beta"})
    assert await acme("DELETE", f"{CHANNELS}/beta", status=409) == "channel_in_use"
    for version in ("1.0.0", "1.1.0"):
        await acme.publish(version)
    arms = [{"name": "a", "bundle": "1.0.0", "share": "50"}, {"name": "b", "bundle": "1.1.0", "share": "50"}]
    await acme("POST", f"{CHANNELS}/beta/experiment", {"name": "look", "arms": arms, "segment": "testers"})
    assert await acme("DELETE", f"{SEGMENTS}/testers", status=409) == "segment_in_use"
    await acme("POST", f"{CHANNELS}/beta/experiment/stop", {"keep": "b"})
    assert (await acme("DELETE", f"{SEGMENTS}/testers"))["changed"]
    assert await acme("GET", f"{SEGMENTS}/testers", status=404) == "unknown_segment"
    assert await acme("DELETE", f"{SEGMENTS}/testers", status=404) == "unknown_segment"


async def test_a_repeated_command_does_not_bring_a_segment_back(acme):
    key = {"Idempotency-Key": "once"}
    await acme("PATCH", f"{SEGMENTS}/testers", {"where": "is_prod"}, headers=key)
    await acme("DELETE", f"{SEGMENTS}/testers")
    again = await acme("PATCH", f"{SEGMENTS}/testers", {"where": "is_prod"}, headers=key, status=404)
    assert again == "unknown_segment"


async def test_history_shows_a_segment_and_its_expression(acme):
    await acme("PATCH", f"{SEGMENTS}/testers", {"where": 'custom_id == "anna"'})
    latest = (await acme("GET", f"/v1/apps/{APP}/history"))[0]
    assert latest["kind"] == "set_segment" and "testers" in latest["summary"]


TRIED = [
    ('platform == "ios"', True, []),
    ('platform == "android"', False, []),
    ('custom_id.startsWith("qa-") && version_os >= "17"', True, []),
    ('country == "DE"', False, ["country"]),
    ('country != "DE"', False, ["country"]),
    ('sessions_7d > 3 || country == "DE" || sessions_7d < 1', False, ["sessions_7d", "country"]),
    ('feature("cart") || !feature("cart")', False, ['feature("cart")']),
    ('region == "eu" || is_prod', True, ["region"]),
    ("version_name == version_build", True, []),
]


@pytest.mark.parametrize(("where", "matches", "unknown"), TRIED)
async def test_an_expression_is_tried_before_it_is_saved(acme, where, matches, unknown):
    before = await revision(acme)
    tested = await acme("POST", f"{SEGMENTS}/new/test", {"device": device(), "where": where}, by="reader-acme")
    judged = "not yet" if "sessions_7d" in where or "feature" in where else ""
    told = {"name": "new", "where": where, "matches": matches, "unknown": unknown, "judged": judged}
    assert tested == told | {"leave": None, "leaves": None}
    assert await revision(acme) == before


@pytest.mark.parametrize(("sessions", "leaves"), [(5, True), (8, False), (11, False)])
async def test_a_way_out_is_tried_before_it_is_saved(acme, world, sessions, leaves):
    world.facts[APP, DEVICE] = NO_FACTS._replace(behaviour=Behaviour(sessions_7d=sessions, judged_day=20_784))
    asked = {"device": device(), "where": "sessions_7d > 10", "leave": "sessions_7d < 7"}
    tested = await acme("POST", f"{SEGMENTS}/new/test", asked)
    assert (tested["leave"], tested["leaves"], tested["matches"]) == ("sessions_7d < 7", leaves, sessions > 10)


async def test_what_the_node_and_the_proxy_know_counts(serve, world):
    api = await serve(region="eu")
    await api("POST", "/v1/apps", {"app": APP})
    behaviour = Behaviour(sessions_7d=5, features=frozenset({"cart"}), judged_day=20_784)
    world.facts[APP, DEVICE] = NO_FACTS._replace(behaviour=behaviour)
    where = 'region == "eu" && country == "DE" && sessions_7d > 3 && feature("cart")'
    tested = await api("POST", f"{SEGMENTS}/x/test", {"device": device(), "where": where, "country": "DE"})
    assert (tested["matches"], tested["unknown"]) == (True, [])
    assert tested["judged"] == 'on 27 Nov 2026: 5 sessions, has used "cart"'


async def test_the_saved_segment_remembers_who_was_in(acme, world):
    await acme("PATCH", f"{SEGMENTS}/power", {"where": "sessions_7d > 10", "leave": "sessions_7d < 7"})
    was_in = Behaviour(sessions_7d=8, judged_day=20_784, places=1, revision=await revision(acme))
    world.facts[APP, DEVICE] = NO_FACTS._replace(behaviour=was_in)
    test = f"{SEGMENTS}/power/test"
    assert (await acme("POST", test, {"device": device()}))["matches"]
    assert not (await acme("POST", test, {"device": device(), "where": "sessions_7d > 10"}))["matches"]
    await acme("PATCH", f"{SEGMENTS}/power", {"leave": None})
    assert not (await acme("POST", test, {"device": device()}))["matches"]


async def test_the_saved_expression_is_tried_with_its_id_set(acme):
    await acme("PUT", f"{ID_SETS}/vip", content=f"{DEVICE.upper()}\n".encode())
    await acme("PATCH", f"{SEGMENTS}/vip", {"where": 'in_set("vip")'})
    test = f"{SEGMENTS}/vip/test"
    assert (await acme("POST", test, {"device": device()}))["matches"]
    other = device(device_id=DEVICE.replace("0000", "ffff"))
    assert not (await acme("POST", test, {"device": other}))["matches"]


async def test_bucket_draws_by_the_tested_name(acme):
    body = {"where": "bucket(50)"}
    ids = [f"{number:08x}-eefe-490a-9c60-8e965132ae51" for number in range(40)]

    async def drawn(name):
        path = f"{SEGMENTS}/{name}/test"
        return [(await acme("POST", path, body | {"device": device(device_id=each)}))["matches"] for each in ids]

    first, other = await drawn("first"), await drawn("other")
    assert first != other and {True, False} == {*first}
    await acme("PATCH", f"{SEGMENTS}/first", body)
    assert await drawn("first") == first


UNTRIED = [
    ({"device": device()}, 404, "unknown_segment"),
    ({"device": device(), "where": "sessions > 3"}, 422, "invalid_expression"),
    ({"device": device(), "where": 'in_set("nobody")'}, 404, "unknown_id_set"),
    ({"device": device(app_id=OTHER), "where": "is_prod"}, 422, "app_mismatch"),
    ({"device": device(device_id="me"), "where": "is_prod"}, 422, "invalid_json_body"),
    ({"device": device(version_build="1" * 129), "where": "is_prod"}, 422, "semver_error"),
    ({"device": [], "where": "is_prod"}, 422, "invalid_json_body"),
    ({"device": device(), "where": "is_prod", "country": "DEU"}, 422, "invalid_country"),
    ({"where": "is_prod"}, 422, "invalid_body"),
]


@pytest.mark.parametrize(("body", "status", "code"), UNTRIED)
async def test_an_invalid_trial_is_refused(acme, body, status, code):
    assert await acme("POST", f"{SEGMENTS}/new/test", body, status=status) == code


async def test_an_invalid_device_is_refused_with_the_field(acme):
    body = {"device": device(device_id="me"), "where": "is_prod"}
    headers = {"Authorization": f"Bearer {acme.secrets['reader']}"}
    async with acme.client.post(f"{SEGMENTS}/new/test", json=body, headers=headers) as response:
        assert "device_id: Device ID must be a valid UUID string" in (await response.json())["message"]


async def test_a_reader_reads_and_tests_and_a_publisher_of_the_app_sets(acme):
    await acme("PATCH", f"{SEGMENTS}/x", {"where": "is_prod"}, by="publisher-acme")
    for by in ("reader", "reader-acme", "publisher-acme"):
        assert len(await acme("GET", SEGMENTS, by=by)) == 1
        assert (await acme("POST", f"{SEGMENTS}/x/test", {"device": device()}, by=by))["matches"]
    for by in ("reader", "reader-acme", "publisher-other", "node"):
        assert await acme("PATCH", f"{SEGMENTS}/x", {"where": "is_prod"}, by=by, status=403) == "forbidden"
        assert await acme("DELETE", f"{SEGMENTS}/x", by=by, status=403) == "forbidden"
    assert await acme("POST", f"{SEGMENTS}/x/test", {"device": device()}, by="reader-other", status=403) == "forbidden"
