import pytest
from factories import NOW, a_change, an_app

from edge.domain.app_parts.stored_features import FeatureKind, FeatureShare
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import DeleteSegment, SegmentSettings, SetSegment, Undo
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureArm,
    SetFeature,
    StartFeatureExperiment,
    StopFeatureExperiment,
)
from edge.domain.comparing.running import experiments_of
from edge.domain.errors import EdgeError
from edge.domain.states import held_segments

BETA = SetSegment(name="beta", settings=SegmentSettings(where="is_emulator"))
CHECKOUT = SetFeature(name="checkout", settings=FeatureSettings(kind=FeatureKind.BOOLEAN, default="false"))


def arms(*given) -> tuple[NewFeatureArm, ...]:
    named = given or (("old", "false", 50_000), ("new", "true", 50_000))
    return tuple(NewFeatureArm(name=name, value=value, weight=weight) for name, value, weight in named)


def starting(**settings) -> StartFeatureExperiment:
    return StartFeatureExperiment(**({"feature": "checkout", "name": "colours", "arms": arms()} | settings))


def stopping(keep: str) -> StopFeatureExperiment:
    return StopFeatureExperiment(feature="checkout", keep=keep)


def refused(state, command, before=None) -> str:
    with pytest.raises(EdgeError) as error:
        apply(state, a_change(command), before)
    return error.value.code


def test_an_experiment_is_counted_as_those_on_channels_are():
    state = an_app(BETA, CHECKOUT, starting(segment="beta", question="Which one?"))
    (running,) = experiments_of(state)
    assert (running.channel, running.experiment.segment, running.experiment.started) == (
        "feature:checkout",
        "beta",
        NOW,
    )
    assert [(arm.name, arm.value, arm.bundle, arm.weight) for arm in running.experiment.arms] == [
        ("old", "false", "", 50_000),
        ("new", "true", "", 50_000),
    ]
    assert [each.id for each in running.measures()] == ["crashed", "errors", "sessions"]
    assert "beta" in held_segments(state)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (starting(feature="gone"), "unknown_feature"),
        (starting(name="-"), "invalid_experiment_name"),
        (starting(arms=arms(("only", "true", 100_000))), "invalid_arms"),
        (starting(arms=arms(("a", "true", 50_000), ("b", "false", 40_000))), "invalid_arms"),
        (starting(arms=arms(("a", "1", 50_000), ("b", "false", 50_000))), "invalid_value"),
        (starting(segment="gone"), "unknown_segment"),
        (starting(hold_out=100_000), "invalid_hold_out"),
        (starting(hold_out_group="/"), "invalid_group_name"),
        (starting(question="x" * 300), "invalid_question"),
        (starting(measures=("installed:24h",)), "invalid_measure"),
        (stopping("new"), "no_experiment"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused(command, code):
    assert refused(an_app(CHECKOUT), command) == code


def test_one_experiment_runs_at_a_time_and_holds_what_it_reads():
    state = an_app(BETA, CHECKOUT, starting(segment="beta"))
    assert refused(state, starting()) == "experiment_active"
    assert refused(state, DeleteFeature(name="checkout")) == "experiment_active"
    assert refused(state, DeleteSegment(name="beta")) == "segment_in_use"
    assert refused(state, stopping("gone")) == "unknown_arm"


def test_the_arm_that_is_kept_is_for_everybody_and_the_default_stays():
    state = an_app(CHECKOUT, starting())
    new = apply(state, a_change(stopping("new"))).features["checkout"]
    assert (new.experiment, new.share, new.default) == (None, FeatureShare(share=100_000, value="true"), "false")
    old = apply(state, a_change(stopping("old"))).features["checkout"]
    assert (old.experiment, old.share, old.default) == (None, None, "false")


def test_undoing_the_end_of_an_experiment_needs_force():
    running = an_app(CHECKOUT, starting())
    ended = apply(running, a_change(stopping("new")))
    assert refused(ended, Undo(revision=ended.revision), running) == "undoes_a_stop"
