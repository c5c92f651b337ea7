"""Why a subject gets what it gets of a feature: every step in order, with what it read, until one decides. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge.domain.app_parts.stored_features import Feature, FeatureRule
from edge.domain.buckets import bucket_of_written
from edge.domain.features.compiled import CompiledFeature, CompiledFeatures, CompiledRule, CompiledTrial
from edge.domain.features.evaluation import Evaluation, Subject
from edge.domain.shares import format_share


class FeatureStep(NamedTuple):
    """`step` is the kind of step, with the rule's name behind it; `saw` what it read; `outcome` what came of it;
    `decides`: it is the last one."""

    step: str
    saw: Mapping[str, object]
    outcome: str
    decides: bool = False


def explain_feature(features: CompiledFeatures, name: str, subject: Subject) -> tuple[list[FeatureStep], Evaluation]:
    """`name` is one of `features.names`."""
    given = features.evaluate(name, subject)
    assert given is not None, "the caller knows the feature"
    steps: list[FeatureStep] = []
    for step in _steps(features, features.features[name], subject):
        steps.append(step)
        if step.decides:
            break
    return steps, given


def rule_in_words(rule: FeatureRule) -> str:
    """`segment beta: 50% of its devices`."""
    whom = f"segment {rule.segment}" if rule.segment is not None else str(rule.where)
    return whom if rule.share is None else f"{format_share(rule.share)} of {whom}"


def steps_in_words(feature: Feature) -> Iterator[tuple[str, str]]:
    """Whom each step takes, and the value that they get, in order: for a list of features."""
    if not feature.on:
        yield "killed: everybody", feature.default
        return
    if feature.needs:
        yield f"bundle below {feature.needs}", feature.default
    for each in feature.prerequisites:
        yield f"{each.feature} is not {each.value}", feature.default
    if (experiment := feature.experiment) is not None:
        among = f" of segment {experiment.segment}" if experiment.segment is not None else ""
        for arm in experiment.arms:
            yield f"experiment {experiment.name}, arm {arm.name}: {format_share(arm.weight)}{among}", arm.value
    for rule in feature.rules:
        yield rule_in_words(rule), rule.value
    if feature.share is not None:
        yield f"{format_share(feature.share.share)} of the others", feature.share.value
    yield "everybody else" if feature.rules or feature.share or feature.experiment else "everybody", feature.default


def _steps(features: CompiledFeatures, compiled: CompiledFeature, subject: Subject) -> Iterator[FeatureStep]:
    feature, check = compiled.feature, subject.check
    yield FeatureStep("kill_switch", {"on": feature.on}, "on" if feature.on else "killed", not feature.on)
    if feature.needs:
        old = features.is_too_old(compiled, subject)
        runs: dict[str, object] = {"runs": check.version_name, "needs": feature.needs}
        yield FeatureStep("needs", runs, "older, or no version" if old else "new enough", old)
    for wanted in compiled.prerequisites:
        other = features.evaluate(wanted.feature, subject)
        given = other.value_json if other is not None else None
        met = given == wanted.value_json
        compared: dict[str, object] = {"feature": wanted.feature, "wanted": wanted.value_json.decode()}
        yield FeatureStep("prerequisite", compared | {"given": _text(given)}, "met" if met else "not met", not met)
    if compiled.trial is not None and feature.experiment is not None:
        among = {"experiment": feature.experiment.name, "segment": feature.experiment.segment}
        yield _of_trial(compiled.trial, among, subject)
    for rule in compiled.rules:
        yield _of_rule(rule, subject)
    if feature.share is not None:
        bucket = bucket_of_written(compiled.share_salt, subject.key)
        drawn = bucket < compiled.share
        places = {"share": format_share(compiled.share), "bucket": format_share(bucket)}
        yield FeatureStep("share", places, "drawn" if drawn else "not drawn", drawn)
    yield FeatureStep("default", {}, "applies", True)


def _of_trial(trial: CompiledTrial, saw: Mapping[str, object], subject: Subject) -> FeatureStep:
    check, facts, key = subject
    if not trial.readable:
        return FeatureStep("experiment", saw, "cannot be told on this node", True)
    if trial.selects is not None and not trial.selects(check, facts):
        return FeatureStep("experiment", saw, "not in its segment")
    if trial.hold_out and (bucket := bucket_of_written(trial.group_salt, key)) < trial.hold_out:
        held = {**saw, "hold_out": format_share(trial.hold_out), "bucket": format_share(bucket)}
        return FeatureStep("experiment", held, "held out", True)
    bucket = bucket_of_written(trial.salt, key)
    arm = next(each for end, each in zip(trial.ends, trial.gives, strict=True) if bucket < end)
    return FeatureStep("experiment", {**saw, "bucket": format_share(bucket)}, f"arm {arm.arm}", True)


def _of_rule(rule: CompiledRule, subject: Subject) -> FeatureStep:
    check, facts, key = subject
    step = f"rule {rule.rule.name}"
    saw: dict[str, object] = (
        {"segment": rule.rule.segment} if rule.rule.segment is not None else {"where": rule.rule.where}
    )
    if not rule.readable:
        return FeatureStep(step, saw, "cannot be told on this node", True)
    if not rule.selects(check, facts):
        return FeatureStep(step, saw, "does not match")
    if rule.rule.share is None:
        return FeatureStep(step, saw, "matches", True)
    bucket = bucket_of_written(rule.salt, key)
    saw |= {"share": format_share(rule.rule.share), "bucket": format_share(bucket)}
    drawn = bucket < rule.rule.share
    return FeatureStep(step, saw, "matches and drawn" if drawn else "matches, not drawn", drawn)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
