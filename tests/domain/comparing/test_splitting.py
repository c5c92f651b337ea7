"""The sample-ratio check."""

import pytest

from edge.domain.comparing.splitting import check_split


@pytest.mark.parametrize(
    ("devices", "weights"), [((0, 0), (1, 1)), ((30_912, 30_568), (50, 50)), ((210, 90, 100), (50, 25, 25))]
)
def test_a_split_that_is_as_meant(devices, weights):
    found = check_split(devices, weights)
    assert not found.doubted
    assert found.odds < found.limit


def test_a_split_that_is_not_is_doubted_and_says_what_to_look_for():
    found = check_split((5_400, 4_600), (50, 50))
    assert (found.doubted, found.limit) == (True, 1_000)
    assert found.sentence.startswith("The split is not as meant: 54.0 to 46.0 %, for 50 to 50 (odds ")
    assert "no comparison is shown" in found.sentence


def test_three_arms_share_the_alpha_of_the_check():
    assert check_split((100, 100, 100), (1, 1, 1)).limit == 3_000
    assert check_split((1_000, 1_000, 700), (1, 1, 1)).doubted


def test_the_odds_are_bounded():
    assert check_split((1_000_000, 0), (50, 50)).odds > 1e300


def test_an_arm_for_all_devices_has_all():
    assert not check_split((500, 0), (100, 0)).doubted
    assert check_split((500, 1), (100, 0)).doubted
