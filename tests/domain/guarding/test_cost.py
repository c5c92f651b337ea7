"""The preview's estimate beside what simulations of the whole guard gave: median and 95th percentile."""

import pytest

from edge.domain.guarding.cost import cost_of_failure

SIMULATED = [  # devices, share, failing: percent of the fleet that was offered the bundle by the pause
    (100_000, 5_000, 0.05, 1.25, 2.14),
    (100_000, 5_000, 0.10, 0.33, 0.49),
    (100_000, 5_000, 0.50, 0.07, 0.08),
    (100_000, 1_000, 0.10, 0.22, 0.40),
    (100_000, 1_000, 0.50, 0.04, 0.05),
    (1_000_000, 5_000, 0.05, 0.24, 0.34),
    (1_000_000, 5_000, 0.10, 0.07, 0.11),
    (1_000_000, 5_000, 0.50, 0.02, 0.03),
]


@pytest.mark.parametrize(("active", "share", "failing", "median", "late"), SIMULATED)
def test_the_estimate_is_near_what_was_simulated(active, share, failing, median, late):
    cost = cost_of_failure(active, share, 0.02, failing)
    assert cost.surely_acts
    assert median / 1.5 < 100 * cost.offered / active < median * 1.5
    assert late / 1.5 < 100 * cost.offered_at_most / active < late * 1.5


def test_a_share_that_is_too_small_costs_itself_whole():
    cost = cost_of_failure(300, 5_000, 0.02)
    assert not cost.acts and (cost.offered, cost.failed) == (15, 2)


def test_a_failure_below_the_limit_is_not_acted_on():
    assert not cost_of_failure(1_000_000, 100_000, 0.02, 0.01).acts


def test_nobody_costs_nothing():
    assert cost_of_failure(0, 5_000, 0.02).offered_at_most == 0
