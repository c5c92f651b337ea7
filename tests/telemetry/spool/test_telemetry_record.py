"""Lines: every event survives the way to the folder, and no line can stop it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_bodies import SENT, bodies, body_of

from edge.domain.model import AppId, DeviceId
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.spool.app_records import (
    AppEvent,
    Outcome,
    Outcomes,
    OutcomesLine,
    Used,
    UsedLine,
    encode_outcomes,
    encode_used,
)
from edge.telemetry.spool.record import (
    DeliveredLine,
    EventFacts,
    EventLine,
    HeardLine,
    UnreadLine,
    encode_record,
    encode_report,
    parse_events,
    parse_line,
    parse_record,
)
from edge.telemetry.spool.worker_records import (
    Delivered,
    DeliveredCount,
    HeardChecks,
    encode_delivered,
    encode_heard,
    heard_count,
)
from edge.wire.ordinary_stats import read_ordinary
from edge.wire.stats import Event, parse_stats

TEXT = st.text(st.characters(codec="utf-8"))


def event(app="com.acme.shop", action="set", version="1.0.0", platform="ios", **more):
    return Event(app=app, device="00000000-0000-4000-8000-000000000000", action=action, version=version,
                 platform=platform, **more)  # fmt: skip


@given(TEXT, TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT))
def test_any_event_is_one_line_and_keeps_its_facts(app, action, version, platform, metadata):
    line = encode_record(event(app, action, version, platform, metadata=metadata), 1_760_000_000.25)
    assert b"\n" not in line
    assert parse_record(line) == [EventFacts(1_760_000_000_250, app, action, version, platform)]
    parsed = EventLine(1_760_000_000_250, 0, (event(app, action, version, platform, metadata=metadata),))
    assert parse_line(line) == parsed


def test_a_line_of_an_older_or_newer_release_is_read_by_what_counting_needs():
    line = b'{"received_ms":7,"more":[1],"event":{"app":"a.b","action":"set","version":null,"new":{"x":1}}}'
    assert parse_record(line) == [EventFacts(7, "a.b", "set", "", "")]
    assert parse_line(line) == EventLine(7, 0, (Event(AppId("a.b"), DeviceId(""), "set", "", ""),))


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
        b'{"received_ms":1,"events":0,"sent":[]}',
        b'{"received_ms":1,"events":1001,"sent":[]}',
        b'{"received_ms":1,"events":1}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda line: repr(line[:60]),
)
def test_what_is_no_record_is_one_that_cannot_be_read(line):
    assert parse_record(line) == [None]
    assert parse_events(line) == []
    assert parse_line(line) == UnreadLine()


@pytest.mark.parametrize("more", [{}, {"timestamp": 1_760_000_000_000, "metadata": {"ms": 7}}, {"custom_id": 7}])
@pytest.mark.parametrize("number", [None, 1, 3])
def test_a_report_in_its_own_bytes_counts_as_its_events_do(more, number):
    """Also with the same keys: what is sent again may be stored as the other kind of line."""
    sent = SENT | more if number is None else [SENT | more | {"old_version_name": f"{at}"} for at in range(number)]
    require_equal_lines(body_of(sent))


@given(bodies)
def test_any_ordinary_report_in_its_own_bytes_counts_as_its_events_do(body):
    if read_ordinary(body) is not None:
        require_equal_lines(body)


def require_equal_lines(body: bytes) -> None:
    ordinary, events = read_ordinary(body), parse_stats(body).events
    line = encode_report(ordinary, body, 1_760_000_000.25, 7)
    assert parse_record(line) == [
        each for event in events for each in parse_record(encode_record(event, 1_760_000_000.25))
    ]
    assert parse_events(line) == [(1_760_000_000_250, event) for event in events]
    assert parse_line(line) == EventLine(1_760_000_000_250, 7, events)


@pytest.mark.parametrize("sent", ["[]", "{}", "7", '[{"app_id":"a.b"}]'])
def test_a_report_that_cannot_be_read_is_as_many_unread_events(sent):
    line = f'{{"received_ms":1,"events":3,"sent":{sent}}}'.encode()
    assert parse_record(line) == [None] * 3
    assert parse_events(line) == []
    assert parse_line(line) == EventLine(1, 0, (), unread=3)


def test_an_event_names_the_network_that_it_came_from_but_for_the_nodes_own():
    assert parse_line(encode_record(event(), 1.0, 4_000_000_000)) == EventLine(1000, 4_000_000_000, (event(),))
    assert b"net" not in encode_record(event(), 1.0)


def test_what_a_worker_counted_comes_back_as_it_was():
    group = Group("ios", "production", ("beta", "vip"), "0123/new", "4567/b", "emulator")
    counts = [
        heard_count(Cohort(group, "17", "DE", "8.51.14"), "1.0.0", "offer", "1.0.1", 812, bytes(range(16))),
        heard_count(Cohort(), "", "up_to_date", "", 0, b""),
    ]
    heard = HeardChecks("node-1-1760000000000", 3, AppId("com.acme.shop"), counts)
    parsed = parse_line(encode_heard(heard, 1_760_000_000.25))
    assert parsed == HeardLine(1_760_000_000_250, heard)
    assert [each.cohort for each in parsed.heard.of] == [Cohort(group, "17", "DE", "8.51.14"), Cohort()]


def test_what_a_worker_delivered_comes_back_as_it_was():
    counts = [
        DeliveredCount("1.0.1", "zip", "identity", 3, 1, 4_000, 2.5),
        DeliveredCount("1.0.1", "patch", "dcz", cut=1),
    ]
    delivered = Delivered("node-1-1760000000000", 4, AppId("com.acme.shop"), counts)
    assert parse_line(encode_delivered(delivered, 2.0)) == DeliveredLine(2_000, delivered)


def test_what_an_app_or_another_system_says_is_a_line_of_its_own_kind():
    used = Used("com.acme.shop", "00000000-0000-4000-8000-000000000000", [AppEvent("checkout", "feature", 5)])
    outcomes = Outcomes("com.acme.shop", [Outcome("ticket", "T-1", 5, custom_id="c")])
    assert parse_line(encode_used(used, 1.0, 9)) == UsedLine(1_000, used, 9)
    assert parse_line(encode_outcomes(outcomes, 1.0)) == OutcomesLine(1_000, outcomes)


@pytest.mark.parametrize(
    "line",
    [
        encode_heard(HeardChecks("s", 1, "com.acme.shop", []), 1.0),
        encode_delivered(Delivered("s", 2, "com.acme.shop", []), 1.0),
        encode_used(Used("com.acme.shop", "d", []), 1.0),
        encode_outcomes(Outcomes("com.acme.shop", []), 1.0),
    ],
)
def test_what_is_no_event_of_a_plugin_is_none(line):
    assert parse_record(line) == [] and parse_events(line) == []


@pytest.mark.parametrize(
    "of",
    [
        '"heard":{"stream":"s","sequence":0,"app":"a.b","of":[]}',
        '"heard":{"stream":"","sequence":1,"app":"a.b","of":[]}',
        '"heard":{"stream":"s","sequence":1,"app":"a.b","of":[{"group":{},"n":-1}]}',
        '"heard":{"stream":"s","sequence":1,"app":"a.b","of":[{"group":{},"n":1,"devices":"AAAA"}]}',
        '"heard":{"stream":"s","sequence":1,"app":"a.b","of":[{"group":{},"n":1,"devices":"no base64"}]}',
        '"heard":{"stream":"s","sequence":1,"app":"a.b","of":[{"group":[],"n":1}]}',
        '"delivered":{"stream":"s","sequence":1,"app":"a.b","of":[{"bundle":"1.0.1"}]}',
        '"delivered":{"stream":"s","sequence":9007199254740992,"app":"a.b","of":[]}',
        '"of_a_later_release":{}',
    ],
)
def test_a_count_that_cannot_be_read_is_damage(of):
    assert parse_line(f'{{"received_ms":1,{of}}}'.encode()) == UnreadLine()


def test_no_nesting_is_accepted_by_who_writes_and_not_by_who_counts():
    """Whatever the writer's stack holds and the reader's."""
    for levels in range(1, 1_100):
        body = body_of(SENT)[:-1] + b',"unknown":' + b"[" * levels + b"]" * levels + b"}"
        ordinary = read_ordinary(body)
        if ordinary is not None:
            line = encode_report(ordinary, body, 1.0, 0)
            assert None not in parse_deeper(line, 100)
            assert parse_events(line)


def parse_deeper(line: bytes, frames: int) -> list[EventFacts | None]:
    """With so many frames more on the stack."""
    return parse_deeper(line, frames - 1) if frames else parse_record(line)
