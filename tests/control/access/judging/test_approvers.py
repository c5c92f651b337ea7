"""Who is counted among those who may approve, from the documents of people and of tokens."""

import pytest

from edge.control.access.judging.approvers import approvers_in, shortage
from edge.control.access.people_document import GroupRecord, HeldRole, PeopleDocument, PersonRecord
from edge.control.access.token_document import FIRST_START, TokenRecord

APP, ANN, BOB, CAT = "com.acme.app", "ann@example.com", "bob@example.com", "cat@example.com"
OF_APP = HeldRole("releaser", f"app:{APP}")


def a_person(*holds):
    return PersonRecord(holds=holds, created=1.0, by="admin")


def a_token(by, role="releaser", **given):
    return TokenRecord(hash="0", role=role, app=None, created=2.0, by=by, command="c", **given)


def counted(people, tokens=None, groups=(), channel="production", invited=None):
    document = PeopleDocument(
        format=1,
        store="s",
        sequence=1,
        people=people,
        groups={str(place): GroupRecord(holds=(held,), by="admin") for place, held in enumerate(groups)},
    )
    return approvers_in(document, tokens or {}, lambda mail: (invited or {}).get(mail, ()), 50.0).counted(APP, channel)


TEAM = {ANN: a_person(OF_APP), BOB: a_person(HeldRole("admin", "everything")), CAT: a_person()}


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (2, {}),
        (1, {"invited": {ANN: (BOB,)}}),  # bob had the link
        (2, {"tokens": {"phone": a_token(ANN), "old": a_token("other", lifetime_seconds=10)}}),
        (3, {"tokens": {"admin": a_token(FIRST_START, "admin"), "ci": a_token("admin")}}),  # the operator
        (2, {"tokens": {"reads": a_token(FIRST_START, "reader"), "held": a_token(FIRST_START, person=CAT)}}),
        (1, {"people": {ANN: a_person(HeldRole("releaser", f"app:{APP}/production"))}}),
        (0, {"people": {ANN: a_person(HeldRole("releaser", f"app:{APP}/production"))}, "channel": None}),
        (0, {"people": {ANN: a_person(HeldRole("releaser", "app:com.acme.other"))}}),
        (None, {"groups": [OF_APP]}),
        (2, {"groups": [HeldRole("viewer", f"app:{APP}"), HeldRole("releaser", "app:com.acme.other")]}),
    ],
)
def test_different_people_who_may_approve_are_counted(expected, given):
    assert counted(**{"people": TEAM} | given) == expected


@pytest.mark.parametrize(
    ("people", "counted", "words"),
    [
        (2, 2, ""),
        (3, None, ""),
        (2, 0, "Nobody may approve changes of beta, and a change needs 1 besides its author: no change can be made"),
        (3, 1, "One person may approve changes of beta, and a change needs 2 besides its author: no change"),
        (3, 2, "2 people may approve changes of beta, and a change needs 2 besides its author: what one of them asks"),
    ],
)
def test_a_rule_for_more_people_than_there_are_says_so(people, counted, words):
    said = shortage(people, counted, "beta")
    assert said.startswith(words) and bool(said) is bool(words)
