"""Which of an app's registered devices gets a message, which text, and when. Pure.

One device after the other, in bounded memory. What a device draws follows from the message's salt and its id alone, so
a plan that is made again is the same. Who is held out is drawn last, of those that would have got it: so both groups
are alike in everything else.
"""

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.domain.app_parts.stored_messages import WHOLE, DeviceCap, MessageCaps, SendTime, StoredMessage
from edge.domain.buckets import BUCKETS, bucket_of_written
from edge.domain.messaging.local_times import moment_of, next_moment, quiet_until
from edge.domain.messaging.usual_hours import usual_hour
from edge.domain.schedule.zones import load_device_zone, zone_names

HELD_OUT = "-"  # the arm of those that do not get it
BEST_HOUR = 18  # of a device's day, where neither it nor the app has usual hours yet: most apps are used most then
LATE_SECONDS = 3_600  # a reading that passed no longer ago is due at once: planning takes its time
EARLIEST_SECONDS = 14 * 3_600  # before UTC: the first clock on Earth shows it then
LATEST_SECONDS = 12 * 3_600  # after UTC, the last one
PLAN_AHEAD_SECONDS = 900  # a plan is made so long before its first device is due
HOURS_COUNTED = 48  # of a preview, one by one

_HOUR_SECONDS, _DAY_SECONDS = 3_600, 86_400


class NotPlanned(enum.Enum):
    """Why a device does not get it."""

    NOT_IN_SEGMENT = "not_in_segment"
    NOT_IN_SHARE = "not_in_share"
    UNKNOWN_DEVICE = "unknown_device"  # it registered, and nothing is known that the segment reads
    CAPPED = "capped"
    QUIET = "quiet"  # until after the message is too old
    PASSED = "passed"  # its clock has shown the time


LEFT_OUT_WORDS = {  # after their number
    NotPlanned.NOT_IN_SEGMENT.value: "not in the segment",
    NotPlanned.NOT_IN_SHARE.value: "not in the share",
    NotPlanned.UNKNOWN_DEVICE.value: "never reported, so the segment cannot be judged",
    NotPlanned.CAPPED.value: "had as many messages as the cap allows",
    NotPlanned.QUIET.value: "in their quiet hours until it is too old",
    NotPlanned.PASSED.value: "past the time by their own clock",
}


class PlannedDevice(NamedTuple):
    """A registered device. `is_in`: whether its segment has it, None: not known. `sends` are the moments of its other
    messages, near this one."""

    key: int
    device: str
    zone: str
    hours: bytes
    is_in: bool | None
    sends: Sequence[int] = ()


class PlannedSend(NamedTuple):
    """What a device is to get, in seconds since the epoch. `arm` is a text's name, or HELD_OUT."""

    key: int
    arm: str
    due: int
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """`now` in seconds since the epoch; `best_hour`: of devices of which too little is known."""

    message: StoredMessage
    caps: MessageCaps
    now: int
    best_hour: int = BEST_HOUR


@dataclass(slots=True)
class PlanCounts:
    """`sends` by arm, `left_out` by reason, `by_hour` by hours since the epoch, the first HOURS_COUNTED, `by_day` by
    days (UTC). `unknown_zones` devices go by UTC, `unknown_hours` by the app's usual hour."""

    devices: int = 0
    sends: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    by_hour: Counter[int] = field(default_factory=Counter)
    by_day: Counter[int] = field(default_factory=Counter)
    unknown_zones: int = 0
    unknown_hours: int = 0
    first_due: int = 0
    last_due: int = 0

    @property
    def planned(self) -> int:
        """How many would be sent."""
        return sum(self.sends.values()) - self.sends[HELD_OUT]


def plan_device(terms: PlanTerms, device: PlannedDevice) -> PlannedSend | NotPlanned:
    """What this device gets, or why it does not."""
    message = terms.message
    if device.is_in is None:
        return NotPlanned.UNKNOWN_DEVICE
    if not device.is_in:
        return NotPlanned.NOT_IN_SEGMENT
    if _draw(message, "share", device) >= message.share:
        return NotPlanned.NOT_IN_SHARE
    meant = due_of(terms, device)
    if meant < terms.now - LATE_SECONDS:
        return NotPlanned.PASSED
    due = max(meant, terms.now)
    over = quiet_end(message, device.zone, due)
    if over is not None and over - due > message.ttl_seconds:
        return NotPlanned.QUIET
    due = due if over is None else over
    if any(_is_full(cap, due, device.sends) for cap in (message.cap, terms.caps.device) if cap is not None):
        return NotPlanned.CAPPED
    return PlannedSend(device.key, _arm(message, device), due, max(meant, terms.now) + message.ttl_seconds)


def quiet_end(message: StoredMessage, zone: str, second: int) -> int | None:
    """When the device's quiet hours are over, if they hold at this moment."""
    return quiet_until(load_device_zone(zone), message.quiet, second).at if message.quiet is not None else None


def due_of(terms: PlanTerms, device: PlannedDevice) -> int:
    """When it is meant for the device, before quiet hours."""
    message = terms.message
    match message.time:
        case SendTime.NOW:
            return max(int(message.created), terms.now)
        case SendTime.AT:
            return int(message.at)
        case SendTime.LOCAL:
            return moment_of(load_device_zone(device.zone), int(message.at))
        case SendTime.BEST:
            hour = usual_hour(device.hours)
            second = (terms.best_hour if hour is None else hour) * _HOUR_SECONDS
            spread = _draw(message, "spread", device) * _HOUR_SECONDS // BUCKETS
            return next_moment(load_device_zone(device.zone), second + spread, max(int(message.created), terms.now))


def count_device(
    counts: PlanCounts, terms: PlanTerms, device: PlannedDevice, planned: PlannedSend | NotPlanned
) -> None:
    """Add what `plan_device` said of a device."""
    counts.devices += 1
    if isinstance(planned, NotPlanned):
        counts.left_out[planned.value] += 1
        return
    counts.sends[planned.arm] += 1
    counts.unknown_zones += device.zone not in zone_names()
    if terms.message.time is SendTime.BEST:
        counts.unknown_hours += usual_hour(device.hours) is None
    if planned.arm == HELD_OUT:
        return
    counts.by_day[planned.due // _DAY_SECONDS] += 1
    hour = planned.due // _HOUR_SECONDS
    if hour in counts.by_hour or len(counts.by_hour) < HOURS_COUNTED:
        counts.by_hour[hour] += 1
    counts.first_due = min(counts.first_due or planned.due, planned.due)
    counts.last_due = max(counts.last_due, planned.due)


def plan_from(message: StoredMessage) -> float:
    """When its plan is to be made: close to the first device's time, so that it is of devices as they are then."""
    match message.time:
        case SendTime.NOW | SendTime.BEST:
            return message.created
        case SendTime.AT:
            return max(message.created, message.at - PLAN_AHEAD_SECONDS)
        case SendTime.LOCAL:
            return max(message.created, message.at - EARLIEST_SECONDS - PLAN_AHEAD_SECONDS)


def over_at(message: StoredMessage) -> float:
    """When nothing of it is sent any more, whatever became of it."""
    latest = {
        SendTime.NOW: message.created,
        SendTime.AT: max(message.at, message.created),
        SendTime.LOCAL: max(message.at + LATEST_SECONDS, message.created),
        SendTime.BEST: message.created + 2 * _DAY_SECONDS,
    }[message.time]
    return latest + 2 * message.ttl_seconds + LATE_SECONDS


def is_near(planned: int, expected: int, slack_share: float = 0.1) -> bool:
    """Whether a plan is what its preview stated: off by at most a tenth, or by a device or two."""
    return abs(planned - expected) <= max(2, slack_share * expected)


def _is_full(cap: DeviceCap, due: int, sends: Sequence[int]) -> bool:
    """Also by what is due within so many days after it: whatever days are looked at, none has more."""
    return sum(abs(each - due) < cap.days * _DAY_SECONDS for each in sends) >= cap.times


def _arm(message: StoredMessage, device: PlannedDevice) -> str:
    if _draw(message, "hold_out", device) < message.hold_out:
        return HELD_OUT
    return message.texts[_draw(message, "text", device) * len(message.texts) // WHOLE].name


def _draw(message: StoredMessage, what: str, device: PlannedDevice) -> int:
    return bucket_of_written(f"message\0{message.salt}\0{what}\0".encode(), device.device.encode())
