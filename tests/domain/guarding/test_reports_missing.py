"""Whose reports are missing, and that a step does not end by itself without them."""

import pytest

from edge.domain.guarding.reported import ReportedUntil, missing_at, missing_sentence

EU = ReportedUntil("a1", "eu-1", "eu", 100_000)
US = ReportedUntil("b2", "us-1", "us", 90_000)


def test_a_node_is_missing_until_it_has_sent_all_up_to_the_time():
    assert missing_at((EU, US), 90_000) == ()
    assert missing_at((EU, US), 90_001) == (US,)
    assert missing_at((EU, US), 100_001) == (US, EU)


def test_reports_of_a_wrong_clock_are_missing():
    assert missing_at((EU, ReportedUntil("b2", "us-1", "us", 100_000, -61_000)), 90_000) != ()
    assert missing_at((EU, ReportedUntil("b2", "us-1", "us", 100_000, 60_000)), 90_000) == ()


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((), ""),
        ((EU,), "waits for the reports of eu (eu-1), complete until 50 s ago"),
        ((ReportedUntil("c3", "asia", "", 0),), "waits for the reports of asia, of which nothing is complete yet"),
        ((ReportedUntil("c3", "eu", "eu", 1, 90_000),), "waits for the reports of eu, whose clock is 90 s ahead"),
    ],
)
def test_the_sentence_names_region_and_node(nodes, said):
    assert missing_sentence(nodes, 150_000) == said


def test_the_sentence_names_three():
    nodes = tuple(ReportedUntil(f"n{n}", f"node-{n}", "", 1_000) for n in range(5))
    assert missing_sentence(nodes, 2_000).endswith("; and 2 more")
