"""What a message changed: devices with it beside those held out, one text beside the other."""

import random

import pytest

from edge.domain.messaging.effects import ArmEffects, compare_effects, effect_sentence, sum_arms
from edge.domain.messaging.planning import HELD_OUT


def by_measure(arms):
    return {(each.measure, each.arm): each for each in compare_effects(arms)}


def an_arm(devices, active, sessions=0, updated=0, opened=0):
    sessions = sessions or active
    return ArmEffects(devices, opened, updated, active, sessions, sessions * 2)


def test_a_clear_difference_is_shown_with_its_interval():
    found = by_measure({"A": an_arm(20_000, 4_000), HELD_OUT: an_arm(20_000, 2_000)})["active", "A"]
    assert found.shown == "more" and found.low < found.ratio == 2.0 < found.high
    assert "more with it" in effect_sentence(found) and "times as many as without it" in effect_sentence(found)


def test_no_difference_is_not_shown_as_one():
    found = by_measure({"A": an_arm(5_000, 500), HELD_OUT: an_arm(5_000, 505)})["active", "A"]
    assert found.shown == "no_difference" and found.low < 1 < found.high


@pytest.mark.parametrize("arm", [an_arm(99, 50), an_arm(1_000, 5), ArmEffects()])
def test_few_are_not_compared(arm):
    found = by_measure({"A": arm, HELD_OUT: an_arm(500, 5)})["active", "A"]
    assert (found.shown, found.low) == ("early", None)
    assert "too few yet" in effect_sentence(found)


def test_two_texts_are_compared_by_what_was_opened_and_together_with_those_held_out():
    arms = {"A": an_arm(5_000, 500, opened=100), "B": an_arm(5_000, 500, opened=300), HELD_OUT: an_arm(1_000, 90)}
    found = by_measure(arms)
    assert found["opened", "B"].shown == "more" and found["opened", "B"].ratio == 3.0
    assert found["active", "A+B"].devices == 10_000
    assert set(found) == {
        *((each, "A+B") for each in ("active", "sessions", "updated")),
        ("opened", "B"),
        ("active", "B"),
    }


def test_one_arm_alone_is_compared_with_nothing():
    assert compare_effects({"A": an_arm(500, 50)}) == []
    assert compare_effects({}) == []


def test_equal_arms_are_seldom_told_apart():
    draw, wrong = random.Random(5), 0
    for _ in range(100):
        arms = {}
        for name in ("A", HELD_OUT):
            each = [draw.choices((0, 1, 2, 5), (80, 12, 6, 2))[0] for _ in range(600)]
            active = sum(map(bool, each))
            arms[name] = ArmEffects(600, 0, active // 3, active, sum(each), sum(n * n for n in each))
        wrong += any(each.shown in ("more", "fewer") for each in compare_effects(arms))
    assert wrong <= 5


def test_parts_of_an_arm_add_up():
    assert sum_arms([("A", an_arm(3, 1)), ("A", an_arm(4, 2)), ("B", an_arm(1, 1))])["A"].devices == 7
