"""The digest of what answers follow from: another one exactly where a feature's answers could be others."""

import pytest
from factories import a_bundle, a_change, an_app, digest

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    CreateChannel,
    MakeEventKey,
    PublishBundle,
    PutIdSet,
    SegmentSettings,
    SetOverride,
    SetSegment,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureRule,
    SetFeature,
    SwitchFeature,
)
from edge.domain.features.fingerprint import NO_FINGERPRINT, fingerprint_of

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
READ = SetSegment(name="read", settings=SegmentSettings(where='in_set("listed") || platform == "ios"'))
UNREAD = SetSegment(name="unread", settings=SegmentSettings(where='platform == "ios"'))
RULES = tuple(NewFeatureRule(value="true", segment="read") for _ in range(1))
CHECKOUT = SetFeature(name="checkout", settings=FeatureSettings(kind=FeatureKind.BOOLEAN, default="false", rules=RULES))
STATE = an_app(
    PutIdSet(name="listed", blob=digest("one"), ids=1),
    PutIdSet(name="other", blob=digest("one"), ids=1),
    READ,
    UNREAD,
    CHECKOUT,
    CreateChannel(name="production"),
)


def after(*commands):
    state = STATE
    for command in commands:
        state = apply(state, a_change(command))
    return fingerprint_of(state)


@pytest.mark.parametrize(
    "command",
    [
        SwitchFeature(name="checkout", on=False),
        DeleteFeature(name="checkout"),
        SetFeature(name="more", settings=FeatureSettings(kind=FeatureKind.BOOLEAN, default="true")),
        SetFeature(name="checkout", settings=FeatureSettings(default="true")),
        SetSegment(name="read", settings=SegmentSettings(where='in_set("listed")')),
        PutIdSet(name="listed", blob=digest("two"), ids=2),
    ],
)
def test_what_answers_follow_from_changes_it(command):
    assert after(command) != fingerprint_of(STATE)


@pytest.mark.parametrize(
    "command",
    [
        SetSegment(name="unread", settings=SegmentSettings(where="is_prod")),
        PutIdSet(name="other", blob=digest("two"), ids=2),
        PublishBundle(bundle=a_bundle("1.0.1"), channel="production"),
        SetOverride(device=DEVICE, channel="production"),
        MakeEventKey(key="pk_" + "k" * 24, keep_seconds=0),
    ],
)
def test_what_no_feature_reads_does_not(command):
    assert after(command) == fingerprint_of(STATE)


def test_an_app_without_features_has_one_of_its_own():
    assert fingerprint_of(an_app()) == NO_FINGERPRINT
    assert after(DeleteFeature(name="checkout")) == NO_FINGERPRINT
