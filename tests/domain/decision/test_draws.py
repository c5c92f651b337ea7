"""Who is drawn: shares and weights are met, draws are independent, and included devices stay included.

The devices are always the same, so nothing here depends on luck.
"""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from factories import MOMENT, NOW, a_bundle, a_change, a_check, a_snapshot, an_app

from edge.domain.buckets import bucket_of, segment_salt
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    NewArm,
    PublishBundle,
    StartExperiment,
    StartRollout,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.targets import RolloutTarget
from edge.domain.facts import NO_FACTS
from edge.domain.schedule.rollout import Moment
from edge.domain.shares import WHOLE_SHARE

APP = "com.example.app"
DEVICES = [f"{n:08x}-0000-4000-8000-{n * 7919:012x}" for n in range(20_000)]

SALTS = {
    "rollout 1": f"rollout\0{APP}\0one\0".encode(),
    "rollout 2": f"rollout\0{APP}\0two\0".encode(),
    "experiment": f"experiment\0{APP}\0one\0".encode(),
    "group": f"group\0{APP}\0control\0".encode(),
    "spread": f"spread\0{APP}\0production\x001.0.2\0".encode(),
    "segment": segment_salt(APP, "tenth"),
    "another app": b"rollout\0com.example.other\0one\0",
}
BUCKETS = {name: [bucket_of(salt, device) for device in DEVICES] for name, salt in SALTS.items()}

# Of chi-square with 99 degrees of freedom: chance is above it once in a thousand times. One draw in 100 equal cells, or
# two in ten by ten, whose cells are equal where both are even and neither knows of the other.
CHANCE_LIMIT = 148.2


def chi_square(counts: Counter, cells: int) -> float:
    expected = len(DEVICES) / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in counts) + expected * (cells - len(counts))


@pytest.mark.parametrize("name", SALTS)
def test_a_draw_is_even(name):
    assert chi_square(Counter(bucket // 1_000 for bucket in BUCKETS[name]), 100) < CHANCE_LIMIT


@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for place, one in enumerate(SALTS) for other in list(SALTS)[place + 1 :]]
)
def test_two_draws_are_independent(one, other):
    pairs = zip(BUCKETS[one], BUCKETS[other], strict=True)
    assert chi_square(Counter((first // 10_000, second // 10_000) for first, second in pairs), 100) < CHANCE_LIMIT


def a_channel(*commands):
    state = an_app(
        *(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.0.3", "1.0.4")),
        CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1")),
    )
    for number, command in enumerate(commands):
        state = apply(state, a_change(command, id=f"change of the draw {number}"))
    return state


@pytest.mark.parametrize("weights", [(50_000, 50_000), (20_000, 30_000, 50_000), (1_000, 99_000)])
def test_arms_get_their_weights(weights):
    arms = tuple(NewArm(name=f"arm{n}", bundle=f"1.0.{n + 2}", weight=weight) for n, weight in enumerate(weights))
    snapshot = a_snapshot(a_channel(StartExperiment(channel="production", name="colours", arms=arms)))
    offered = Counter(decide(snapshot, a_check(device=device), MOMENT).arm for device in DEVICES)
    assert offered.total() == len(DEVICES)
    for arm in arms:
        expected = len(DEVICES) * arm.weight / WHOLE_SHARE
        spread = (expected * (1 - arm.weight / WHOLE_SHARE)) ** 0.5
        assert abs(offered[f"colours/{arm.name}"] - expected) < 3.5 * spread


def a_rollout(steps: tuple[int, ...], **more) -> RolloutTarget:
    started = StartRollout(channel="production", bundle="1.0.2", steps=steps, every_seconds=3_600, **more)
    running = a_snapshot(a_channel(started)).channels["production"].rollout
    assert running is not None
    return running


def who_is_in(running: RolloutTarget, now: float, devices=DEVICES) -> set[str]:
    return {device for device in devices if running.holds_back(a_check(device=device), NO_FACTS, now) is None}


def test_who_is_in_stays_in_as_the_share_grows():
    running = a_rollout((1, 2, 100, 1_000, 5_000, 50_000, 99_999, 100_000))
    groups = [who_is_in(running, NOW + 3_600 * step, DEVICES[:4_000]) for step in range(8)]
    assert all(before <= after for before, after in pairwise(groups))
    assert len(groups[-1]) == 4_000
    assert [len(group) for group in groups[3:6]] == [pytest.approx(size, rel=0.3) for size in (40, 200, 2_000)]


@pytest.mark.parametrize("device", DEVICES[:20])
def test_a_step_of_a_thousandth_of_a_percent_lets_the_device_of_one_bucket_in(device):
    running = a_rollout((1, 2))
    bucket = bucket_of(running.salt, device)
    for share, is_in in ((bucket, False), (bucket + 1, True)):
        at_share = replace(running, rollout=replace(running.rollout, steps=(share,)))
        assert (device in who_is_in(at_share, NOW, [device])) is is_in


def test_the_control_group_is_the_same_in_every_rollout_and_apart_from_its_share():
    one, other = (a_rollout((share,), hold_out=10_000) for share in (50_000, 100_000))
    devices = DEVICES[:4_000]
    held = {device for device in devices if bucket_of(one.group_salt, device) < 10_000}
    assert len(held) == pytest.approx(400, rel=0.15)
    assert who_is_in(other, NOW, devices) == set(devices) - held
    assert len(who_is_in(one, NOW, devices)) == pytest.approx((4_000 - len(held)) / 2, rel=0.1)


def test_a_spread_opens_linearly_and_once_open_stays_open():
    state = an_app(
        PublishBundle(bundle=a_bundle("1.0.1")),
        CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1", spread_seconds=1_000)),
    )
    snapshot, devices = a_snapshot(state), DEVICES[:2_000]
    opened = [
        {d for d in devices if decide(snapshot, a_check(device=d), Moment(NOW, NOW + after)).code == "offer"}
        for after in (-1, 100, 500, 900, 1_000)
    ]
    assert all(before <= after for before, after in pairwise(opened))
    sizes = [0, *(pytest.approx(size, rel=0.15) for size in (200, 1_000, 1_800)), 2_000]
    assert [len(group) for group in opened] == sizes
