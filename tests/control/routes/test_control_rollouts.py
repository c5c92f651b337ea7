"""Rollouts over HTTP: every move from every phase, refusals that store nothing, and what is shown when."""

import pytest
from control_world import APP, NOW

from edge.domain.model import Phase
from edge.domain.schedule.rollout import LIFE_CYCLE, Moment, Move

CHANNELS = f"/v1/apps/{APP}/channels"
ROLLOUT = f"{CHANNELS}/production/rollout"
PLAN = {"bundle": "1.1.0", "steps": ["1", "5%", "50", "100"], "every_seconds": 3_600}
# The moves that lead from a start to each phase.
WAYS = {
    Phase.RUNNING: [],
    Phase.PAUSED: [Move.PAUSE],
    Phase.PROMOTED: [Move.PROMOTE],
    Phase.ROLLED_BACK: [Move.ROLL_BACK],
}


class Clock:
    """The node's clock, and what the heads prove of it."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def moment(self, app):
        return Moment(self.now, self.now)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def ready(serve, clock):
    """The API of an app with a channel that offers 1.0.0, and 1.1.0 to roll out."""
    api = await serve(now=clock, moment=clock.moment)
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", CHANNELS, {"name": "production", "public": True})
    await api.publish("1.0.0", channel="production")
    await api.publish("1.1.0")
    return api


def stored(world):
    return world.releases.head(APP), list(world.announced)


async def test_a_rollout_is_started_and_shown(ready):
    plan = PLAN | {"hold_out": "2.5", "hold_out_group": "spring"}
    begun = await ready("POST", ROLLOUT, plan)
    shown = await ready("GET", ROLLOUT)
    assert shown == {
        "bundle": "1.1.0",
        "phase": "running",
        "step": 1,
        "share": "1%",
        "next_step_at": NOW + 3_600,
        "steps": ["1%", "5%", "50%", "100%"],
        "every_seconds": 3_600,
        "segments": [],
        "first": [],
        "hold_out": "2.5%",
        "hold_out_group": "spring",
        "started": NOW,
        "began": NOW,
        "paused": None,
        "gated": False,
        "gate_opens": None,
        "resumed": 0,
        "guard": {"max_failure": "2%", "metrics": ["update_fail"], "segments": [], "action": "pause"},
    }
    assert begun == shown | {"app": APP, "channel": "production", "revision": 5, "changed": True}
    channel = await ready("GET", f"{CHANNELS}/production")
    assert (channel["bundle"], channel["rollout"]) == ("1.0.0", {"bundle": "1.1.0", "phase": "running"})


async def test_a_channel_without_a_rollout_is_not_found(ready):
    assert await ready("GET", ROLLOUT, status=404) == "no_rollout"
    assert (await ready("GET", f"{CHANNELS}/production"))["rollout"] is None
    for move in Move:
        assert await ready("POST", f"{ROLLOUT}/{move.value}", status=404) == "no_rollout"


@pytest.mark.parametrize(
    ("after", "step", "share", "began", "following"),
    [
        (0, 1, "1%", 0, 3_600),
        (3_599, 1, "1%", 0, 3_600),
        (3_600, 2, "5%", 3_600, 7_200),
        (10_799, 3, "50%", 7_200, 10_800),
        (10_800, 4, "100%", 10_800, None),
        (10**6, 4, "100%", 10_800, None),
        (-500, 1, "1%", 0, 3_600),
    ],
)
async def test_what_is_shown_follows_the_time(ready, clock, after, step, share, began, following):
    await ready("POST", ROLLOUT, PLAN)
    clock.now += after
    shown = await ready("GET", ROLLOUT)
    at = following if following is None else NOW + following
    assert (shown["step"], shown["share"], shown["began"] - NOW, shown["next_step_at"]) == (step, share, began, at)


async def test_what_the_heads_do_not_prove_is_not_shown(serve, clock):
    api = await serve(now=clock, moment=lambda app: Moment(clock.now, NOW + 300))
    await api("POST", "/v1/apps", {"app": APP})
    await api("POST", CHANNELS, {"name": "production"})
    await api.publish("1.1.0")
    await api("POST", ROLLOUT, PLAN)
    clock.now += 86_400
    assert (await api("GET", ROLLOUT))["share"] == "1%"


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("phase", Phase)
async def test_moves_follow_the_table_and_others_change_nothing(ready, world, phase, move):
    await ready("POST", ROLLOUT, PLAN)
    for before in WAYS[phase]:
        await ready("POST", f"{ROLLOUT}/{before.value}")
    was, shown = stored(world), await ready("GET", ROLLOUT)
    assert shown["phase"] == phase.value
    if phase in LIFE_CYCLE[move].before:
        after = await ready("POST", f"{ROLLOUT}/{move.value}")
        assert (after["phase"], after["changed"]) == (LIFE_CYCLE[move].after.value, True)
        assert stored(world) != was
    else:
        assert await ready("POST", f"{ROLLOUT}/{move.value}", status=409) == "illegal_move"
        assert (stored(world), await ready("GET", ROLLOUT)) == (was, shown)


async def test_an_unknown_move_has_no_address(ready):
    assert await ready("POST", f"{ROLLOUT}/explode", status=404) == "not_found"


async def test_a_rollout_runs_from_start_to_promotion(ready, clock):
    await ready("POST", ROLLOUT, PLAN)
    clock.now += 3_600
    assert (await ready("POST", f"{ROLLOUT}/pause"))["share"] == "5%"
    clock.now += 86_400
    assert (await ready("GET", ROLLOUT))["share"] == "5%"
    resumed = await ready("POST", f"{ROLLOUT}/resume")
    assert (resumed["share"], resumed["next_step_at"]) == ("5%", clock.now + 3_600)
    assert [(await ready("POST", f"{ROLLOUT}/advance"))["share"] for _ in range(2)] == ["50%", "100%"]
    assert await ready("POST", f"{ROLLOUT}/advance", status=409) == "last_step"
    promoted = await ready("POST", f"{ROLLOUT}/promote")
    assert (promoted["phase"], promoted["share"], promoted["next_step_at"]) == ("promoted", "100%", None)
    channel = await ready("GET", f"{CHANNELS}/production")
    assert (channel["bundle"], channel["rollout"]["phase"]) == ("1.1.0", "promoted")


async def test_a_pause_reports_on_how_many_devices_the_bundle_waits(ready, clock):
    await ready("POST", ROLLOUT, PLAN)
    key = {"Idempotency-Key": "pause-once"}
    paused = await ready("POST", f"{ROLLOUT}/pause", headers=key)
    assert paused["waiting"] == {"downloaded": 2, "offered": 3, "since": NOW, "cut": False}
    again = await ready("POST", f"{ROLLOUT}/pause", headers=key)
    assert again == paused | {"changed": False}


async def test_a_pause_succeeds_even_if_the_devices_cannot_be_counted(ready):
    await ready.publish("1.2.0")
    await ready("POST", ROLLOUT, PLAN | {"bundle": "1.2.0"})
    paused = await ready("POST", f"{ROLLOUT}/pause")
    assert (paused["phase"], paused["waiting"]) == ("paused", None)


async def test_a_repeated_start_or_move_is_carried_out_once(ready, world):
    key = {"Idempotency-Key": "press-once"}
    begun = await ready("POST", ROLLOUT, PLAN, headers=key)
    assert await ready("POST", ROLLOUT, PLAN, headers=key) == begun | {"changed": False}
    key = {"Idempotency-Key": "advance-once"}
    assert (await ready("POST", f"{ROLLOUT}/advance", headers=key))["step"] == 2
    assert (await ready("POST", f"{ROLLOUT}/advance", headers=key))["step"] == 2


REFUSED = {
    "a share that is none": ({"steps": ["1", "half"]}, 422, "invalid_share"),
    "a share of too many digits": ({"steps": ["0.0001"]}, 422, "invalid_share"),
    "above all": ({"steps": ["101"]}, 422, "invalid_share"),
    "no steps": ({"steps": []}, 422, "invalid_steps"),
    "steps that fall": ({"steps": ["5", "1"]}, 422, "invalid_steps"),
    "steps that stay": ({"steps": ["5", "5"]}, 422, "invalid_steps"),
    "a step of nobody": ({"steps": ["0"]}, 422, "invalid_steps"),
    "too many steps": ({"steps": [str(n) for n in range(1, 52)]}, 422, "invalid_steps"),
    "a step that is over at once": ({"every_seconds": 59}, 422, "invalid_every"),
    "a step without end": ({"every_seconds": 90 * 86_400 + 1}, 422, "invalid_every"),
    "a time below zero": ({"every_seconds": -1}, 422, "invalid_body"),
    "a time that is no number": ({"every_seconds": "6h"}, 422, "invalid_body"),
    "a number beyond all": ({"every_seconds": 10**400}, 422, "invalid_body"),
    "everybody held out": ({"hold_out": "100"}, 422, "invalid_hold_out"),
    "a hold-out that is none": ({"hold_out": "some"}, 422, "invalid_share"),
    "a group without a name": ({"hold_out_group": ""}, 422, "invalid_group_name"),
    "an unknown bundle": ({"bundle": "9.9.9"}, 404, "unknown_bundle"),
    "builtin": ({"bundle": "builtin"}, 404, "unknown_bundle"),
    "what everybody has": ({"bundle": "1.0.0"}, 409, "nothing_to_roll_out"),
    "an unknown segment": ({"segments": ["vips"]}, 404, "unknown_segment"),
    "an unknown first segment": ({"first": ["vips"]}, 404, "unknown_segment"),
    "too many segments": ({"segments": ["vips"] * 21}, 422, "too_many_segments"),
    "a misspelt setting": ({"stpes": ["1"]}, 422, "invalid_body"),
    "shares as numbers": ({"steps": [1, 5]}, 422, "invalid_body"),
}


@pytest.mark.parametrize("how", ["", "/preview"], ids=["start", "preview"])
@pytest.mark.parametrize(("wrong", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_an_invalid_plan_is_refused_and_nothing_is_stored(ready, world, wrong, status, code, how):
    was = stored(world)
    assert await ready("POST", ROLLOUT + how, PLAN | wrong, status=status) == code
    assert stored(world) == was


async def test_a_second_rollout_waits_for_the_first(ready, world):
    await ready("POST", ROLLOUT, PLAN)
    was = stored(world)
    await ready.publish("1.2.0")
    for how in ("", "/preview"):
        assert await ready("POST", ROLLOUT + how, PLAN | {"bundle": "1.2.0"}, status=409) == "rollout_active"
    assert stored(world)[0].revision == was[0].revision + 1
    await ready("POST", f"{ROLLOUT}/rollback")
    assert (await ready("POST", ROLLOUT, PLAN | {"bundle": "1.2.0"}))["step"] == 1


async def test_nothing_is_published_or_set_past_a_rollout_unless_by_force(ready, world):
    await ready("POST", ROLLOUT, PLAN)
    await ready.publish("1.2.0")
    was = stored(world)
    to_it = {"bundle": "1.2.0"}
    assert await ready("PATCH", f"{CHANNELS}/production", to_it, status=409) == "rollout_active"
    assert await ready("PATCH", f"{CHANNELS}/production", to_it | {"if_current": "1.1.0"}, status=409) == "not_current"
    assert stored(world) == was
    key = {"Idempotency-Key": "force-once"}
    after = await ready("PATCH", f"{CHANNELS}/production", to_it | {"force": True}, headers=key)
    assert after["replaced"] == {
        "bundle": "1.0.0",
        "changed": NOW,
        "by": "root",
        "withdrawn": None,
        "rollout": {"bundle": "1.1.0", "phase": "rolled_back"},
        "experiment": None,
    }
    assert (after["bundle"], after["bundle_changed_by"], after["revision"]) == ("1.2.0", "root", was[0].revision + 1)
    again = await ready("PATCH", f"{CHANNELS}/production", to_it | {"force": True}, headers=key)
    assert again == after | {"changed": False, "replaced": None}
    (line,) = await ready("GET", f"/v1/apps/{APP}/history?limit=1")
    (on,) = line["channels"]
    assert [(side["bundle"], side["rollout"]) for side in (on["before"], on["after"])] == [
        ("1.0.0", "1.1.0"),
        ("1.2.0", None),
    ]
    assert await ready("PATCH", f"{CHANNELS}/production", {"bundle": "1.1.0"}, status=409) == "lower_version"


async def test_a_withdrawn_bundle_is_not_rolled_out(ready, world):
    await ready("POST", f"/v1/apps/{APP}/bundles/1.1.0/withdraw", {"reason": "white screen"})
    was = stored(world)
    assert await ready("POST", ROLLOUT, PLAN, status=409) == "bundle_withdrawn"
    assert stored(world) == was


async def test_a_preview_changes_nothing_and_names_the_id_that_draws_the_same_devices(ready, world):
    was = stored(world)
    seen = await ready("POST", f"{ROLLOUT}/preview?devices=7", PLAN, headers={"Idempotency-Key": "draw-1"})
    assert (seen["id"], [step["share"] for step in seen["steps"]]) == ("draw-1", ["1%", "5%", "50%", "100%"])
    assert seen["known"]["elsewhere"] == 7  # what the world was asked to list
    assert stored(world) == was
    assert await ready("GET", ROLLOUT, status=404) == "no_rollout"
    await ready("POST", ROLLOUT, PLAN, headers={"Idempotency-Key": "draw-1"})
    assert world.releases.load(APP).channels["production"].rollout.salt == "draw-1"


@pytest.mark.parametrize("devices", ["-1", "1001", "many", "", "9" * 500, "0" * 9 + "1001", "0" * 9 + "9" * 5000, "٣"])
async def test_a_preview_lists_a_number_of_devices(ready, devices):
    assert await ready("POST", f"{ROLLOUT}/preview?devices={devices}", PLAN, status=422) == "invalid_devices"


async def test_readers_read_and_publishers_move(ready):
    assert await ready("POST", ROLLOUT, PLAN, by="reader-acme", status=403) == "forbidden"
    assert await ready("POST", f"{ROLLOUT}/preview", PLAN, by="reader-other", status=403) == "forbidden"
    await ready("POST", f"{ROLLOUT}/preview", PLAN, by="reader-acme")
    await ready("POST", ROLLOUT, PLAN, by="publisher-acme")
    await ready("GET", ROLLOUT, by="reader-acme")
    for move in Move:
        for by in ("reader-acme", "publisher-other", "node"):
            assert await ready("POST", f"{ROLLOUT}/{move.value}", by=by, status=403) == "forbidden"
