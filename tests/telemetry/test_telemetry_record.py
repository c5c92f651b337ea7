"""Lines: every event survives the way to the folder, and no line can stop it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.telemetry.record import EventFacts, encode_record, parse_record
from edge.wire.stats import Event

TEXT = st.text(st.characters(codec="utf-8"))


def event(app="com.acme.shop", action="set", version="1.0.0", platform="ios", **more):
    return Event(app=app, device="00000000-0000-4000-8000-000000000000", action=action, version=version,
                 platform=platform, **more)  # fmt: skip


@given(TEXT, TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT))
def test_any_event_is_one_line_and_keeps_its_facts(app, action, version, platform, metadata):
    line = encode_record(event(app, action, version, platform, metadata=metadata), 1_760_000_000.25)
    assert b"\n" not in line
    assert parse_record(line) == EventFacts(1_760_000_000_250, app, action, version, platform)


def test_a_line_of_an_older_or_newer_release_is_read_by_what_counting_needs():
    line = b'{"received_ms":7,"more":[1],"event":{"app":"a.b","action":"set","version":null,"new":{"x":1}}}'
    assert parse_record(line) == EventFacts(7, "a.b", "set", "", "")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b'{"received_ms":1}',
        b'{"received_ms":1,"event":{"app":"a.b"}}',
        b'{"received_ms":-1,"event":{"app":"a.b","action":"set"}}',
        b'{"received_ms":9223372036854775808,"event":{"app":"a.b","action":"set"}}',
        b'{"received_ms":1,"event":{"app":"a.b","action":7}}',
        b'{"received_ms":1,"event":{"app":"\\ud800","action":"set"}}',
        b'{"received_ms":1,"event":{"app":"\\udc00!","action":"set"}}',
        b'{"received_ms":1,"event":{"app":"\xed\xa0\x80","action":"set"}}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda line: repr(line[:60]),
)
def test_what_is_no_record_is_none(line):
    assert parse_record(line) is None
