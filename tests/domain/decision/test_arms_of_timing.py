"""Arms of timing and of criteria: the same bundle in another window or spread, or only for devices that match."""

from dataclasses import replace
from itertools import pairwise

from factories import MOMENT, NOW, a_bundle, a_change, a_check, a_snapshot, an_app

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    NewArm,
    PublishBundle,
    SegmentSettings,
    SetSegment,
    StartExperiment,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import explain
from edge.domain.decision.sides import place_of
from edge.domain.facts import NO_FACTS
from edge.domain.model import Platform
from edge.domain.schedule.rollout import Moment

DEVICES = [f"{n:08x}-0000-4000-8000-{n * 7919:012x}" for n in range(600)]
MIDNIGHT = NOW - NOW % 86_400 + 86_400


def running(*arms, windows=(), **more):
    state = an_app(
        *(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2")),
        SetSegment(name="phones", settings=SegmentSettings(where='platform == "android"')),
        CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1", windows=windows)),
    )
    start = StartExperiment(channel="production", name="when", arms=arms, **more)
    return a_snapshot(apply(state, replace_time(a_change(start))))


def replace_time(change):
    return type(change)(id=change.id, at=float(NOW), by=change.by, command=change.command)


def arm(name, **own):
    return NewArm(name=name, bundle="1.0.2", weight=50_000, **own)


def asked(snapshot, device, now, **of):
    return decide(snapshot, a_check(device=device, version_name="1.0.1", **of), Moment(now, now))


def in_arm(snapshot, name, **of):
    compiled = snapshot.channels["production"]
    return [d for d in DEVICES if place_of(compiled, a_check(device=d, **of), NO_FACTS, NOW).arm.endswith(f"/{name}")]


def test_an_arm_with_a_window_of_its_own_gets_the_bundle_in_that_window_alone():
    snapshot = running(arm("now"), arm("night", windows=("daily 01:00-05:00 UTC",)))
    night, day = MIDNIGHT + 2 * 3_600, MIDNIGHT + 12 * 3_600
    assert {asked(snapshot, device, day).code for device in in_arm(snapshot, "night")} == {"outside_maintenance_window"}
    assert {asked(snapshot, device, night).code for device in in_arm(snapshot, "night")} == {"offer"}
    assert {asked(snapshot, device, day).code for device in in_arm(snapshot, "now")} == {"offer"}


def test_the_window_of_an_arm_takes_the_place_of_the_channels():
    by_day, by_night = ("daily 08:00-20:00 UTC",), ("daily 01:00-05:00 UTC",)
    snapshot = running(arm("ever"), arm("day", windows=by_day), windows=by_night)
    day = MIDNIGHT + 12 * 3_600
    assert {asked(snapshot, device, day).code for device in in_arm(snapshot, "day")} == {"offer"}
    assert {asked(snapshot, device, day).code for device in in_arm(snapshot, "ever")} == {"outside_maintenance_window"}


def test_the_spread_of_an_arm_opens_from_the_start_of_the_experiment_and_stays_open():
    snapshot = running(arm("now"), arm("slow", spread_seconds=1_000))
    slow = in_arm(snapshot, "slow")
    opened = [{d for d in slow if asked(snapshot, d, NOW + after).code == "offer"} for after in (0, 250, 500, 1_000)]
    assert all(before <= after for before, after in pairwise(opened))
    assert len(opened[0]) < 5
    assert len(slow) * 0.35 < len(opened[2]) < len(slow) * 0.65
    assert opened[3] == set(slow)
    assert {asked(snapshot, device, NOW).code for device in in_arm(snapshot, "now")} == {"offer"}


def test_only_devices_that_match_the_segment_of_their_arm_get_its_bundle_and_all_stay_in_the_arm():
    snapshot = running(arm("everybody"), arm("phones", segment="phones"))
    for platform, code in ((Platform.ANDROID, "offer"), (Platform.IOS, "up_to_date")):
        devices = in_arm(snapshot, "phones", platform=platform)
        assert devices == in_arm(snapshot, "phones")
        assert {asked(snapshot, device, NOW, platform=platform).code for device in devices} == {code}


def test_explain_says_the_window_the_spread_and_the_segment_of_the_arm():
    windows = ("daily 01:00-05:00 UTC",)
    snapshot = running(arm("a", windows=windows, spread_seconds=600), arm("b", segment="phones"))
    device = in_arm(snapshot, "a")[0]
    steps = {step.rule: step.saw for step in explain(snapshot, a_check(device=device, version_name="1.0.1"), MOMENT)[0]}
    assert steps["outside_maintenance_window"]["windows"] == list(windows)
    check = a_check(device=in_arm(snapshot, "b")[0], version_name="1.0.1", platform=Platform.IOS)
    steps = {step.rule: step.saw for step in explain(snapshot, check, MOMENT)[0]}
    assert steps["experiment"] | {"drawn": "b", "arm_segment": "phones", "arm_matches": False} == steps["experiment"]


def test_the_salt_of_a_spread_is_the_arms_own():
    """Who is early in one arm is not early in the other one, and is drawn anew in the next experiment."""
    compiled = running(arm("a", spread_seconds=600), arm("b", spread_seconds=600)).channels["production"]
    one, other = (each.target.timing for each in compiled.experiment.arms)
    assert one.salt != other.salt
    assert replace(one, salt=other.salt) == replace(other, windows=one.windows)
