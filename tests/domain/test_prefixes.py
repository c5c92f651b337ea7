"""Which prefixes one holder may have together."""

import pytest

from edge.domain.prefixes import wide_prefix_of


@pytest.mark.parametrize(
    ("prefix", "wide"),
    [
        ("192.0.2.7", "192.0.2"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("", ""),
        ("/run/edge.sock", "/run/edge.sock"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_a_wide_prefix_is_what_one_holder_may_have(prefix, wide):
    assert wide_prefix_of(prefix) == wide
