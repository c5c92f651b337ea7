"""Counts without some of their devices: as if these had never been added."""

import pytest

from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.parts import ArmPair, by_weights, without, without_capped, without_worst


def arm_of(*numbers, **more):
    mean = sum(numbers) / len(numbers) if numbers else 0.0
    return ArmMeasure(
        arm="a", devices=len(numbers), having=sum(each > 0 for each in numbers), total=float(sum(numbers)),
        deviations=sum((each - mean) ** 2 for each in numbers), **more,
    )  # fmt: skip


def told(measure):
    return pytest.approx((measure.devices, measure.having, measure.total, measure.deviations))


def test_a_part_taken_away_leaves_the_rest():
    found = without(arm_of(3, 0, 5, 8, 1), arm_of(0, 8))
    assert (found.devices, found.having, found.total, found.deviations) == told(arm_of(3, 5, 1))
    assert without(arm_of(3), arm_of(3)).devices == 0


def test_capped_devices_have_the_floor():
    found = without_capped(arm_of(3, 24, 5, 24, capped=1, floor=24.0))
    assert (found.devices, found.having, found.total, found.deviations) == told(arm_of(3, 24, 5))
    assert found.capped == 0


def test_by_weights_an_arm_has_so_many_more_devices_without_a_number_or_less():
    found = by_weights(ArmPair(arm_of(3, 5, 0, 0), arm_of(2, 4), 0.5))
    assert (found.arm.devices, found.arm.having, found.arm.total, found.arm.deviations) == told(arm_of(3, 5, 0))
    assert (found.other.devices, found.other.having, found.other.total, found.other.deviations) == told(arm_of(2, 4, 0))


def test_the_networks_that_speak_most_for_the_difference_go():
    pair = ArmPair(arm_of(9, 9, 1, 2), arm_of(1, 0, 1, 2), 0.5)
    networks = [(arm_of(1), arm_of(2)), (arm_of(), arm_of(1)), (arm_of(0), arm_of(9, 9))]
    found = without_worst(pair, networks, 1)
    assert (found.arm.total, found.other.total) == (1.0, 3.0)
