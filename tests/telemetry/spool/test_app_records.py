"""Lines with events of an app's own code, and with outcomes from elsewhere."""

import json

import pytest

from edge.telemetry.spool.app_records import (
    Outcome,
    Outcomes,
    OutcomesLine,
    Used,
    UsedLine,
    encode_outcomes,
    encode_used,
)
from edge.telemetry.spool.record import UnreadLine, parse_line
from edge.wire.app_events import AppEvent

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
PAID = AppEvent("checkout", "purchase", 1_795_000_000_123, 9.5, {"currency": "EUR"})
SEEN = AppEvent("settings", "screen", 1_795_000_000_456)
USED = Used("com.acme.app", DEVICE, [PAID, SEEN], "user-7", "ios")
OUTCOMES = Outcomes("com.acme.app", [Outcome("ticket", "T-1", 1_795_000_000_000, device=DEVICE, value=2.0)])


def test_a_line_of_app_events_has_the_documented_form():
    assert json.loads(encode_used(USED, 1_795_000_001.5, 77)) == {
        "received_ms": 1_795_000_001_500,
        "used": {
            "app": "com.acme.app",
            "device": DEVICE,
            "of": [
                {
                    "name": "checkout",
                    "kind": "purchase",
                    "at_ms": 1_795_000_000_123,
                    "value": 9.5,
                    "labels": {"currency": "EUR"},
                },
                {"name": "settings", "kind": "screen", "at_ms": 1_795_000_000_456},
            ],
            "custom_id": "user-7",
            "platform": "ios",
        },
        "net": 77,
    }


def test_a_line_of_app_events_is_read_as_it_was_written():
    assert parse_line(encode_used(USED, 1_795_000_001.5, 77)) == UsedLine(1_795_000_001_500, USED, 77)


def test_a_line_of_outcomes_is_read_as_it_was_written():
    line = encode_outcomes(OUTCOMES, 1_795_000_001.5)
    assert parse_line(line) == OutcomesLine(1_795_000_001_500, OUTCOMES)
    assert b"\n" not in line
    assert json.loads(line)["outcomes"]["of"] == [
        {"name": "ticket", "id": "T-1", "at_ms": 1_795_000_000_000, "device": DEVICE, "value": 2.0}
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"received_ms":-1,"used":{"app":"a","device":"d","of":[]}}',
        b'{"received_ms":1,"used":{"app":"a","device":"d"}}',
        b'{"received_ms":1,"used":{"app":"a","device":"d","of":[{"name":"n","kind":"screen"}]}}',
        b'{"received_ms":1,"outcomes":{"app":"a","of":[{"name":"n"}]}}',
        b'{"received_ms":1,"used":' + b"[" * 100_000,
    ],
)
def test_what_is_no_such_line_is_unread(line):
    assert isinstance(parse_line(line), UnreadLine)
