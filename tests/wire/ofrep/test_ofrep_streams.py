"""What a stream's address carries, what it tells, and what a client says that it has."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.ofrep.addresses import parse_bulk_address, stream_address
from edge.wire.ofrep.conditions import ConfigTag, entity_tags, hint_in, is_older, parse_config_tag
from edge.wire.ofrep.streams import (
    TURN_SECONDS,
    StreamPass,
    encode_change,
    encode_opening,
    is_current,
    is_genuine,
    key_mark,
    read_pass,
    seal_pass,
    seen_mark,
    turn_of,
)

NOW = 1_800_000_000.0
APP, SECRET = "com.example.app", b"5" * 64
PASS = StreamPass(turn_of(NOW), key_mark("digest"), seen_mark("abc"))
TOKEN = seal_pass(PASS, APP, SECRET)
PATH = f"/features/{APP}/ofrep/v1/evaluate/flags"


def test_a_token_says_what_was_sealed():
    assert read_pass(TOKEN) == PASS
    assert is_genuine(TOKEN, APP, SECRET)
    assert TOKEN.replace("-", "").replace("_", "").isalnum()
    assert len(TOKEN) == 40


def test_a_token_is_for_one_app_and_one_secret():
    assert not is_genuine(TOKEN, "com.example.other", SECRET)
    assert not is_genuine(TOKEN, APP, b"6" * 64)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABab01-_é\n"))
def test_a_token_that_was_changed_is_none(place, character):
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert changed == TOKEN or not is_genuine(changed, APP, SECRET)


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_none(text):
    assert not is_genuine(text, APP, SECRET)


@pytest.mark.parametrize(
    ("later", "current"), [(0, True), (TURN_SECONDS, True), (2 * TURN_SECONDS, False), (-2 * TURN_SECONDS, False)]
)
def test_a_token_is_of_this_hour_or_the_one_before(later, current):
    assert is_current(PASS, NOW + later) is current


def test_a_change_tells_the_state_and_no_value():
    event = encode_change(ConfigTag(12, "abc")).decode()
    lines = dict(line.split(": ", 1) for line in event.strip().split("\n"))
    assert event.endswith("\n\n")
    assert lines.keys() == {"id", "data"}
    assert (lines["id"], json.loads(lines["data"])) == ("12-abc", {"type": "refetchEvaluation", "etag": "12-abc"})


def test_those_that_come_again_are_spread():
    assert (encode_opening(0.0), encode_opening(1.0)) == (b"retry: 3000\n\n", b"retry: 6000\n\n")


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"a"', {'"a"'}),
        ('W/"a"', {'"a"'}),
        ('"a", W/"b"', {'"a"', '"b"'}),
        ("*", set()),
        ("a", set()),
        ("", set()),
        (",".join(f'"{n}"' for n in range(100)), {f'"{n}"' for n in range(8)}),
    ],
)
def test_the_tags_that_a_client_has(header, tags):
    assert entity_tags(header) == tags


def test_what_a_client_has_heard_of():
    assert hint_in("flagConfigEtag=12-abc&flagConfigLastModified=7") == ConfigTag(12, "abc")
    assert hint_in("a=b&flagConfigEtag=12-abc") == ConfigTag(12, "abc")
    for query in ("flagConfigEtag=abc", "flagConfigEtag=", "flagconfigetag=12-abc", "&&&", "flagConfigEtag=-1-abc"):
        assert hint_in(query) is None, query


def test_a_query_of_a_thousand_parts_is_no_hint():
    assert hint_in("a=b&" * 1_000 + "flagConfigEtag=12-abc") is None


def test_only_another_state_with_a_lower_revision_is_older():
    served = ConfigTag(10, "abc")
    assert is_older(served, ConfigTag(11, "xyz"))
    for heard in (None, ConfigTag(11, "abc"), ConfigTag(10, "xyz"), ConfigTag(9, "xyz")):
        assert not is_older(served, heard)
    assert parse_config_tag(str(served)) == served


def test_addresses_are_as_clients_write_them():
    assert parse_bulk_address(PATH) == (APP, "")
    assert parse_bulk_address(PATH + "?a=b") == (APP, "a=b")
    for odd in (PATH + "/x", PATH + "/", PATH.upper(), "/x" + PATH, PATH.replace("com.", "com%2e"), PATH + "?a\n", ""):
        assert parse_bulk_address(odd) is None, odd
    assert stream_address("a", "t", "/edge") == "/edge/features/a/ofrep/v1/events?token=t"
