"""Two nodes on copies of one data directory report by turns; one node that starts again, or is heard late, does not."""

import pytest

from edge.regions.fleet.starts import STARTS_KEPT, WITHIN_SECONDS, StartsHeard


def heard(starts, seconds=5.0):
    known = StartsHeard()
    for number, start in enumerate(starts):
        known = known.after(start, number * seconds)
    return known


@pytest.mark.parametrize(
    ("starts", "two"),
    [
        ("", False),
        ("aaaa", False),
        ("aaabbbccc", False),
        ("aaabab", True),
        ("abab", True),
        ("ababab", True),
        ("abaaaa", False),  # one late report, or a process that took the node back
        ("abacdc", True),
        ("abcabc", True),
    ],
)
def test_two_are_seen_once_starts_come_back(starts, two):
    assert heard(starts).are_of_two(len(starts) * 5.0) is two


def test_it_is_over_some_time_after_one_of_them_stopped():
    known = heard("ababab")
    assert known.are_of_two(30.0)
    assert not known.after("b", 40.0).are_of_two(30.0 + WITHIN_SECONDS + 30.0)


def test_a_release_that_does_not_name_its_starts_is_one_node():
    assert heard(["", "a", "", "a", ""]) == heard(["a"])


def test_ten_thousand_restarts_are_few_words():
    known = heard([f"{number:x}" for number in range(10_000)])
    assert (len(known.starts), known.returned) == (STARTS_KEPT, ())
