"""An older change is put back by a command of its own, as far as it stands for itself."""

from dataclasses import replace

import pytest
from factories import a_bundle, a_change, a_released_app

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    ClearOverride,
    CreateChannel,
    DeleteSegment,
    PublishBundle,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    SetFeature,
    SwitchFeature,
)
from edge.domain.changes.going_back.putting_back import plan_putting_back
from edge.domain.errors import Conflict

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


def segment(where, **settings):
    return SetSegment(name="old", settings=SegmentSettings(where=where, **settings))


def channel(**settings):
    return SetChannel(name="production", settings=ChannelSettings(**settings))


def states(*commands):
    """The states before and after the last command."""
    before = state = a_released_app("1.0.1", bundle=a_bundle("1.0.1"))
    for command in (PublishBundle(bundle=a_bundle("1.1.0")), CreateChannel(name="beta"), *commands):
        before, state = state, apply(state, a_change(command))
    return before, state


CASES = {
    "a segment's expression": (segment('version_os < "10"'), segment('version_os < "11"')),
    "a new segment": (segment("is_prod"),),
    "a deleted segment": (segment("is_prod", priority=7), DeleteSegment(name="old")),
    "an override": (SetOverride(device=DEVICE, channel="beta"),),
    "a cleared override": (SetOverride(device=DEVICE, channel="beta"), ClearOverride(device=DEVICE)),
    "what a channel offers": (channel(bundle="1.1.0"),),
    "a channel's settings": (channel(spread_seconds=1800, emulator=False),),
}


@pytest.mark.parametrize("case", CASES)
def test_the_command_makes_it_what_it_was(case):
    before, after = states(*CASES[case])
    back = apply(after, a_change(plan_putting_back(before, after)))
    assert (back.overrides, back.bundles) == (before.overrides, before.bundles)
    shown = ("where", "channel", "priority", "yield_to_self_set", "leave")
    as_set = [
        {name: [getattr(each, field) for field in shown] for name, each in state.segments.items()}
        for state in (back, before)
    ]
    assert as_set[0] == as_set[1]
    offers = [
        {name: (each.bundle, each.spread_seconds, each.emulator) for name, each in state.channels.items()}
        for state in (back, before)
    ]
    assert offers[0] == offers[1]


FEATURE = SetFeature(
    name="checkout",
    settings=FeatureSettings(
        kind=FeatureKind.STRING,
        default='"a"',
        rules=(NewFeatureRule(value='"b"', where="is_prod", share=5_000),),
        share=NewFeatureShare(share=1_000, value='"c"'),
        needs="1.4",
        noted=True,
    ),
)
FEATURES = {
    "a new feature": (FEATURE,),
    "a feature's settings": (
        FEATURE,
        SetFeature(name="checkout", settings=FeatureSettings(rules=(), share=None, needs="", default='"z"')),
    ),
    "a killed feature": (FEATURE, SwitchFeature(name="checkout", on=False)),
    "a deleted feature": (FEATURE, DeleteFeature(name="checkout")),
}


@pytest.mark.parametrize("case", FEATURES)
def test_a_feature_becomes_what_it_was(case):
    before, after = states(*FEATURES[case])
    back = apply(after, a_change(plan_putting_back(before, after)))
    salts = {"salt": "", "revision": 0}  # one that was deleted draws anew
    plain = [{name: replace(each, **salts) for name, each in state.features.items()} for state in (back, before)]
    assert plain[0] == plain[1]


def test_what_came_after_stays():
    before, after = states(segment('version_os < "10"'), segment('version_os < "11"'))
    later = apply(after, a_change(channel(spread_seconds=60)))
    back = apply(later, a_change(plan_putting_back(before, after)))
    assert back.channels["production"].spread_seconds == 60
    assert back.segments["old"].where == 'version_os < "10"'


REFUSED = {
    "a publish": (PublishBundle(bundle=a_bundle("1.2.0")), "publish it again"),
    "a withdrawal": (WithdrawBundle(version="1.1.0", reason="white screen"), "publish it again"),
    "a rollout": (StartRollout(channel="production", bundle="1.1.0", steps=(1_000, 100_000)), "decide there"),
    "a new channel": (CreateChannel(name="gamma"), "create it yourself"),
    "a killed feature's end": (
        (FEATURE, SwitchFeature(name="checkout", on=False), DeleteFeature(name="checkout")),
        "make it and kill it again",
    ),
    "a first offer": (SetChannel(name="beta", settings=ChannelSettings(bundle="1.1.0")), "offered nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_moves_on_is_refused_with_what_to_do(case):
    commands, words = REFUSED[case]
    with pytest.raises(Conflict, match=words) as refused:
        plan_putting_back(*states(*(commands if isinstance(commands, tuple) else (commands,))))
    assert refused.value.code == "cannot_put_back"
