"""Devices are found by what operators know of them, and pages neither repeat nor miss one."""

import pytest
from factories import a_check
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.telemetry.devices.device_search import DeviceSearch, find_devices, parse_page_mark
from edge.telemetry.devices.known_devices import KnownDevice

NOW = 1_760_000_000.0


def known(number, reported=NOW, custom_id=""):
    device = f"{number:08x}-eefe-490a-9c60-8e965132ae51"
    return KnownDevice(a_check(device=device, custom_id=custom_id), reported)


def numbers(page):
    return [int(each.check.device[:8], 16) for each in page.devices]


DEVICES = [known(0x10, NOW - 50, "anna"), known(0x11, NOW - 5, "bob"), known(0x20, NOW, "anna")]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (DeviceSearch(), [0x20, 0x11, 0x10]),
        (DeviceSearch(id_prefix="0000001"), [0x11, 0x10]),
        (DeviceSearch(id_prefix="f"), []),
        (DeviceSearch(custom_id="anna"), [0x20, 0x10]),
        (DeviceSearch(custom_id="ann"), []),
        (DeviceSearch(runs="1.0.1"), []),
        (DeviceSearch(runs=known(1).check.version_name), [0x20, 0x11, 0x10]),
        (DeviceSearch(since=NOW - 5), [0x20, 0x11]),
        (DeviceSearch(id_prefix="0000001", custom_id="bob", since=NOW - 10), [0x11]),
    ],
)
def test_devices_are_found_newest_report_first(search, expected):
    page = find_devices(DEVICES, search, 10)
    assert (numbers(page), page.matching, page.next_page) == (expected, len(expected), "")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), unique_by=lambda each: each[0]), st.integers(1, 7))
def test_the_pages_together_are_all_of_them_once(devices, limit):
    everyone = [known(number, NOW + at / 1_000) for number, at in devices]
    listed, search = [], DeviceSearch()
    while True:
        page = find_devices(everyone, search, limit)
        assert len(page.devices) <= limit and page.matching == len(everyone)
        listed += numbers(page)
        if not page.next_page:
            break
        search = DeviceSearch(after=parse_page_mark(page.next_page))
    assert sorted(listed) == sorted(number for number, _ in devices)
    assert listed == numbers(find_devices(everyone, DeviceSearch(), 100))


def test_a_device_that_reports_between_two_pages_is_not_repeated():
    first = find_devices(DEVICES, DeviceSearch(), 2)
    later = [known(0x20, NOW + 60), *DEVICES[:2]]
    assert numbers(find_devices(later, DeviceSearch(after=parse_page_mark(first.next_page)), 2)) == [0x10]


@pytest.mark.parametrize("text", ["", "1", "x-00000010-eefe-490a-9c60-8e965132ae51", "1-x", "-1-" + "0" * 36])
def test_a_mark_that_no_page_has_is_refused(text):
    with pytest.raises(Invalid, match="next_page"):
        parse_page_mark(text)
