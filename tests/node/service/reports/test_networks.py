"""Networks have numbers of 32 bits that tell them apart, and nobody who lacks the key can tell which is whose."""

import pytest

from edge.node.service.reports.networks import KEY_BYTES, Networks


def test_a_network_has_one_number_and_another_one_has_another():
    networks = Networks(bytes(KEY_BYTES))
    numbers = [networks.number_of(prefix) for prefix in ("192.0.2.1", "192.0.2.2", "2001:db8::/64", "192.0.2.1")]
    assert numbers[0] == numbers[3] and len(set(numbers)) == 3
    assert all(0 < number < 1 << 32 for number in numbers)


def test_another_nodes_key_gives_other_numbers():
    one, other = Networks(bytes(KEY_BYTES)), Networks(bytes([1]) * KEY_BYTES)
    assert one.number_of("192.0.2.1") != other.number_of("192.0.2.1")


def test_what_is_too_short_to_be_a_secret_is_no_key():
    with pytest.raises(ValueError, match="is no secret"):
        Networks(b"")
