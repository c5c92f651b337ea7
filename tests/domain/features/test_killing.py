"""What a kill may turn on: whatever needs the default, at any distance."""

from dataclasses import replace

from features_world import app_states, subjects, told
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compiling import a_feature

from edge.domain.app_parts.stored_features import FeatureRule, Prerequisite
from edge.domain.features.killing import Kills

ALL = (FeatureRule(name="all", where="is_prod", value="true"),)


def needing(name: str, value: str, **changes):
    return {"prerequisites": (Prerequisite(feature=name, value=value),), "rules": ALL} | changes


def turned_on(*features, name="a") -> list[str]:
    return Kills({each.name: each for each in features}).turn_on(name)


def test_what_needs_the_default_is_turned_on_and_what_needs_more_is_not():
    a = a_feature("a", rules=ALL)
    for_default, for_more = a_feature("b", **needing("a", "false")), a_feature("c", **needing("a", "true"))
    assert turned_on(a, for_default, for_more) == ["b"]
    assert turned_on(replace(a, on=False), for_default, for_more) == ["b"]  # as after the kill
    assert turned_on(a, replace(for_default, on=False)) == []
    assert turned_on(a, replace(for_default, rules=())) == []  # it has nothing to give
    assert turned_on(replace(a, rules=()), for_default) == []  # everybody gets that already
    assert turned_on(a, a_feature("d", **needing("gone", "false"))) == []


def test_it_goes_on_through_what_is_turned_off_and_on():
    a, off = a_feature("a", rules=ALL), a_feature("b", **needing("a", "true"))
    on = a_feature("c", **needing("b", "false"))
    assert turned_on(a, off, on, a_feature("d", **needing("c", "true")), a_feature("e", **needing("c", "false"))) == [
        "c",
        "d",
    ]


def test_it_goes_on_through_what_is_turned_off_by_what_is_turned_on():
    a, b = a_feature("a", rules=ALL), a_feature("b", **needing("a", "false"))
    c, d = a_feature("c", **needing("b", "false")), a_feature("d", **needing("c", "false"))
    assert turned_on(a, b, c, d) == ["b", "d"]


def test_one_that_another_prerequisite_keeps_back_is_not_turned_on():
    a = a_feature("a", rules=ALL)
    both = (Prerequisite(feature="a", value="false"), Prerequisite(feature="z", value="true"))
    assert turned_on(a, a_feature("b", prerequisites=both, rules=ALL), a_feature("z")) == []


@settings(max_examples=40)
@given(app_states(), subjects(), st.data())
def test_nobody_gets_more_of_a_feature_that_is_not_named(state, subject, data):
    name = data.draw(st.sampled_from(sorted(state.features)))
    alive, dead = (
        replace(state, features={**state.features, name: replace(state.features[name], on=on)}) for on in (True, False)
    )
    named = Kills(state.features).turn_on(name)
    for each, feature in state.features.items():
        was, becomes = told(alive, each, subject).value, told(dead, each, subject).value
        assert was == becomes or becomes == feature.default or each in named
