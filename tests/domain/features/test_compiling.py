from dataclasses import replace
from itertools import pairwise

import pytest
from factories import APP, a_change, a_check, a_snapshot, an_app, digest
from features_world import DEVICES, Told, app_states, subjects, told
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
from edge.domain.buckets import bucket_of, feature_salt, hold_out_salt
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    PutIdSet,
    SegmentSettings,
    SetSegment,
)
from edge.domain.facts import NO_FACTS
from edge.domain.features.compiling import compile_features
from edge.domain.features.evaluation import Subject
from edge.domain.model import AppState
from edge.domain.targeting.id_sets import encode_id_set, parse_id_set
from edge.domain.targeting.places import NO_PLACE

LOST = frozenset({"gone"})


def compiled(*features: Feature, **given):
    state = AppState(app=APP, revision=1, features={each.name: each for each in features})
    return compile_features(state, NO_PLACE, {}, **given)


def a_feature(name: str = "checkout", **changes) -> Feature:
    return Feature(**({"name": name, "kind": FeatureKind.BOOLEAN, "default": "false", "salt": "one"} | changes))


def asking(device: str = DEVICES[0], **check) -> Subject:
    return Subject(a_check(device=device, **check), NO_FACTS, device.encode())


def in_words(evaluation) -> Told:
    value = None if evaluation.value_json is None else evaluation.value_json.decode()
    return Told(value, evaluation.variant, evaluation.reason.value, evaluation.metadata["why"])


@given(app_states(), subjects())
def test_a_feature_gives_what_its_order_says(state, subject):
    features = compile_features(state, NO_PLACE, {}, lost_sets=LOST)
    expected = {name: told(state, name, subject) for name in sorted(state.features)}
    assert {each.key: in_words(each) for each in features.evaluate_all(subject)} == expected
    assert {name: in_words(features.evaluate(name, subject)) for name in features.names} == expected


@given(app_states(), subjects(), subjects())
def test_subjects_that_agree_in_what_features_read_get_the_same(state, one, other):
    features = compile_features(state, NO_PLACE, {}, lost_sets=LOST)
    other = other._replace(check=one.check._replace(device=other.check.device), facts=one.facts)
    reads = features.depends_on
    if not reads.device_id and all(each.of(one.key, "") == each.of(other.key, "") for each in reads.read):
        assert features.evaluate_all(one) == features.evaluate_all(other)


@given(app_states())
def test_a_snapshot_evaluates_the_features_of_its_state(state):
    snapshot = a_snapshot(state, lost_sets=LOST)
    assert snapshot.features.names == tuple(sorted(state.features))


@given(app_states(), app_states(), subjects())
def test_what_is_taken_over_from_the_snapshot_before_gives_what_a_new_one_does(state, other, subject):
    """Features that stay, change, come and go; a segment that stays, one that changes, one that is held."""
    where = {"team": 'custom_id == "qa"'}
    segments = {name: replace(each, where=where.get(name, each.where)) for name, each in state.segments.items()}
    after = replace(state, segments=segments, features=state.features | other.features)
    before = a_snapshot(state, lost_sets=LOST)
    taken = a_snapshot(after, before=before, lost_sets=LOST).features
    fresh = a_snapshot(after, lost_sets=LOST).features
    assert taken.evaluate_all(subject) == fresh.evaluate_all(subject)
    assert (taken.depends_on, taken.asks_facts) == (fresh.depends_on, fresh.asks_facts)


def test_only_what_has_changed_is_compiled_again():
    of_segment, of_set = (
        FeatureRule(name="r", segment="testers", value="true"),
        FeatureRule(name="r", where='in_set("staff")', value="true"),
    )
    app = an_app(
        SetSegment(name="testers", settings=SegmentSettings(where='custom_id == "x"')),
        PutIdSet(name="staff", blob=digest("none"), ids=1),
        app=APP,
    )
    state = replace(app, features={"a": a_feature("a", rules=(of_segment,)), "b": a_feature("b", rules=(of_set,))})
    testers = SetSegment(name="testers", settings=SegmentSettings(where='custom_id == "y"'))
    elsewhere = apply(state, a_change(CreateChannel(name="beta", settings=ChannelSettings())))
    staff = parse_id_set(encode_id_set([DEVICES[0]]))
    before = a_snapshot(state, lost_sets=frozenset({"staff"}))

    def taken_over(after: AppState, **given) -> set[str]:
        features = a_snapshot(after, before=before, **given).features.features
        return {name for name, each in features.items() if each is before.features.features[name]}

    assert taken_over(elsewhere, lost_sets=frozenset({"staff"})) == {"a", "b"}
    assert taken_over(apply(state, a_change(testers)), lost_sets=frozenset({"staff"})) == {"b"}
    assert taken_over(elsewhere, ids_of=lambda digest: staff) == {"a"}


@pytest.mark.parametrize(("rule", "bucket"), [("", 55_642), ("beta", 87_451)])
def test_a_device_is_in_the_place_of_a_feature_that_it_always_was(rule, bucket):
    assert feature_salt(APP, "one", rule) == f"feature\0com.example.app\0one\0{rule}\0".encode()
    assert bucket_of(feature_salt(APP, "one", rule), DEVICES[0]) == bucket


def test_a_larger_share_has_all_of_a_smaller_one():
    def taken(share: int) -> set[str]:
        features = compiled(a_feature(share=FeatureShare(share=share, value="true")))
        return {device for device in DEVICES if features.evaluate("checkout", asking(device)).value_json == b"true"}

    shares = [taken(share) for share in (0, 10_000, 40_000, 80_000, 100_000)]
    assert all(less <= more for less, more in pairwise(shares))
    assert (len(shares[0]), len(shares[-1])) == (0, len(DEVICES)) and 0 < len(shares[2]) < len(DEVICES)


def test_two_features_draw_other_devices():
    share = FeatureShare(share=50_000, value="true")
    features = compiled(a_feature("a", share=share), a_feature("b", share=share, salt="two"))
    given = [[each.value_json for each in features.evaluate_all(asking(device))] for device in DEVICES]
    assert {tuple(each) for each in given} == {
        (one, other) for one in (b"true", b"false") for other in (b"true", b"false")
    }


def test_an_answer_is_made_once_for_all():
    features = compiled(a_feature(rules=(FeatureRule(name="all", where="is_prod", value="true"),)))
    assert features.evaluate("checkout", asking(DEVICES[0])) is features.evaluate("checkout", asking(DEVICES[1]))


def test_a_feature_that_is_not_there_gives_nothing():
    assert compiled(a_feature()).evaluate("other", asking()) is None


def test_features_for_servers_alone_are_not_public():
    features = compiled(a_feature("a", server_only=True), a_feature("b"))
    assert (features.names, features.public) == (("a", "b"), ("b",))
    assert [each.key for each in features.evaluate_all(asking(), public=True)] == ["b"]


def test_a_rule_of_a_later_release_gives_no_value():
    rule = FeatureRule(name="new", where="mood == 'good'", value="true")
    assert in_words(compiled(a_feature(rules=(rule,))).evaluate("checkout", asking())) == Told(
        None, "unknown", "UNKNOWN", "unreadable"
    )


def test_what_needs_a_feature_without_a_value_gets_its_default():
    rule = FeatureRule(name="new", where="mood == 'good'", value="true")
    above = a_feature("above", prerequisites=(Prerequisite(feature="checkout", value="true"),))
    assert in_words(compiled(a_feature(rules=(rule,)), above).evaluate("above", asking())).why == "prerequisite"


@pytest.mark.parametrize(
    ("feature", "reads_ids", "reads_facts"),
    [
        (a_feature(), False, False),
        (a_feature(needs="1.4"), False, False),
        (a_feature(share=FeatureShare(share=5, value="true")), True, False),
        (a_feature(share=FeatureShare(share=5, value="true"), on=False), False, False),
        (a_feature(rules=(FeatureRule(name="r", where="bucket(5)", value="true"),)), True, False),
        (a_feature(rules=(FeatureRule(name="r", where="sessions_7d > 3", value="true"),)), False, True),
        (a_feature(rules=(FeatureRule(name="r", where="is_prod", value="true", share=5),)), True, False),
    ],
)
def test_what_features_read_is_stated(feature, reads_ids, reads_facts):
    features = compiled(feature)
    assert (bool(features.depends_on.read), features.asks_facts) == (reads_ids, reads_facts)


def test_the_metadata_has_the_revision_of_the_feature():
    features = compiled(replace(a_feature(), revision=7))
    assert dict(features.evaluate("checkout", asking()).metadata) == {"version": 7, "why": "default"}


def an_experiment(**changes) -> FeatureExperiment:
    arms = FeatureArm(name="old", value="false", weight=50_000), FeatureArm(name="new", value="true", weight=50_000)
    return FeatureExperiment(**({"name": "colours", "arms": arms, "salt": "c"} | changes))


def test_an_arm_is_named_in_its_answer():
    features = compiled(a_feature(experiment=an_experiment()))
    given = [features.evaluate("checkout", asking(device)) for device in DEVICES]
    assert {(each.variant, each.arm, each.value_json) for each in given} == {
        ("colours/old", "old", b"false"),
        ("colours/new", "new", b"true"),
    }
    assert all(each.metadata["experiment"] == "colours" and each.metadata["arm"] == each.arm for each in given)


def test_held_out_devices_are_those_of_every_rollout_with_the_group():
    features = compiled(a_feature(experiment=an_experiment(hold_out=30_000, hold_out_group="control")))
    held = {each for each in DEVICES if features.evaluate("checkout", asking(each)).variant == "held-out"}
    assert held == {each for each in DEVICES if bucket_of(hold_out_salt(APP, "control"), each) < 30_000}
    assert held
