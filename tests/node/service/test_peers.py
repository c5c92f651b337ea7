"""Whom a request counts for: every way of claiming to be somebody else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.node.service.addresses import packed_of, text_of
from edge.node.service.peers import HOPS_LIMIT, REQUEST_ID_LIMIT, Places, Proxies, Whence, find_peer, prefix_of

NETWORKS = ["10.0.0.0/8", "2001:db8:ffff::/48"]
PROXIES = Proxies(NETWORKS, "CF-IPCountry")


def whence(address, forwarded=(), countries=(), schemes=(), ids=()):
    values, places = [], []
    for lines in (forwarded, countries, schemes, ids):
        places.append(range(len(values), len(values) + len(lines)))
        values += [line.encode("utf-8", "surrogateescape") for line in lines]
    return Whence(address, Places(*places), values)


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
    assert find_peer(whence(address, forwarded), PROXIES).address == expected


def test_without_configured_proxies_nobody_is_believed():
    assert find_peer(whence("10.0.0.1", ["192.0.2.1"]), Proxies()).address == "10.0.0.1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["DE"], "DE"),
        (["de"], "DE"),
        ([" de\t"], "DE"),
        ([], ""),
        ([""], ""),
        (["DEU"], ""),
        (["D1"], ""),
        (["DE\n"], ""),
        (["ＤＥ"], ""),
        (["DE", "DE"], ""),
        (["DE, FR"], ""),
    ],
)
def test_a_country_counts_only_as_two_letters_that_are_stated_once(said, expected):
    assert whence(PROXY, ["192.0.2.1"], said).country == expected
    assert find_peer(whence(PROXY, ["192.0.2.1"], said), PROXIES).country == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["https"], "https"),
        (["HTTP"], "http"),
        ([], ""),
        (["ftp"], ""),
        (["https, http"], ""),
        (["https", "http"], ""),
        (["javascript"], ""),
        (["https://evil"], ""),
    ],
)
def test_a_scheme_is_one_of_two(said, expected):
    assert whence(PROXY, schemes=said).scheme == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["5f2b7c0e"], "5f2b7c0e"),
        (["Root=1-67891233-abcdef012345678912345678"], "Root=1-67891233-abcdef012345678912345678"),
        (["x" * REQUEST_ID_LIMIT], "x" * REQUEST_ID_LIMIT),
        (["x" * (REQUEST_ID_LIMIT + 1)], ""),
        (["two words"], ""),
        (["a\nb"], ""),
        (["\x1b[31m"], ""),
        (["é"], ""),
        (["a", "a"], ""),
        ([], ""),
    ],
)
def test_a_request_id_is_one_bounded_word_that_prints(said, expected):
    assert whence(PROXY, ids=said).request_id == expected


@given(st.ip_addresses() | st.text("0123456789abcdef:.% ", max_size=30))
def test_addresses_are_read_as_the_standard_library_does(given_):
    text = str(given_)
    try:
        known = ipaddress.ip_address(text)
    except ValueError:
        known = None
    packed = packed_of(text)
    if known is None:
        assert packed is None or "%" in text
        return
    plain = getattr(known, "ipv4_mapped", None) or ipaddress.ip_address(known.packed)
    assert packed == plain.packed and text_of(packed) == str(plain)
    assert PROXIES.trusts(text) == any(plain in ipaddress.ip_network(each) for each in NETWORKS)


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
