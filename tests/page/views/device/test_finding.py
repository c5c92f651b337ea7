"""A search asks for devices by what a person knows, in order."""

import pytest

from edge.page.views.device.finding import device_id, plan_searches

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(DEVICE, DEVICE), (f" {DEVICE.upper()} ", DEVICE), (DEVICE[:-1], ""), ("", ""), ("r-20417", "")],
)
def test_a_whole_id_is_recognised(text, expected):
    assert device_id(text) == expected


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", [{}]),
        ("r-20417", [{"custom_id": "r-20417"}, {"runs": "r-20417"}]),
        ("7C1F", [{"custom_id": "7C1F"}, {"id_prefix": "7c1f"}, {"runs": "7C1F"}]),
        ("4.12.0", [{"custom_id": "4.12.0"}, {"runs": "4.12.0"}]),
        ("abc", [{"custom_id": "abc"}, {"runs": "abc"}]),
    ],
)
def test_what_is_asked(text, asked):
    searches = [dict(each.query) for each in plan_searches(text)]
    assert [{name: value for name, value in each.items() if name != "limit"} for each in searches] == asked


def test_the_next_page_asks_after_the_mark():
    assert plan_searches("", "5-x")[0].query["after"] == "5-x"
