"""Features at random, and what they give, written down slowly: shares nothing with what compiles them but the hash."""

from typing import NamedTuple

from factories import APP, a_check
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from edge.domain.app_parts.stored_features import (
    Feature,
    FeatureArm,
    FeatureExperiment,
    FeatureKind,
    FeatureRule,
    FeatureShare,
    Prerequisite,
)
from edge.domain.facts import NO_FACTS, Behaviour, DeviceFacts
from edge.domain.features.evaluation import Subject
from edge.domain.model import AppState, Platform, Segment

SEGMENTS = {"droids": 'platform == "android"', "team": 'custom_id == "team"', "some": "bucket(40)"}
EXPRESSIONS = {
    "!is_emulator": lambda check, facts: not check.is_emulator,
    "bucket(25)": None,  # its draw is the rule's own
    'custom_id in ["team", "qa"]': lambda check, facts: check.custom_id in ("team", "qa"),
    "sessions_7d > 2": lambda check, facts: (facts.behaviour.sessions_7d or 0) > 2,
    'in_set("gone")': lambda check, facts: None,  # cannot be told
}
VALUES = {
    FeatureKind.BOOLEAN: ("true", "false"),
    FeatureKind.STRING: ('"blue"', '"red"'),
    FeatureKind.FLOAT: ("1.0", "0.5"),
    FeatureKind.JSON: ('{"a":1}', "[]"),
}
NAMES = ("a", "b", "c", "d")  # each may need those before it
VERSIONS = ("1.3.9", "1.4.0-rc.1", "1.4.0", "2.0.0", "builtin", "unknown")
DEVICES = tuple(f"{n:08x}-0000-4000-8000-{n * 7919:012x}" for n in range(40))


class Told(NamedTuple):
    """What the slow way says of a feature."""

    value: str | None
    variant: str
    reason: str
    why: str


@st.composite
def app_states(draw) -> AppState:
    features: dict[str, Feature] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1).map(sorted)):
        features[name] = draw(_features(name, tuple(features.values())))
    segments = {name: Segment(name=name, where=where) for name, where in SEGMENTS.items()}
    return AppState(app=APP, revision=9, segments=segments, features=features)


_shares = st.sampled_from((0, 1_000, 30_000, 100_000))


@st.composite
def _experiments(draw, values) -> FeatureExperiment:
    weights = draw(st.sampled_from(((50_000, 50_000), (10_000, 30_000, 60_000))))
    arms = tuple(FeatureArm(name=f"arm{n}", value=draw(values), weight=weight) for n, weight in enumerate(weights))
    segment = draw(st.none() | st.sampled_from(tuple(SEGMENTS)))
    hold_out = draw(st.sampled_from((0, 20_000)))
    return FeatureExperiment(name="trial", arms=arms, salt="trial", segment=segment, hold_out=hold_out)


@st.composite
def _features(draw, name: str, others: tuple[Feature, ...]) -> Feature:
    kind = draw(st.sampled_from(tuple(VALUES)))
    values = st.sampled_from(VALUES[kind])
    rules = []
    for place in range(draw(st.integers(0, 3))):
        segment = draw(st.none() | st.sampled_from(tuple(SEGMENTS)))
        where = draw(st.sampled_from(tuple(EXPRESSIONS))) if segment is None else None
        share = draw(st.none() | _shares)
        rules.append(FeatureRule(name=f"r{place}", value=draw(values), segment=segment, where=where, share=share))
    share = draw(st.none() | _shares)
    named = draw(st.lists(st.sampled_from(others), unique_by=lambda each: each.name)) if others else []
    return Feature(
        name=name,
        kind=kind,
        default=draw(values),
        salt=f"salt of {name}",
        rules=tuple(rules),
        share=None if share is None else FeatureShare(share=share, value=draw(values)),
        prerequisites=tuple(
            Prerequisite(feature=each.name, value=draw(st.sampled_from(VALUES[each.kind]))) for each in named
        ),
        needs=draw(st.sampled_from(("", "", "1.4", "1.4.0-rc.1"))),
        experiment=draw(st.none() | st.none() | _experiments(values)),
        on=draw(st.sampled_from((True, True, True, False))),
        revision=draw(st.integers(1, 9)),
    )


@st.composite
def subjects(draw) -> Subject:
    device = draw(st.sampled_from(DEVICES))
    check = a_check(
        device=device,
        platform=draw(st.sampled_from(Platform)),
        version_name=draw(st.sampled_from(VERSIONS)),
        custom_id=draw(st.sampled_from(("", "team", "qa"))),
        is_emulator=draw(st.booleans()),
    )
    sessions = draw(st.sampled_from((None, 1, 5)))
    facts = NO_FACTS if sessions is None else DeviceFacts(behaviour=Behaviour(sessions_7d=sessions))
    return Subject(check, facts, device.encode())


def told(state: AppState, name: str, subject: Subject) -> Told:
    """The order as config/FEATURES.md states it."""
    feature = state.features[name]
    split, plain = feature.share is not None, not (feature.rules or feature.prerequisites or feature.needs)
    plain = plain and feature.experiment is None
    if not feature.on:
        return Told(feature.default, "default", "DISABLED", "killed")
    if feature.needs and not _has(subject.check.version_name, feature.needs):
        return Told(feature.default, "default", "TARGETING_MATCH", "needs")
    for each in feature.prerequisites:
        if told(state, each.feature, subject).value != each.value:
            return Told(feature.default, "default", "TARGETING_MATCH", "prerequisite")
    experiment = feature.experiment
    if experiment is not None and (experiment.segment is None or _in_segment(state, experiment.segment, subject)):
        if experiment.hold_out and _hashed(f"group\0{APP}\0control\0", subject.key) < experiment.hold_out:
            return Told(feature.default, "held-out", "SPLIT", "held_out")
        place = _hashed(f"feature\0{APP}\0trial\0\0", subject.key)
        for arm in experiment.arms:
            if place < arm.weight:
                return Told(arm.value, f"trial/{arm.name}", "SPLIT", "experiment")
            place -= arm.weight
    for rule in feature.rules:
        selected = _selects(state, feature, rule, subject)
        if selected is None:
            return Told(None, "unknown", "UNKNOWN", "unreadable")
        if selected and (rule.share is None or _bucket(feature, rule.name, subject) < rule.share):
            return Told(rule.value, rule.name, "TARGETING_MATCH" if rule.share is None else "SPLIT", "rule")
    if feature.share is not None and _bucket(feature, "", subject) < feature.share.share:
        return Told(feature.share.value, "share", "SPLIT", "share")
    reason = "SPLIT" if split else "STATIC" if plain else "TARGETING_MATCH"
    return Told(feature.default, "default", reason, "default")


def _has(runs: str, needs: str) -> bool:
    order = ("1.3.9", "1.4.0-rc.1", "1.4.0", "2.0.0")
    return runs in order and order.index(runs) >= order.index("1.4.0" if needs == "1.4" else needs)


def _selects(state: AppState, feature: Feature, rule: FeatureRule, subject: Subject) -> bool | None:
    if rule.segment is not None:
        return _in_segment(state, rule.segment, subject)
    if rule.where == "bucket(25)":
        return _hashed(f"segment\0{state.app}\0feature:{feature.salt}:{rule.name}\0", subject.key) < 25_000
    return EXPRESSIONS[rule.where](subject.check, subject.facts)


def _in_segment(state: AppState, name: str, subject: Subject) -> bool:
    match name:
        case "droids":
            return subject.check.platform is Platform.ANDROID
        case "team":
            return subject.check.custom_id == "team"
    return _hashed(f"segment\0{state.app}\0some\0", subject.key) < 40_000


def _bucket(feature: Feature, rule: str, subject: Subject) -> int:
    return _hashed(f"feature\0{APP}\0{feature.salt}\0{rule}\0", subject.key)


def _hashed(salt: str, key: bytes) -> int:
    return xxh3_64_intdigest(salt.encode() + key) % 100_000
