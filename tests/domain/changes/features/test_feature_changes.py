import pytest
from factories import a_change, an_app, digest

from edge.domain.app_parts.stored_features import FeatureKind, FeatureRule
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    DeleteIdSet,
    DeleteSegment,
    PutIdSet,
    SegmentSettings,
    SetSegment,
    Undo,
)
from edge.domain.changes.features.feature_changes import (
    DEPTH_LIMIT,
    FEATURE_LIMIT,
    FEATURES_LIMIT_BYTES,
    PREREQUISITES_LIMIT,
    RULES_LIMIT,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    SetFeature,
    SwitchFeature,
)
from edge.domain.errors import Conflict, EdgeError, NotFound
from edge.domain.features.values import DEPTH_LIMIT as NESTED_LIMIT
from edge.domain.features.values import INTEGER_LIMIT, VALUE_LIMIT_BYTES

BETA = SetSegment(name="beta", settings=SegmentSettings(where="is_emulator"))
VIP = PutIdSet(name="vip", blob=digest("vip"), ids=2)


def setting(name: str = "checkout", **settings) -> SetFeature:
    return SetFeature(name=name, settings=FeatureSettings(**settings))


def a_new(name: str = "checkout", kind=FeatureKind.BOOLEAN, default: str = "false", **settings) -> SetFeature:
    return setting(name, kind=kind, default=default, **settings)


def needing(*names: str) -> tuple[NewPrerequisite, ...]:
    return tuple(NewPrerequisite(feature=name) for name in names)


def refused(state, command) -> str:
    with pytest.raises(EdgeError) as error:
        apply(state, a_change(command))
    return error.value.code


def test_settings_that_are_not_given_stay():
    state = an_app(
        BETA, a_new(rules=(NewFeatureRule(value="true", segment="beta"),), needs=">=1.4"), setting(about="x")
    )
    feature = state.features["checkout"]
    assert feature.rules == (FeatureRule(name="rule-1", value="true", segment="beta"),)
    assert (feature.needs, feature.about, feature.revision) == ("1.4", "x", state.revision)


def test_a_change_without_effect_makes_no_revision():
    state = an_app(a_new())
    assert apply(state, a_change(setting(default="false"))) is state
    assert apply(state, a_change(SwitchFeature(name="checkout", on=True))) is state


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        (FeatureKind.BOOLEAN, " true", "true"),
        (FeatureKind.STRING, '"bl\\u00fc"', '"blü"'),
        (FeatureKind.INTEGER, "3", "3"),
        (FeatureKind.INTEGER, str(-INTEGER_LIMIT), str(-INTEGER_LIMIT)),
        (FeatureKind.FLOAT, "3", "3.0"),
        (FeatureKind.FLOAT, "1e3", "1000.0"),
        (FeatureKind.JSON, '{"b": [1, 1.0], "a": null}', '{"b":[1,1.0],"a":null}'),
        (FeatureKind.JSON, "[" * NESTED_LIMIT + "]" * NESTED_LIMIT, "[" * NESTED_LIMIT + "]" * NESTED_LIMIT),
    ],
)
def test_values_have_one_spelling(kind, text, stored):
    assert an_app(a_new(kind=kind, default=text)).features["checkout"].default == stored


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (FeatureKind.BOOLEAN, "1", "invalid_value"),
        (FeatureKind.BOOLEAN, '"true"', "invalid_value"),
        (FeatureKind.STRING, "blue", "invalid_value"),
        (FeatureKind.STRING, '"\\ud800"', "invalid_value"),
        (FeatureKind.STRING, '"\ud800"', "invalid_value"),
        (FeatureKind.INTEGER, "1.0", "invalid_value"),
        (FeatureKind.INTEGER, "true", "invalid_value"),
        (FeatureKind.INTEGER, str(INTEGER_LIMIT + 1), "invalid_value"),
        (FeatureKind.INTEGER, "9" * 5_000, "invalid_value"),
        (FeatureKind.FLOAT, "NaN", "invalid_value"),
        (FeatureKind.FLOAT, "1e999", "invalid_value"),
        (FeatureKind.FLOAT, "9" * 400, "invalid_value"),
        (FeatureKind.FLOAT, '"1.0"', "invalid_value"),
        (FeatureKind.JSON, "null", "invalid_value"),
        (FeatureKind.JSON, '"text"', "invalid_value"),
        (FeatureKind.JSON, '{"\\udc00": 1}', "invalid_value"),
        (FeatureKind.JSON, '{"a": 1e999}', "invalid_value"),
        (FeatureKind.JSON, "[" * (NESTED_LIMIT + 2) + "]" * (NESTED_LIMIT + 2), "invalid_value"),
        (FeatureKind.JSON, "[" * 50_000 + "]" * 50_000, "invalid_value"),
        (FeatureKind.STRING, f'"{"x" * VALUE_LIMIT_BYTES}"', "value_too_large"),
        (FeatureKind.STRING, f'"{"x" * 9 * VALUE_LIMIT_BYTES}"', "value_too_large"),
    ],
)
def test_a_value_of_another_kind_is_refused(kind, text, code):
    assert refused(an_app(), a_new(kind=kind, default=text)) == code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (setting(default="true"), "missing_default"),
        (setting(kind=FeatureKind.BOOLEAN), "missing_default"),
        (a_new("-x"), "invalid_feature_name"),
        (a_new("a/b"), "invalid_feature_name"),
        (a_new("x" * 65), "invalid_feature_name"),
        (a_new(needs="1.x"), "invalid_needs"),
        (a_new(needs="1" * 200), "invalid_needs"),
        (a_new(about="two\nlines"), "invalid_about"),
        (a_new(share=NewFeatureShare(share=100_001, value="true")), "invalid_share"),
        (a_new(share=NewFeatureShare(share=1, value='"a"')), "invalid_value"),
        (a_new(rules=(NewFeatureRule(value="true"),)), "invalid_rule"),
        (a_new(rules=(NewFeatureRule(value="true", segment="beta", where="is_prod"),)), "invalid_rule"),
        (a_new(rules=(NewFeatureRule(value="true", segment="gone"),)), "unknown_segment"),
        (a_new(rules=(NewFeatureRule(value="true", where="is_prdo"),)), "invalid_expression"),
        (a_new(rules=(NewFeatureRule(value="true", where='in_set("gone")'),)), "unknown_id_set"),
        (a_new(rules=(NewFeatureRule(value="true", where="is_prod", share=-1),)), "invalid_share"),
        (a_new(rules=(NewFeatureRule(value="1", where="is_prod"),)), "invalid_value"),
        (a_new(rules=(NewFeatureRule(value="true", where="is_prod", name="default"),)), "invalid_rule"),
        (a_new(rules=(NewFeatureRule(value="true", where="is_prod", name="a"),) * 2), "invalid_rule"),
        (a_new(rules=(NewFeatureRule(value="true", where="is_prod"),) * (RULES_LIMIT + 1)), "too_many_rules"),
        (a_new(prerequisites=needing("gone")), "unknown_feature"),
        (a_new(prerequisites=needing("checkout")), "prerequisite_circle"),
        (a_new(prerequisites=needing("other", "other")), "invalid_prerequisite"),
        (a_new(prerequisites=needing("speed")), "invalid_prerequisite"),
        (a_new(prerequisites=(NewPrerequisite(feature="speed", value='"fast"'),)), "invalid_value"),
        (a_new(prerequisites=needing(*(f"f{n}" for n in range(PREREQUISITES_LIMIT + 1)))), "too_many_prerequisites"),
        (SwitchFeature(name="gone", on=False), "unknown_feature"),
        (DeleteFeature(name="gone"), "unknown_feature"),
    ],
)
def test_what_cannot_be_a_feature_is_refused(command, code):
    assert refused(an_app(BETA, a_new("other"), a_new("speed", FeatureKind.FLOAT, "1.0")), command) == code


def test_the_kind_of_a_feature_never_changes():
    assert refused(an_app(a_new()), setting(kind=FeatureKind.STRING, default='"a"')) == "feature_kind"


def test_features_that_need_each_other_are_refused():
    state = an_app(a_new("a"), a_new("b", prerequisites=needing("a")), a_new("c", prerequisites=needing("b")))
    assert refused(state, setting("a", prerequisites=needing("c"))) == "prerequisite_circle"
    assert refused(state, DeleteFeature(name="b")) == "feature_in_use"


def test_a_row_of_prerequisites_has_an_end():
    rows = [a_new("f0"), *(a_new(f"f{n}", prerequisites=needing(f"f{n - 1}")) for n in range(1, DEPTH_LIMIT))]
    state = an_app(*rows, a_new("root"))
    assert refused(state, a_new("more", prerequisites=needing(f"f{DEPTH_LIMIT - 1}"))) == "prerequisites_too_deep"
    assert refused(state, setting("f0", prerequisites=needing("root"))) == "prerequisites_too_deep"


def test_what_a_feature_reads_cannot_be_deleted():
    rules = (NewFeatureRule(value="true", segment="beta"), NewFeatureRule(value="true", where='in_set("vip")'))
    state = an_app(BETA, VIP, a_new(rules=rules))
    assert refused(state, DeleteSegment(name="beta")) == "segment_in_use"
    assert refused(state, DeleteIdSet(name="vip")) == "id_set_in_use"
    free = apply(state, a_change(setting(rules=())))
    assert not apply(apply(free, a_change(DeleteSegment(name="beta"))), a_change(DeleteIdSet(name="vip"))).segments


def test_a_rule_keeps_its_name_as_long_as_its_condition_stays():
    first = NewFeatureRule(value="true", where="is_prod"), NewFeatureRule(value="true", where="is_emulator")
    state = an_app(a_new(rules=first))
    other = NewFeatureRule(value="false", where="!is_prod")
    state = apply(state, a_change(setting(rules=(other, *reversed(first)))))
    assert [(each.name, each.where) for each in state.features["checkout"].rules] == [
        ("rule-3", "!is_prod"),
        ("rule-2", "is_emulator"),
        ("rule-1", "is_prod"),
    ]


def test_a_feature_that_is_made_again_draws_anew():
    state = an_app(a_new())
    again = apply(apply(state, a_change(DeleteFeature(name="checkout"))), a_change(a_new()))
    assert again.features["checkout"].salt != state.features["checkout"].salt


def test_an_app_has_a_limit_of_features():
    state = an_app(*(a_new(f"f{n}") for n in range(FEATURE_LIMIT)))
    assert refused(state, a_new("more")) == "too_many_features"


def test_the_features_of_an_app_have_a_size():
    value = f'"{"x" * (VALUE_LIMIT_BYTES - 2)}"'
    state = an_app(*(a_new(f"f{n}", FeatureKind.STRING, value) for n in range(FEATURES_LIMIT_BYTES // len(value) - 1)))
    state = apply(state, a_change(a_new("last", FeatureKind.STRING, f'"{"x" * 1_000}"')))
    assert refused(state, setting("last", default=value)) == "features_too_large"
    rules = tuple(NewFeatureRule(value="true", where=f'custom_id == "{"x" * 4_000}{n}"') for n in range(9))
    assert refused(an_app(), a_new(rules=rules)) == "features_too_large"


def test_undoing_a_kill_needs_force():
    on = an_app(a_new())
    off = apply(on, a_change(SwitchFeature(name="checkout", on=False)))
    with pytest.raises(Conflict) as stopped:
        apply(off, a_change(Undo(revision=off.revision)), on)
    assert stopped.value.code == "undoes_a_stop"
    assert apply(off, a_change(Undo(revision=off.revision, force=True)), on).features["checkout"].on


def test_a_name_that_is_not_there_names_the_one_that_was_perhaps_meant():
    app = an_app(SetSegment(name="testers", settings=SegmentSettings(where="is_prod")), a_new())
    for command, meant in (
        (a_new("other", rules=(NewFeatureRule(value="true", segment="tester"),)), "'testers'"),
        (SwitchFeature(name="chekout", on=False), "'checkout'"),
    ):
        with pytest.raises(NotFound, match=f"; did you mean {meant}"):
            apply(app, a_change(command))
    with pytest.raises(NotFound, match=r"app 'com\.example\.app'$"):
        apply(app, a_change(SwitchFeature(name="zzz", on=False)))
