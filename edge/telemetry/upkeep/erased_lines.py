"""What is left of a line of a segment once a device is erased from it. Pure.

It has the length that it had, so all offsets into the segment stay good: what is gone becomes a line that says nothing,
and what is shorter is filled up with blanks. A report that names the device goes whole.
"""

from base64 import b64encode
from typing import NamedTuple

import msgspec

from edge.domain.statistics.device_key import device_key
from edge.telemetry.spool.app_records import OutcomesLine, UsedLine, encode_outcomes
from edge.telemetry.spool.push_records import ASSIGNED, DeadPushToken, PushAssigned, PushLine, encode_push
from edge.telemetry.spool.record import DeliveredLine, EventLine, HeardLine, UnreadLine, parse_line
from edge.telemetry.spool.worker_records import KEY_BYTES, HeardCount, encode_heard

_NOTHING = b'{"received_ms":0,"used":{"app":"","device":"","of":[]}}'  # is read by all who read lines, and is no event
_KEY_CHARACTERS = 10  # of base64 that the key alone determines, wherever it stands


class ErasedDevice(NamedTuple):
    """Who is erased, from what was received up to `until_ms`, in epoch milliseconds. `marks`: a line that has none of
    these does not name the device."""

    app: str
    device: str
    key: bytes
    until_ms: int
    marks: tuple[bytes, ...]


def erased_device(app: str, device: str, until_ms: int) -> ErasedDevice:
    """`device` in small letters, as it is stored; a report's own bytes may have capitals."""
    key = device_key(app, device).to_bytes(KEY_BYTES, "little", signed=True)
    # Keys stand at multiples of 8 bytes: before one, 0, 2 or 1 bytes belong to the first of its characters.
    packed = [
        b64encode(bytes(before) + key)[skip : skip + _KEY_CHARACTERS] for before, skip in ((0, 0), (1, 2), (2, 3))
    ]
    written = f'"key":{device_key(app, device)}'.encode()
    return ErasedDevice(app, device, key, until_ms, (device.encode(), device.upper().encode(), *packed, written))


def without_device(line: bytes, erased: ErasedDevice) -> bytes:
    """The line itself if it does not name the device, or was received later; else one of its length."""
    if not any(mark in line for mark in erased.marks):
        return line
    left = _left_of(line, erased)
    if left is None:
        return line
    return left.ljust(len(line)) if len(left) <= len(line) else _NOTHING.ljust(len(line))[: len(line)]


def _left_of(line: bytes, erased: ErasedDevice) -> bytes | None:
    """None: the line stays."""
    match parse_line(line):
        case EventLine(received_ms, _, events):
            named = any(event.app == erased.app and event.device == erased.device for event in events)
            return _NOTHING if named and received_ms <= erased.until_ms else None
        case UsedLine(received_ms, used):
            named = used.app == erased.app and used.device == erased.device
            return _NOTHING if named and received_ms <= erased.until_ms else None
        case OutcomesLine() as of:
            return _without_outcomes(of, erased)
        case HeardLine() as of:
            return _without_key(of, erased)
        case PushLine() as of:
            return _without_push(of, erased)
        case DeliveredLine():
            return None
        case UnreadLine():
            return _NOTHING  # whatever it is


def _without_outcomes(line: OutcomesLine, erased: ErasedDevice) -> bytes | None:
    left = [each for each in line.outcomes.of if each.device != erased.device]
    if line.outcomes.app != erased.app or line.received_ms > erased.until_ms or len(left) == len(line.outcomes.of):
        return None
    return encode_outcomes(msgspec.structs.replace(line.outcomes, of=left), line.received_ms / 1000)


def _without_push(line: PushLine, erased: ErasedDevice) -> bytes | None:
    record = line.push
    if record.app != erased.app or line.received_ms > erased.until_ms:
        return None
    match record:
        case PushAssigned(devices=devices):
            each = (devices[at : at + ASSIGNED.size] for at in range(0, len(devices), ASSIGNED.size))
            left = b"".join(one for one in each if one[:KEY_BYTES] != erased.key)
            if left == devices:
                return None
            return encode_push(msgspec.structs.replace(record, devices=left), line.received_ms / 1000, line.net)
        case DeadPushToken(key=key):
            return _NOTHING if key.to_bytes(KEY_BYTES, "little", signed=True) == erased.key else None
        case _:
            return _NOTHING if record.device == erased.device else None


def _without_key(line: HeardLine, erased: ErasedDevice) -> bytes | None:
    """Counts stay: they name nobody."""
    heard = line.heard
    if heard.app != erased.app or line.received_ms > erased.until_ms:
        return None
    left = [_count_without(each, erased.key) for each in heard.of]
    if left == heard.of:
        return None
    return encode_heard(msgspec.structs.replace(heard, of=left), line.received_ms / 1000)


def _count_without(count: HeardCount, key: bytes) -> HeardCount:
    keys = [count.devices[at : at + KEY_BYTES] for at in range(0, len(count.devices), KEY_BYTES)]
    if key not in keys:
        return count
    return msgspec.structs.replace(count, devices=b"".join(each for each in keys if each != key))
