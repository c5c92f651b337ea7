"""Whose hands a name may be in."""

import pytest

from edge.domain.approving.hands import (
    HANDS_LIMIT,
    OPERATOR,
    UNKNOWN,
    different_people,
    hands_of,
    is_known,
    may_be_one,
)

MAKERS = {
    "admin": (OPERATOR,),
    "ann": ("admin",),
    "ci": ("ann@example.com",),
    "ci-2": ("ci",),
    "turned": ("ann@example.com", "bob@example.com"),  # bob has given it another secret
    "orphan": ("gone",),
    "a": ("b",),
    "b": ("a",),
}
LONG = {f"t{n}": (f"t{n + 1}",) for n in range(HANDS_LIMIT + 5)}


@pytest.mark.parametrize(
    ("name", "hands"),
    [
        ("ann@example.com", {"ann@example.com"}),
        ("admin", {"admin", OPERATOR}),
        ("ann", {"ann", "admin", OPERATOR}),
        ("ci-2", {"ci-2", "ci", "ann@example.com"}),
        ("turned", {"turned", "ann@example.com", "bob@example.com"}),
        ("orphan", {"orphan", "gone", UNKNOWN}),
        ("nobody", {"nobody", UNKNOWN}),
        ("a", {"a", "b", UNKNOWN}),
    ],
)
def test_makers_are_followed_to_people_or_to_who_runs_the_node(name, hands):
    assert set(hands_of(name, MAKERS.get)) == hands


def test_what_has_no_end_is_of_nobody_known():
    assert not is_known(hands_of("t0", LONG.get))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann@example.com", "bob@example.com", False),
        ("ci", "bob@example.com", False),
        ("ci-2", "ann@example.com", True),
        ("ci", "ci-2", True),
        ("turned", "bob@example.com", True),
        ("ann", "admin", True),
        ("orphan", "bob@example.com", True),
    ],
)
def test_two_names_are_two_people_only_if_no_hand_is_in_both(one, other, same):
    hands = [hands_of(each, MAKERS.get) for each in (one, other)]
    assert may_be_one(*hands) is same and may_be_one(*reversed(hands)) is same


@pytest.mark.parametrize(
    ("names", "people"),
    [
        ([], 0),
        (["admin", "ann"], 1),  # the operator's
        (["ann@example.com", "ci-2", "ci", "ann"], 2),
        (["turned", "ann@example.com", "bob@example.com"], 2),  # seen by both, who are two
        (["orphan"], 0),
    ],
)
def test_people_are_counted_by_their_hands(names, people):
    hands = [hands_of(each, MAKERS.get) for each in names]
    assert different_people(hands) == different_people(reversed(hands)) == people
