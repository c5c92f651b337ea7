"""Lines about messages: read as they were written, erased without moving anything, and in no export."""

import json

import pytest

from edge.domain.statistics.device_key import device_key
from edge.telemetry.spool.push_records import (
    ASSIGNED,
    DeadPushToken,
    PushAssigned,
    PushLeaving,
    PushLine,
    PushOpening,
    PushRegistration,
    assigned_devices,
    encode_push,
)
from edge.telemetry.spool.record import UnreadLine, parse_line, parse_record
from edge.telemetry.upkeep.erased_lines import erased_device, without_device
from edge.telemetry.upkeep.recount import units_of

APP, ONE, OTHER = "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51", "11119a6b-eefe-490a-9c60-8e965132ae51"
NOW = 1_795_000_000.5
ASSIGNED_BOTH = PushAssigned(
    APP, "m-1", "A", b"".join(ASSIGNED.pack(device_key(APP, each), 7) for each in (ONE, OTHER))
)
RECORDS = [
    PushRegistration(APP, ONE, "fcm", "token", zone="Europe/Paris"),
    PushLeaving(APP, ONE),
    PushOpening(APP, ONE, "m-1"),
    DeadPushToken(APP, device_key(APP, ONE), "fcm", -5, 17),
    ASSIGNED_BOTH,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: each.__struct_config__.tag)
def test_a_line_is_read_as_it_was_written(record):
    written = encode_push(record, NOW, 77)
    assert parse_line(written) == PushLine(1_795_000_000_500, record, 77)
    assert parse_record(written) == []
    assert units_of(written) == ("push", 1)
    assert b"\n" not in written


def test_a_registration_has_the_documented_form():
    said = {"app": APP, "device": ONE, "provider": "fcm", "token": "token", "zone": "Europe/Paris"}
    written = json.loads(encode_push(RECORDS[0], NOW, 77))
    assert written == {"received_ms": 1_795_000_000_500, "push": {"act": "register"} | said, "net": 77}


@pytest.mark.parametrize("record", RECORDS[:4], ids=lambda each: each.__struct_config__.tag)
def test_an_erased_device_is_in_no_line(record):
    written, until_ms = encode_push(record, NOW), 1_795_000_000_500
    left = without_device(written, erased_device(APP, ONE, until_ms))
    assert len(left) == len(written)
    assert not isinstance(parse_line(left), PushLine | UnreadLine)
    for kept in (
        erased_device(APP, OTHER, until_ms),
        erased_device(APP, ONE, until_ms - 1),
        erased_device("b", ONE, 9),
    ):
        assert without_device(written, kept) == written


def test_of_those_that_a_message_was_planned_for_one_goes_alone():
    written = encode_push(ASSIGNED_BOTH, NOW)
    left = without_device(written, erased_device(APP, ONE, 1_795_000_000_500))
    assert len(left) == len(written)
    assert [each.key for each in assigned_devices(parse_line(left).push)] == [device_key(APP, OTHER)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"received_ms":1,"push":{"act":"other"}}',
        b'{"received_ms":1,"push":{"act":"assign","app":"a","message":"m","arm":"A","devices":"AAAA"}}',
        b'{"received_ms":1,"push":{"act":"leave","app":"a"}}',
    ],
)
def test_what_is_no_such_line_is_unread(line):
    assert isinstance(parse_line(line), UnreadLine)
