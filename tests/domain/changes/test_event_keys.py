"""The keys that an app's own code states with its events."""

from itertools import pairwise

import pytest
from factories import APP, NOW, a_change, a_snapshot, an_app

from edge.domain.changes.apply import apply
from edge.domain.changes.apps import EVENT_KEYS_LIMIT, KEEP_LIMIT_SECONDS
from edge.domain.changes.commands import CreateApp, DeleteApp, MakeEventKey, RemoveEventKeys, Undo
from edge.domain.errors import Conflict, Invalid
from edge.domain.states import is_taken

DAY = 86_400
FIRST, SECOND = "pk_" + "a" * 24, "pk_" + "b" * 24


def made(state, key, keep=DAY, at=NOW, **more):
    return apply(state, a_change(MakeEventKey(key=key, keep_seconds=keep), at=at, **more))


def test_an_app_without_a_key_takes_events_without_one():
    assert is_taken(an_app().event_keys, "", NOW)
    assert is_taken(an_app().event_keys, FIRST, NOW)


def test_an_app_with_a_key_takes_events_with_that_key_alone():
    keys = made(an_app(), FIRST).event_keys
    assert is_taken(keys, FIRST, NOW + 1_000 * DAY)
    assert not is_taken(keys, "", NOW)
    assert not is_taken(keys, SECOND, NOW)


def test_a_former_key_is_taken_for_the_stated_time():
    keys = made(made(an_app(), FIRST), SECOND, keep=DAY, at=NOW + 10).event_keys
    assert is_taken(keys, SECOND, NOW + 10)
    assert is_taken(keys, FIRST, NOW + 9 + DAY)
    assert not is_taken(keys, FIRST, NOW + 10 + DAY)


def test_a_key_that_leaked_can_end_at_once():
    state = made(made(an_app(), FIRST), SECOND, keep=0, at=NOW + 10)
    assert [key.key for key in state.event_keys] == [SECOND]


def test_a_later_rotation_never_lengthens_the_time_of_a_former_key():
    state = made(made(an_app(), FIRST), SECOND, keep=DAY)
    third = made(state, "pk_" + "c" * 24, keep=100 * DAY, at=NOW + 100)
    assert third.event_keys[0].until == NOW + DAY


def test_keys_that_have_ended_go_with_the_next_one():
    state = made(made(an_app(), FIRST), SECOND, keep=DAY)
    third = made(state, "pk_" + "c" * 24, at=NOW + 2 * DAY)
    assert [key.key for key in third.event_keys] == [SECOND, "pk_" + "c" * 24]


def test_an_app_has_a_limited_number_of_keys():
    state = an_app()
    for number in range(EVENT_KEYS_LIMIT):
        state = made(state, f"pk_{number:024}")
    with pytest.raises(Conflict) as refused:
        made(state, FIRST)
    assert refused.value.code == "too_many_event_keys"
    assert [key.key for key in made(state, FIRST, keep=0).event_keys] == [FIRST]


@pytest.mark.parametrize("key", ["", "pk_", "a" * 24, "pk_" + "a" * 19, "pk_" + "a" * 62, "pk_" + " " * 24])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(Invalid) as refused:
        made(an_app(), key)
    assert refused.value.code == "invalid_event_key"


@pytest.mark.parametrize("seconds", [-1, KEEP_LIMIT_SECONDS + 1])
def test_a_former_key_is_not_kept_for_any_time(seconds):
    with pytest.raises(Invalid) as refused:
        made(an_app(), FIRST, keep=seconds)
    assert refused.value.code == "invalid_key_time"


def test_a_repeated_request_makes_one_key_whatever_was_drawn_for_it():
    once = made(an_app(), FIRST, id="mine")
    assert made(once, SECOND, id="mine") is once


def test_removing_all_keys_takes_events_without_one_again():
    state = made(an_app(), FIRST)
    removed = apply(state, a_change(RemoveEventKeys()))
    assert removed.event_keys == ()
    assert apply(removed, a_change(RemoveEventKeys())) is removed


def test_an_undo_brings_the_former_keys_back():
    states = [made(an_app(), FIRST)]
    states.append(made(states[0], SECOND, keep=0))
    for before, after in pairwise(states):
        back = apply(after, a_change(Undo(revision=after.revision)), before)
        assert back.event_keys == before.event_keys


def test_a_deleted_app_has_no_keys_and_neither_has_one_created_after_it():
    gone = apply(made(an_app(), FIRST), a_change(DeleteApp(app=APP)))
    assert gone.event_keys == ()
    assert apply(gone, a_change(CreateApp(app=APP))).event_keys == ()


def test_workers_know_the_keys():
    assert [key.key for key in a_snapshot(made(an_app(), FIRST)).event_keys] == [FIRST]
