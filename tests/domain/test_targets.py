"""Which bundle a channel points a device at, in corners that tables of whole decisions pass by."""

import pytest
from factories import DEVICE, MOMENT, NOW, a_bundle, a_change, a_check, a_snapshot, an_app

from edge.domain.apply import apply
from edge.domain.buckets import bucket_of
from edge.domain.commands import (
    ChannelSettings,
    CreateChannel,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetSegment,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decide import decide
from edge.domain.decision import Held, UpToDate
from edge.domain.explaining import explain
from edge.domain.rollout import Moment, Move

OFFERS_NOTHING = CreateChannel(name="production", settings=ChannelSettings(public=True))
BUNDLES = tuple(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.0.3"))


def a_device_in(salt: str, first: int, end: int) -> str:
    """A device whose bucket under `salt` is from `first` on and below `end`."""
    devices = (f"{number:08x}-0000-4000-8000-000000000000" for number in range(1_000_000))
    return next(device for device in devices if first <= bucket_of(salt.encode(), device) < end)


def test_a_device_that_a_rollout_does_not_reach_is_told_so_where_the_channel_offers_nothing_else():
    started = StartRollout(channel="production", bundle="1.0.1", steps=(1,))
    snapshot = a_snapshot(an_app(*BUNDLES, OFFERS_NOTHING, started))
    salt = snapshot.channels["production"].rollout.salt.decode()
    steps, decision = explain(snapshot, a_check(device=a_device_in(salt, 1, 100_000)), MOMENT)
    assert decision == UpToDate("production", Held.SHARE)
    assert [step.rule for step in steps][-2:] == [Held.SHARE.code, "channel_offers_nothing"]


def test_a_device_of_an_arm_is_in_no_rollout_also_where_the_arm_has_nothing_left_to_offer():
    arms = (NewArm(name="a", bundle="1.0.1", weight=1), NewArm(name="b", bundle="1.0.2", weight=99_999))
    state = an_app(
        *BUNDLES,
        OFFERS_NOTHING,
        SetSegment(name="all", settings=SegmentSettings(where="true")),
        StartExperiment(channel="production", name="colours", arms=arms, segment="all"),
        WithdrawBundle(version="1.0.2", reason="white screen"),
        StartRollout(channel="production", bundle="1.0.3", steps=(100_000,)),
    )
    snapshot = a_snapshot(state)
    salt = snapshot.channels["production"].experiment.salt.decode()
    check = a_check(device=a_device_in(salt, 1, 100_000))
    steps, decision = explain(snapshot, check, MOMENT)
    assert decide(snapshot, check, MOMENT) == decision == UpToDate("production")
    assert [step.rule for step in steps if step.outcome == "decides"] == ["channel_public", "experiment"]


ROLLED_OUT = StartRollout(channel="production", bundle="1.0.2", steps=(100_000,))
ARMS = (NewArm(name="a", bundle="1.0.1", weight=50_000), NewArm(name="b", bundle="1.0.2", weight=50_000))
TESTED = StartExperiment(channel="production", name="colours", arms=ARMS)
WITHDRAWN = WithdrawBundle(version="1.0.2", reason="white screen")
MOVED_ON = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.3"), force=True)


@pytest.mark.parametrize(
    ("changes", "runs", "passes"),
    [
        ((ROLLED_OUT, MoveRollout(channel="production", move=Move.ROLL_BACK)), "1.0.2", True),
        ((ROLLED_OUT, RollBack(channel="production")), "1.0.2", True),
        ((ROLLED_OUT, WITHDRAWN), "1.0.2", True),
        ((TESTED, WITHDRAWN), "1.0.2", True),
        # Who never had it is on no way back, and from it to what came later is none either.
        ((ROLLED_OUT, RollBack(channel="production")), "1.0.0", False),
        ((TESTED, WITHDRAWN), "1.0.0", False),
        ((ROLLED_OUT, RollBack(channel="production"), MOVED_ON), "1.0.2", False),
        ((TESTED, WITHDRAWN, MOVED_ON), "1.0.2", False),
    ],
)
def test_what_was_taken_back_passes_a_window_that_lets_ways_back_through(changes, runs, passes):
    shut = ChannelSettings(public=True, bundle="1.0.1", windows=("Sun 03:00-03:01 UTC",), rollback_passes=True)
    state = an_app(*BUNDLES, CreateChannel(name="production", settings=shut))
    for number, command in enumerate(changes, 1):
        state = apply(state, a_change(command, at=NOW + number))
    check = a_check(version_name=runs, device=DEVICE)
    decision = decide(a_snapshot(state), check, Moment(NOW + 9, NOW + 9))
    assert decision.code == ("offer" if passes else "outside_maintenance_window")
