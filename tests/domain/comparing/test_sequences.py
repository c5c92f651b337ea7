"""Confidence sequences of means: published half widths, and that a ratio agrees with its difference."""

import pytest

from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.sequences import half_width, mean_difference, mean_ratio


def arm(devices, mean, variance):
    return ArmMeasure(arm="a", devices=devices, having=devices, total=mean * devices, deviations=devices * variance)


@pytest.mark.parametrize(
    ("rate", "widths"),
    [
        (0.005, (1.04, 0.43, 0.22)),
        (0.02, (2.07, 0.85, 0.44)),
        (0.05, (3.24, 1.32, 0.68)),
        (0.2, (5.9, 2.4, 1.3)),
    ],
)
def test_half_widths_in_points_at_1000_5000_and_20000_devices_an_arm(rate, widths):
    for devices, width in zip((1_000, 5_000, 20_000), widths, strict=True):
        found = 100 * half_width(2 * devices, 4 * rate * (1 - rate), 0.05)
        assert found == pytest.approx(width, rel=0.05)


def test_the_difference_is_around_that_of_the_means():
    low, high = mean_difference(arm(500, 2.4, 4.0), arm(500, 2.0, 4.0), 0.05)
    assert (low + high) / 2 == pytest.approx(0.4)
    assert low < 0 < high


@pytest.mark.parametrize("mean", [1.5, 2.0, 2.2, 3.0])
def test_the_ratio_leaves_out_1_exactly_if_the_difference_leaves_out_0(mean):
    one, other = arm(4_000, mean, 3.0), arm(4_000, 2.0, 3.0)
    low, high = mean_difference(one, other, 0.05)
    ratio = mean_ratio(one, other, 0.05)
    assert (low > 0 or high < 0) is (ratio.low > 1 or ratio.high < 1)
    assert ratio.low < mean / 2.0 < ratio.high


def test_a_ratio_to_what_may_be_nothing_has_no_end():
    ratio = mean_ratio(arm(200, 0.5, 1.0), arm(200, 0.05, 1.0), 0.05)
    assert ratio.high is None
    assert mean_ratio(arm(200, 0.5, 1.0), arm(200, 0.0, 0.0), 0.05) is None
