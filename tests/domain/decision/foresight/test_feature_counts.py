"""Which features a change concerns, and which devices get something else by it."""

from factories import NOW, a_change, a_check, a_snapshot, an_app, digest

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import PutIdSet, SegmentSettings, SetSegment
from edge.domain.changes.features.feature_commands import (
    FeatureSettings,
    NewFeatureRule,
    NewPrerequisite,
    SetFeature,
    StartFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_commands import NewFeatureArm as Arm
from edge.domain.decision.foresight.feature_counts import FeatureMoves, GivenValue, changed_features
from edge.domain.facts import NO_FACTS

BETA = SetSegment(name="beta", settings=SegmentSettings(where='custom_id == "beta"'))
VIP = PutIdSet(name="vip", blob=digest("vip"), ids=2)


def a_new(name, **settings):
    given = {"kind": FeatureKind.BOOLEAN, "default": "false"} | settings
    return SetFeature(name=name, settings=FeatureSettings(**given))


def rule(**condition):
    return (NewFeatureRule(value="true", **condition),)


STATE = an_app(
    BETA,
    VIP,
    a_new("plain"),
    a_new("by-segment", rules=rule(segment="beta")),
    a_new("by-list", rules=rule(where='in_set("vip")')),
    a_new("above", prerequisites=(NewPrerequisite(feature="by-segment"),)),
    a_new("far-above", prerequisites=(NewPrerequisite(feature="above"),)),
)


def concerned(command):
    return sorted(changed_features(STATE, apply(STATE, a_change(command))))


def test_a_change_concerns_what_reads_it_and_what_needs_that():
    above = ["above", "by-segment", "far-above"]
    assert concerned(SetSegment(name="beta", settings=SegmentSettings(where="is_prod"))) == above
    assert concerned(SetSegment(name="beta", settings=SegmentSettings(priority=3))) == []
    assert concerned(PutIdSet(name="vip", blob=digest("others"), ids=2)) == ["by-list"]
    assert concerned(SwitchFeature(name="plain", on=False)) == ["plain"]
    assert concerned(SetFeature(name="plain", settings=FeatureSettings(about="x", noted=True))) == []
    arms = (Arm(name="a", value="true", weight=50_000), Arm(name="b", value="false", weight=50_000))
    assert concerned(StartFeatureExperiment(feature="plain", name="x", arms=arms)) == ["plain"]
    assert changed_features(None, STATE) == set(STATE.features)


def test_devices_are_counted_by_what_they_get_before_and_after():
    after = apply(STATE, a_change(SetSegment(name="beta", settings=SegmentSettings(where="is_prod"))))
    moves = FeatureMoves(a_snapshot(STATE), a_snapshot(after), ["by-segment", "above"])
    devices = [
        (a_check(custom_id=name, is_prod=prod), NO_FACTS) for name, prod in (("beta", True), ("", True), ("", False))
    ]
    assert list(moves.noting(devices)) == devices
    counts = moves.counts["by-segment"]
    assert counts.before == {GivenValue("rule-1", "true"): 1, GivenValue("default", "false"): 2}
    assert counts.after == {GivenValue("rule-1", "true"): 2, GivenValue("default", "false"): 1}
    assert (counts.touched, counts.moves) == (1, {("false", "true"): 1})
    assert moves.counts["above"].touched == 0


def test_a_feature_that_is_new_gives_something_to_all():
    moves = FeatureMoves(None, a_snapshot(STATE, NOW), ["plain"])
    list(moves.noting([(a_check(), NO_FACTS)]))
    assert moves.counts["plain"].moves == {(None, "false"): 1}
