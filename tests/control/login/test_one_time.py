"""What is used once and soon."""

import pytest

from edge.control.login.one_time import ADDRESS_OPEN_LIMIT, OPEN_LIMIT, OneTime


def test_a_value_is_taken_once_and_in_time():
    waiting = OneTime[str](300.0)
    first, second = waiting.put("a", "192.0.2.1", 0.0), waiting.put("b", "192.0.2.1", 0.0)
    assert waiting.peek(first, 299.0) == "a"
    assert (waiting.take(first, 299.0), waiting.take(first, 299.0)) == ("a", None)
    assert (waiting.take(second, 300.0), waiting.take("unknown", 0.0)) == (None, None)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::{:x}"], ids=["IPv4", "a /64 of IPv6"])
def test_one_peer_pushes_out_only_its_own(address):
    waiting = OneTime[int](300.0)
    other = waiting.put(-1, "192.0.2.2", 0.0)
    secrets = [waiting.put(each, address.format(each), 0.0) for each in range(ADDRESS_OPEN_LIMIT + 1)]
    assert waiting.take(secrets[0], 1.0) is None and waiting.take(secrets[1], 1.0) == 1
    assert waiting.take(other, 1.0) == -1


def test_the_number_is_bounded():
    waiting = OneTime[int](300.0)
    for each in range(OPEN_LIMIT + 10):
        waiting.put(each, f"address {each}", 0.0)
    assert len(waiting) == OPEN_LIMIT
