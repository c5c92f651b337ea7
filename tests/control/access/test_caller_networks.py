"""Whence a request comes, and whether a token may be used there."""

import pytest

from edge.control.access.networks import NETWORK_LIMIT, caller_address, is_from, parse_networks
from edge.domain.errors import Invalid


@pytest.mark.parametrize(
    ("networks", "address", "expected"),
    [
        ((), "", True),
        ((), "203.0.113.9", True),
        (("10.0.0.0/8",), "10.255.0.1", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "somewhere", False),
        (("192.0.2.7/32", "2001:db8::/32"), "2001:db8::1", True),
        (("192.0.2.7/32", "2001:db8::/32"), "192.0.2.7", True),
        (("2001:db8::/32",), "fe80::1%eth0", False),
        (("0.0.0.0/0",), "2001:db8::1", False),
    ],
)
def test_a_token_works_in_its_networks_alone(networks, address, expected):
    assert is_from(networks, address) is expected


def test_networks_have_one_form():
    assert parse_networks(["192.0.2.7", "2001:DB8::/32", "192.0.2.7/32"]) == ("192.0.2.7/32", "2001:db8::/32")


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "example.com", "10.0.0.0/8 "])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(Invalid) as refused:
        parse_networks([text])
    assert refused.value.code == "invalid_network"


def test_the_number_of_networks_is_limited():
    with pytest.raises(Invalid):
        parse_networks([f"10.0.0.{n}" for n in range(NETWORK_LIMIT + 1)])


PROXIES = ("127.0.0.1", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("connected", "forwarded", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["10.1.1.1"], "203.0.113.9"),  # anybody can write the header
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["10.6.6.6, 203.0.113.9"], "203.0.113.9"),  # what the caller wrote itself stays behind
        ("127.0.0.1", ["198.51.100.1, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        ("127.0.0.1", ["198.51.100.1", "203.0.113.9,10.2.2.2"], "203.0.113.9"),
        ("127.0.0.1", ["10.3.3.3"], "10.3.3.3"),
        ("127.0.0.1", ["unknown"], "unknown"),
        ("127.0.0.1", [", ".join(["10.0.0.1"] * 1_000)], "10.0.0.1"),
    ],
)
def test_of_a_proxys_list_only_what_trusted_ones_appended_counts(connected, forwarded, expected):
    assert caller_address(connected, forwarded, PROXIES) == expected
    assert caller_address(connected, forwarded, ()) == connected
