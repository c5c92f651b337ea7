"""`POST /events`: what is read, what is refused, and what is said about it."""

import json

import pytest

from edge.domain.errors import Invalid
from edge.wire.app_events import (
    EVENT_NAME_LIMIT,
    EVENTS_BATCH_LIMIT,
    EVENTS_BODY_LIMIT_BYTES,
    KINDS,
    LABEL_KEY_LIMIT,
    LABEL_TEXT_LIMIT,
    LABELS_LIMIT,
    PLATFORMS,
    VALUE_LIMIT,
    AppEvent,
    encode_app_answer,
    parse_app_report,
    parse_event_name,
)
from edge.wire.body import WireError

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
AT = 1_795_000_000_123


def an_event(**changes):
    given = {"name": "checkout", "kind": "purchase", "time": AT, "value": 9.5, "labels": {"currency": "EUR"}} | changes
    return {name: value for name, value in given.items() if value is not ...}


def a_body(*events, **changes):
    given = {"app_id": "com.acme.app", "device_id": DEVICE, "events": list(events) or [an_event()]} | changes
    return json.dumps({name: value for name, value in given.items() if value is not ...}).encode()


def refused(body):
    with pytest.raises(WireError) as error:
        parse_app_report(body)
    return error.value.status, error.value.code


def test_a_request_is_read_as_it_was_meant():
    report = parse_app_report(a_body(custom_id="user-7", platform="ios", key="pk_x"))
    assert (report.app, report.device, report.custom_id) == ("com.acme.app", DEVICE, "user-7")
    assert (report.platform, report.key) == ("ios", "pk_x")
    assert report.events == [AppEvent("checkout", "purchase", AT, 9.5, {"currency": "EUR"})]
    assert report.refused == []


def test_what_may_be_missing_may_be_missing_or_null():
    for nothing in (..., None):
        event = an_event(value=nothing, labels=nothing)
        report = parse_app_report(a_body(event, custom_id=nothing, platform=nothing, key=nothing))
        assert report.events == [AppEvent("checkout", "purchase", AT)]
        assert (report.custom_id, report.platform, report.key) == ("", "", "")


def test_a_device_id_in_capitals_is_the_same_device():
    assert parse_app_report(a_body(device_id=DEVICE.upper())).device == DEVICE


def test_what_else_is_in_the_body_is_ignored():
    assert parse_app_report(a_body(an_event(more=[1]), sent_by="sdk")).refused == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json_parse_body"),
        (b"{", 400, "invalid_json_parse_body"),
        (b"[]", 400, "invalid_json_body"),
        (b"{}", 400, "invalid_json_body"),
        (b" " * EVENTS_BODY_LIMIT_BYTES + b"{}", 413, "body_too_large"),
        (a_body(app_id=...), 400, "invalid_app_id"),
        (a_body(app_id=7), 400, "invalid_app_id"),
        (a_body(app_id="other"), 400, "invalid_app_id"),
        (a_body(device_id=...), 400, "invalid_device_id"),
        (a_body(device_id="phone"), 400, "invalid_device_id"),
        (a_body(custom_id="x" * 37), 400, "invalid_custom_id"),
        (a_body(custom_id=7), 400, "invalid_custom_id"),
        (a_body(platform="windows"), 400, "invalid_platform"),
        (a_body(platform=["ios"]), 400, "invalid_platform"),
        (a_body(events=...), 400, "invalid_events"),
        (a_body(events={}), 400, "invalid_events"),
        (a_body(events=[]), 400, "no_events"),
        (a_body(*[an_event()] * (EVENTS_BATCH_LIMIT + 1)), 413, "too_many_events"),
        (a_body("x"), 400, "invalid_name"),
        (a_body(an_event(name="")), 400, "invalid_name"),
        (b'{"events":' + b"[" * 60_000, 400, "invalid_json_parse_body"),
    ],
)
def test_a_request_that_cannot_be_taken_is_refused_whole(body, status, code):
    assert refused(body) == (status, code)


def test_as_many_events_as_a_batch_may_have_are_taken():
    assert len(parse_app_report(a_body(*[an_event()] * EVENTS_BATCH_LIMIT)).events) == EVENTS_BATCH_LIMIT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ...}, "invalid_name"),
        ({"name": 7}, "invalid_name"),
        ({"name": " x"}, "invalid_name"),
        ({"name": "a:b"}, "invalid_name"),
        ({"name": "a\nb"}, "invalid_name"),
        ({"name": "ä"}, "invalid_name"),
        ({"name": "x" * (EVENT_NAME_LIMIT + 1)}, "invalid_name"),
        ({"kind": ...}, "invalid_kind"),
        ({"kind": "click"}, "invalid_kind"),
        ({"kind": ["screen"]}, "invalid_kind"),
        ({"time": ...}, "invalid_time"),
        ({"time": "now"}, "invalid_time"),
        ({"time": 0}, "invalid_time"),
        ({"time": True}, "invalid_time"),
        ({"time": 10**15}, "invalid_time"),
        ({"value": "9"}, "invalid_value"),
        ({"value": True}, "invalid_value"),
        ({"value": VALUE_LIMIT * 2}, "invalid_value"),
        ({"value": -1, "kind": "duration"}, "invalid_value"),
        ({"labels": []}, "invalid_labels"),
        ({"labels": "x"}, "invalid_labels"),
        ({"labels": {"": "x"}}, "invalid_labels"),
        ({"labels": {"k" * (LABEL_KEY_LIMIT + 1): "x"}}, "invalid_labels"),
        ({"labels": {"k": "x" * (LABEL_TEXT_LIMIT + 1)}}, "invalid_labels"),
        ({"labels": {"k": None}}, "invalid_labels"),
        ({"labels": {"k": ["x"]}}, "invalid_labels"),
        ({"labels": {f"k{n}": "x" for n in range(LABELS_LIMIT + 1)}}, "invalid_labels"),
    ],
)
def test_one_bad_event_loses_none_beside_it(changes, code):
    report = parse_app_report(a_body(an_event(), an_event(**changes), an_event(name="after")))
    assert [event.name for event in report.events] == ["checkout", "after"]
    assert [(each.place, each.code) for each in report.refused] == [(1, code)]
    answer = json.loads(encode_app_answer(report))
    assert (answer["status"], answer["accepted"]) == ("ok", 2)
    assert answer["refused"] == [{"index": 1, "error": code, "message": report.refused[0].message}]


def test_values_beyond_every_number_are_refused():
    body = a_body(an_event(), an_event(value=5)).replace(b'"value": 5', b'"value": 1e999')
    assert [each.code for each in parse_app_report(body).refused] == ["invalid_value"]


@pytest.mark.parametrize("name", ["a", "/settings/profile", "_x", "cart add", "v1.2-b", "x" * EVENT_NAME_LIMIT])
def test_names_are_words_and_paths(name):
    assert parse_event_name(name) == name


@pytest.mark.parametrize("name", ["", " a", "a:b", "a\n", "é", None, 7])
def test_other_names_are_refused(name):
    with pytest.raises(Invalid):
        parse_event_name(name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_kind_and_platform_is_taken(kind, platform):
    report = parse_app_report(a_body(an_event(kind=kind), platform=platform))
    assert (report.platform, report.events[0].kind) == (platform, kind)


def test_labels_that_are_no_texts_become_texts():
    event = an_event(labels={"n": 3, "new": True, "x": 1.5})
    assert parse_app_report(a_body(event)).events[0].labels == {"n": "3", "new": "true", "x": "1.5"}


def test_half_a_character_breaks_nothing():
    body = a_body(an_event(labels={"k": "x"})).replace(b'"x"', b'"\\ud800"')
    assert parse_app_report(body).events[0].labels == {"k": "?"}
