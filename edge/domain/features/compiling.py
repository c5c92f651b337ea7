"""An app's features compiled for answering, as part of its snapshot: every answer is made here, once.

The order is normative: kill switch, needs, prerequisites, rules, share, default. `explaining` takes the same steps and
shows what each one read.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from edge.domain.app_parts.stored_features import Feature, FeatureRule
from edge.domain.buckets import bucket_of_written, feature_salt, hold_out_salt
from edge.domain.errors import Invalid
from edge.domain.facts import DeviceFacts
from edge.domain.features.evaluation import (
    DEFAULT_VARIANT,
    HELD_OUT_VARIANT,
    SHARE_VARIANT,
    UNKNOWN_VARIANT,
    Evaluation,
    Resolution,
    Subject,
    Why,
)
from edge.domain.model import AppState, Segment, SegmentName, UpdateCheck
from edge.domain.states import held_segments
from edge.domain.targeting.compiler import read_version
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.parser import check_expression
from edge.domain.targeting.places import NodePlace
from edge.domain.targeting.segments import asks_facts, compile_segment, memory_of
from edge.domain.targeting.traits import Draw, Traits, segment_traits, together
from edge.domain.versions import Version

Selects = Callable[[UpdateCheck, DeviceFacts], bool]

NO_SETS_LOST: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """`readable`: whether this node can tell whom it selects."""

    rule: FeatureRule
    selects: Selects
    salt: bytes
    gives: Evaluation
    readable: bool
    traits: Traits


@dataclass(frozen=True, slots=True)
class CompiledTrial:
    """A running experiment: `ends` are the arms' last buckets, ascending; `gives` what each arm gives."""

    selects: Selects | None  # None: every device
    readable: bool
    hold_out: int
    group_salt: bytes
    held_out: Evaluation
    salt: bytes
    ends: tuple[int, ...]
    gives: tuple[Evaluation, ...]


class Wanted(NamedTuple):
    """A prerequisite: what has to be given by the other feature."""

    feature: str
    value_json: bytes


@dataclass(frozen=True, slots=True)
class CompiledFeature:
    """`always`: what it gives to every subject; None: that depends on it."""

    feature: Feature
    always: Evaluation | None
    needs: Version | None
    too_old: Evaluation
    prerequisites: tuple[Wanted, ...]
    unmet: Evaluation
    trial: CompiledTrial | None
    rules: tuple[CompiledRule, ...]
    unreadable: Evaluation
    share_salt: bytes
    share: int  # thousandths of a percent
    shared: Evaluation | None
    default: Evaluation
    traits: Traits  # what of a subject's ids it depends on, its prerequisites aside
    asks_facts: bool  # whether it reads how the device is used, its prerequisites aside


@dataclass(frozen=True, slots=True)
class CompiledFeatures:
    """All features of an app. `names` are sorted, and so are answers."""

    features: Mapping[str, CompiledFeature]
    names: tuple[str, ...]
    public: tuple[str, ...]  # those that are not for servers alone
    depends_on: Traits  # all that any of them reads of a subject besides what its check says of its app and release
    asks_facts: bool  # whether any of them reads how a device is used

    def evaluate(self, name: str, subject: Subject) -> Evaluation | None:
        """None: there is no feature of that name."""
        feature = self.features.get(name)
        return None if feature is None else self._evaluated(feature, subject, {})

    def evaluate_all(self, subject: Subject, *, public: bool = False) -> Sequence[Evaluation]:
        """By name; only the `public` ones, if so."""
        known: dict[str, Evaluation] = {}
        features = self.features
        return [self._evaluated(features[name], subject, known) for name in (self.public if public else self.names)]

    def is_too_old(self, feature: CompiledFeature, subject: Subject) -> bool:
        """Whether the bundle that the subject runs is below what the feature needs, or has no version."""
        return feature.needs is not None and not read_version(subject.check.version_name) >= feature.needs

    def _evaluated(self, feature: CompiledFeature, subject: Subject, known: dict[str, Evaluation]) -> Evaluation:
        """Prerequisites are no deeper in each other than `changes.features` allows."""
        if feature.always is not None:
            return feature.always
        name = feature.feature.name
        found = known.get(name)
        if found is None:
            found = known[name] = self._decided(feature, subject, known)
        return found

    def _decided(self, feature: CompiledFeature, subject: Subject, known: dict[str, Evaluation]) -> Evaluation:
        check, facts, key = subject
        if feature.needs is not None and not read_version(check.version_name) >= feature.needs:
            return feature.too_old
        for wanted in feature.prerequisites:
            other = self.features.get(wanted.feature)
            if other is None or self._evaluated(other, subject, known).value_json != wanted.value_json:
                return feature.unmet
        trial = feature.trial
        if trial is not None:
            if not trial.readable:
                return feature.unreadable
            if trial.selects is None or trial.selects(check, facts):
                if trial.hold_out and bucket_of_written(trial.group_salt, key) < trial.hold_out:
                    return trial.held_out
                return trial.gives[bisect_right(trial.ends, bucket_of_written(trial.salt, key))]
        for each in feature.rules:
            if not each.readable:
                return feature.unreadable
            if each.selects(check, facts) and (
                each.rule.share is None or bucket_of_written(each.salt, key) < each.rule.share
            ):
                return each.gives
        shared = feature.shared
        if shared is not None and bucket_of_written(feature.share_salt, key) < feature.share:
            return shared
        return feature.default


NO_FEATURES = CompiledFeatures(MappingProxyType({}), (), (), Traits(), False)


def compile_features(
    state: AppState,
    place: NodePlace,
    sets: Mapping[str, IdSet],
    *,
    segments: Mapping[SegmentName, tuple[Segment, Selects]] | None = None,
    lost_sets: frozenset[str] = NO_SETS_LOST,
) -> CompiledFeatures:
    """`place` is the node's, `sets` are the id sets by name, `segments` the app's, compiled; they are compiled here if
    not given. A subject that reaches a rule which needs one of `lost_sets` gets no value: whether it is in is unknown.
    """
    if not state.features:
        return NO_FEATURES
    compiler = _Compiler(state, place, sets, segments, lost_sets)
    features = {name: compiler.compiled(state.features[name]) for name in sorted(state.features)}
    names = tuple(features)
    return CompiledFeatures(
        features=features,
        names=names,
        public=tuple(name for name in names if not state.features[name].server_only),
        depends_on=together(each.traits for each in features.values()),
        asks_facts=any(each.asks_facts for each in features.values()),
    )


class _Compiler:
    def __init__(
        self,
        state: AppState,
        place: NodePlace,
        sets: Mapping[str, IdSet],
        segments: Mapping[SegmentName, tuple[Segment, Selects]] | None,
        lost_sets: frozenset[str],
    ) -> None:
        self._state, self._place, self._sets, self._lost = state, place, sets, lost_sets
        self._segments = segments
        self._held = held_segments(state) if segments is None else frozenset[SegmentName]()

    def compiled(self, feature: Feature) -> CompiledFeature:
        rules = tuple(self._rule(feature, each) for each in feature.rules)
        share_salt = feature_salt(self._state.app, feature.salt)
        draws = (Draw(share_salt, (feature.share.share,)),) if feature.share is not None else ()
        trial, of_trial = self._trial(feature)
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
            unreadable=Evaluation(
                feature.name, None, UNKNOWN_VARIANT, Resolution.UNKNOWN, _metadata(feature, Why.UNREADABLE)
            ),
            share_salt=share_salt,
            share=feature.share.share if feature.share is not None else 0,
            shared=_shared(feature),
            default=default,
            traits=Traits() if killed else together([Traits(draws), of_trial, *(each.traits for each in rules)]),
            asks_facts=not killed and any(map(asks_facts, self._expressions(feature))),
        )

    def _trial(self, feature: Feature) -> tuple[CompiledTrial | None, Traits]:
        experiment, app = feature.experiment, self._state.app
        if experiment is None:
            return None, Traits()
        salt, group_salt = feature_salt(app, experiment.salt), hold_out_salt(app, experiment.hold_out_group)
        ends = tuple(accumulate(arm.weight for arm in experiment.arms))
        held = (Draw(group_salt, (experiment.hold_out,)),) if experiment.hold_out else ()
        traits, selects, readable = Traits((*held, Draw(salt, ends[:-1]))), None, True
        if experiment.segment is not None:
            selects, read = self._segment(SegmentName(experiment.segment))
            traits = together([read, traits])
            readable = self._is_readable(self._state.segments[SegmentName(experiment.segment)].where)
        of_experiment = {"experiment": experiment.name}
        held_out = Evaluation(
            feature.name,
            feature.default.encode(),
            HELD_OUT_VARIANT,
            Resolution.SPLIT,
            _metadata(feature, Why.HELD_OUT, **of_experiment),
        )
        gives = tuple(
            Evaluation(
                feature.name,
                arm.value.encode(),
                f"{experiment.name}/{arm.name}",
                Resolution.SPLIT,
                _metadata(feature, Why.EXPERIMENT, **of_experiment, arm=arm.name),
                arm.name,
            )
            for arm in experiment.arms
        )
        return CompiledTrial(selects, readable, experiment.hold_out, group_salt, held_out, salt, ends, gives), traits

    def _expressions(self, feature: Feature) -> Iterator[str]:
        yield from (self._where(each) for each in feature.rules)
        if feature.experiment is not None and feature.experiment.segment is not None:
            yield self._state.segments[SegmentName(feature.experiment.segment)].where

    def _rule(self, feature: Feature, rule: FeatureRule) -> CompiledRule:
        where, salt = self._where(rule), feature_salt(self._state.app, feature.salt, rule.name)
        selects, traits = self._read(feature, rule, where)
        draws = () if rule.share is None else (Draw(salt, (rule.share,)),)
        reason = Resolution.TARGETING_MATCH if rule.share is None else Resolution.SPLIT
        gives = Evaluation(feature.name, rule.value.encode(), rule.name, reason, _metadata(feature, Why.RULE))
        return CompiledRule(rule, selects, salt, gives, self._is_readable(where), together([Traits(draws), traits]))

    def _where(self, rule: FeatureRule) -> str:
        if rule.segment is not None:
            return self._state.segments[SegmentName(rule.segment)].where
        return rule.where or ""

    def _read(self, feature: Feature, rule: FeatureRule, where: str) -> tuple[Selects, Traits]:
        """A bucket in an expression of a rule is drawn by the rule's own salt; one in a segment by the segment's."""
        app = self._state.app
        if rule.segment is None:
            name = f"feature:{feature.salt}:{rule.name}"  # which no segment is called
            selects = compile_segment(app, name, where, place=self._place, sets=self._sets)
            return selects, segment_traits(app, name, where, self._sets)
        return self._segment(SegmentName(rule.segment))

    def _segment(self, name: SegmentName) -> tuple[Selects, Traits]:
        app, segment = self._state.app, self._state.segments[name]
        traits = segment_traits(app, name, segment.where, self._sets)
        if self._segments is not None:
            return self._segments[name][1], traits
        memory = memory_of(segment, self._held)
        return compile_segment(app, name, segment.where, place=self._place, sets=self._sets, memory=memory), traits

    def _is_readable(self, where: str) -> bool:
        try:
            return not self._lost & check_expression(where)
        except Invalid:
            return False


def expressions_of(state: AppState) -> Iterator[str]:
    """Those in the rules of features, besides those of the segments that they name."""
    return (rule.where for each in state.features.values() for rule in each.rules if rule.where is not None)


def _needed(needs: str) -> Version | None:
    found = read_version(needs) if needs else None
    return found if isinstance(found, Version) else None


def _default(feature: Feature, reason: Resolution, why: Why) -> Evaluation:
    return Evaluation(feature.name, feature.default.encode(), DEFAULT_VARIANT, reason, _metadata(feature, why))


def _shared(feature: Feature) -> Evaluation | None:
    if feature.share is None:
        return None
    value, metadata = feature.share.value.encode(), _metadata(feature, Why.SHARE)
    return Evaluation(feature.name, value, SHARE_VARIANT, Resolution.SPLIT, metadata)


def _metadata(feature: Feature, why: Why, **more: str) -> Mapping[str, str | int | float | bool]:
    return MappingProxyType({"version": feature.revision, "why": why.value, **more})
