"""Evaluations as answers of the protocol."""

import json

import pytest

from edge.domain.features.evaluation import Evaluation, Resolution
from edge.wire.ofrep.answers import encode_keyless, encode_piece, etag_of, join_answer, whole_answer
from edge.wire.ofrep.refusals import OfrepCode, encode_feature_fault

COLOUR = Evaluation("colour", b'"gr\xc3\xbcn"', "share", Resolution.SPLIT, {"version": 7, "why": "share"})
NOTHING = Evaluation("pool", None, "unknown", Resolution.UNKNOWN, {})
PRICE = Evaluation("price", b"1.0", "default", Resolution.STATIC, {})


def test_a_feature_is_encoded_with_all_that_strict_clients_read():
    assert json.loads(encode_piece(COLOUR).text) == {
        "key": "colour",
        "value": "grün",
        "variant": "share",
        "reason": "SPLIT",
        "metadata": {"version": 7, "why": "share"},
    }


def test_without_a_value_there_is_a_variant_and_a_reason_all_the_same():
    said = json.loads(encode_piece(NOTHING).text)
    assert "value" not in said
    assert (said["variant"], said["reason"]) == ("unknown", "UNKNOWN")


def test_a_float_stays_one():
    assert b'"value":1.0,' in encode_piece(PRICE).text


def test_a_bulk_answer_has_successes_and_failures_in_order():
    answer = join_answer([encode_piece(COLOUR), encode_keyless("cart"), encode_piece(PRICE)])
    said = json.loads(whole_answer(answer))
    assert [each["key"] for each in said["flags"]] == ["colour", "cart", "price"]
    assert said["flags"][1]["errorCode"] == "TARGETING_KEY_MISSING"
    assert said["flags"][1]["errorDetails"]
    assert (said["metadata"], "eventStreams" in said) == ({}, False)
    assert json.loads(whole_answer(join_answer([]))) == {"flags": [], "metadata": {}}


def test_a_stream_is_named_by_its_path_alone():
    said = json.loads(whole_answer(join_answer([encode_piece(PRICE)]), "/features/a/ofrep/v1/events?token=t"))
    assert said["eventStreams"] == [{"type": "sse", "endpoint": {"requestUri": "/features/a/ofrep/v1/events?token=t"}}]


def test_a_tag_is_of_the_answer():
    one, other = [encode_piece(COLOUR), encode_piece(PRICE)], [encode_piece(COLOUR), encode_piece(NOTHING)]
    tags = [etag_of(join_answer(each)) for each in (one, other, one[:1], [])]
    assert len(set(tags)) == 4
    assert etag_of(join_answer(list(one))) == tags[0]
    assert etag_of(join_answer(one), 7) not in tags
    assert all(tag.startswith('"') and tag.endswith('"') and tag.isascii() for tag in tags)


@pytest.mark.parametrize("key", ["a/b", "x" * 10_000, "<script>\n\0", "é", "\ud800", '"'])
def test_an_error_repeats_a_key_shortly_and_safely(key):
    said = json.loads(encode_feature_fault(key, OfrepCode.FLAG_NOT_FOUND, "none"))
    assert len(said["key"]) <= 64
    assert said["key"].isascii()
    assert said["key"].isprintable()
