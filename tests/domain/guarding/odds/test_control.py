"""The control test: its odds, and that a changing share is no difference."""

import math
from fractions import Fraction

import pytest

from edge.domain.guarding.odds.control import ArmEvents, control_log_odds

RATIOS = [Fraction(each) for each in ("5/4", "3/2", 2, 3, 5, 10, 30)]


def exact(steps: list[tuple[Fraction, int, int]], factor: Fraction) -> Fraction:
    def arm(share: Fraction, ratio: Fraction) -> Fraction:
        return share * ratio / (share * ratio + 1 - share)

    def odds(ratio: Fraction) -> Fraction:
        product = Fraction(1)
        for share, rollout, control in steps:
            allowed, bet = arm(share, factor), arm(share, factor * ratio)
            product *= (bet / allowed) ** rollout * ((1 - bet) / (1 - allowed)) ** control
        return product

    return sum((odds(ratio) for ratio in RATIOS), Fraction(0)) / len(RATIOS)


@pytest.mark.parametrize("factor", ["1", "3/2"])
def test_the_odds_are_those_of_exact_arithmetic(factor):
    steps = [(Fraction(1, 20), 7, 31), (Fraction(1, 4), 12, 30)]
    odds = control_log_odds([ArmEvents(float(share), *rest) for share, *rest in steps], float(Fraction(factor)))
    assert math.isclose(odds, math.log(exact(steps, Fraction(factor))), rel_tol=1e-9)


def test_the_expected_odds_stay_one_while_nothing_differs():
    before = [ArmEvents(0.05, 3, 40), ArmEvents(0.5, 10, 12)]
    now = math.exp(control_log_odds(before))
    more = math.exp(control_log_odds([*before, ArmEvents(0.25, 1, 0)]))
    outside = math.exp(control_log_odds([*before, ArmEvents(0.25, 0, 1)]))
    assert math.isclose(0.25 * more + 0.75 * outside, now, rel_tol=1e-9)


def test_a_growing_share_is_no_difference():
    # 5 of 100 in the arm of 5 %, 200 of 400 in that of 50 %: pooled, 41 % of the events in an arm of 28 %.
    assert control_log_odds([ArmEvents(0.05, 5, 95), ArmEvents(0.5, 200, 200)]) < 0


def test_steps_with_the_same_share_add_up():
    apart = [ArmEvents(0.2, 3, 10), ArmEvents(0.2, 4, 9)]
    assert control_log_odds(apart) == pytest.approx(control_log_odds([ArmEvents(0.2, 7, 19)]))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_step_without_one_of_the_arms_says_nothing(share):
    assert control_log_odds([ArmEvents(share, 500, 0)]) == pytest.approx(0.0)
    assert control_log_odds([]) == pytest.approx(0.0)
