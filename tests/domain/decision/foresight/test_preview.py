"""The preview of a rollout has the outcome of the real decision, step by step, for every device."""

import uuid
from collections import Counter
from dataclasses import replace

import pytest
from factories import MOMENT, NOW, a_bundle, a_change, a_check, a_released_app, a_snapshot, an_app, failed
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    NewArm,
    PublishBundle,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.foresight.preview import EXPERIMENT, HAS_IT, OFFERED, preview_rollout, share_in
from edge.domain.decision.outcomes import Offer
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.model import Policy, Rollout
from edge.domain.schedule.rollout import Moment
from edge.domain.shares import WHOLE_SHARE

STEPS = (1_000, 20_000, 50_000, 100_000)


def device(number: int) -> str:
    return str(uuid.UUID(int=number))


def begun(*commands, id="salt", state=None, **plan):
    """The state in which a rollout of 1.1.0 to `production` has begun."""
    state = state or a_released_app("1.0.1")
    for command in (PublishBundle(bundle=a_bundle("1.1.0")), *commands):
        state = apply(state, a_change(command))
    start = StartRollout(**({"channel": "production", "bundle": "1.1.0", "steps": STEPS} | plan))
    return apply(state, a_change(start, id=id))


def previewed(state, checks, listed=0, facts=NO_FACTS):
    return preview_rollout(a_snapshot(state), "production", [(c, facts) for c in checks], MOMENT, listed=listed)


def checks_of(count=300, **said):
    return [a_check(device=device(n), **({"version_name": "1.0.1"} | said)) for n in range(count)]


def outcomes_at(state, checks, step, facts=NO_FACTS):
    """Of the real decision, in a state in which that step is the one in force."""
    channel = state.channels["production"]
    there = replace(channel, rollout=replace(channel.rollout, step=step, every_seconds=0))
    snapshot = a_snapshot(replace(state, channels={**state.channels, "production": there}))
    decided = [(check.device, decide(snapshot, check, MOMENT, facts)) for check in checks]
    return {
        device
        for device, decision in decided
        if isinstance(decision, Offer) and decision.bundle.version == "1.1.0" and not decision.arm
    }


@settings(deadline=None)
@given(
    steps=st.lists(st.integers(1, WHOLE_SHARE), min_size=1, max_size=6, unique=True).map(sorted).map(tuple),
    every=st.sampled_from([0, 60, 3_600]),
    hold_out=st.sampled_from([0, 5_000, 50_000]),
    salt=st.text("abcdef0123456789", min_size=1, max_size=8),
)
def test_every_step_counts_whom_the_real_decision_offers_it(steps, every, hold_out, salt):
    state = begun(id=salt, steps=steps, every_seconds=every, hold_out=hold_out)
    checks = checks_of(60)
    preview = previewed(state, checks, listed=100)
    joined: set[str] = set()
    for number, step in enumerate(preview.steps):
        offered = outcomes_at(state, checks, number)
        assert step.outcomes[OFFERED] == len(offered) and step.outcomes.total() == len(checks)
        joined |= set(step.joining)
        assert joined == offered and step.share == steps[number]


def test_nobody_leaves_from_step_to_step_and_the_last_has_all():
    preview = previewed(begun(), checks_of())
    counts = [step.outcomes[OFFERED] for step in preview.steps]
    assert counts == sorted(counts) and counts[-1] == 300
    assert preview.steps[0].outcomes["rollout_share_not_reached"] == 300 - counts[0]


CASES = {
    "has it": ({}, {"version_name": "1.1.0"}, HAS_IT),
    "an emulator": ({}, {"is_emulator": True}, "disable_emulator"),
    "a newer app": ({}, {"version_build": "2.0.0", "version_name": "2.0.0"}, "disable_auto_update_under_native"),
    "a segment it is not in": ({"segments": ("vips",)}, {}, "rollout_not_in_segment"),
    "a segment it is in": ({"segments": ("vips",)}, {"custom_id": "vip"}, OFFERED),
    "held out": ({"hold_out": 99_999}, {}, "rollout_control_group"),
}


@pytest.mark.parametrize(("plan", "said", "code"), CASES.values(), ids=CASES)
def test_the_code_says_why_a_device_is_not_offered_it(plan, said, code):
    """At the last step, where the share keeps nobody out."""
    vips = SetSegment(name="vips", settings=SegmentSettings(where='custom_id == "vip"'))
    state = begun(vips, state=a_released_app("1.0.1", emulator=False), **plan)
    last = previewed(state, checks_of(20, **said)).steps[-1]
    assert last.outcomes == Counter({code: 20})


def test_who_is_first_is_in_from_the_first_step_on():
    vips = SetSegment(name="vips", settings=SegmentSettings(where='custom_id == "vip"'))
    preview = previewed(begun(vips, first=("vips",)), checks_of(50, custom_id="vip"), listed=3)
    assert [step.outcomes[OFFERED] for step in preview.steps] == [50] * 4
    assert [len(step.joining) for step in preview.steps] == [3, 0, 0, 0]


def test_devices_on_other_channels_are_counted_apart():
    state = begun(CreateChannel(name="beta"), SetOverride(device=device(1), channel="beta"))
    preview = previewed(state, [*checks_of(3), a_check(device=device(9), default_channel="nowhere")])
    assert preview.elsewhere == 2 and preview.steps[-1].outcomes.total() == 2


def test_a_device_in_an_experiment_is_not_in_the_rollout():
    arms = (NewArm(name="a", bundle="1.0.1", weight=50_000), NewArm(name="b", bundle="1.1.0", weight=50_000))
    everybody = SetSegment(name="all", settings=SegmentSettings(where="true"))
    state = begun(everybody, StartExperiment(channel="production", name="e", arms=arms, segment="all"))
    assert previewed(state, checks_of(20)).steps[-1].outcomes == Counter({EXPERIMENT: 20})


def test_a_bundle_that_failed_on_a_device_is_not_offered_to_it():
    facts = DeviceFacts(failures=failed("1.1.0"))
    last = previewed(begun(), checks_of(20), facts=facts).steps[-1]
    assert last.outcomes == Counter({"bundle_withheld": 20})


def test_another_offer_on_the_way_counts_as_held_back():
    """Fresh devices are offered what everybody gets: with the share's code, not as an offer."""
    first = previewed(begun(steps=(1, 2)), checks_of(20, version_name="1.0.0")).steps[0]
    assert first.outcomes == Counter({"rollout_share_not_reached": 20})


def test_a_way_off_a_withdrawn_bundle_is_no_offer_of_the_rollouts():
    state = begun(
        PublishBundle(bundle=a_bundle("1.0.2")),
        WithdrawBundle(version="1.0.2", reason="white screen"),
        SetChannel(name="production", settings=ChannelSettings(policy=Policy.MINOR)),
        steps=(100_000,),
    )
    (step,) = previewed(state, checks_of(10, version_name="1.0.2")).steps
    assert step.outcomes == {"disable_auto_update_to_minor": 10}


def test_the_window_keeps_all_waiting_and_says_so():
    settings = ChannelSettings(windows=("daily 01:00-01:01 UTC",))
    last = previewed(begun(SetChannel(name="production", settings=settings)), checks_of(5)).steps[-1]
    assert last.outcomes == Counter({"outside_maintenance_window": 5})


def test_segments_that_lead_to_the_channel_are_followed():
    state = an_app(
        CreateChannel(name="production"),
        PublishBundle(bundle=a_bundle("1.0.1"), channel="production"),
        SetSegment(name="all", settings=SegmentSettings(where="is_prod", channel="production")),
    )
    preview = previewed(begun(state=state), checks_of(10))
    assert preview.elsewhere == 0 and preview.steps[-1].outcomes[OFFERED] == 10


@pytest.mark.parametrize(("hold_out", "share", "devices"), [(0, 1, 1), (0, 100_000, 100_000), (5_000, 50_000, 47_500)])
def test_of_100_000_devices_as_many_are_in(hold_out, share, devices):
    rollout = Rollout(bundle="1.1.0", salt="s", steps=(share,), hold_out=hold_out)
    assert share_in(rollout, share) == devices


@pytest.mark.parametrize("hold_out", [0, 20_000])
def test_what_is_to_be_expected_is_what_comes(hold_out):
    """10,000 devices, five standard deviations."""
    state = begun(hold_out=hold_out)
    checks = [a_check(device=device(n), version_name="1.0.1") for n in range(10_000)]
    rollout = state.channels["production"].rollout
    for step in previewed(state, checks).steps:
        share = share_in(rollout, step.share) / WHOLE_SHARE
        deviation = (10_000 * share * (1 - share)) ** 0.5
        assert abs(step.outcomes[OFFERED] - 10_000 * share) <= 5 * deviation + 1e-9


def test_time_does_not_move_a_preview():
    state = begun(every_seconds=60)
    devices = [(check, NO_FACTS) for check in checks_of(50)]
    early = preview_rollout(a_snapshot(state), "production", devices, Moment(NOW, 0.0))
    late = preview_rollout(a_snapshot(state), "production", devices, Moment(NOW + 1e6, NOW + 1e6))
    assert early == late and early.steps[0].outcomes.total() == 50
