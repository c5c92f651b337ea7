"""Whose hands a token may be in, from the document of tokens; with names that were used again."""

from edge.control.access.judging.makers import hands_in, with_inviters
from edge.control.access.token_document import FIRST_START, TokenRecord
from edge.domain.approving.hands import OPERATOR, is_known


def a_token(by, created=1.0, **given):
    return TokenRecord(hash="0", role="releaser", app=None, created=created, by=by, command="c", **given)


def test_a_token_is_in_the_hands_of_its_makers_and_of_who_gave_it_another_secret():
    records = {
        "admin": a_token(FIRST_START),
        "ci": a_token("admin", 2.0),
        "turned": a_token("ann@example.com", 2.0, renewed=5.0, rotated_by=("bob@example.com", "ci")),
    }
    assert set(hands_in(records, "ci")) == {"ci", "admin", OPERATOR}
    assert set(hands_in(records, "turned")) == {
        *("turned", "ann@example.com", "bob@example.com", "ci", "admin", OPERATOR)
    }


def test_a_person_counts_as_who_invited_them_unless_that_is_the_operator():
    invited = {"bob@example.com": ("ann@example.com",), "cat@example.com": ("admin", OPERATOR)}
    hands = with_inviters(("phone", "bob@example.com", "cat@example.com"), lambda mail: invited.get(mail, ()))
    assert hands == ("phone", "bob@example.com", "cat@example.com", "ann@example.com")


def test_a_maker_that_is_gone_or_another_one_by_now_is_not_known():
    records = {"ci": a_token("helper", 2.0), "late": a_token("ann@example.com", renewed=3.0, rotated_by=("helper",))}
    assert not is_known(hands_in(records, "ci"))
    taken = records | {"helper": a_token("bob@example.com", 9.0)}  # the name was used again
    assert not is_known(hands_in(taken, "ci")) and not is_known(hands_in(taken, "late"))
    assert is_known(hands_in(records | {"helper": a_token("bob@example.com", 1.0)}, "ci"))
