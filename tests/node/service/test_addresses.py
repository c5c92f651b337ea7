import pytest

from edge.node.service.addresses import base_address, plain_address

OWN = ("::ffff:192.0.2.7", 8080)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("192.0.2.7:8080", "http://192.0.2.7:8080"),
        ("updates.example.com", "http://updates.example.com"),
        ("Updates.Example.Com", "http://updates.example.com"),
        ("192.0.2.7", "http://192.0.2.7:8080"),  # another port: not the socket it came in on
        ("192.0.2.8:8080", "http://192.0.2.7:8080"),
        ("evil.example.com", "http://192.0.2.7:8080"),
        ("evil.example.com:8080", "http://192.0.2.7:8080"),
        ("192.0.2.7:8080@evil.example.com", "http://192.0.2.7:8080"),
        ("192.0.2.7:8080/evil", "http://192.0.2.7:8080"),
        ("localhost:8080", "http://192.0.2.7:8080"),
        ("", "http://192.0.2.7:8080"),
        (None, "http://192.0.2.7:8080"),
    ],
)
def test_a_host_counts_only_when_listed_or_our_own(host, base):
    allowed = {"updates.example.com"}
    assert base_address(public_url="", allowed_hosts=allowed, host_header=host, own=OWN) == base


@pytest.mark.parametrize(
    ("host", "own", "base"),
    [
        ("localhost:8080", ("::ffff:127.0.0.1", 8080), "http://localhost:8080"),
        ("localhost:8080", ("::1", 8080), "http://localhost:8080"),
        ("[::1]:8080", ("::1", 8080), "http://[::1]:8080"),
        ("localhost", ("127.0.0.1", 80), "http://localhost"),
        ("[::1]", ("::1", 80), "http://[::1]"),
        ("evil", ("fe80::1%eth0", 8080), "http://[fe80::1]:8080"),
    ],
)
def test_loopback_goes_by_all_its_names(host, own, base):
    assert base_address(public_url="", allowed_hosts=(), host_header=host, own=own) == base


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("updates.example.com", "https://updates.example.com"),
        ("192.0.2.7:8080", "http://192.0.2.7:8080"),  # our own socket speaks http, whatever is in front
        ("evil.example.com", "http://192.0.2.7:8080"),
    ],
)
def test_a_stated_scheme_counts_for_a_listed_host_alone(host, base):
    hosts = {"updates.example.com"}
    found = base_address(public_url="", allowed_hosts=hosts, host_header=host, own=OWN, stated_scheme="https")
    assert found == base


def test_a_public_url_is_what_everybody_is_told():
    base = base_address(public_url="https://u.example.com", allowed_hosts=(), host_header="x", own=OWN)
    assert base == "https://u.example.com"


@pytest.mark.parametrize(
    ("address", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")],
)
def test_addresses_lose_their_mapping_and_zone(address, plain):
    assert plain_address(address) == plain


@pytest.mark.parametrize(
    ("host", "own_port", "expected"),
    [
        ("192.0.2.1", 443, "https://192.0.2.1"),
        ("192.0.2.1:443", 443, "https://192.0.2.1:443"),
        ("192.0.2.1", 80, "https://192.0.2.1:80"),
        ("evil.example.com", 443, "https://192.0.2.1:443"),
    ],
)
def test_over_tls_a_host_without_a_port_means_443(host, own_port, expected):
    own = ("192.0.2.1", own_port)
    assert base_address(public_url="", allowed_hosts=(), host_header=host, own=own, scheme="https") == expected
