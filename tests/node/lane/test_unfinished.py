"""The clock of a request that arrives starts at its first byte, and dripping moves it no further than its bytes buy."""

import pytest

from edge.node.lane.unfinished import Unfinished
from edge.wire.arrival import BODY_SECONDS, HEAD_SECONDS, MINIMUM_BODY_BPS

NOW = 1_000.0
HEAD = b"POST /stats HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


def dripped(begun: bytes, data: bytes, seconds: float) -> Unfinished:
    """`begun`, and then a byte of `data` every so many `seconds`."""
    rest = Unfinished(begun, NOW)
    for n in range(len(data)):
        if whole := rest.add(data[n : n + 1]):
            rest = Unfinished(whole, NOW + (n + 1) * seconds, rest)
    return rest


@pytest.mark.parametrize("seconds", [0.0, 0.1, 5.0])
def test_a_head_has_its_time_from_its_first_byte_on(seconds):
    rest = dripped(HEAD[:1], HEAD[1:-1], seconds)
    assert rest.overdue(NOW + HEAD_SECONDS) == ""
    assert rest.overdue(NOW + HEAD_SECONDS + 0.1) == "slow_head"


def test_a_body_has_its_time_from_the_end_of_its_head_on():
    rest = dripped(HEAD[:1], HEAD[1:], 0.1)
    begun = NOW + 0.1 * (len(HEAD) - 1)
    assert rest.overdue(begun + BODY_SECONDS) == ""
    assert rest.overdue(begun + BODY_SECONDS + 0.1) == "slow_body"


def test_a_byte_of_a_body_buys_its_share_of_the_rate_and_no_more():
    rest = dripped(HEAD, b"x" * 1_000, 15.0)
    bought = 1_000 * 8 / MINIMUM_BODY_BPS
    assert rest.overdue(NOW + BODY_SECONDS + bought - 0.01) == ""
    assert rest.overdue(NOW + BODY_SECONDS + bought + 0.01) == "slow_body"


def test_a_body_is_handed_out_once_it_may_be_whole_and_stays_in_order():
    body = bytes(range(256)) * 390 + b"x" * 160
    rest, whole = Unfinished(HEAD + body[:10], NOW), b""
    for start in range(10, len(body), 7):
        assert whole == b""
        whole = rest.add(body[start : start + 7])
    assert whole == HEAD + body


def test_nothing_that_has_arrived_is_lost_when_the_rest_never_comes():
    rest = Unfinished(HEAD, NOW)
    assert rest.add(b"abc") == rest.add(b"def") == b""
    assert rest.bytes == HEAD + b"abcdef"
