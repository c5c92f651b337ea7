"""The register: numbered rows by name, which survive a restart, a lost table and a damaged file."""

import pytest
from facts_world import APP, NOW, device

from edge.domain.facts import day_of
from edge.domain.sharing.state import Choice, SharedFacts
from edge.facts.sharing import register as registers
from edge.facts.sharing.register import (
    RegisterChange,
    SharedRegister,
    SharedRow,
    all_rows,
    all_sessions,
    read_taken,
    read_word,
    reading,
    rows_after,
)
from edge.facts.slot import key_of

STATE = SharedFacts(choice=Choice(1, "aaaa", 5))
TODAY = day_of(NOW)


def keys_of(seed):
    return lambda app, name: key_of(app, name, seed)


def opened(directory, seed=7):
    return SharedRegister(directory, seed, keys_of(seed))


def row(number, at=0, state=STATE, day=TODAY, seed=7):
    return SharedRow(key_of(APP, device(number), seed), APP, device(number), at or number, "", "", day, state)


def change(rows=(), unjudged=(), judged=(), taken=(), words=(), heard=()):
    return RegisterChange(*map(list, (rows, unjudged, judged, taken, words, heard)))


def test_a_device_is_told_once_with_its_latest_state(tmp_path):
    register = opened(tmp_path)
    register.keep(change([row(1), row(2), row(3)]))
    register.keep(change([row(1, 4, SharedFacts(1))]))
    with reading(tmp_path) as connection:
        assert [(each.device, each.number) for each in rows_after(connection, 0, 9)] == [
            (device(2), 2),
            (device(3), 3),
            (device(1), 4),
        ]
        assert [each.number for each in rows_after(connection, 2, 1)] == [3]
        assert {each.device: each.state for each in all_rows(connection)}[device(1)] == SharedFacts(1)
    register.close()


def test_a_start_goes_on_and_is_another_session(tmp_path):
    first = opened(tmp_path)
    first.keep(change([row(1), row(2)], taken=[("aaaa", "e", 9)], words=[("above", "s 3")]))
    first.close()
    second = opened(tmp_path)
    assert (second.last_number, second.session.began) == (2, 2)
    assert second.find(row(1).key) == row(1)
    with reading(tmp_path) as connection:
        assert [each.id for each in all_sessions(connection)] == [first.session.id, second.session.id]
        assert (read_taken(connection, "aaaa", "e"), read_taken(connection, "aaaa", "other")) == (9, 0)
        assert (read_word(connection, "above"), read_word(connection, "none")) == ("s 3", "")
    second.close()


def test_of_a_nodes_epochs_the_last_are_remembered_each_with_its_highest_number(tmp_path, monkeypatch):
    monkeypatch.setattr(registers, "EPOCHS_KEPT", 3)
    register = opened(tmp_path)
    register.keep(change(taken=[("bbbb", "e", 1)]))
    for epoch in range(10):
        register.keep(change(taken=[("aaaa", f"e{epoch}", epoch)]))
        register.keep(change(taken=[("aaaa", f"e{max(epoch - 1, 0)}", 7)]))
        register.keep(change(taken=[("aaaa", f"e{max(epoch - 1, 0)}", 5)]))
    with reading(tmp_path) as connection:
        assert [read_taken(connection, "aaaa", f"e{epoch}") for epoch in range(10)] == [0] * 7 + [7, 8, 9]
        assert read_taken(connection, "bbbb", "e") == 1
    register.close()


def test_starts_are_unsettled_until_one_has_heard_everything(tmp_path):
    ids = []
    for number in range(4):
        register = opened(tmp_path)
        ids.append(register.session.id)
        assert register.unsettled() == frozenset(ids)
        if number == 2:
            register.keep(change(words=[(registers.IN_STEP, register.session.id)]))
            ids.clear()
        register.close()


def test_what_was_heard_is_told_no_more_unless_it_changed_since(tmp_path):
    register = opened(tmp_path)
    register.keep(change([row(1), row(2)]))
    register.keep(change([row(2, 3, SharedFacts(1))], heard=[(row(1).key, 1), (row(2).key, 2)]))
    with reading(tmp_path) as connection:
        assert [each.device for each in rows_after(connection, 0, 9)] == [device(2)]
    register.keep(change()._replace(again=True))
    with reading(tmp_path) as connection:
        assert [each.number for each in rows_after(connection, 0, 9)] == [3, 4]
    register.close()


def test_a_table_that_was_made_again_finds_its_devices_by_name(tmp_path):
    first = opened(tmp_path)
    first.keep(change([row(1)]))
    first.close()
    again = opened(tmp_path, seed=8)
    found = again.find(key_of(APP, device(1), 8))
    assert found is not None
    assert (found.device, found.state) == (device(1), STATE)
    assert again.find(row(1).key) is None
    again.close()


def test_a_damaged_file_is_set_aside(tmp_path):
    (tmp_path / registers.REGISTER_NAME).write_bytes(b"no database at all" * 99)
    register = opened(tmp_path)
    assert register.find(row(1).key) is None
    register.close()
    assert [each.name for each in tmp_path.glob("*.damaged*")] != []


@pytest.mark.parametrize("taken", [[], [("aaaa", "e", 1)]])
def test_the_name_of_an_erased_device_stays_while_somebody_has_to_hear_it(tmp_path, taken):
    register = opened(tmp_path)
    register.keep(change([row(1, state=SharedFacts(1)), row(2)], taken=taken))
    register.tidy(NOW)
    found = register.find(row(1).key)
    assert found is not None
    assert found.device == (device(1) if taken else "")
    assert found.state == SharedFacts(1)
    register.tidy(NOW + (registers.NAMED_DAYS + 1) * 86_400)
    assert register.find(row(1).key).device == ""
    assert register.find(row(2).key).device == device(2)
    register.close()
    assert device(1).encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_old_rows_and_the_oldest_beyond_the_limit_go(tmp_path, monkeypatch):
    register = opened(tmp_path)
    monkeypatch.setattr(registers, "DEVICES_KEPT", 2)
    register.keep(change([row(1, day=TODAY - 500), *(row(number, day=TODAY - number) for number in (2, 3, 4))]))
    register.tidy(NOW)
    assert [number for number in (1, 2, 3, 4) if register.find(row(number).key)] in ([2, 3], [2])
    register.close()


def test_evidence_waits_for_its_offer_but_not_without_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(registers, "UNJUDGED_LIMIT", 2)
    register = opened(tmp_path)
    register.keep(change(unjudged=[(b"k", NOW, b"one"), (b"k", NOW - 5, b"two")]))
    register.keep(change(unjudged=[(b"k", NOW, b"three")]))
    assert register.unjudged(b"k") == [(NOW - 5, b"two"), (NOW, b"one")]
    register.keep(change(judged=[b"k"]))
    register.tidy(NOW)
    assert register.unjudged(b"k") == []
    register.close()
