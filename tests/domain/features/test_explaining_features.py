from features_world import app_states, subjects
from hypothesis import given

from edge.domain.app_parts.stored_features import (
    Feature,
    FeatureArm,
    FeatureExperiment,
    FeatureKind,
    FeatureRule,
    FeatureShare,
    Prerequisite,
)
from edge.domain.features.compiling import compile_features
from edge.domain.features.evaluation import Why
from edge.domain.features.explaining import explain_feature, steps_in_words
from edge.domain.targeting.places import NO_PLACE

STEPS = {
    Why.KILLED: "kill_switch",
    Why.NEEDS: "needs",
    Why.PREREQUISITE: "prerequisite",
    Why.HELD_OUT: "experiment",
    Why.EXPERIMENT: "experiment",
    Why.SHARE: "share",
    Why.DEFAULT: "default",
}


@given(app_states(), subjects())
def test_the_last_step_is_the_one_that_decides(state, subject):
    features = compile_features(state, NO_PLACE, {}, lost_sets=frozenset({"gone"}))
    for name in features.names:
        steps, given = explain_feature(features, name, subject)
        assert given == features.evaluate(name, subject)
        assert [step.decides for step in steps] == [False] * (len(steps) - 1) + [True]
        why, last = Why(given.metadata["why"]), steps[-1]
        if why is Why.UNREADABLE:
            assert last.outcome == "cannot be told on this node"
        else:
            assert last.step == STEPS.get(why, f"rule {given.variant}")
        if given.arm:
            assert last.outcome == f"arm {given.arm}"


def test_a_feature_is_said_in_words():
    arms = FeatureArm(name="old", value="1", weight=40_000), FeatureArm(name="new", value="2", weight=60_000)
    feature = Feature(
        name="speed",
        kind=FeatureKind.INTEGER,
        default="0",
        salt="s",
        rules=(
            FeatureRule(name="a", segment="beta", share=12_500, value="3"),
            FeatureRule(name="b", where="is_emulator", value="4"),
        ),
        share=FeatureShare(share=10_000, value="5"),
        prerequisites=(Prerequisite(feature="checkout", value="true"),),
        needs="1.4",
        experiment=FeatureExperiment(name="look", arms=arms, salt="s", segment="droids"),
    )
    assert list(steps_in_words(feature)) == [
        ("bundle below 1.4", "0"),
        ("checkout is not true", "0"),
        ("experiment look, arm old: 40% of segment droids", "1"),
        ("experiment look, arm new: 60% of segment droids", "2"),
        ("12.5% of segment beta", "3"),
        ("is_emulator", "4"),
        ("10% of the others", "5"),
        ("everybody else", "0"),
    ]
