"""A body whose words are known says what parsing it would say, whatever stands in it."""

import json

import pytest
from factories import DEVICE
from features_asked import a_context
from hypothesis import given
from hypothesis import strategies as st

from edge.node.service.features.known_contexts import CONTEXTS_LIMIT, KnownContexts
from edge.wire.ofrep.context import parse_context
from edge.wire.ofrep.refusals import OfrepRefused

KEYS = (DEVICE, DEVICE.upper(), "user-7", "a@b.example", "x" * 64, "x" * 65, "", 'a"b', "a\\b", "é", "0" * 36)
ODD = (
    b'{"context":{"targetingKey":"@","targetingKey":"other"}}',
    b'{"context":{"nested":{"targetingKey":"@"}}}',
    b'{"context":{"a":"\\"targetingKey\\":\\"","targetingKey":"@"}}',
    b'{"context":{"targetingKey":"@","custom_id":"@"}}',
    b'{"targetingKey":"@","context":{"platform":"ios"}}',
    b'{"context":{"targetingKey":"@","platform":7}}',
    b'{"context":{"targetingKey":"@"',
    b'{"context":{"targetingKey":"@"}}{"context":{}}',
    b'{"context":{"custom_id":"\\"targetingKey\\":\\"@"}}',
    b'{"context":{"x":"targetingKey","targetingKey":"@","version_name":"1.0"}}',
)


def read(known, body, country=""):
    try:
        return known.read(body, country)
    except OfrepRefused as refused:
        return refused.body


def parsed(body, country=""):
    try:
        return parse_context(body, country)
    except OfrepRefused as refused:
        return refused.body


@pytest.mark.parametrize("body", ODD)
def test_odd_bodies_say_what_parsing_says(body):
    known = KnownContexts()
    for _ in range(3):
        for key in ("a", DEVICE, DEVICE.upper(), "bb"):
            each = body.replace(b"@", key.encode())
            assert read(known, each) == parsed(each)


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(("ios", "web")), st.sampled_from(("", "DE")))))
def test_bodies_in_any_order_say_what_parsing_says(asked):
    known = KnownContexts()
    for key, platform, country in asked * 2:
        for body in (a_context(key, platform=platform), json.dumps({"context": {"targetingKey": key}}).encode()):
            assert read(known, body, country) == parsed(body, country)


def test_memory_is_bounded():
    known = KnownContexts()
    for number in range(CONTEXTS_LIMIT):
        known.read(a_context("a", version_name=str(number)), "")
    assert known._known.held <= CONTEXTS_LIMIT
