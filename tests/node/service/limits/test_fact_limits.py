"""What devices of one address may have recorded: a carrier's honest devices fit, forgers are held."""

import pytest

from edge.facts.changes import Failed, Offered
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import PREFIX_CHOICES, PREFIX_FAILURES, PREFIX_NOTES, FactLimits, NodeFailures

APP, OTHER_APP = "com.acme", "com.acme.other"
CARRIER, FORGER = "192.0.2.1", "203.0.113.66"
DEVICES, SECONDS = 5_000, 300
WORKDAY_SECONDS = 8 * 3_600


def limits(app_rate=10_000.0, prefix_rate=2_000.0) -> FactLimits:
    return FactLimits(EventLimits(app_rate, prefix_rate))


@pytest.mark.parametrize("where", [lambda number: CARRIER, lambda number: f"2001:db8:7:{number:x}::/64"])
def test_all_that_five_thousand_devices_of_a_carrier_do_within_five_minutes_fits(where):
    """Each is offered a bundle, downloads and installs it; one in ten fails; and each chooses a channel."""
    held = limits()
    for number in range(DEVICES):
        now, prefix = number * SECONDS / DEVICES, where(number)
        assert all(held.admit_note(APP, prefix, now) for _ in ("offer", "download_complete", "set"))
        assert number % 10 or held.admit_failures(APP, prefix, 1, now)
        assert held.admit_choice(APP, prefix, now)


def test_they_fit_at_the_same_instant_too():
    held = limits()
    assert all(held.admit_choice(APP, CARRIER, 0.0) and held.admit_note(APP, CARRIER, 0.0) for _ in range(DEVICES))
    assert all(held.admit_failures(APP, CARRIER, 1, 0.0) for _ in range(DEVICES // 10))


def test_a_forger_withholds_from_few_devices_and_from_no_more_in_a_flood():
    held = limits()
    passed = sum(held.admit_failures(APP, FORGER, 1, n / 1_000) for n in range(DEVICES))
    assert passed <= PREFIX_FAILURES.at_once + 5 * PREFIX_FAILURES.per_second + 1
    assert held.admit_failures(APP, CARRIER, 1, 5.0)


def test_each_kind_has_a_bucket_of_its_own():
    held = limits()
    while held.admit_failures(APP, CARRIER, 1, 0.0):
        pass
    while held.admit_note(APP, CARRIER, 0.0):
        pass
    assert held.admit_choice(APP, CARRIER, 0.0)
    while held.admit_choice(APP, CARRIER, 0.0):
        pass
    assert not held.admit_note(APP, CARRIER, 0.0)


def test_choices_of_one_address_fill_no_table_in_a_working_day():
    passed = PREFIX_CHOICES.at_once + WORKDAY_SECONDS * PREFIX_CHOICES.per_second
    assert passed < 100_000


def test_who_holds_a_48_has_no_more_than_a_few_prefixes():
    held = limits()
    prefixes = [f"2001:db8:66:{n:x}::/64" for n in range(50_000)]
    assert sum(held.admit_failures(APP, prefix, 1, 0.0) for prefix in prefixes) == 2 * PREFIX_FAILURES.at_once
    assert sum(held.admit_choice(APP, prefix, 0.0) for prefix in prefixes) == 4 * PREFIX_CHOICES.at_once


def test_all_workers_together_withhold_no_more_than_one_may():
    node = NodeFailures(EventLimits(10_000, 2_000))
    each = [Offered(APP, "a", "1.0.1"), Failed(APP, "a", "1.0.1", prefix=FORGER)]
    recorded = [node.admitted(each, 0.0) for _ in range(DEVICES)]
    assert sum(len(changes) for changes in recorded) == DEVICES + PREFIX_FAILURES.at_once
    assert node.dropped == DEVICES - PREFIX_FAILURES.at_once
    assert len(node.admitted([Failed(APP, "a", "1.0.1", prefix=CARRIER)], 0.0)) == 1


def test_one_app_drains_nothing_of_anothers():
    held = limits(app_rate=100.0)
    n = 0
    while held.admit_note(APP, f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", 0.0):
        n += 256
    assert held.admit_note(OTHER_APP, CARRIER, 0.0)


def test_they_grow_and_shrink_with_the_rates_of_events():
    held = limits(prefix_rate=4_000.0)
    assert sum(held.admit_note(APP, CARRIER, 0.0) for _ in range(100_000)) == 2 * PREFIX_NOTES.at_once


def test_without_a_limit_of_events_there_is_none():
    held = limits(0.0, 0.0)
    assert all(held.admit_failures(APP, CARRIER, 100, 0.0) for _ in range(2_000))
