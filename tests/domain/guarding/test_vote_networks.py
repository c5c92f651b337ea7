"""The caps of networks, and counts without the worst two."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.domain.guarding.networks import NetworkVotes, cap_of, is_counted, without_worst
from edge.domain.guarding.odds.threshold import log_odds


@pytest.mark.parametrize(
    ("votes", "cap"),
    [(0, 3), (1, 3), (200, 3), (201, 4), (355, 4), (356, 5), (1_000, 7), (5_000, 15), (20_000, 30), (50_000, 48)],
)
def test_a_network_may_have_more_votes_as_the_count_grows(votes, cap):
    assert cap_of(votes) == cap


def test_the_cap_is_that_of_its_formula():
    assert all(abs(cap_of(n) - math.ceil(3 * math.sqrt(max(n, 200) / 200) - 1e-12)) == 0 for n in range(100_000))


def test_the_first_three_of_a_network_count_whatever_becomes_of_them():
    assert [is_counted(counted=10, of_network=each) for each in range(5)] == [True, True, True, False, False]


def test_an_ipv6_provider_has_ten_times_the_votes_of_a_network():
    assert is_counted(counted=100, of_network=0, of_wide=29)
    assert not is_counted(counted=100, of_network=0, of_wide=30)


def less(whole: NetworkVotes, network: NetworkVotes) -> NetworkVotes:
    return NetworkVotes(0, whole.attempts - network.attempts, whole.failed - network.failed)


def odds_of(votes: NetworkVotes) -> float:
    return log_odds(votes.attempts, votes.failed, 0.02)


def without_two(attempts: int, failed: int, networks: list[NetworkVotes]) -> tuple[NetworkVotes, float]:
    return without_worst(NetworkVotes(0, attempts, failed), networks, less, odds_of)


def test_a_count_that_rests_on_two_networks_says_nothing_without_them():
    networks = [NetworkVotes(1, 3, 3), NetworkVotes(2, 3, 3), NetworkVotes(3, 3, 1)]
    left, odds = without_two(60, 7, networks)
    assert left == NetworkVotes(0, 54, 1) and odds < 0


def test_no_network_is_left_out_that_speaks_for_the_release():
    left, odds = without_two(60, 1, [NetworkVotes(1, 40, 0)])
    assert left == NetworkVotes(0, 60, 1) and odds == log_odds(60, 1, 0.02)


votes = some.tuples(some.integers(1, 9), some.integers(0, 9)).map(lambda each: NetworkVotes(1, each[0], min(each)))


@given(some.lists(votes, max_size=7), some.integers(0, 300))
def test_no_two_networks_left_out_say_clearly_less(networks, others):
    attempts, failed = others + sum(each.attempts for each in networks), sum(each.failed for each in networks)
    _, odds = without_two(attempts, failed, networks)
    pairs = [less(less(NetworkVotes(0, attempts, failed), one), other) for one, other in combinations(networks, 2)]
    assert odds <= log_odds(attempts, failed, 0.02)
    assert all(odds <= odds_of(pair) + 0.25 for pair in pairs)  # one after another is as good as any pair, nearly


@given(some.lists(votes, max_size=12), some.integers(0, 300))
def test_the_worst_are_among_the_two_smallest_of_each_number_of_failures(networks, others):
    attempts, failed = others + sum(each.attempts for each in networks), sum(each.failed for each in networks)
    few = []
    for number in range(1, 10):
        same = sorted(each.attempts for each in networks if each.failed == number)[:2]
        few += [NetworkVotes(1, each, number) for each in same]
    assert without_two(attempts, failed, few)[1] == pytest.approx(without_two(attempts, failed, networks)[1], abs=1e-9)
