"""What a request for features says: an evaluation context, as published clients send it, and as nobody should."""

import json

import pytest
from factories import APP, DEVICE
from features_asked import a_context
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.facts import NO_FACTS
from edge.domain.model import Platform
from edge.domain.targeting.places import NO_PLACE
from edge.domain.targeting.segments import compile_segment
from edge.domain.versions import VERSION_LIMIT
from edge.wire.ofrep.context import (
    ATTRIBUTES_LIMIT,
    CONTEXT_LIMIT_BYTES,
    DEPTH_LIMIT,
    TARGETING_KEY_LIMIT,
    check_of,
    parse_context,
)
from edge.wire.ofrep.refusals import OfrepRefused


def matches(where: str, body: bytes, country: str = "") -> bool:
    selects = compile_segment(APP, "s", where, place=NO_PLACE, sets={})
    return selects(check_of(APP, parse_context(body, country)), NO_FACTS)


def refusal(body: bytes) -> tuple[int, str, str]:
    with pytest.raises(OfrepRefused) as refused:
        parse_context(body)
    said = json.loads(refused.value.body)
    return refused.value.status, said["errorCode"], said["errorDetails"]


@pytest.mark.parametrize("body", [b"{}", b'{"context":null}', b'{"context":{}}', b' { "context" : { } } ', b'{"a":1}'])
def test_a_context_may_be_missing(body):
    asked = parse_context(body)
    assert (asked.key, asked.is_device, asked.custom_id) == (b"", False, "")


def test_a_targeting_key_that_is_a_uuid_is_the_device():
    asked = parse_context(a_context(DEVICE.upper()))
    assert (asked.key, asked.device, asked.is_device) == (DEVICE.encode(), DEVICE, True)


@pytest.mark.parametrize("key", ["user-7", "Jürgen@example.com", DEVICE[:-1], "x" * TARGETING_KEY_LIMIT])
def test_any_other_targeting_key_draws_and_is_no_device(key):
    asked = parse_context(a_context(key))
    assert (asked.key, asked.is_device) == (key.encode(), False)


@pytest.mark.parametrize("key", [None, ""])
def test_an_empty_targeting_key_is_none(key):
    assert parse_context(json.dumps({"context": {"targetingKey": key}}).encode()).key == b""


def test_attributes_are_those_of_the_segment_language():
    body = a_context(
        platform="ios",
        version_name="2.1.0",
        version_build="2.0",
        version_os="17.1",
        plugin_version="8.51.14",
        is_prod=False,
        is_emulator=True,
        custom_id="team-1",
        default_channel="beta",
        install_source="testflight",
        key_id="abc",
    )
    for where in (
        'platform == "ios"',
        'version_name >= "2.1"',
        'version_build == "2.0.0"',
        'version_os > "17"',
        'plugin_version >= "8.51"',
        "!is_prod",
        "is_emulator",
        'custom_id.startsWith("team")',
        'default_channel == "beta"',
        'install_source in ["testflight"]',
        'key_id == "abc"',
        f'device_id == "{DEVICE}"',
    ):
        assert matches(where, body), where


def test_a_web_page_has_no_platform():
    for body in (a_context(), a_context(platform="web"), a_context(platform=None)):
        assert not matches('platform == "ios"', body)
        assert not matches('platform in ["ios", "android", "electron"]', body)
        assert matches('platform != "ios"', body)


def test_what_is_not_stated_is_unknown():
    for where in ('version_name >= "0"', 'version_build >= "0"', 'version_os >= "0"', 'plugin_version >= "0"'):
        assert not matches(where, a_context()), where
        assert not matches(f"!({where})", a_context()), where


def test_a_country_comes_from_a_proxy_alone():
    body = a_context(country="DE")
    assert not matches('country == "DE"', body)
    assert matches('country == "AT"', body, "AT")


def test_attributes_of_the_app_itself_are_not_read():
    own = a_context(plan="pro", nested={"a": [1, {"b": None}]}, targetingkey=7)
    assert parse_context(own) == parse_context(a_context())


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("version_name", VERSION_LIMIT),
        ("version_os", 64),
        ("key_id", 20),
        ("default_channel", 64),
        ("install_source", 64),
    ],
)
def test_a_text_above_its_limit_counts_as_not_stated(name, limit):
    assert getattr(parse_context(a_context(**{name: "1" * limit})).attributes, name) == "1" * limit
    assert getattr(parse_context(a_context(**{name: "1" * (limit + 1)})).attributes, name) == ""


def test_a_custom_id_above_its_limit_is_nobodys():
    assert parse_context(a_context(custom_id="x" * 36)).custom_id == "x" * 36
    assert parse_context(a_context(custom_id="x" * 37)).custom_id == ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "PARSE_ERROR"),
        (b"{", "PARSE_ERROR"),
        (b"[]", "PARSE_ERROR"),
        (b"null", "PARSE_ERROR"),
        (b'"context"', "PARSE_ERROR"),
        (b'{"context":"a"}', "INVALID_CONTEXT"),
        (b'{"context":[]}', "INVALID_CONTEXT"),
        (b'{"context":{"targetingKey":7}}', "INVALID_CONTEXT"),
        (b'{"context":{"targetingKey":{"a":"b"}}}', "INVALID_CONTEXT"),
        (b'{"context":{"platform":1}}', "INVALID_CONTEXT"),
        (b'{"context":{"is_prod":"yes"}}', "INVALID_CONTEXT"),
        (b'{"context":{"version_name":1.5}}', "INVALID_CONTEXT"),
        (b'{"context":{"custom_id":"\\ud800"}}', "PARSE_ERROR"),
        (b'{"context":{"targetingKey":"\xff"}}', "PARSE_ERROR"),
        (a_context("x" * (TARGETING_KEY_LIMIT + 1)), "INVALID_CONTEXT"),
        (a_context(**{f"a{n}": n for n in range(ATTRIBUTES_LIMIT)}), "INVALID_CONTEXT"),
        (a_context(deep=json.loads("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT)), "INVALID_CONTEXT"),
        (b'{"context":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "INVALID_CONTEXT"),
    ],
)
def test_what_no_client_should_send_is_refused(body, code):
    status, said, details = refusal(body)
    assert (status, said) == (400, code)
    assert details


def test_limits_are_of_what_counts():
    assert parse_context(a_context(**{f"a{n}": n for n in range(ATTRIBUTES_LIMIT - 1)}))
    assert parse_context(a_context(deep=json.loads("[" * (DEPTH_LIMIT - 1) + "]" * (DEPTH_LIMIT - 1))))
    assert parse_context(a_context(text="[{" * 500, wide=[{"a": []}] * 50))
    full = "x" * (CONTEXT_LIMIT_BYTES - len(a_context(pad="")))
    assert parse_context(a_context(pad=full))
    assert refusal(a_context(pad=full + "x"))[:2] == (413, "INVALID_CONTEXT")


def test_an_error_names_the_attribute_and_not_its_value():
    _, _, details = refusal(b'{"context":{"targetingKey":"secret","platform":["secret"]}}')
    assert "platform" in details
    assert "secret" not in details


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_body_is_read_or_refused(body):
    for each in (body, b'{"context":' + body + b"}", b'{"context":{"targetingKey":"a","platform":' + body + b"}}"):
        try:
            asked = parse_context(each)
        except OfrepRefused as refused:
            assert refused.status == 400
        else:
            assert asked.attributes.platform in (*Platform, None)
