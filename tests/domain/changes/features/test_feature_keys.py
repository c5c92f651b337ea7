"""The keys with which apps and servers ask for features."""

import hashlib

import pytest
from factories import APP, NOW, a_change, an_app
from features_asked import a_key

from edge.domain.app_parts.feature_keys import FeatureKeys, KeyFault
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import DeleteApp
from edge.domain.changes.features.feature_key_changes import FEATURE_KEYS_LIMIT, KEEP_LIMIT_SECONDS
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.errors import Conflict, Invalid

DAY = 86_400
FIRST, SECOND, SERVER = "fk_" + "a" * 24, "fk_" + "b" * 24, "fs_" + "c" * 24


def made(state, key, keep=DAY, at=NOW):
    return apply(state, a_change(a_key(key, keep), at=at))


def finds(state, key, at=NOW):
    """ "taken", "none needed" or "wrong"."""
    digest = hashlib.sha256(key.encode()).hexdigest() if key else ""
    found = FeatureKeys(state.feature_keys).find(digest, at)
    return {None: "none needed", KeyFault.WRONG: "wrong"}.get(found, "taken")


def test_an_app_without_a_key_gives_its_features_without_one():
    assert finds(an_app(), "") == finds(an_app(), FIRST) == "none needed"


def test_an_app_with_a_key_needs_one_of_its_keys():
    state = made(an_app(), FIRST)
    assert [finds(state, key) for key in (FIRST, "", SECOND)] == ["taken", "wrong", "wrong"]


def test_a_key_of_servers_alone_keeps_nobody_out_but_who_states_a_wrong_one():
    state = made(an_app(), SERVER)
    assert [finds(state, key) for key in (SERVER, "", FIRST)] == ["taken", "none needed", "wrong"]


def test_of_a_servers_key_nothing_is_kept_that_asks():
    (key,) = made(an_app(), SERVER).feature_keys
    assert SERVER not in repr(key) and key.shown == "fs_cccc…"


def test_a_former_key_is_taken_for_the_stated_time():
    state = made(made(an_app(), FIRST), SECOND, keep=DAY, at=NOW + 10)
    assert [finds(state, key, NOW + 9 + DAY) for key in (FIRST, SECOND)] == ["taken", "taken"]
    assert [finds(state, key, NOW + 10 + DAY) for key in (FIRST, SECOND)] == ["wrong", "taken"]


def test_the_two_sorts_of_keys_come_and_go_apart():
    state = made(made(an_app(), FIRST), SERVER, keep=0)
    assert len(state.feature_keys) == 2
    state = apply(state, a_change(RemoveFeatureKeys()))
    assert [key.server for key in state.feature_keys] == [True]
    assert apply(state, a_change(RemoveFeatureKeys(server=True))).feature_keys == ()


def test_an_app_has_a_limited_number_of_keys():
    state = an_app()
    for number in range(FEATURE_KEYS_LIMIT):
        state = made(state, f"fk_{number}" + "x" * 20)
    with pytest.raises(Conflict, match="former feature keys"):
        made(state, SECOND)
    assert made(state, SECOND, keep=0).feature_keys[-1].shown == SECOND


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (MakeFeatureKey(digest="abc", shown="fk_a", keep_seconds=0), "invalid_feature_key"),
        (MakeFeatureKey(digest="a" * 64, shown="a b", keep_seconds=0), "invalid_feature_key"),
        (MakeFeatureKey(digest="a" * 64, shown="fk_a", keep_seconds=KEEP_LIMIT_SECONDS + 1), "invalid_key_time"),
        (MakeFeatureKey(digest="a" * 64, shown="fk_a", keep_seconds=-1), "invalid_key_time"),
    ],
)
def test_a_key_that_cannot_be_is_refused(command, code):
    with pytest.raises(Invalid) as refused:
        apply(an_app(), a_change(command))
    assert refused.value.code == code


def test_a_deleted_app_has_no_keys():
    state = apply(made(an_app(), FIRST), a_change(DeleteApp(app=APP)))
    assert state.feature_keys == ()
