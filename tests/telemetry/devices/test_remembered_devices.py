"""Known devices that are read once for several pages: as of then, without those that were erased since, and bounded."""

import pytest
from telemetry_lines import APP
from test_known_devices import NOW, a_line, written

from edge.domain.model import AppId
from edge.telemetry.devices.known_devices import KnownDevices
from edge.telemetry.devices.remembered_devices import REMEMBERED_SECONDS, RememberedDevices

OTHER = AppId("com.example.other")
FIRST, SECOND = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 2))


class Pages:
    """Asks at `now`, in seconds since the epoch."""

    def __init__(self, directory, limit=100):
        self.directory, self.now = directory, NOW
        self.memory = RememberedDevices(lambda: self.now, limit)

    def see(self, erased=None, app=APP):
        erased = erased or {}
        found = self.memory.of(app, KnownDevices(self.directory, app, erased=erased), erased)
        assert [each.check.device for each in found] == [each.check.device for each in found], "any number of times"
        return [each.check.device for each in found], found


@pytest.fixture
def pages(tmp_path):
    written(tmp_path, [a_line(1, NOW - 9), a_line(2, NOW - 3)], at=NOW)
    return Pages(tmp_path)


def test_what_was_read_serves_again_and_says_when(pages):
    assert pages.see()[0] == [SECOND, FIRST] and pages.memory.read_at(APP) == NOW
    written(pages.directory, [a_line(3, NOW)], at=NOW, worker=1)
    pages.now += REMEMBERED_SECONDS - 1
    found, known = pages.see()
    assert found == [SECOND, FIRST] and (known.devices, known.since, known.cut) == (2, NOW - 9, False)
    assert pages.memory.find(APP, FIRST).reported == NOW - 9
    pages.now += 1
    assert pages.memory.read_at(APP) is None and pages.memory.find(APP, FIRST) is None
    assert len(pages.see()[0]) == 3


def test_a_device_that_is_erased_is_gone_at_once(pages):
    pages.see()
    erased = {FIRST: (NOW - 1) * 1000}
    found, known = pages.see(erased)
    assert found == [SECOND] and (known.devices, known.since) == (1, NOW - 3)
    assert pages.memory.find(APP, FIRST, erased) is None


def test_an_app_does_not_see_another_ones(pages):
    pages.see()
    assert pages.see(app=OTHER)[0] == [] and pages.memory.find(OTHER, FIRST) is None


def test_no_more_are_kept_than_there_is_room_for(pages):
    small = Pages(pages.directory, limit=1)
    assert len(small.see()[0]) == 2
    assert small.memory.read_at(APP) is None
