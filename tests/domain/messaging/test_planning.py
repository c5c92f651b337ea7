"""Which devices get a message, which text, and when."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge.domain.app_parts.stored_messages import DeviceCap, MessageCaps, MessageText, SendTime, StoredMessage
from edge.domain.messaging.planning import (
    HELD_OUT,
    NotPlanned,
    PlanCounts,
    PlannedDevice,
    PlannedSend,
    PlanTerms,
    count_device,
    is_near,
    over_at,
    plan_device,
    plan_from,
)
from edge.domain.messaging.usual_hours import UNKNOWN_HOURS

NOW = int(datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp())
HOUR, DAY, WEEK = 3_600, 86_400, 7 * 86_400
MESSAGE = StoredMessage(
    id="m-1", texts=(MessageText(name="A", title="Hello"),), time=SendTime.NOW, salt="s", created=NOW
)
BOTH = (MessageText(name="A", title="One"), MessageText(name="B", title="Other"))
EVENINGS = bytes(100 if hour == 20 else 0 for hour in range(24))


def a_device(number=0, zone="UTC", hours=UNKNOWN_HOURS, is_in=True, sends=()):
    return PlannedDevice(number, f"{number:08x}-eefe-490a-9c60-8e965132ae51", zone, hours, is_in, sends)


def planned(device=None, *, caps=None, now=NOW, **changes):
    terms = PlanTerms(message=replace(MESSAGE, **changes), caps=caps or MessageCaps(), now=now)
    return plan_device(terms, device or a_device())


def test_now_is_now_and_lives_as_long_as_it_says():
    assert planned(ttl_seconds=600) == PlannedSend(0, "A", NOW, NOW + 600)


def test_only_devices_of_the_segment_get_it():
    assert planned(a_device(is_in=False)) is NotPlanned.NOT_IN_SEGMENT
    assert planned(a_device(is_in=None)) is NotPlanned.UNKNOWN_DEVICE


def test_local_time_is_each_devices_own():
    nine = {"time": SendTime.LOCAL, "at": NOW + 21 * HOUR}  # 09:00 on 2 December
    dues = [
        planned(a_device(zone=zone), **nine).due
        for zone in ("Asia/Tokyo", "UTC", "America/New_York", "", "Mars/Olympus")
    ]
    assert [due - NOW for due in dues] == [12 * HOUR, 21 * HOUR, 26 * HOUR, 21 * HOUR, 21 * HOUR]


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("reading", "quiet", "due"),
    [
        ("2027-03-28 02:30", None, "2027-03-28 01:30"),  # a time that is skipped: the clock shows 03:30
        ("2026-10-25 02:30", None, "2026-10-25 00:30"),  # one that it shows twice: the first
        ("2027-03-27 23:00", (22 * 60, 8 * 60), "2027-03-28 06:00"),  # a night of nine hours
        ("2026-10-24 23:00", (22 * 60, 8 * 60), "2026-10-25 07:00"),  # and one of eleven
        ("2027-03-28 02:15", (2 * 60, 150), "2027-03-28 01:15"),  # quiet hours that are skipped with it
        ("2026-10-25 02:15", (2 * 60, 150), "2026-10-25 00:30"),
    ],
)
def test_where_clocks_change(reading, quiet, due):
    times = {"time": SendTime.LOCAL, "at": at(reading), "now": at(reading) - DAY, "ttl_seconds": DAY}
    assert planned(a_device(zone="Europe/Berlin"), quiet=quiet, **times).due == at(due)


def test_a_clock_that_passed_the_time_long_ago_is_left_out():
    noon = {"time": SendTime.LOCAL, "at": NOW}
    assert planned(a_device(zone="Asia/Tokyo"), **noon) is NotPlanned.PASSED
    assert planned(a_device(zone="UTC"), **noon, now=NOW + 600).due == NOW + 600


def test_the_best_time_is_within_the_devices_own_hour():
    devices = [a_device(number, zone="Asia/Tokyo", hours=EVENINGS) for number in range(200)]
    dues = [planned(each, time=SendTime.BEST).due for each in devices]
    evening = NOW + 23 * HOUR  # 20:00 in Tokyo is 11:00 UTC
    assert all(evening <= due < evening + HOUR for due in dues)
    assert len({due // 300 for due in dues}) == 12  # over the whole hour
    assert planned(a_device(1), time=SendTime.BEST).due // HOUR == (NOW + 6 * HOUR) // HOUR  # 18:00: nothing is known


def test_quiet_hours_move_a_message_to_their_end_or_drop_it():
    quiet = {"quiet": (11 * 60, 18 * 60)}
    assert planned(**quiet) == PlannedSend(0, "A", NOW + 6 * HOUR, NOW + DAY)
    assert planned(**quiet, ttl_seconds=HOUR) is NotPlanned.QUIET
    assert planned(a_device(zone="Asia/Tokyo"), **quiet).due == NOW


def test_a_device_gets_so_many_in_any_week():
    three = {"cap": DeviceCap(times=3, days=7)}
    assert planned(a_device(sends=(NOW - DAY, NOW - 2 * DAY)), **three).arm == "A"
    assert planned(a_device(sends=(NOW - DAY, NOW - 2 * DAY, NOW - 3 * DAY)), **three) is NotPlanned.CAPPED
    assert planned(a_device(sends=(NOW - WEEK, NOW - WEEK - 1, NOW - 2 * WEEK)), **three).arm == "A"
    assert planned(a_device(sends=(NOW + DAY, NOW - DAY, NOW - 2 * DAY)), **three) is NotPlanned.CAPPED
    once = MessageCaps(device=DeviceCap(times=1, days=1))
    assert planned(a_device(sends=(NOW - HOUR,)), caps=once) is NotPlanned.CAPPED


def test_shares_and_arms_are_drawn_apart_and_again_the_same():
    devices = [a_device(number) for number in range(4_000)]
    shared = [planned(each, share=10_000, hold_out=50_000, texts=BOTH) for each in devices]
    assert shared == [planned(each, share=10_000, hold_out=50_000, texts=BOTH) for each in devices]
    got = Counter(each if isinstance(each, NotPlanned) else each.arm for each in shared)
    assert 320 < 4_000 - got[NotPlanned.NOT_IN_SHARE] < 480
    assert 140 < got[HELD_OUT] < 260 and 60 < got["A"] < 140 and 60 < got["B"] < 140
    others = [planned(each, share=10_000, salt="t") for each in devices]
    both = sum(
        not isinstance(a, NotPlanned) and not isinstance(b, NotPlanned) for a, b in zip(shared, others, strict=True)
    )
    assert both < 90  # some 40: another message, other devices


def test_counts_say_what_a_preview_needs():
    terms = PlanTerms(message=replace(MESSAGE, hold_out=50_000), caps=MessageCaps(), now=NOW)
    counts = PlanCounts()
    for number in range(100):
        device = a_device(number, zone="" if number % 2 else "UTC", is_in=number < 90)
        count_device(counts, terms, device, plan_device(terms, device))
    assert counts.devices == 100 and counts.left_out == {"not_in_segment": 10}
    assert counts.planned == counts.sends["A"] and counts.planned + counts.sends[HELD_OUT] == 90
    assert counts.by_hour == {NOW // HOUR: counts.planned} and counts.unknown_zones == 45
    assert (counts.first_due, counts.last_due) == (NOW, NOW)


def test_a_plan_is_made_when_its_first_clock_is_close():
    assert plan_from(MESSAGE) == NOW
    assert plan_from(replace(MESSAGE, time=SendTime.AT, at=NOW + DAY)) == NOW + DAY - 900
    assert plan_from(replace(MESSAGE, time=SendTime.LOCAL, at=NOW + DAY)) == NOW + 10 * HOUR - 900
    assert over_at(replace(MESSAGE, time=SendTime.LOCAL, at=NOW + DAY, ttl_seconds=60)) == NOW + DAY + 13 * HOUR + 120


def test_a_tenth_more_or_less_is_as_stated():
    assert is_near(110, 100) and is_near(90, 100) and is_near(2, 0)
    assert not is_near(111, 100) and not is_near(3, 0) and not is_near(50, 100)
