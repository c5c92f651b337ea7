"""Networks have numbers of 48 bits that tell them apart, and nobody who lacks the key can tell which is whose."""

import pytest

from edge.node.service.reports.networks import KEY_BYTES, Networks
from edge.telemetry.spool.record import NET_BITS, wide_network_of


def test_a_network_has_one_number_and_another_one_has_another():
    networks = Networks(bytes(KEY_BYTES))
    numbers = [networks.number_of(prefix) for prefix in ("192.0.2.1", "192.0.3.1", "2001:db8::/64", "192.0.2.9")]
    assert numbers[0] == numbers[3] and len(set(numbers)) == 3
    assert all(0 < number < 1 << NET_BITS for number in numbers)


def test_another_nodes_key_gives_other_numbers():
    one, other = Networks(bytes(KEY_BYTES)), Networks(bytes([1]) * KEY_BYTES)
    assert one.number_of("192.0.2.1") != other.number_of("192.0.2.1")


def test_what_is_too_short_to_be_a_secret_is_no_key():
    with pytest.raises(ValueError, match="is no secret"):
        Networks(b"")


def test_a_number_tells_an_ipv6_site_and_its_provider():
    number_of = Networks(bytes(KEY_BYTES)).number_of
    one, same, other, away = (
        number_of(each) for each in ("2001:db8:1::/64", "2001:db8:1:2::/64", "2001:db8:2::/64", "2a00:1:2::/64")
    )
    assert one == same != other
    assert wide_network_of(one) == wide_network_of(other) != wide_network_of(away)
    assert wide_network_of(number_of("192.0.2.1")) is None


@pytest.mark.parametrize(
    ("prefix", "is_trusted"),
    [
        ("192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8:1:2::/64", True),
        ("2001:db9::/64", False),
        ("/a.sock", False),
    ],
)
def test_a_network_that_the_app_trusts_has_no_number(prefix, is_trusted):
    trusted = ("192.0.2.0/24", "2001:db8::/32", "nonsense")
    assert (Networks(bytes(KEY_BYTES)).number_of(prefix, trusted) == 0) is is_trusted
