"""Compiling an app's features for its snapshot: every answer is made here, once. `compiled` says in which order.

Rules share segments and expressions, and most features do not change with a revision. So each text is read and compiled
once, and a feature that nothing of has changed is taken over whole: 200 features with 20 rules each take 30 ms again.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate, repeat
from types import MappingProxyType
from typing import NamedTuple

from edge.domain.app_parts.stored_features import Feature, FeatureArm, FeatureExperiment, FeatureRule
from edge.domain.buckets import feature_salt, hold_out_salt
from edge.domain.errors import Invalid
from edge.domain.features.compiled import (
    NO_FEATURES,
    CompiledFeature,
    CompiledFeatures,
    CompiledRule,
    CompiledTrial,
    Selects,
    Wanted,
)
from edge.domain.features.evaluation import (
    DEFAULT_VARIANT,
    HELD_OUT_VARIANT,
    SHARE_VARIANT,
    UNKNOWN_VARIANT,
    Evaluation,
    Resolution,
    Why,
)
from edge.domain.model import AppState, Segment, SegmentName
from edge.domain.states import held_segments
from edge.domain.targeting.compiler import read_version
from edge.domain.targeting.conditions import Bucket, InSet, atoms_of, reads_behaviour
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.parser import parse_expression
from edge.domain.targeting.places import NodePlace
from edge.domain.targeting.segments import compile_segment, memory_of
from edge.domain.targeting.traits import Draw, Traits, segment_traits, together
from edge.domain.versions import Version

NO_SETS_LOST: frozenset[str] = frozenset()


def compile_features(
    state: AppState,
    place: NodePlace,
    sets: Mapping[str, IdSet],
    *,
    segments: Mapping[SegmentName, tuple[Segment, Selects]] | None = None,
    lost_sets: frozenset[str] = NO_SETS_LOST,
    before: CompiledFeatures = NO_FEATURES,
) -> CompiledFeatures:
    """`place` is the node's, `sets` are the id sets by name, `segments` the app's, compiled; they are compiled here if
    not given. A subject that reaches a rule which needs one of `lost_sets` gets no value: whether it is in is unknown.
    What is the same as in `before`, of the same app and place, is not compiled again.
    """
    if not state.features:
        return NO_FEATURES
    compiler = _Compiler(state, place, sets, segments, lost_sets)
    features = {
        name: compiler.kept(before.features.get(name), feature) or compiler.compiled(feature)
        for name, feature in sorted(state.features.items())
    }
    names = tuple(features)
    return CompiledFeatures(
        features=features,
        names=names,
        public=tuple(name for name in names if not state.features[name].server_only),
        depends_on=together(each.traits for each in features.values()),
        asks_facts=any(each.asks_facts for each in features.values()),
    )


class _Condition(NamedTuple):
    """Whom a segment or an expression selects. `readable`: whether this node can tell. `sets` are the id sets in it."""

    selects: Selects
    readable: bool
    traits: Traits
    asks_facts: bool
    sets: Mapping[str, IdSet | None]


class _Compiler:
    def __init__(
        self,
        state: AppState,
        place: NodePlace,
        sets: Mapping[str, IdSet],
        segments: Mapping[SegmentName, tuple[Segment, Selects]] | None,
        lost_sets: frozenset[str],
    ) -> None:
        self._state, self._place, self._sets, self._lost, self._segments = state, place, sets, lost_sets, segments
        self._held = held_segments(state) if segments is None else frozenset[SegmentName]()
        self._of_segments = dict[str, _Condition]()
        self._of_expressions = dict[str, _Condition]()  # without a draw, which would be the rule's own

    def kept(self, known: CompiledFeature | None, feature: Feature) -> CompiledFeature | None:
        """`known` if nothing that it was compiled from has changed."""
        if known is None or known.feature != feature:
            return None
        for name, selects in known.segments.items():
            if self._of_segment(name).selects is not selects:
                return None
        return known if all(self._sets.get(name) is ids for name, ids in known.sets.items()) else None

    def compiled(self, feature: Feature) -> CompiledFeature:
        conditions = [self._of_rule(feature, each) for each in feature.rules]
        rules = tuple(map(self._rule, repeat(feature), feature.rules, conditions))
        share_salt = feature_salt(self._state.app, feature.salt)
        draws = (Draw(share_salt, (feature.share.share,)),) if feature.share is not None else ()
        trial, of_trial = self._trial(feature, feature.experiment)
        if (among := self._among(feature)) is not None:
            conditions.append(among)
        is_static = not (rules or feature.share or feature.prerequisites or feature.needs or trial)
        dynamic = Resolution.SPLIT if feature.share is not None else Resolution.TARGETING_MATCH
        default = _default(feature, Resolution.STATIC if is_static else dynamic, Why.DEFAULT)
        killed = None if feature.on else _default(feature, Resolution.DISABLED, Why.KILLED)
        return CompiledFeature(
            feature=feature,
            always=killed or (default if is_static else None),
            needs=_needed(feature.needs),
            too_old=_default(feature, Resolution.TARGETING_MATCH, Why.NEEDS),
            prerequisites=tuple(Wanted(each.feature, each.value.encode()) for each in feature.prerequisites),
            unmet=_default(feature, Resolution.TARGETING_MATCH, Why.PREREQUISITE),
            trial=trial,
            rules=rules,
            unreadable=_unreadable(feature),
            share_salt=share_salt,
            share=feature.share.share if feature.share is not None else 0,
            shared=_shared(feature),
            default=default,
            traits=Traits() if killed else together([Traits(draws), of_trial, *(each.traits for each in rules)]),
            asks_facts=not killed and any(each.asks_facts for each in conditions),
            segments={name: self._of_segment(name).selects for name in _segments_in(feature)},
            sets={name: ids for each in conditions for name, ids in each.sets.items()},
        )

    def _trial(self, feature: Feature, experiment: FeatureExperiment | None) -> tuple[CompiledTrial | None, Traits]:
        if experiment is None:
            return None, Traits()
        app, among = self._state.app, self._among(feature)
        salt, group_salt = feature_salt(app, experiment.salt), hold_out_salt(app, experiment.hold_out_group)
        ends = tuple(accumulate(arm.weight for arm in experiment.arms))
        held = (Draw(group_salt, (experiment.hold_out,)),) if experiment.hold_out else ()
        trial = CompiledTrial(
            selects=None if among is None else among.selects,
            readable=among is None or among.readable,
            hold_out=experiment.hold_out,
            group_salt=group_salt,
            held_out=_held_out(feature, experiment.name),
            salt=salt,
            ends=ends,
            gives=tuple(_of_arm(feature, experiment.name, arm) for arm in experiment.arms),
        )
        own = Traits((*held, Draw(salt, ends[:-1])))
        return trial, own if among is None else together([among.traits, own])

    def _rule(self, feature: Feature, rule: FeatureRule, condition: _Condition) -> CompiledRule:
        salt = feature_salt(self._state.app, feature.salt, rule.name)
        traits = condition.traits
        if rule.share is not None:
            traits = together([Traits((Draw(salt, (rule.share,)),)), traits])
        return CompiledRule(rule, condition.selects, salt, _of_rule(feature, rule), condition.readable, traits)

    def _among(self, feature: Feature) -> _Condition | None:
        """The devices of the feature's experiment; None: all."""
        experiment = feature.experiment
        return None if experiment is None or experiment.segment is None else self._of_segment(experiment.segment)

    def _of_rule(self, feature: Feature, rule: FeatureRule) -> _Condition:
        """A bucket in an expression of a rule is drawn by the rule's own salt; one in a segment by the segment's."""
        if rule.segment is not None:
            return self._of_segment(rule.segment)
        where = rule.where or ""
        if (known := self._of_expressions.get(where)) is not None:
            return known
        name = f"feature:{feature.salt}:{rule.name}"  # which no segment is called
        selects = compile_segment(self._state.app, name, where, place=self._place, sets=self._sets)
        condition, draws = self._condition(name, where, selects)
        if not draws:
            self._of_expressions[where] = condition
        return condition

    def _of_segment(self, name: str) -> _Condition:
        known = self._of_segments.get(name)
        if known is None:
            segment = self._state.segments[SegmentName(name)]
            known, _ = self._condition(name, segment.where, self._compiled_segment(segment))
            self._of_segments[name] = known
        return known

    def _compiled_segment(self, segment: Segment) -> Selects:
        if self._segments is not None:
            return self._segments[segment.name][1]
        app, memory = self._state.app, memory_of(segment, self._held)
        return compile_segment(app, segment.name, segment.where, place=self._place, sets=self._sets, memory=memory)

    def _condition(self, name: str, where: str, selects: Selects) -> tuple[_Condition, bool]:
        """Also whether it draws by `name`."""
        try:
            atoms = list(atoms_of(parse_expression(where)))
        except Invalid:  # of a later release
            return _Condition(selects, False, Traits(), False, {}), False
        sets = {each.name: self._sets.get(each.name) for each in atoms if isinstance(each, InSet)}
        condition = _Condition(
            selects=selects,
            readable=self._lost.isdisjoint(sets),
            traits=segment_traits(self._state.app, name, where, self._sets),
            asks_facts=any(map(reads_behaviour, atoms)),
            sets=sets,
        )
        return condition, any(isinstance(each, Bucket) for each in atoms)


def _segments_in(feature: Feature) -> Iterator[str]:
    named = (each.segment for each in (*feature.rules, *((feature.experiment,) if feature.experiment else ())))
    return (name for name in named if name is not None)


def expressions_of(state: AppState) -> Iterator[str]:
    """Those in the rules of features, besides those of the segments that they name."""
    return (rule.where for each in state.features.values() for rule in each.rules if rule.where is not None)


def _needed(needs: str) -> Version | None:
    found = read_version(needs) if needs else None
    return found if isinstance(found, Version) else None


def _default(feature: Feature, reason: Resolution, why: Why) -> Evaluation:
    return Evaluation(feature.name, feature.default.encode(), DEFAULT_VARIANT, reason, _metadata(feature, why))


def _unreadable(feature: Feature) -> Evaluation:
    return Evaluation(feature.name, None, UNKNOWN_VARIANT, Resolution.UNKNOWN, _metadata(feature, Why.UNREADABLE))


def _held_out(feature: Feature, experiment: str) -> Evaluation:
    metadata = _metadata(feature, Why.HELD_OUT, experiment=experiment)
    return Evaluation(feature.name, feature.default.encode(), HELD_OUT_VARIANT, Resolution.SPLIT, metadata)


def _of_arm(feature: Feature, experiment: str, arm: FeatureArm) -> Evaluation:
    metadata = _metadata(feature, Why.EXPERIMENT, experiment=experiment, arm=arm.name)
    variant = f"{experiment}/{arm.name}"
    return Evaluation(feature.name, arm.value.encode(), variant, Resolution.SPLIT, metadata, arm.name)


def _of_rule(feature: Feature, rule: FeatureRule) -> Evaluation:
    reason = Resolution.TARGETING_MATCH if rule.share is None else Resolution.SPLIT
    return Evaluation(feature.name, rule.value.encode(), rule.name, reason, _metadata(feature, Why.RULE))


def _shared(feature: Feature) -> Evaluation | None:
    if feature.share is None:
        return None
    value, metadata = feature.share.value.encode(), _metadata(feature, Why.SHARE)
    return Evaluation(feature.name, value, SHARE_VARIANT, Resolution.SPLIT, metadata)


def _metadata(feature: Feature, why: Why, **more: str) -> Mapping[str, str | int | float | bool]:
    return MappingProxyType({"version": feature.revision, "why": why.value, **more})
