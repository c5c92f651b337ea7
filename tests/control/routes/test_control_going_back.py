"""Rollback, undo and withdrawal over HTTP: what is restored, what is refused, and that nothing is lost."""

from dataclasses import replace

import pytest
from control_world import APP, DEVICE, NOW, pack

from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    ClearOverride,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MakeEventKey,
    MoveRollout,
    NewArm,
    PruneBundles,
    PutIdSet,
    RemoveEventKeys,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    WithdrawBundle,
    kind_of,
)
from edge.domain.schedule.rollout import Move
from edge.store.objects.port import blob_key

CHANNELS, BUNDLES = f"/v1/apps/{APP}/channels", f"/v1/apps/{APP}/bundles"
ROLLBACK, UNDO = f"{CHANNELS}/production/rollback", f"/v1/apps/{APP}/undo"
IDS = pack(page="ids").zip


@pytest.fixture
async def released(acme):
    """1.0.0, then 1.1.0 on the public channel."""
    await acme("POST", CHANNELS, {"name": "production", "public": True})
    for version in ("1.0.0", "1.1.0"):
        await acme.publish(version, channel="production")
    return acme


def stored(world):
    return world.releases.head(APP), list(world.announced)


async def offered(api):
    return (await api("GET", f"{CHANNELS}/production"))["bundle"]


async def test_a_rollback_goes_to_the_last_good_bundle_until_none_is_left(released, world):
    after = await released("POST", ROLLBACK, {})
    assert (after["bundle"], after["changed"], after["revision"]) == ("1.0.0", True, 5)
    was = stored(world)
    assert await released("POST", ROLLBACK, {}, status=409) == "nothing_to_roll_back_to"
    assert stored(world) == was


@pytest.mark.parametrize("to", ["1.0.0", "builtin"])
async def test_a_rollback_goes_to_the_named_bundle(released, to):
    assert (await released("POST", ROLLBACK, {"to": to}))["bundle"] == to
    assert not (await released("POST", ROLLBACK, {"to": to}))["changed"]


async def test_a_rollback_ends_the_rollout_and_leaves_the_rest(released):
    await released.publish("1.2.0")
    await released("POST", f"{CHANNELS}/production/rollout", {"bundle": "1.2.0", "steps": ["50"]})
    after = await released("POST", ROLLBACK, {"to": None})
    assert (after["bundle"], after["rollout"]) == ("1.1.0", {"bundle": "1.2.0", "phase": "rolled_back"})


REFUSED = {
    "an unknown version": ({"to": "9.9.9"}, 404, "unknown_bundle"),
    "a withdrawn one": ({"to": "1.0.0"}, 409, "bundle_withdrawn"),
    "another field": ({"too": "1.0.0"}, 422, "invalid_body"),
    "no version": ({"to": 1}, 422, "invalid_body"),
    "nothing at all": ([], 422, "invalid_body"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_an_impossible_rollback_is_refused_and_nothing_is_stored(released, world, body, status, code):
    await released("POST", f"{BUNDLES}/1.0.0/withdraw", {"reason": "leaks"})
    was = stored(world)
    assert await released("POST", ROLLBACK, body, status=status) == code
    assert await released("POST", f"{CHANNELS}/nobody/rollback", {}, status=404) == "unknown_channel"
    assert stored(world) == was


async def test_a_withdrawn_bundle_is_marked_everywhere_and_not_offered_again(released, world):
    after = await released("POST", f"{BUNDLES}/1.1.0/withdraw", {"reason": " white screen on iOS "})
    assert (after["withdrawn"], after["changed"], after["channels"]) == ("white screen on iOS", True, ["production"])
    channel = await released("GET", f"{CHANNELS}/production")
    assert (channel["bundle"], channel["withdrawn"], channel["last_good"]) == ("1.1.0", "white screen on iOS", "1.0.0")
    listed = {bundle["version"]: bundle["withdrawn"] for bundle in await released("GET", BUNDLES)}
    assert listed == {"1.1.0": "white screen on iOS", "1.0.0": ""}
    assert (await released("GET", f"{BUNDLES}/1.1.0"))["withdrawn"] == "white screen on iOS"
    was = stored(world)
    again = await released("POST", f"{BUNDLES}/1.1.0/withdraw", {"reason": "another"})
    assert (again["changed"], again["withdrawn"]) == (False, "white screen on iOS")
    await released("POST", CHANNELS, {"name": "beta"})
    refused = [
        ("PATCH", f"{CHANNELS}/beta", {"bundle": "1.1.0"}),
        ("POST", f"{CHANNELS}/beta/rollout", {"bundle": "1.1.0", "steps": ["1"]}),
        ("POST", f"{CHANNELS}/beta/rollback", {"to": "1.1.0"}),
    ]
    for method, path, body in refused:
        assert await released(method, path, body, status=409) == "bundle_withdrawn"
    assert stored(world)[0].revision == was[0].revision + 1


async def test_a_withdrawal_ends_the_rollout_of_the_bundle(released):
    await released.publish("1.2.0")
    await released("POST", f"{CHANNELS}/production/rollout", {"bundle": "1.2.0", "steps": ["50"]})
    await released("POST", f"{BUNDLES}/1.2.0/withdraw", {"reason": "slow"})
    assert (await released("GET", f"{CHANNELS}/production/rollout"))["phase"] == "rolled_back"


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
async def test_a_withdrawal_needs_a_reason_of_one_line(released, world, reason):
    was = stored(world)
    assert await released("POST", f"{BUNDLES}/1.1.0/withdraw", {"reason": reason}, status=422) == "invalid_reason"
    assert await released("POST", f"{BUNDLES}/1.1.0/withdraw", {}, status=422) == "invalid_body"
    assert await released("POST", f"{BUNDLES}/9.9.9/withdraw", {"reason": "x"}, status=404) == "unknown_bundle"
    assert stored(world) == was


def commit(world, *commands):
    for number, command in enumerate(commands):
        change = Change(id=f"{kind_of(command)}-{number}-{len(world.announced)}", at=NOW, by="test", command=command)
        world.releases.commit(APP, change)


VIPS = SetSegment(name="vips", settings=SegmentSettings(where='in_set("vip")'))
ROLL = StartRollout(channel="production", bundle="1.2.0", steps=(1_000, 50_000))
ARMS = (NewArm(name="a", bundle="1.1.0", weight=50_000), NewArm(name="b", bundle="1.2.0", weight=50_000))
TRIAL = StartExperiment(channel="production", name="trial", arms=ARMS)
KEY = MakeEventKey(key="pk_" + "a" * 24, keep_seconds=60)
PUT = PutIdSet(name="vip", blob=IDS, ids=1)
# What comes before, and the change that is then taken back.
CHANGES = [
    ([], KEY),
    ([KEY], RemoveEventKeys()),
    ([], CreateChannel(name="beta", settings=ChannelSettings(bundle="1.0.0"))),
    ([], SetChannel(name="production", settings=ChannelSettings(bundle="1.2.0"))),
    ([], SetChannel(name="production", settings=ChannelSettings(public=False, windows=("daily 01:00-02:00 UTC",)))),
    ([CreateChannel(name="beta")], DeleteChannel(name="beta")),
    ([], DeleteBundle(version="1.2.0")),
    ([], PruneBundles(keep=0)),
    ([], WithdrawBundle(version="1.1.0", reason="leaks")),
    ([], RollBack(channel="production")),
    ([], RollBack(channel="production", to="builtin")),
    ([ROLL], RollBack(channel="production")),
    ([], SetOverride(device=DEVICE, channel="production")),
    ([SetOverride(device=DEVICE, channel="production")], ClearOverride(device=DEVICE)),
    ([PUT], VIPS),
    ([PUT, VIPS], SetSegment(name="vips", settings=SegmentSettings(channel="production"))),
    ([PUT, VIPS], DeleteSegment(name="vips")),
    ([], PUT),
    ([PUT], DeleteIdSet(name="vip")),
    ([], ROLL),
    *(([ROLL], MoveRollout(channel="production", move=move)) for move in Move if move is not Move.RESUME),
    ([ROLL, MoveRollout(channel="production", move=Move.PAUSE)], MoveRollout(channel="production", move=Move.RESUME)),
    ([], TRIAL),
    ([TRIAL], StopExperiment(channel="production", keep="b")),
]


def essence(state):
    """What a state is about: without its number, the commands it remembers, used-up names, when things changed, and
    what channels were rolled back from."""
    channels = {
        name: replace(
            channel,
            changed=0,
            rolled_back=False,
            taken_back=(),
            rollout=channel.rollout and replace(channel.rollout, began=0, resumed=0, resumed_at=0),
        )
        for name, channel in state.channels.items()
    }
    return replace(state, revision=0, recent=(), retired={}, channels=channels)


@pytest.mark.parametrize(
    ("before", "change"), CHANGES, ids=lambda each: "" if isinstance(each, list) else kind_of(each)
)
async def test_a_change_of_any_kind_is_undone(released, world, before, change):
    await released.publish("1.2.0")
    world.store.create(blob_key(IDS), b"ids")
    commit(world, *before)
    was = world.releases.load(APP)
    commit(world, change)
    changed = world.releases.load(APP)
    assert essence(changed) != essence(was)
    done = await released("POST", UNDO, {"force": True})
    assert (done["changed"], done["revision"]) == (True, changed.revision + 1)
    assert (done["undone"]["revision"], done["undone"]["kind"]) == (changed.revision, kind_of(change))
    assert essence(world.releases.load(APP)) == essence(was)
    assert world.announced[-1] == (APP, world.releases.head(APP))


async def test_a_publish_is_undone_but_its_version_name_stays_used(released, world):
    await released.publish("1.2.0", channel="production")
    await released("POST", UNDO, {})
    assert {bundle["version"] for bundle in await released("GET", BUNDLES)} == {"1.0.0", "1.1.0"}
    assert await offered(released) == "1.1.0"
    assert await released.publish("1.2.0", pack(page="other"), status=409) == "version_taken"


async def test_an_undo_is_itself_undone(released):
    await released("POST", ROLLBACK, {})
    await released("POST", UNDO, {"force": True})
    assert await offered(released) == "1.1.0"
    done = await released("POST", UNDO, {})
    assert (done["undone"]["kind"], await offered(released)) == ("undo", "1.0.0")


STOPS = {
    "a withdrawal": WithdrawBundle(version="1.1.0", reason="leaks"),
    "a rollback": RollBack(channel="production"),
    "a pause": MoveRollout(channel="production", move=Move.PAUSE),
    "the end of a rollout": MoveRollout(channel="production", move=Move.ROLL_BACK),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
async def test_a_stop_is_not_undone_without_force(released, world, stop):
    await released.publish("1.2.0")
    if isinstance(stop, MoveRollout):
        commit(world, ROLL)
    commit(world, stop)
    was = stored(world)
    assert await released("POST", UNDO, {}, status=409) == "undoes_a_stop"
    assert stored(world) == was
    assert (await released("POST", UNDO, {"force": True}))["changed"]


async def test_an_undo_applies_to_the_revision_that_it_names(released, world):
    was = stored(world)
    assert await released("POST", UNDO, {"revision": 3}, status=409) == "head_moved"
    assert await released("POST", UNDO, {"revision": 5, "force": True}, status=409) == "head_moved"
    for wrong in ({"revision": -1}, {"revision": "4"}, {"revision": 10**400}, {"Revision": 4}):
        assert await released("POST", UNDO, wrong, status=422) == "invalid_body"
    assert stored(world) == was
    assert (await released("POST", UNDO, {"revision": 4}))["undone"]["revision"] == 4


async def test_the_creation_of_an_app_is_not_undone(acme):
    assert await acme("POST", UNDO, {}, status=409) == "nothing_to_undo"


async def test_a_repeated_undo_undoes_one_change(released):
    key = {"Idempotency-Key": "once"}
    first = await released("POST", UNDO, {}, headers=key)
    again = await released("POST", UNDO, {}, headers=key)
    assert again == first | {"changed": False, "undone": None}


async def test_a_rollback_under_an_id_that_a_publish_used_is_refused_and_not_swallowed(released, world):
    key = {"Idempotency-Key": "ci-run-7"}
    await released.publish("1.2.0", channel="production", headers=key)
    was = stored(world)
    assert await released("POST", ROLLBACK, {}, headers=key, status=409) == "command_id_used"
    assert await released("POST", UNDO, {}, headers=key, status=409) == "command_id_used"
    by_another = {"by": "publisher-acme", "headers": key, "status": 409}
    assert await released.publish("1.2.0", channel="production", **by_another) == "command_id_used"
    assert stored(world) == was


async def test_going_back_needs_change_access_to_the_app(released):
    for by in ("reader-acme", "publisher-other", "node"):
        for path, body in ((ROLLBACK, {}), (UNDO, {}), (f"{BUNDLES}/1.1.0/withdraw", {"reason": "x"})):
            assert await released("POST", path, body, by=by, status=403) == "forbidden"
    assert (await released("POST", ROLLBACK, {}, by="publisher-acme"))["changed"]
