"""Segments, id sets, rollouts and experiments: what is refused, with the place, and what that leaves as it was."""

import pytest
from factories import digest
from histories import PUBLISHED, History

from edge.domain.changes.commands import (
    DeleteIdSet,
    DeleteSegment,
    MoveRollout,
    NewArm,
    PutIdSet,
    RollBack,
    SegmentSettings,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    WithdrawBundle,
)
from edge.domain.changes.rollouts import NAMED_LIMIT, SHORTEST_STEP_SECONDS, STEP_LIMIT_SECONDS, STEPS_LIMIT
from edge.domain.changes.segments import PRIORITY_LIMIT
from edge.domain.errors import EdgeError
from edge.domain.schedule.rollout import Move
from edge.domain.targeting.behavioural import PLACES_LIMIT
from edge.domain.targeting.id_sets import IDS_LIMIT

VIP = PutIdSet(name="vip", blob=digest("vip"), ids=2)


def segment(name: str = "team", **settings) -> SetSegment:
    return SetSegment(name=name, settings=SegmentSettings(**settings))


def rollout(**changes) -> StartRollout:
    return StartRollout(**({"channel": "production", "bundle": "1.0.2", "steps": (1_000, 5_000)} | changes))


def moved(wanted: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=wanted)


def arms(*weights: int, **changes) -> tuple[NewArm, ...]:
    return tuple(
        NewArm(**({"name": f"arm{n}", "bundle": "1.0.2", "weight": weight} | changes))
        for n, weight in enumerate(weights)
    )


def experiment(*given: NewArm, **changes) -> StartExperiment:
    values = {"channel": "production", "name": "colours", "arms": given or arms(50_000, 50_000)}
    return StartExperiment(**(values | changes))


STOP = StopExperiment(channel="production", keep="arm0")
WITHDRAWN = WithdrawBundle(version="1.0.2", reason="white screen")

REFUSED = [
    # segments
    ((), segment(), "missing_expression", "needs an expression"),
    ((), segment(where=""), "missing_expression", "needs an expression"),
    ((), segment(where="sessions_7d > 10", leave="sessions_7d <"), "invalid_expression", "column"),
    ((), segment(where="sessions_7d > 10", leave="is_prod"), "invalid_leave", "how a device is used"),
    ((), segment(where="is_prod", leave="sessions_7d < 7"), "invalid_leave", "nothing to leave by"),
    (
        (segment(where="sessions_7d > 10", leave="sessions_7d < 7"),),
        segment(where="is_prod"),
        *("invalid_leave", "--no-leave"),
    ),
    (
        tuple(segment(f"s{n}", where=f"sessions_7d > {n}") for n in range(PLACES_LIMIT)),
        segment(where="feature('cart')"),
        *("too_many_behaviour_parts", f"more than {PLACES_LIMIT} parts"),
    ),
    ((), segment(where="platform = "), "invalid_expression", "column"),
    ((), segment(where='in_set("vip")'), "unknown_id_set", "'vip'"),
    ((), segment(where="true", channel="nope"), "unknown_channel", "'nope'"),
    ((), segment(where="true", priority=-1), "invalid_priority", "between 0"),
    ((), segment(where="true", priority=PRIORITY_LIMIT + 1), "invalid_priority", "1000000"),
    ((), segment("a b", where="true"), "invalid_segment_name", "'a b'"),
    ((), segment("droids", where="is_prod ||"), "invalid_expression", "column"),
    ((), DeleteSegment(name="nope"), "unknown_segment", "'nope'"),
    ((rollout(segments=("droids",)),), DeleteSegment(name="droids"), "segment_in_use", "'production'"),
    ((rollout(first=("droids",)),), DeleteSegment(name="droids"), "segment_in_use", "'production'"),
    ((experiment(segment="droids"),), DeleteSegment(name="droids"), "segment_in_use", "'production'"),
    # id sets
    ((), PutIdSet(name="a b", blob=digest("vip"), ids=1), "invalid_id_set_name", "'a b'"),
    ((), PutIdSet(name="vip", blob="ab", ids=1), "invalid_digest", "'ab'"),
    ((), PutIdSet(name="vip", blob=digest("vip"), ids=IDS_LIMIT + 1), "too_many_ids", str(IDS_LIMIT)),
    ((), DeleteIdSet(name="vip"), "unknown_id_set", "'vip'"),
    ((VIP, segment(where='in_set("vip")')), DeleteIdSet(name="vip"), "id_set_in_use", "'team'"),
    ((VIP, segment(where='!(is_prod && !in_set("vip"))')), DeleteIdSet(name="vip"), "id_set_in_use", "'team'"),
    # rollouts, with the place
    ((), rollout(steps=()), "invalid_steps", f"1 to {STEPS_LIMIT}"),
    ((), rollout(steps=tuple(range(1, STEPS_LIMIT + 2))), "invalid_steps", f"1 to {STEPS_LIMIT}"),
    ((), rollout(steps=(0,)), "invalid_steps", "step 1: 0%"),
    ((), rollout(steps=(-1,)), "invalid_steps", "step 1"),
    ((), rollout(steps=(1_000, 100_001)), "invalid_steps", "step 2: 100.001%"),
    ((), rollout(steps=(1_000, 5_000, 4_999)), "invalid_steps", "step 3: 4.999% is not above the previous 5%"),
    ((), rollout(steps=(1_000, 1_000)), "invalid_steps", "step 2: 1% is not above the previous 1%"),
    ((), rollout(every_seconds=SHORTEST_STEP_SECONDS - 1), "invalid_every", "1m"),
    ((), rollout(every_seconds=-1), "invalid_every", "1m"),
    ((), rollout(every_seconds=STEP_LIMIT_SECONDS + 1), "invalid_every", "90d"),
    ((), rollout(hold_out=-1), "invalid_hold_out", "below 100%"),
    ((), rollout(hold_out=100_000), "invalid_hold_out", "below 100%"),
    ((), rollout(hold_out_group="a b"), "invalid_group_name", "'a b'"),
    ((), rollout(segments=("droids", "nope")), "unknown_segment", "'nope'"),
    ((), rollout(first=("nope",)), "unknown_segment", "'nope'"),
    ((), rollout(segments=("droids",) * (NAMED_LIMIT + 1)), "too_many_segments", str(NAMED_LIMIT)),
    ((), rollout(channel="nope"), "unknown_channel", "'nope'"),
    ((), rollout(bundle="9.9.9"), "unknown_bundle", "'9.9.9'"),
    ((), rollout(bundle="builtin"), "unknown_bundle", "'builtin'"),
    ((), rollout(bundle="1.0.1"), "nothing_to_roll_out", "'1.0.1'"),
    ((WITHDRAWN,), rollout(), "bundle_withdrawn", "white screen"),
    ((rollout(),), rollout(bundle="1.0.3"), "rollout_active", "of 1.0.2 is running on channel 'production'"),
    (
        (rollout(), moved(Move.PAUSE)),
        rollout(bundle="1.0.3"),
        "rollout_active",
        "of 1.0.2 is running on channel 'production'",
    ),
    ((), moved(Move.PAUSE), "no_rollout", "'production'"),
    ((rollout(), moved(Move.ROLL_BACK)), moved(Move.PROMOTE), "illegal_move", "rolled_back"),
    ((rollout(), moved(Move.PAUSE)), moved(Move.ADVANCE), "illegal_move", "paused"),
    ((rollout(steps=(5,)),), moved(Move.ADVANCE), "last_step", "promote"),
    # experiments
    ((), experiment(*arms(100_000)), "invalid_arms", "2 to 10"),
    ((), experiment(*arms(*[9_000] * 11)), "invalid_arms", "2 to 10"),
    ((), experiment(*arms(50_000, 49_999)), "invalid_arms", "99.999%"),
    ((), experiment(*arms(50_000, 50_001)), "invalid_arms", "100.001%"),
    ((), experiment(*arms(100_000, 0)), "invalid_arms", "'arm1'"),
    ((), experiment(*arms(100_001, -1)), "invalid_arms", "'arm1'"),
    ((), experiment(*arms(50_000, 50_000, name="same")), "invalid_arms", "two arms are called 'same'"),
    ((), experiment(*arms(50_000, 50_000, bundle="9.9.9")), "unknown_bundle", "'9.9.9'"),
    ((), experiment(*arms(50_000, 50_000, name="a/b")), "invalid_arm_name", "'a/b'"),
    ((), experiment(name="a/b"), "invalid_experiment_name", "'a/b'"),
    ((), experiment(segment="nope"), "unknown_segment", "'nope'"),
    ((WITHDRAWN,), experiment(), "bundle_withdrawn", "white screen"),
    ((experiment(),), experiment(name="other"), "experiment_active", "'colours'"),
    ((), STOP, "no_experiment", "'production'"),
    ((experiment(),), StopExperiment(channel="production", keep="nope"), "unknown_arm", "'nope'"),
    ((experiment(), WITHDRAWN), STOP, "bundle_withdrawn", "white screen"),
]


@pytest.mark.parametrize(("changes", "command", "code", "says"), REFUSED)
def test_what_is_refused_is_named_and_changes_nothing(changes, command, code, says):
    history = History(*PUBLISHED, *changes)
    before = history.state
    with pytest.raises(EdgeError) as caught:
        history.do(command)
    assert (caught.value.code, says in caught.value.message) == (code, True), caught.value.message
    assert history.state is before


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ((rollout(segments=("droids",)), moved(Move.ROLL_BACK)), DeleteSegment(name="droids")),
        ((rollout(segments=("droids",)), moved(Move.PROMOTE)), DeleteSegment(name="droids")),
        ((experiment(segment="droids"), STOP), DeleteSegment(name="droids")),
        ((VIP, segment(where='in_set("vip")'), DeleteSegment(name="team")), DeleteIdSet(name="vip")),
        ((VIP, segment(where='in_set("vip")'), segment(where="true")), DeleteIdSet(name="vip")),
        ((rollout(), moved(Move.ROLL_BACK)), rollout(again=True)),
        ((rollout(), RollBack(channel="production")), rollout(bundle="1.0.3")),
        ((experiment(), STOP), experiment(*arms(1, 99_999, bundle="1.0.3"))),
        ((), rollout(steps=(1, 100_000), every_seconds=SHORTEST_STEP_SECONDS, hold_out=99_999)),
        ((), rollout(steps=tuple(range(1, STEPS_LIMIT + 1)), every_seconds=STEP_LIMIT_SECONDS)),
        ((), experiment(*arms(*[10_000] * 10))),
        ((), segment(where="true", priority=0)),
        ((), segment(where="true", priority=PRIORITY_LIMIT)),
        ((), PutIdSet(name="vip", blob=digest("vip"), ids=IDS_LIMIT)),
    ],
)
def test_what_is_just_within_is_done(changes, command):
    history = History(*PUBLISHED, *changes)
    revision = history.state.revision
    assert history.do(command).revision == revision + 1


@pytest.mark.parametrize("command", [segment("droids", where='platform == "android"'), segment("some"), VIP])
def test_saying_it_again_changes_nothing(command):
    history = History(*PUBLISHED, VIP)
    assert history.do(command) is history.states[-1]
    assert len(history.states) == len(PUBLISHED) + 2


def test_a_segment_keeps_what_it_is_not_told():
    history = History(*PUBLISHED, segment(where="true", channel="beta", priority=7, yield_to_self_set=True))
    changed = history.do(segment(where="is_prod")).segments["team"]
    assert (changed.where, changed.channel, changed.priority, changed.yield_to_self_set) == ("is_prod", "beta", 7, True)
    assert history.do(segment(channel=None, yield_to_self_set=None)).segments["team"].channel is None


def test_a_way_out_goes_when_it_is_taken_away():
    history = History(*PUBLISHED, segment(where="sessions_7d > 10", leave="sessions_7d < 7"))
    assert history.do(segment(priority=3)).segments["team"].leave == "sessions_7d < 7"
    assert history.do(segment(leave=None)).segments["team"].leave is None
    assert history.do(segment(where="is_prod")).segments["team"].places == ()


def test_an_id_set_is_replaced_under_its_name():
    history = History(*PUBLISHED, VIP, segment(where='in_set("vip")'))
    after = history.do(PutIdSet(name="vip", blob=digest("others"), ids=3))
    assert (after.id_sets["vip"].blob, after.id_sets["vip"].ids) == (digest("others"), 3)


def test_what_is_started_is_salted_by_the_change_that_started_it():
    history = History(*PUBLISHED, rollout(), experiment(segment="some"))
    channel = history.state.channels["production"]
    assert (channel.rollout.salt, channel.experiment.salt) == tuple(change.id for change in history.changes[-2:])


def test_segments_named_twice_are_asked_once():
    started = History(*PUBLISHED, rollout(segments=("some", "droids", "some"))).state.channels["production"].rollout
    assert started.segments == ("some", "droids")
