"""A device's events come in pages that neither repeat nor lose one, without those from before it was erased."""

import pytest

from edge.telemetry.devices.device_story import take_page
from edge.wire.stats import Event

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


def events(*times):
    return [(at, Event("com.acme.app", DEVICE, "set", f"1.0.{number}", "ios")) for number, at in enumerate(times)]


@pytest.mark.parametrize(
    ("times", "limit", "before", "erased", "expected", "more"),
    [
        ((), 10, 99, -1, [], False),
        ((9, 8, 7), 10, 99, -1, [9, 8, 7], False),
        ((9, 8, 7), 2, 99, -1, [9, 8], True),
        ((9, 8, 7), 3, 99, -1, [9, 8, 7], False),
        ((9, 8, 8, 8, 7), 2, 99, -1, [9, 8, 8, 8], True),
        ((9, 8, 7), 10, 8, -1, [7], False),
        ((9, 8, 7), 10, 99, 8, [9], False),
        ((9, 9), 1, 99, -1, [9, 9], False),
    ],
)
def test_a_page_ends_between_two_times(times, limit, before, erased, expected, more):
    page = take_page(events(*times), limit, before, erased)
    assert ([each.received_ms for each in page.events], page.more) == (expected, more)


def test_the_pages_together_are_all_of_them_once():
    everything, found, before = events(9, 8, 8, 7, 5, 5, 5, 1), [], 99
    while True:
        page = take_page(everything, 2, before, -1)
        found += [(each.received_ms, each.event) for each in page.events]
        if not page.more:
            break
        before = page.events[-1].received_ms
    assert found == everything
