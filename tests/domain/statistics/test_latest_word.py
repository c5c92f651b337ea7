"""What a device says last that it runs, where a check is handed over after a report that it made since."""

import pytest

from edge.domain.statistics.arithmetic import Arithmetic
from edge.domain.statistics.device_record import DeviceRecord

OLD, NEW = 1, 2
AT = 1_000_000


def nothing(*_told, **_more) -> None:
    pass


@pytest.mark.parametrize(
    ("reported", "handed_over", "latest"),
    [
        (AT, AT + 5_000, NEW),  # the check is older: it was up to 10 s before its hand-over
        (AT, AT + 9_999, NEW),
        (AT, AT + 10_000, OLD),  # it cannot be older
        (AT, AT + 60_000, OLD),
    ],
)
def test_a_report_after_a_check_is_the_latest_word_though_the_check_is_handed_over_later(reported, handed_over, latest):
    arithmetic, device = Arithmetic(nothing, nothing, lambda one, other: False), DeviceRecord(1, 1, frozenset())
    arithmetic.hear(device, reported, NEW)
    arithmetic.hear(device, handed_over, OLD, handed_over - 10_000)
    assert device.bundle == latest
    assert device.last_ms == handed_over


def test_of_two_checks_of_one_hand_over_the_later_one_is_the_latest_word():
    arithmetic, device = Arithmetic(nothing, nothing, lambda one, other: False), DeviceRecord(1, 1, frozenset())
    for runs in (OLD, NEW):
        arithmetic.hear(device, AT, runs, AT - 10_000)
    assert device.bundle == NEW
