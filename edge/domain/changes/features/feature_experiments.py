"""Experiments on features: several values side by side, until one is kept. Pure."""

from dataclasses import replace

from edge.domain.app_parts.stored_features import Feature, FeatureArm, FeatureExperiment, FeatureShare
from edge.domain.changes.features.feature_changes import with_feature
from edge.domain.changes.features.feature_commands import StartFeatureExperiment, StopFeatureExperiment
from edge.domain.comparing.arms import check_arms, parse_question
from edge.domain.comparing.measures import FEATURE_MEASURES, parse_measures
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.features.values import canonical_value
from edge.domain.model import AppState, parse_name
from edge.domain.shares import WHOLE_SHARE
from edge.domain.states import feature_of, segment_of


def carry_out(
    state: AppState, command: StartFeatureExperiment | StopFeatureExperiment, at: float, change_id: str
) -> AppState:
    """`change_id` salts what is started. Raises NotFound, Conflict or Invalid."""
    feature = feature_of(state, command.feature)
    match command:
        case StartFeatureExperiment():
            return with_feature(state, _started(state, feature, command, at, change_id))
        case StopFeatureExperiment():
            return with_feature(state, _stopped(feature, command.keep))


def _started(state: AppState, feature: Feature, given: StartFeatureExperiment, at: float, salt: str) -> Feature:
    if (running := feature.experiment) is not None:
        raise Conflict("experiment_active", f"experiment {running.name!r} runs on feature {feature.name!r}")
    check_arms([(arm.name, arm.weight) for arm in given.arms])
    if not 0 <= given.hold_out < WHOLE_SHARE:
        raise Invalid("invalid_hold_out", "the share to hold out must be at least 0 and below 100%")
    return replace(
        feature,
        experiment=FeatureExperiment(
            name=parse_name("experiment", given.name),
            arms=tuple(
                FeatureArm(
                    name=arm.name,
                    value=canonical_value(feature.kind, arm.value, f"the value of arm {arm.name!r}"),
                    weight=arm.weight,
                )
                for arm in given.arms
            ),
            salt=salt,
            segment=segment_of(state, given.segment).name if given.segment is not None else None,
            hold_out=given.hold_out,
            hold_out_group=parse_name("group", given.hold_out_group),
            started=at,
            question=parse_question(given.question),
            measures=_measures(given.measures),
        ),
    )


def _measures(given: tuple[str, ...]) -> tuple[str, ...]:
    found = parse_measures(given or FEATURE_MEASURES)
    if installing := next((each.id for each in found if each.installs), None):
        raise Invalid("invalid_measure", f"measure {installing!r} is about installing a bundle, which no value does")
    return tuple(each.id for each in found)


def _stopped(feature: Feature, keep: str) -> Feature:
    """The default stays what it is: the kill switch goes back to it."""
    experiment = feature.experiment
    if experiment is None:
        raise NotFound("no_experiment", f"no experiment runs on feature {feature.name!r}")
    arm = next((arm for arm in experiment.arms if arm.name == keep), None)
    if arm is None:
        raise NotFound("unknown_arm", f"experiment {experiment.name!r} has no arm {keep!r}")
    share = None if arm.value == feature.default else FeatureShare(share=WHOLE_SHARE, value=arm.value)
    return replace(feature, experiment=None, share=share)
