"""How full the table is: exact while it is small, an estimate when it is not."""

import pytest
from facts_world import APP, a_slot, a_table, choice_of, device, failures_of, offer_of

from edge.domain.facts import DeviceFacts
from edge.facts.census import count_devices
from edge.facts.slot import SlotKind


def test_devices_are_counted_by_what_is_known_of_them(tmp_path):
    with a_table(tmp_path) as (pages, table):
        for number in range(30):
            pages.put(a_slot(number, offer_of(number)))
        for number in range(10):
            pages.put(a_slot(number, DeviceFacts(failures=failures_of(5))))
        for number in range(10, 15):
            pages.put(a_slot(number, choice_of(number)))
        pages.put(a_slot(29, DeviceFacts()))
        assert table.look_up(APP, device(29)) == DeviceFacts()
        assert count_devices(tmp_path / "facts.table") == {
            SlotKind.OFFERS: 14,
            SlotKind.FAILURES: 10,
            SlotKind.CHOICES: 5,
        }


def test_a_sample_of_a_large_table_is_close(tmp_path):
    with a_table(tmp_path, capacity=20_000) as (pages, _):
        for number in range(15_000):
            pages.put(a_slot(number, choice_of(number) if number % 3 else offer_of(number)))
        counts = count_devices(tmp_path / "facts.table", sample_pages=64)
        assert pages.pages > 2 * 64
        assert counts[SlotKind.CHOICES] == pytest.approx(10_000, rel=0.1)
        assert counts[SlotKind.OFFERS] == pytest.approx(5_000, rel=0.1)


def test_without_a_table_there_are_none(tmp_path):
    assert set(count_devices(tmp_path / "none").values()) == {0}
