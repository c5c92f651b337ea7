"""Sides and arms: as the decision draws them, of the same devices, and whatever a device runs."""

from decision_world import CHECKS, a_view
from factories import NOW, a_check
from histories import DEVICES, a_history
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.commands import NewArm, SegmentSettings, SetSegment, StartExperiment, StartRollout
from edge.domain.decision.outcomes import HoldReason
from edge.domain.decision.sides import DrawnPlace, place_of
from edge.domain.facts import NO_FACTS
from edge.domain.model import Platform

ROLLOUT = StartRollout(
    channel="production",
    bundle="1.0.4",
    steps=(20_000, 60_000, 100_000),
    every_seconds=1_500,
    segments=("some",),
    first=("droids",),
    hold_out=30_000,
)
SOME = SetSegment(name="some", settings=SegmentSettings(where="bucket(50)"))
DROIDS = SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"'))
EXPERIMENT = StartExperiment(
    channel="production",
    name="colours",
    arms=(NewArm(name="a", bundle="1.0.2", weight=50_000), NewArm(name="b", bundle="1.0.4", weight=50_000)),
)
MANY = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(200)]
LATER = st.integers(0, 20).map(lambda steps: NOW + 12_000 + 500 * steps)


def production(*features):
    return a_view(a_history((SOME, DROIDS, *features)).state).channels["production"]


WITH_ROLLOUT, WITH_EXPERIMENT, PLAIN = production(ROLLOUT), production(EXPERIMENT), production()
SALT = WITH_ROLLOUT.rollout.rollout.salt


@given(CHECKS, LATER)
def test_the_new_side_is_who_gets_the_bundle_and_does_not_run_it_yet(check, now):
    check = check._replace(version_name="1.0.1")
    side = place_of(WITH_ROLLOUT, check, NO_FACTS, now).side
    held = WITH_ROLLOUT.rollout.holds_back(check, NO_FACTS, now)
    assert (side == f"{SALT}/new") is (held is None)
    if side == f"{SALT}/control":
        assert held is HoldReason.CONTROL_GROUP
    if held in (HoldReason.SHARE, HoldReason.NOT_IN_SEGMENT):
        assert side == f"{SALT}/rest"


@given(CHECKS, LATER)
def test_what_a_device_runs_changes_neither_its_side_nor_its_arm(check, now):
    for channel in (WITH_ROLLOUT, WITH_EXPERIMENT):
        places = {place_of(channel, check._replace(version_name=name), NO_FACTS, now) for name in ("1.0.1", "1.0.4")}
        assert len(places) == 1


@given(CHECKS, LATER)
def test_the_arm_is_the_one_whose_bundle_a_device_gets(check, now):
    place = place_of(WITH_EXPERIMENT, check, NO_FACTS, now)
    target = WITH_EXPERIMENT.experiment.target_of(check, NO_FACTS)
    salt, _, arm = place.arm.partition("/")
    assert (salt, place.side) == (WITH_EXPERIMENT.experiment.experiment.salt, "")
    assert target.up_to_date.arm == f"colours/{arm}"


def test_without_a_rollout_or_an_experiment_a_device_is_on_no_side():
    assert place_of(PLAIN, a_check(), NO_FACTS, NOW) == DrawnPlace("", "")


def test_only_who_could_get_the_bundle_is_held_out():
    """Whoever is in neither of its segments is on the side of the rest, whatever its bucket."""
    nobody = SegmentSettings(where='country == "XX"')
    outside = production(ROLLOUT, *(SetSegment(name=name, settings=nobody) for name in ("some", "droids")))
    rest = f"{outside.rollout.rollout.salt}/rest"
    assert {place_of(outside, a_check(device=each), NO_FACTS, NOW).side for each in DEVICES} == {rest}


def test_every_side_has_devices():
    sides = {place_of(WITH_ROLLOUT, a_check(device=each), NO_FACTS, NOW).side for each in MANY}
    on_ios = {place_of(WITH_ROLLOUT, a_check(device=each, platform=Platform.IOS), NO_FACTS, NOW).side for each in MANY}
    assert sides == {f"{SALT}/new", f"{SALT}/control"}  # all of its first segment
    assert on_ios == {f"{SALT}/new", f"{SALT}/control", f"{SALT}/rest"}
