"""What of a request decides whether a patch is sent, and what the answer says of dictionaries."""

import base64
import hashlib

import pytest

from edge.node.delivery.dictionaries import NO_TERMS, dictionary_terms, is_name, takes_dcz
from edge.node.delivery.plan import IMMUTABLE, PRIVATE, Blob, DeliveryRequest, plan_delivery

APP, OF = "com.example.app", "0123456789abcdef"
DIGEST = hashlib.sha256(b"old").hexdigest()
HELD = f":{base64.b64encode(hashlib.sha256(b'old').digest()).decode()}:"
USE_AS = rf'match="/bundles/{APP}/file/*\\?of={OF}"'


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        (None, False),
        ("", False),
        ("gzip, br, zstd", False),
        ("dcz", True),
        ("gzip, deflate, br, zstd, dcb, dcz", True),
        ("gzip,DCZ ; q=0.5", True),
        ("dcz;q=0", False),
        ("dcz; q=0.000", False),
        ("dcz; q = 0", False),
        ("dcz;q=-1", False),
        ("dcz;q=0.0000", False),
        ("dcz;q=0.001", True),
        ("dcz;q=1.0", True),
        ("xdcz, dczx", False),
        ("*", False),
    ],
)
def test_dcz_is_taken_where_it_is_named(value, takes):
    assert takes_dcz(value) is takes


@pytest.mark.parametrize("text", ["", "0123456789abcde", OF + "0", "0123456789ABCDEF", "0123456789abcde\n", '"*?of=x"'])
def test_other_names_are_no_names(text):
    assert not is_name(text)


def test_a_client_with_a_dictionary_is_told_what_it_has_and_what_to_keep():
    assert dictionary_terms(APP, OF, "br, dcz", HELD, whole=True) == (USE_AS, DIGEST)


@pytest.mark.parametrize(
    ("encodings", "available", "whole"),
    [
        ("br", HELD, True),
        (None, HELD, True),
        ("dcz", None, True),
        ("dcz", HELD, False),
        ("dcz", HELD.strip(":"), True),
        ("dcz", ":AAAA:", True),
        ("dcz", HELD + ", " + HELD, True),
        ("dcz", "x" * 8000, True),
    ],
)
def test_a_client_that_cannot_take_a_patch_is_told_what_to_keep(encodings, available, whole):
    assert dictionary_terms(APP, OF, encodings, available, whole=whole) == (USE_AS, "")


def headers_of(plan):
    return dict(plan.headers)


def blob(**about):
    return Blob("file", DIGEST, 100, 0.0, **about)


def test_an_address_without_a_name_says_nothing_of_dictionaries():
    headers = headers_of(plan_delivery(blob(dictionary=NO_TERMS.use_as), DeliveryRequest()))
    assert headers.keys().isdisjoint({"Use-As-Dictionary", "Vary", "Content-Encoding"})


def test_a_whole_file_is_a_dictionary_and_any_cache_may_keep_it():
    headers = headers_of(plan_delivery(blob(dictionary=USE_AS), DeliveryRequest()))
    assert headers["Use-As-Dictionary"] == USE_AS
    assert headers["Vary"] == "Accept-Encoding, Available-Dictionary"
    assert headers["Cache-Control"] == IMMUTABLE


def test_a_patch_names_its_coding_and_no_shared_cache_keeps_it():
    headers = headers_of(plan_delivery(blob(encoding="dcz", dictionary=USE_AS), DeliveryRequest()))
    assert headers["Content-Encoding"] == "dcz"
    assert headers["Use-As-Dictionary"] == USE_AS
    assert headers["Cache-Control"] == PRIVATE
    assert "Accept-Ranges" not in headers


def test_part_of_a_file_is_no_dictionary():
    plan = plan_delivery(blob(dictionary=USE_AS), DeliveryRequest(range="bytes=0-9"))
    assert plan.status == 206
    assert "Use-As-Dictionary" not in headers_of(plan)
    assert headers_of(plan)["Vary"] == "Accept-Encoding, Available-Dictionary"


def test_a_304_varies_as_the_200_does():
    plan = plan_delivery(blob(dictionary=USE_AS), DeliveryRequest(if_none_match=f'"{DIGEST}"'))
    assert (plan.status, headers_of(plan)["Vary"]) == (304, "Accept-Encoding, Available-Dictionary")
