"""What strangers ask for anew and again is bounded by address and network; a server is bound by its address alone."""

from factories import APP

from edge.node.service.features.evaluation_rates import BURST, RATE, EvaluationRates
from edge.node.service.limits.event_limits import WIDE_SHARE

COST = 20
AT_ONCE = int(BURST // COST)
NETWORK = [f"2001:db8:7:{number:x}::/64" for number in range(2 * WIDE_SHARE)]


def admitted(rates, prefixes, *, for_server=False, now=0.0):
    """How many of as many as two addresses have."""
    return sum(
        rates.admit(APP, prefix, COST, now, for_server=for_server) for _ in range(2 * AT_ONCE) for prefix in prefixes
    )


def test_an_address_and_a_network_have_so_much():
    rates = EvaluationRates()
    assert admitted(rates, ["192.0.2.1"]) == AT_ONCE
    assert admitted(rates, NETWORK) == WIDE_SHARE * AT_ONCE
    assert admitted(rates, ["198.51.100.1"]) == AT_ONCE
    assert admitted(rates, ["192.0.2.1"], now=1.0) == RATE // COST


def test_servers_of_one_network_have_as_much_each():
    assert admitted(EvaluationRates(), NETWORK, for_server=True) == len(NETWORK) * AT_ONCE
