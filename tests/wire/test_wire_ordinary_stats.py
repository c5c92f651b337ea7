"""Ordinary reports: what the strict step accepts, the full way accepts, with the same events and the same answer."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report_bodies import DEVICE, SENT, bodies, body_of

from edge.domain.versions import VERSION_LIMIT
from edge.wire.actions import ACTIONS
from edge.wire.ordinary_stats import LEVELS_LIMIT, encode_accepted, read_events, read_ordinary
from edge.wire.stats import BATCH_LIMIT, PLATFORM_LIMIT, encode_stats_answer, parse_stats
from edge.wire.updates import WireError


def require_equal_ways(body: bytes) -> bool:
    """Whether the body is ordinary."""
    ordinary = read_ordinary(body)
    try:
        report = parse_stats(body)
    except WireError:
        assert ordinary is None
        return False
    assert read_events(body) == report.events
    if ordinary is None:
        return False
    assert ordinary.app == report.events[0].app
    assert ordinary.events == len(report.events) == len(report.results)
    assert ordinary.actions == {event.action for event in report.events}
    assert encode_accepted(ordinary) == encode_stats_answer(report)
    assert ordinary.app.encode() in body
    for event in report.events:
        assert event.device.encode() in body or event.device.upper().encode() in body
    return True


@pytest.mark.parametrize("number", [1, 2, 20, 200, BATCH_LIMIT])
def test_batches_of_every_size_are_ordinary(number):
    assert require_equal_ways(body_of([SENT | {"timestamp": at} for at in range(number)]))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_is_ordinary(action):
    assert require_equal_ways(body_of(SENT | {"action": action}))


@pytest.mark.parametrize(
    "changes",
    [
        {"version_name": None},
        {"is_prod": None, "is_emulator": None, "timestamp": None, "metadata": None, "custom_id": None},
        {"device_id": DEVICE.upper()},
        {"plugin_version": "1.0.0-electron", "platform": "web"},
        {"custom_id": "Jürgen 🚀"},
        {"custom_id": " x " * 30, "version_os": "  14\t", "install_source": "ÄPP"},
        {"custom_id": 7, "defaultChannel": ["beta"], "timestamp": "soon", "metadata": "none"},
        {"metadata": {"message": "a\nb", "ms": 1.5, "ok": True, "deep": {"x": [1]}}},
        {"unknown": {"deep": [[[{}]]]}},
        {"timestamp": 1e300},
        {"timestamp": -1.5},
        {"version_name": "v" * VERSION_LIMIT},
        {"platform": "p" * PLATFORM_LIMIT},
    ],
)
def test_what_describes_an_event_may_be_anything(changes):
    assert require_equal_ways(body_of(SENT | changes))
    assert require_equal_ways(body_of([SENT, SENT | changes]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"7",
        b" " + body_of([SENT]),
        b"\xef\xbb\xbf" + body_of(SENT),
        json.dumps(SENT, indent=1).encode(),
        body_of([SENT]).replace(b"com.demo.app", b"com\\u002edemo.app"),
        body_of([SENT]).replace(b"-8e96", b"-\\u0038e96"),
        body_of(SENT | {"custom_id": "\ud800"}),
        body_of([SENT, SENT | {"app_id": "com.other.app"}]),
        body_of([SENT, 7]),
        body_of([SENT] * (BATCH_LIMIT + 1)),
        *(body_of({key: value for key, value in SENT.items() if key != name}) for name in ("app_id", "device_id")),
        *(body_of([SENT | {"device_id": device}]) for device in ("", None, "0" * 36, DEVICE[:-1], DEVICE[:-1] + "F")),
        *(body_of([SENT | {"action": action}]) for action in ("", None, 7, "made_up", "download_130")),
        *(body_of([SENT | {"platform": platform}]) for platform in ("", None, 7, "p" * (PLATFORM_LIMIT + 1))),
        *(
            body_of([SENT | {"version_name": version}])
            for version in (7, "v" * (VERSION_LIMIT + 1), "1.0.0:" + "f" * 200)
        ),
        *(body_of([SENT | {"app_id": app}]) for app in ("", "a..b", "other", "x" * 200, None)),
        body_of([SENT | {"is_prod": "yes"}]),
    ],
)
def test_everything_else_is_not_ordinary(body):
    assert not require_equal_ways(body)


def test_line_ends_within_a_text_are_escaped_so_a_body_has_none():
    body = body_of(SENT | {"metadata": {"stack": "a\r\nb"}})
    assert require_equal_ways(body) and b"\n" not in body


@given(bodies)
@example(body_of(SENT)[:-1] + b',"action":"made_up"}')
@example(body_of(SENT)[:-1] + b',"device_id":"x"}')
def test_both_ways_are_equal(body):
    require_equal_ways(body)


@given(bodies, st.data())
def test_both_ways_are_equal_for_damaged_bodies(body, data):
    at = data.draw(st.integers(0, len(body) - 1))
    bad = data.draw(st.binary(max_size=2))
    require_equal_ways(body[:at] + bad + body[at + data.draw(st.integers(0, 3)) :])


def nested(levels: int) -> bytes:
    """An event of so many levels, without another bracket."""
    flat = body_of({name: value for name, value in SENT.items() if name != "metadata"})
    return flat[:-1] + b',"unknown":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("number", [1, 2, 60, 200])
def test_an_event_of_a_batch_is_ordinary_up_to_a_fixed_number_of_levels(number):
    others = [body_of(SENT | {"metadata": {"ms": 1}})] * (number - 1)
    for levels in (2, LEVELS_LIMIT, LEVELS_LIMIT + 1, 500, 900):
        body = b"[" + b",".join([*others, nested(levels)]) + b"]"
        assert require_equal_ways(body) is (levels <= LEVELS_LIMIT)


@pytest.mark.parametrize("levels", [2, LEVELS_LIMIT, LEVELS_LIMIT + 1, 500, 900])
def test_a_single_event_is_ordinary_up_to_a_fixed_number_of_levels(levels):
    assert require_equal_ways(nested(levels)) is (levels <= LEVELS_LIMIT)


def test_no_number_of_levels_raises():
    """Also the one that the first look at a body still takes, and the second one does not."""
    assert [read_ordinary(b"[" + nested(levels) + b"]") for levels in range(LEVELS_LIMIT + 1, 1_100)] == [None] * 1_035
