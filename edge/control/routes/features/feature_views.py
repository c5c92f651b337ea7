"""Features between the control API and the domain: values as JSON there, as JSON texts here."""

import msgspec
from msgspec import UNSET, UnsetType

from edge.control.shapes.features.counted import json_of
from edge.control.shapes.features.feature_shapes import (
    FeatureArmView,
    FeatureExperimentRequest,
    FeatureExperimentView,
    FeatureRequest,
    FeatureRuleRequest,
    FeatureRuleView,
    FeatureSaidView,
    FeatureShareRequest,
    FeatureShareView,
    FeatureView,
    PrerequisiteView,
)
from edge.domain.app_parts.stored_features import Feature, FeatureExperiment
from edge.domain.changes.features.feature_commands import (
    FeatureSettings,
    NewFeatureArm,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    StartFeatureExperiment,
)
from edge.domain.features.explaining import steps_in_words
from edge.domain.features.killing import Kills
from edge.domain.model import AppState
from edge.domain.shares import format_share, parse_share


def view_feature(state: AppState, feature: Feature, kills: Kills | None = None) -> FeatureView:
    """`kills` are of the state, for who shows many."""
    share = feature.share
    return FeatureView(
        name=feature.name,
        type=feature.kind,
        default=json_of(feature.default),
        rules=[
            FeatureRuleView(
                name=each.name,
                segment=each.segment,
                where=each.where,
                share=None if each.share is None else format_share(each.share),
                value=json_of(each.value),
            )
            for each in feature.rules
        ],
        share=None if share is None else FeatureShareView(share=format_share(share.share), value=json_of(share.value)),
        prerequisites=[
            PrerequisiteView(feature=each.feature, value=json_of(each.value)) for each in feature.prerequisites
        ],
        needs=feature.needs,
        server_only=feature.server_only,
        noted=feature.noted,
        on=feature.on,
        about=feature.about,
        version=feature.revision,
        experiment=_view_experiment(feature.experiment) if feature.experiment is not None else None,
        said=[FeatureSaidView(whom=whom, value=json_of(value)) for whom, value in steps_in_words(feature)],
        needed_by=sorted(
            each.name for each in state.features.values() if any(p.feature == feature.name for p in each.prerequisites)
        ),
        kill_turns_on=(kills or Kills(state.features)).turn_on(feature.name),
    )


def _view_experiment(experiment: FeatureExperiment) -> FeatureExperimentView:
    return FeatureExperimentView(
        name=experiment.name,
        arms=[
            FeatureArmView(name=arm.name, value=json_of(arm.value), share=format_share(arm.weight))
            for arm in experiment.arms
        ],
        segment=experiment.segment,
        hold_out=format_share(experiment.hold_out),
        hold_out_group=experiment.hold_out_group,
        started=experiment.started,
        question=experiment.question,
        measures=list(experiment.measures),
    )


def settings_of(body: FeatureRequest) -> FeatureSettings:
    """Raises Invalid `invalid_share`; `apply` checks everything else."""
    return FeatureSettings(
        kind=body.type,
        default=_text(body.default) or UNSET,
        rules=UNSET if body.rules is UNSET else tuple(map(_rule, body.rules)),
        share=_share(body.share),
        prerequisites=UNSET
        if body.prerequisites is UNSET
        else tuple(NewPrerequisite(feature=each.feature, value=_text(each.value)) for each in body.prerequisites),
        needs=body.needs,
        server_only=body.server_only,
        noted=body.noted,
        about=body.about,
    )


def _rule(given: FeatureRuleRequest) -> NewFeatureRule:
    return NewFeatureRule(
        value=_text(given.value),
        name=given.name,
        segment=given.segment,
        where=given.where,
        share=None if given.share is None else parse_share(given.share),
    )


def _share(given: FeatureShareRequest | UnsetType | None) -> NewFeatureShare | UnsetType | None:
    if given is None or given is UNSET:
        return given
    return NewFeatureShare(share=parse_share(given.share), value=_text(given.value))


def _text(value: msgspec.Raw) -> str:
    """What is not UTF-8 becomes what no JSON text has."""
    return bytes(value).decode(errors="surrogateescape")


def start_of(feature: str, body: FeatureExperimentRequest) -> StartFeatureExperiment:
    """Raises Invalid `invalid_share`."""
    return StartFeatureExperiment(
        feature=feature,
        name=body.name,
        arms=tuple(
            NewFeatureArm(name=arm.name, value=_text(arm.value), weight=parse_share(arm.share)) for arm in body.arms
        ),
        segment=body.segment,
        hold_out=parse_share(body.hold_out),
        hold_out_group=body.hold_out_group,
        question=body.question,
        measures=body.measures,
    )
