"""Which bundle a channel points a device at, in corners that tables of whole decisions pass by."""

import pytest
from factories import DEVICE, MOMENT, NOW, a_bundle, a_change, a_check, a_snapshot, an_app, failed

from edge.domain.buckets import bucket_of
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteBundle,
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
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import HoldReason, Offer, UpToDate
from edge.domain.facts import NO_FACTS
from edge.domain.model import Encryption
from edge.domain.plugin import PlainWithKey, Plugin
from edge.domain.schedule.rollout import Moment, Move

OFFERS_NOTHING = CreateChannel(name="production", settings=ChannelSettings(public=True))
BUNDLES = tuple(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.0.3"))


def offers(version: str, **about) -> PublishBundle:
    return PublishBundle(bundle=a_bundle(version, **about), channel="production")


def a_device_in(salt: str, first: int, end: int) -> str:
    """A device whose bucket under `salt` is from `first` on and below `end`."""
    devices = (f"{number:08x}-0000-4000-8000-000000000000" for number in range(1_000_000))
    return next(device for device in devices if first <= bucket_of(salt.encode(), device) < end)


def test_a_device_that_a_rollout_does_not_reach_is_told_so_where_the_channel_offers_nothing_else():
    started = StartRollout(channel="production", bundle="1.0.1", steps=(1,))
    snapshot = a_snapshot(an_app(*BUNDLES, OFFERS_NOTHING, started))
    salt = snapshot.channels["production"].rollout.salt.decode()
    steps, decision = explain(snapshot, a_check(device=a_device_in(salt, 1, 100_000)), MOMENT)
    assert decision == UpToDate("production", HoldReason.SHARE)
    assert [step.rule for step in steps][-2:] == [HoldReason.SHARE.code, "channel_offers_nothing"]


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


LOCKED = Encryption(session_key="iv:key", checksum="00", key_id="MIIBCgKCAQEAqJikYizo")
HOLDS_KEY = Plugin("8.51.23", plain_with_key=PlainWithKey.REFUSED)


@pytest.mark.parametrize(
    ("changes", "asks", "code", "bundle"),
    [
        ((offers("1.0.2"), offers("1.1.0", min_native="1.1.0"), WITHDRAWN), {}, "offer", "1.0.1"),
        (
            (offers("1.0.2"), offers("1.1.0", min_native="1.1.0"), WITHDRAWN, DeleteBundle(version="1.0.2")),
            {},
            "offer",
            "1.0.1",
        ),
        ((offers("1.0.2", encryption=LOCKED), WITHDRAWN), {"key_id": LOCKED.key_id}, "revert_to_builtin", None),
        (
            (offers("1.0.2", encryption=LOCKED), WITHDRAWN),
            {"key_id": LOCKED.key_id, "plugin": HOLDS_KEY._replace(reverts_to_builtin=False)},
            "encryption_required",
            None,
        ),
        # Who calls its native version what was withdrawn may be on builtin, and has nothing to leave.
        (
            (offers("1.0.2"), offers("2.0.0"), WITHDRAWN),
            {"version_build": "1.0.2"},
            "disable_auto_update_to_major",
            None,
        ),
    ],
)
def test_a_device_leaves_a_withdrawn_bundle_by_any_way_that_is_open_to_it(changes, asks, code, bundle):
    snapshot = a_snapshot(an_app(OFFERS_NOTHING, offers("1.0.1"), *changes))
    check = a_check(**({"version_name": "1.0.2", "version_build": "1.0.0", "plugin": HOLDS_KEY} | asks))
    decision = decide(snapshot, check, MOMENT)
    assert (decision.code, decision.bundle.version if isinstance(decision, Offer) else None) == (code, bundle)
    assert explain(snapshot, check, MOMENT)[0][-1].rule == code


@pytest.mark.parametrize(
    ("earlier", "runs", "native", "code"),
    [
        ("1.0.1", "1.0.2", "1.0.0", "bundle_withheld"),
        ("0.9.9", "1.0.2", "1.0.0", "bundle_withheld"),
        ("1.0.1", "1.0.1", "1.0.2", "bundle_withheld"),
        ("1.0.1", "made-here", "1.0.0", "bundle_withheld"),
        ("1.0.1", "1.0.1-rc.1", "1.0.0", "offer"),
        ("1.0.1", "1.0.0", "1.0.0", "offer"),
    ],
)
def test_a_failure_moves_a_device_forward_or_not_at_all(earlier, runs, native, code):
    allowed = SetChannel(name="production", settings=ChannelSettings(block_under_native=False))
    snapshot = a_snapshot(an_app(OFFERS_NOTHING, allowed, offers(earlier), offers("1.0.3")))
    check = a_check(version_name=runs, version_build=native)
    assert decide(snapshot, check, MOMENT, NO_FACTS._replace(failures=failed("1.0.3"))).code == code
