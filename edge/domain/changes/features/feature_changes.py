"""Features of an app, checked before they are saved: typed values, rules that can be read, prerequisites without a
circle. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from msgspec import UNSET

from edge.domain.app_parts.stored_features import Feature, FeatureKind, FeatureRule, FeatureShare, Prerequisite
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    SetFeature,
    SwitchFeature,
)
from edge.domain.errors import Conflict, Invalid
from edge.domain.features.evaluation import RESERVED_VARIANTS
from edge.domain.features.values import canonical_value
from edge.domain.model import AppState, parse_name
from edge.domain.shares import WHOLE_SHARE
from edge.domain.states import feature_of, id_set_of, named, segment_of, with_entry, without_entry
from edge.domain.targeting.parser import check_expression
from edge.domain.versions import NUMBER_LIMIT, VERSION_LIMIT, parse_version

FEATURE_LIMIT = 200  # an app; a bulk answer has all of them
FEATURES_LIMIT_BYTES = (
    128 * 1024
)  # of all their values and texts: each revision of the app, and each worker, holds them
EXPRESSIONS_LIMIT_BYTES = 32 * 1024  # of those in all rules together, as with segments: 0.2 ms to evaluate
RULES_LIMIT = 20  # of a feature; a person has to see who gets what
PREREQUISITES_LIMIT = 5  # of a feature
DEPTH_LIMIT = 8  # of prerequisites in a row: evaluating one descends as far
ABOUT_LIMIT = 200  # characters: a line beside the name

_SHORT_VERSION = re.compile(rf"[0-9]{{1,{NUMBER_LIMIT}}}(?:\.[0-9]{{1,{NUMBER_LIMIT}}}){{0,2}}")
_TRUE = "true"


def carry_out(state: AppState, command: SetFeature | SwitchFeature | DeleteFeature, change_id: str) -> AppState:
    """The state after the command. `change_id` salts a new feature. Raises Invalid, NotFound, Conflict."""
    match command:
        case SetFeature():
            return _set(state, command, change_id)
        case SwitchFeature():
            return _switch(state, command)
        case DeleteFeature():
            return _delete(state, command)


def segments_read(feature: Feature) -> frozenset[str]:
    """By its rules, and by its experiment."""
    named = [each.segment for each in (*feature.rules, *((feature.experiment,) if feature.experiment else ()))]
    return frozenset(name for name in named if name is not None)


def id_sets_read(feature: Feature) -> frozenset[str]:
    """Those in its own expressions. An expression of a later release, which cannot be read here, reads none."""
    return frozenset(name for where in _expressions(feature) for name in _id_sets(where))


def _id_sets(where: str) -> frozenset[str]:
    try:
        return check_expression(where)
    except Invalid:
        return frozenset()


def _set(state: AppState, command: SetFeature, change_id: str) -> AppState:
    name = parse_name("feature", command.name)
    known = state.features.get(name)
    if known is None and len(state.features) >= FEATURE_LIMIT:
        raise Conflict("too_many_features", f"app {state.app!r} has reached the limit of {FEATURE_LIMIT} features")
    feature = _changed(state, known or _new(name, command.settings, change_id), command.settings)
    if feature == known:
        return state
    after = with_feature(state, feature)
    _check_circle(after, feature)
    return after


def _new(name: str, settings: FeatureSettings, change_id: str) -> Feature:
    if settings.kind is UNSET or settings.default is UNSET:
        raise Invalid(
            "missing_default", f"feature {name!r} is new: it needs a type (--type) and what it gives (--default)"
        )
    return Feature(name=name, kind=settings.kind, default="", salt=change_id)


def with_feature(state: AppState, feature: Feature) -> AppState:
    """`feature` has changed. Raises Conflict `features_too_large`."""
    features = with_entry(state.features, feature.name, replace(feature, revision=state.revision + 1))
    after = replace(state, features=features)
    _check_size(after)
    return after


def _changed(state: AppState, feature: Feature, given: FeatureSettings) -> Feature:
    kind, name = feature.kind, feature.name
    if given.kind is not UNSET and given.kind is not kind:
        raise Conflict(
            "feature_kind",
            f"feature {name!r} is of type {kind.value}, which apps read it as: another type needs another feature",
        )
    if given.default is not UNSET:
        feature = replace(feature, default=canonical_value(kind, given.default, f"the default of {name!r}"))
    if given.rules is not UNSET:
        feature = replace(feature, rules=_rules(state, feature, given.rules))
    if given.share is not UNSET:
        feature = replace(feature, share=_share(feature, given.share))
    if given.prerequisites is not UNSET:
        feature = replace(feature, prerequisites=_prerequisites(state, name, given.prerequisites))
    if given.needs is not UNSET:
        feature = replace(feature, needs=_needs(given.needs))
    if given.server_only is not UNSET:
        feature = replace(feature, server_only=given.server_only)
    if given.noted is not UNSET:
        feature = replace(feature, noted=given.noted)
    if given.about is not UNSET:
        feature = replace(feature, about=_about(given.about))
    return feature


def _rules(state: AppState, feature: Feature, given: tuple[NewFeatureRule, ...]) -> tuple[FeatureRule, ...]:
    if len(given) > RULES_LIMIT:
        raise Conflict("too_many_rules", f"a feature can have at most {RULES_LIMIT} rules")
    rules = [_rule(state, feature.kind, each, place) for place, each in enumerate(_named(feature, given), start=1)]
    twice = next((name for name, times in Counter(each.name for each in rules).items() if times > 1), None)
    if twice is not None:
        raise Invalid("invalid_rule", f"two rules of feature {feature.name!r} are called {twice!r}")
    return tuple(rules)


def _named(feature: Feature, given: Sequence[NewFeatureRule]) -> Iterator[NewFeatureRule]:
    """With names: the one that the same condition has already, so that its draw stays, else a free one."""
    before = {(each.segment, each.where): each.name for each in feature.rules}
    taken = {each.name for each in given if each.name}
    for each in given:
        if not each.name:
            name = before.pop((each.segment, each.where), "")
            if not name or name in taken:
                name = _free(taken | set(before.values()))
            taken.add(name)
            yield NewFeatureRule(value=each.value, name=name, segment=each.segment, where=each.where, share=each.share)
        else:
            yield each


def _free(taken: set[str]) -> str:
    return next(name for place in count(1) if (name := f"rule-{place}") not in taken)


def _rule(state: AppState, kind: FeatureKind, given: NewFeatureRule, place: int) -> FeatureRule:
    name = parse_name("rule", given.name)
    if name in RESERVED_VARIANTS:
        raise Invalid("invalid_rule", f"rule {place}: no rule can be called {name!r}")
    if (given.segment is None) == (given.where is None):
        raise Invalid("invalid_rule", f"rule {place} needs a segment or an expression, and not both")
    if given.segment is not None:
        segment_of(state, given.segment)
    for each in sorted(check_expression(given.where) if given.where is not None else ()):
        id_set_of(state, each)
    return FeatureRule(
        name=name,
        value=canonical_value(kind, given.value, f"rule {place}"),
        segment=given.segment,
        where=given.where,
        share=None if given.share is None else _checked_share(given.share, f"rule {place}"),
    )


def _share(feature: Feature, given: NewFeatureShare | None) -> FeatureShare | None:
    if given is None:
        return None
    value = canonical_value(feature.kind, given.value, "the share's value")
    return FeatureShare(share=_checked_share(given.share, "the share"), value=value)


def _checked_share(share: int, what: str) -> int:
    if not 0 <= share <= WHOLE_SHARE:
        raise Invalid("invalid_share", f"{what}: a share must be between 0% and 100%")
    return share


def _prerequisites(state: AppState, name: str, given: tuple[NewPrerequisite, ...]) -> tuple[Prerequisite, ...]:
    if len(given) > PREREQUISITES_LIMIT:
        raise Conflict("too_many_prerequisites", f"a feature can have at most {PREREQUISITES_LIMIT} prerequisites")
    found = tuple(_prerequisite(state, name, each) for each in given)
    if len({each.feature for each in found}) < len(found):
        raise Invalid("invalid_prerequisite", f"feature {name!r} names the same prerequisite twice")
    return found


def _prerequisite(state: AppState, name: str, given: NewPrerequisite) -> Prerequisite:
    if given.feature == name:
        raise Conflict("prerequisite_circle", f"feature {name!r} cannot be its own prerequisite")
    other = feature_of(state, given.feature)
    if given.value is None and other.kind is not FeatureKind.BOOLEAN:
        raise Invalid(
            "invalid_prerequisite",
            f"prerequisite {other.name!r} is of type {other.kind.value}: say which value it has to give "
            f"(--prerequisite {other.name}=VALUE)",
        )
    value = canonical_value(other.kind, given.value or _TRUE, f"prerequisite {other.name!r}")
    return Prerequisite(feature=other.name, value=value)


def _needs(text: str) -> str:
    wanted = text.removeprefix(">=").strip()
    if wanted and (
        len(wanted) > VERSION_LIMIT or (parse_version(wanted) is None and _SHORT_VERSION.fullmatch(wanted) is None)
    ):
        raise Invalid("invalid_needs", f"{wanted[:VERSION_LIMIT]!r} is not a version like 1.4 or 1.4.0-beta.1")
    return wanted


def _about(text: str) -> str:
    if len(text) > ABOUT_LIMIT or not text.isprintable():
        raise Invalid("invalid_about", f"what a feature is about is one line of at most {ABOUT_LIMIT} characters")
    return text.strip()


def _check_circle(state: AppState, feature: Feature) -> None:
    """Of those that reach the feature, too: a row that grows at its end is longer for all before."""
    depths: dict[str, int] = {}
    for name in state.features:
        if _depth(state.features, name, (), depths) > DEPTH_LIMIT:
            raise Conflict(
                "prerequisites_too_deep",
                f"with feature {feature.name!r}, more than {DEPTH_LIMIT} features would need each other in a row",
            )


def _depth(features: Mapping[str, Feature], name: str, path: tuple[str, ...], known: dict[str, int]) -> int:
    """How many features need each other in a row from this one on. The path is bounded by the number of features."""
    if name in path:
        circle = " → ".join((*path[path.index(name) :], name))
        raise Conflict("prerequisite_circle", f"these features would need each other: {circle}")
    if name not in known:
        below = [_depth(features, each.feature, (*path, name), known) for each in features[name].prerequisites]
        known[name] = 1 + max(below, default=0)
    return known[name]


def _check_size(state: AppState) -> None:
    listed = list(state.features.values())
    of_expressions = sum(len(where.encode()) for each in listed for where in _expressions(each))
    if of_expressions > EXPRESSIONS_LIMIT_BYTES:
        raise Conflict(
            "features_too_large",
            f"the expressions in rules of app {state.app!r} would take {of_expressions} bytes; the limit is "
            f"{EXPRESSIONS_LIMIT_BYTES}: use segments, which several rules can share",
        )
    total_bytes = of_expressions + sum(len(text.encode()) for each in listed for text in _texts(each))
    if total_bytes > FEATURES_LIMIT_BYTES:
        raise Conflict(
            "features_too_large",
            f"the features of app {state.app!r} would take {total_bytes} bytes; the limit is {FEATURES_LIMIT_BYTES}",
        )


def _expressions(feature: Feature) -> list[str]:
    return [each.where for each in feature.rules if each.where is not None]


def _texts(feature: Feature) -> Iterator[str]:
    yield from (feature.name, feature.default, feature.about)
    if feature.share is not None:
        yield feature.share.value
    for rule in feature.rules:
        yield from (rule.name, rule.value)
    for each in feature.prerequisites:
        yield from (each.feature, each.value)
    if (experiment := feature.experiment) is not None:
        yield from (experiment.name, experiment.question, *experiment.measures)
        for arm in experiment.arms:
            yield from (arm.name, arm.value)


def _switch(state: AppState, command: SwitchFeature) -> AppState:
    feature = feature_of(state, command.name)
    return state if feature.on is command.on else with_feature(state, replace(feature, on=command.on))


def _delete(state: AppState, command: DeleteFeature) -> AppState:
    feature = feature_of(state, command.name)
    needing = sorted(
        each.name for each in state.features.values() if any(p.feature == feature.name for p in each.prerequisites)
    )
    if needing:
        raise Conflict("feature_in_use", f"feature {feature.name!r} is a prerequisite of {named('feature', needing)}")
    if feature.experiment is not None:
        raise Conflict(
            "experiment_active",
            f"experiment {feature.experiment.name!r} runs on feature {feature.name!r}: keep an arm first (`edge "
            f"experiment stop {state.app} feature:{feature.name} --keep ARM`)",
        )
    return replace(state, features=without_entry(state.features, feature.name))
