"""Odds of several nodes together: no false alarm more, and none of them can silence the others."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS, TEST_ALPHA
from edge.domain.guarding.odds.nodes import log_weight_without, mixed_over_nodes
from edge.domain.guarding.odds.threshold import log_odds

LIMIT = 0.02


def odds_of(counts):
    """Of the attempts and failures of each node, this one first."""

    def said(of):
        return log_odds(sum(each[0] for each in of), sum(each[1] for each in of), LIMIT)

    without = {n: said([*counts[:n], *counts[n + 1 :]]) for n in range(1, len(counts))}
    return mixed_over_nodes(said(counts), without, len(counts) - 1)


def one_more(counts, node, failed):
    attempts, failures = counts[node] if node < len(counts) else (0, 0)
    return [*counts[:node], (attempts + 1, failures + failed), *counts[node + 1 :]]


A_COUNT = some.tuples(some.integers(1, 3_000), some.integers(0, 60)).map(lambda each: (each[0], min(each)))


@given(some.lists(A_COUNT, min_size=1, max_size=21), some.data())
def test_one_more_attempt_at_the_limit_changes_the_odds_by_nothing_on_average(counts, drawn):
    """So they are a martingale that begins at 1, and ever reach 1/alpha with probability alpha at most (Ville), however
    attempts are spread over nodes. Also if the attempt is the first of another node."""
    node = drawn.draw(some.integers(0, len(counts)))
    now, fails, passes = (
        math.exp(odds_of(each)) for each in (counts, one_more(counts, node, 1), one_more(counts, node, 0))
    )
    assert LIMIT * fails + (1 - LIMIT) * passes == pytest.approx(now, rel=1e-6)


@given(some.lists(A_COUNT, min_size=2, max_size=21), some.data())
def test_whatever_a_node_sends_the_others_say_what_they_say(counts, drawn):
    node = drawn.draw(some.integers(1, len(counts) - 1))
    others = [*counts[:node], *counts[node + 1 :]]
    said = log_odds(sum(each[0] for each in others), sum(each[1] for each in others), LIMIT)
    assert odds_of(counts) >= said + log_weight_without(node) - 1e-9


@pytest.mark.parametrize("nodes", [1, 2, 20])
def test_a_release_at_its_limit_alarms_no_more_often_with_many_nodes(nodes):
    """Of these releases a third of one alarms, at most, in the mean."""
    dice, alarms, releases = random.Random(7), 0, 300
    for _ in range(releases):
        counts = [(0, 0)] * (nodes + 1)
        for attempt in range(600):
            failed, node = dice.random() < LIMIT, int((nodes + 1) * dice.random() ** 2)
            counts[node] = counts[node][0] + 1, counts[node][1] + failed
            if failed and attempt > 20 and odds_of(counts) >= ALARM_LOG_ODDS:
                alarms += 1
                break
    assert alarms <= releases * TEST_ALPHA + 1


def test_of_one_node_they_are_its_own():
    assert mixed_over_nodes(3.25, {}, 0) == 3.25
    assert mixed_over_nodes(3.25, {}, 7) == 3.25, "none of the seven brought anything here"
