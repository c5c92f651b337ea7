"""Refusals that repeat are counted: nobody fills the disk by asking."""

import msgspec
import pytest

from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.control.audit.repeats import BEYOND, TARGETS_LIMIT, Repeats

NOW = 1_700_000_000.0


def refused(at=NOW, **fields):
    told = {"kind": ActKind.CHANGE, "operation": "set_channel", "outcome": ActOutcome.REFUSED, "code": "forbidden"}
    return AuditEntry(at=at, **told | {"who": "ci", "address": "192.0.2.7"} | fields)


def test_the_first_is_recorded_and_the_others_of_its_minute_are_one():
    repeats = Repeats()
    assert repeats.note(refused()) == refused()
    assert [repeats.note(refused(NOW + n)) for n in range(1, 50)] == [None] * 49
    assert repeats.due(NOW + 59) == []
    (told,) = repeats.due(NOW + 60)
    assert (told.count, told.since, told.at) == (49, NOW, NOW + 60)
    assert repeats.due(NOW + 120) == []


def test_the_others_say_what_they_were_about_each_once_as_far_as_there_is_room():
    repeats = Repeats()
    for n in range(100):
        repeats.note(refused(target=f"name={n % 40}"))
    (told,) = repeats.due(NOW + 60)
    assert told.target.startswith("name=1; name=2; name=3") and told.target.count("name=3;") == 1
    assert len(told.target) <= TARGETS_LIMIT


def test_one_that_does_not_repeat_is_recorded_once():
    repeats = Repeats()
    repeats.note(refused())
    assert repeats.due(NOW + 60) == []


def test_another_name_address_operation_code_or_app_is_another():
    repeats = Repeats()
    kinds = [{}, {"who": "x"}, {"address": "192.0.2.8"}, {"operation": "undo"}, {"code": "conflict"}, {"app": "a"}]
    assert all(repeats.note(refused(**each)) is not None for each in kinds)


def test_beyond_the_kinds_of_a_minute_only_a_sum_is_kept():
    repeats = Repeats(keys_limit=2, name_share=1)
    noted = [repeats.note(refused(address=f"192.0.2.{n}")) for n in range(10)]
    assert [each is not None for each in noted] == [True] * 2 + [False] * 8
    assert repeats.due(NOW + 60) == []
    (told,) = repeats.due(NOW + 3_600)
    assert (told.operation, told.count, told.since) == (BEYOND, 8, NOW)


@pytest.mark.parametrize(
    "asked",
    [
        {"who": ""},
        {"who": "anna@example.com", "kind": ActKind.LOGIN, "operation": "login_password", "code": "wrong_login"},
    ],
    ids=["strangers", "who tries to be somebody"],
)
def test_strangers_who_ask_push_out_nothing_of_who_is_known(asked):
    """Or a thousand requests a minute would hide who signed in and what was exported."""
    repeats = Repeats(keys_limit=3, day_limit=5, name_share=1)
    for n in range(20):
        repeats.note(refused(NOW + n, app=f"x{n}", address=f"192.0.2.{n}", **asked))
    done = {"outcome": ActOutcome.DONE, "code": ""}
    for kind in (ActKind.LOGIN, ActKind.EXPORT, ActKind.AUDIT):
        assert repeats.note(refused(NOW + 20, kind=kind, operation=kind.value, **done)) is not None
    assert repeats.note(refused(NOW + 20)) is not None
    repeats.due(NOW + 100)
    assert repeats.note(refused(NOW + 100)) is not None


@pytest.mark.parametrize(
    "asked",
    [{}, {"kind": ActKind.LOGIN, "operation": "login_token", "outcome": ActOutcome.DONE, "code": ""}],
    ids=["refused", "done"],
)
@pytest.mark.parametrize("apart", [1.0, 100.0], ids=["in a minute", "over a day"])
def test_one_name_has_a_share_and_hides_nobody_else(asked, apart):
    """Or one token of few rights, refused in a thousand apps, would hide what others are refused."""
    repeats, recorded, at = Repeats(keys_limit=8, day_limit=8, name_share=4), [], NOW
    for n in range(20):
        at += apart
        noted = repeats.note(refused(at, app=f"x{n}", **asked))
        recorded += [noted] if noted is not None else []
        recorded += repeats.due(at)
    assert repeats.note(refused(at, who="anna", **asked)) is not None
    recorded += repeats.due(at, ending=True)
    sums = [(each.who, each.count) for each in recorded if each.operation == BEYOND]
    assert {who for who, _ in sums} == {"ci"}, "the sum says who"
    assert len(recorded) - len(sums) == 2 and sum(each.count for each in recorded) == 20


def test_strangers_who_name_one_person_have_the_room_of_strangers():
    """A share for the name that they try would hide those who try it from elsewhere."""
    repeats, login = Repeats(name_share=4), {"kind": ActKind.LOGIN, "operation": "login_password"}
    noted = [repeats.note(refused(NOW, address=f"192.0.2.{n}", **login)) for n in range(500)]
    assert None not in noted


def test_a_day_has_a_limit_and_the_next_one_another():
    repeats = Repeats(day_limit=3, name_share=1)
    noted = [repeats.note(refused(NOW + n, address=f"192.0.2.{n}")) for n in range(5)]
    assert [each is not None for each in noted] == [True] * 3 + [False] * 2
    repeats.due(NOW + 100)
    assert repeats.note(refused(NOW + 86_400)) is not None


def test_nothing_is_lost_when_the_node_ends():
    repeats = Repeats(keys_limit=1, name_share=1)
    for n in range(3):
        repeats.note(refused(NOW + n))
    repeats.note(refused(address="192.0.2.9"))
    assert [each.count for each in repeats.due(NOW + 3, ending=True)] == [2, 1]


def test_a_clock_that_is_set_back_does_not_keep_a_window_open():
    repeats = Repeats()
    repeats.note(refused())
    repeats.note(refused())
    assert [each.count for each in repeats.due(NOW - 10)] == [1]


def test_every_refusal_is_in_a_record_or_in_a_count():
    repeats, recorded = Repeats(day_limit=40, keys_limit=7, name_share=2), []
    for n in range(2_000):
        entry = refused(NOW + n * 7, address=f"192.0.2.{n % 11}", code=f"c{n % 3}")
        noted = repeats.note(entry)
        recorded += [noted] if noted is not None else []
        recorded += repeats.due(NOW + n * 7)
    recorded += repeats.due(NOW + 20_000, ending=True)
    assert sum(each.count for each in recorded) == 2_000
    assert all(msgspec.json.encode(each) for each in recorded)
