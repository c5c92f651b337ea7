"""A channel's guard over HTTP: rules and their refusals, what is known, what it did; and a publish that starts a
rollout."""

import pytest
from control_world import APP, NOW
from factories import a_change

from edge.domain.changes.guard.acting import act_on, change_id_of, reason_of
from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.watch import rules_of, watch_of
from edge.telemetry.votes.standing import GuardStanding

CHANNEL = f"/v1/apps/{APP}/channels/production"
GUARD = f"{CHANNEL}/guard"
DEFAULT = {
    "guarded": "rollouts",
    "max_failure": "2%",
    "metrics": ["update_fail"],
    "versus_control": False,
    "factor": 1.0,
    "segments": [],
    "action": "pause",
    "silence": "notify",
    "auto_advance": False,
    "trusted_prefixes": [],
}
PLAN = {"bundle": "1.1.0", "steps": ["1", "5%", "100"], "every_seconds": 3_600}


@pytest.fixture
async def ready(serve):
    api = await serve()
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", f"/v1/apps/{APP}/channels", {"name": "production", "public": True})
    await api.publish("1.0.0", channel="production")
    await api.publish("1.1.0")
    return api


def act(world) -> int:
    """The guard finds that the rollout fails and acts; the revision that it makes."""
    state = world.releases.load(APP)
    watch = watch_of(state.channels["production"])
    found = Evidence(
        app=APP,
        watch=watch.id,
        as_of_ms=0,
        verdict=Verdict.FAILS,
        offered=300,
        attempts=96,
        failed=14,
        low=0.05,
        high=0.3,
        rules=rules_of(watch.policy),
    )
    command = act_on(state, found, NOW)
    why = reason_of(command, "14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %")
    made = a_change(command, id=change_id_of(APP, command), by="guard", reason=why)
    return world.releases.commit(APP, made).state.revision


async def test_rollouts_are_guarded_without_being_asked_for(ready):
    shown = await ready("GET", GUARD)
    assert shown | DEFAULT == shown
    assert (shown["watched"], shown["unknown"]) == (None, "")
    await ready("POST", f"{CHANNEL}/rollout", PLAN)
    watched = (await ready("GET", GUARD))["watched"]
    assert (watched["bundle"], watched["is_rollout"], watched["acts"], watched["since"]) == ("1.1.0", True, True, NOW)


async def test_rules_are_set_one_by_one(ready):
    changed = await ready("PATCH", GUARD, {"max_failure": "0.5", "action": "rollback"})
    assert changed == DEFAULT | {
        "max_failure": "0.5%",
        "action": "rollback",
        "app": APP,
        "channel": "production",
        "revision": 5,
        "changed": True,
    }
    again = await ready("PATCH", GUARD, {"trusted_prefixes": ["203.0.113.7/24"], "silence": "pause"})
    assert (again["max_failure"], again["trusted_prefixes"], again["silence"]) == ("0.5%", ["203.0.113.0/24"], "pause")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"max_failure": "80%"}, 422, "invalid_max_failure"),
        ({"max_failure": "much"}, 422, "invalid_share"),
        ({"metrics": ["crash"]}, 422, "needs_control"),
        ({"segments": ["nobody"]}, 404, "unknown_segment"),
        ({"trusted_prefixes": ["0.0.0.0/0"]}, 422, "invalid_prefix"),
        ({"silence": "rollback"}, 422, "invalid_body"),
        ({"max_failures": "2%"}, 422, "invalid_body"),
    ],
)
async def test_bad_rules_store_nothing(ready, world, body, status, code):
    before = world.releases.head(APP)
    assert await ready("PATCH", GUARD, body, status=status) == code
    assert world.releases.head(APP) == before


async def test_a_dry_run_of_rules_changes_nothing(ready, world):
    before = world.releases.head(APP)
    assert (await ready("PATCH", f"{GUARD}?dry_run=true", {"action": "notify"}))["dry_run"] is True
    assert world.releases.head(APP) == before


async def test_a_guard_that_sees_nothing_says_so(ready, world):
    world.standing = None
    shown = await ready("GET", GUARD)
    assert (shown["standing"], shown["unknown"]) == (None, "events are not counted")


async def test_a_release_beyond_the_limit_of_a_node_is_not_shown_as_watched(ready, world):
    world.standing = GuardStanding(crowded=True)
    assert (await ready("GET", GUARD))["unknown"] == ""
    await ready("POST", f"{CHANNEL}/rollout", PLAN)
    shown = await ready("GET", GUARD)
    assert (shown["standing"], shown["unknown"]) == (
        None,
        "1,000 other releases are under guard on this node, which is its limit",
    )


async def test_what_is_known_is_shown(ready, world):
    world.standing = GuardStanding(bundle="1.1.0", capped=7)
    shown = (await ready("GET", GUARD))["standing"]
    assert (shown["bundle"], shown["capped"], shown["evidence"]) == ("1.1.0", 7, None)


async def test_the_history_has_what_it_did_and_how_its_rules_changed(ready, world):
    await ready("PATCH", GUARD, {"max_failure": "1%"})
    await ready("POST", f"{CHANNEL}/rollout", PLAN)
    revision = act(world)
    listed = await ready("GET", f"{GUARD}/history")
    acted, ruled = listed["entries"]
    assert (acted["revision"], acted["by"], acted["deed"], acted["finding"]) == (revision, "guard", "pause", "fails")
    assert acted["reason"] == "paused: 14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %"
    assert (acted["figures"]["failed"], acted["figures"]["attempts"], acted["step"]) == (14, 96, 1)
    assert (ruled["revision"], ruled["deed"], ruled["figures"]) == (5, None, None)
    page = await ready("GET", f"{GUARD}/history?limit=1")
    assert ([each["revision"] for each in page["entries"]], page["next_before"]) == ([revision], revision)
    older = await ready("GET", f"{GUARD}/history?limit=1&before={revision}")
    assert [each["revision"] for each in older["entries"]] == [5]
    everything = await ready("GET", f"/v1/apps/{APP}/history?limit=1")
    assert everything[0]["reason"] == acted["reason"]


async def test_an_undo_of_its_pause_says_that_it_undoes_a_stop(ready, world):
    await ready("POST", f"{CHANNEL}/rollout", PLAN)
    act(world)
    assert await ready("POST", f"/v1/apps/{APP}/undo", {}, status=409) == "undoes_a_stop"
    await ready("POST", f"/v1/apps/{APP}/undo", {"force": True})
    assert (await ready("GET", f"{CHANNEL}/rollout"))["phase"] == "running"


async def test_a_resumed_rollout_is_counted_from_then_on(ready, world):
    await ready("POST", f"{CHANNEL}/rollout", PLAN)
    first = (await ready("GET", GUARD))["watched"]
    act(world)
    paused = (await ready("GET", GUARD))["watched"]
    assert (paused["id"], paused["acts"], paused["told"]) == (first["id"], False, ["paused"])
    resumed = await ready("POST", f"{CHANNEL}/rollout/resume")
    second = (await ready("GET", GUARD))["watched"]
    assert (second["id"] != first["id"], second["acts"], second["told"], resumed["resumed"]) == (True, True, [], 1)


async def test_a_rollout_that_advances_by_itself_waits_for_its_gate(ready):
    await ready("PATCH", GUARD, {"auto_advance": True})
    begun = await ready("POST", f"{CHANNEL}/rollout", PLAN)
    assert (begun["gated"], begun["next_step_at"], begun["gate_opens"]) == (True, None, NOW + 3_600)


async def test_a_publish_starts_a_guarded_rollout_in_one_change(ready, world):
    before = world.releases.head(APP).revision
    plan = {"steps": ["1", "100"], "every_seconds": 21_600}
    done = await ready.publish("1.2.0", channel="production", rollout=plan)
    assert done["rollout"]["bundle"] == "1.2.0"
    assert (done["rollout"]["steps"], done["rollout"]["share"]) == (["1%", "100%"], "1%")
    assert done["rollout"]["guard"]["action"] == "pause"
    assert (done["revision"], done["replaced"]) == (before + 1, None)
    assert (await ready("GET", CHANNEL))["bundle"] == "1.0.0"
