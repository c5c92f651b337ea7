"""Whom a request counts for: every way of claiming to be somebody else."""

import pytest

from edge.node.service.peers import HOPS_LIMIT, Proxies, find_peer, prefix_of

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"], "CF-IPCountry")
STRANGER, PROXY = "203.0.113.9", "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "forwarded", "expected"),
    [
        # Not from a proxy: nothing it says counts.
        (STRANGER, [], STRANGER),
        (STRANGER, ["192.0.2.1"], STRANGER),
        (STRANGER, ["10.0.0.7"], STRANGER),
        ("::ffff:203.0.113.9", ["192.0.2.1"], STRANGER),
        # From a proxy: what it appended, from the right.
        (PROXY, [], PROXY),
        (PROXY, ["192.0.2.1"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (PROXY, ["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
        (PROXY, ["192.0.2.1 ,\t10.9.9.9, 10.8.8.8"], "192.0.2.1"),
        (PROXY, ["2001:db8::1, 2001:db8:ffff::2"], "2001:db8::1"),
        # What the device itself wrote stands on the left and is never reached.
        (PROXY, ["1.1.1.1, 192.0.2.1"], "192.0.2.1"),
        (PROXY, ["10.0.0.7, 192.0.2.1"], "192.0.2.1"),
        (PROXY, ["1.1.1.1", "192.0.2.1"], "192.0.2.1"),
        (PROXY, ["1.1.1.1, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        # Only proxies: the first of them.
        (PROXY, ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # With a port, as some proxies write it.
        (PROXY, ["192.0.2.1:51234"], "192.0.2.1"),
        (PROXY, ["[2001:db8::1]:443"], "2001:db8::1"),
        (PROXY, ["[2001:db8::1]"], "2001:db8::1"),
        (PROXY, ["::ffff:192.0.2.1"], "192.0.2.1"),
        # Not an address: the list ends there.
        (PROXY, ["unknown"], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [","], PROXY),
        (PROXY, ["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (PROXY, ["192.0.2.1, _hidden"], PROXY),
        (PROXY, ["192.0.2.1:99999999"], PROXY),
        (PROXY, ["192.0.2.256"], PROXY),
        (PROXY, ["0300.0.2.1"], PROXY),
        (PROXY, ["192.0.2.1\udcff"], PROXY),
        (PROXY, ["١٩٢.0.2.1"], PROXY),
        (PROXY, ["192.0.2.1, " + "10.0.0.2, " * HOPS_LIMIT + "10.0.0.2"], "10.0.0.2"),
        ("", ["192.0.2.1"], ""),
    ],
)
def test_the_peer_is_the_rightmost_hop_that_no_proxy_of_ours_vouches_for(address, forwarded, expected):
    assert find_peer(address, forwarded, None, PROXIES).address == expected


def test_without_configured_proxies_nobody_is_believed():
    peer = find_peer("10.0.0.1", ["192.0.2.1"], "DE", Proxies())
    assert peer == ("10.0.0.1", "10.0.0.1", "")


@pytest.mark.parametrize(
    ("address", "said", "expected"),
    [
        (PROXY, "DE", "DE"),
        (PROXY, "de", "DE"),
        (PROXY, None, ""),
        (PROXY, "", ""),
        (PROXY, "DEU", ""),
        (PROXY, "D1", ""),
        (PROXY, "DE\n", ""),
        (PROXY, "ＤＥ", ""),
        (STRANGER, "DE", ""),
    ],
)
def test_a_country_counts_only_from_a_proxy_and_only_as_two_letters(address, said, expected):
    assert find_peer(address, ["192.0.2.1"], said, PROXIES).country == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_a_prefix_is_what_one_subscriber_holds(address, expected):
    assert prefix_of(address) == expected
