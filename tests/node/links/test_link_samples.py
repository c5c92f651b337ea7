"""What the kernel knows of a connection, counted once for each network and day."""

import socket
from contextlib import closing

import pytest

from edge.node.links.samples import DAY_SECONDS, LEAST_BYTES, NETWORKS_LIMIT, LinkSamples, network_of, read_figures


class Carrier:
    """A transport, as far as samples ask for anything."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    def get_extra_info(self, name: str):
        return self._connection if name == "socket" else None


@pytest.fixture
def connection():
    """Over which a megabyte has gone."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        closing(socket.create_connection(listening.getsockname())) as far,
        closing(listening.accept()[0]) as near,
    ):
        for _ in range(16):
            near.sendall(bytes(65_536))
            left = 65_536
            while left:
                left -= len(far.recv(left))
        yield near


def total(samples: LinkSamples) -> int:
    return sum(samples.counts.round_trips.values())


def test_the_kernel_tells_round_trip_and_rate(connection):
    figures = read_figures(connection)
    assert figures is not None
    assert 0 < figures.round_trip_us < 10_000_000
    assert figures.rate_bps is None or figures.rate_bps > 0


def test_a_network_counts_once_a_day(connection):
    now = [0.0]
    samples = LinkSamples(lambda address: False, lambda: now[0])
    for now[0], address, counted in (
        (0.0, "192.0.2.1", 1),
        (1.0, "192.0.2.200", 1),
        (2.0, "2001:db8:1:2::3", 2),
        (3.0, "2001:db8:1:ffff::3", 2),
        (DAY_SECONDS - 1, "192.0.2.1", 2),
        (DAY_SECONDS, "192.0.2.1", 3),
    ):
        samples.note(Carrier(connection), address, LEAST_BYTES)
        assert total(samples) == counted


def test_a_small_answer_counts_nothing(connection):
    samples = LinkSamples(lambda address: False)
    samples.note(Carrier(connection), "192.0.2.1", LEAST_BYTES - 1)
    assert total(samples) == 0
    samples.note(Carrier(connection), "192.0.2.1", LEAST_BYTES)
    assert total(samples) == 1


def test_what_is_no_address_is_a_network_by_itself():
    assert network_of("") == ""
    assert network_of("192.0.2.77") == "192.0.2.0/24"


def test_networks_are_bounded(connection):
    samples = LinkSamples(lambda address: False, lambda: 0.0)
    for number in range(NETWORKS_LIMIT + 10):
        samples.note(Carrier(connection), str(number), LEAST_BYTES)
    assert total(samples) == NETWORKS_LIMIT


def test_a_link_that_is_no_device_s_counts_nothing(connection):
    samples = LinkSamples(lambda address: address == "10.0.0.1")
    samples.note(Carrier(connection), "10.0.0.1", LEAST_BYTES)
    samples.note(Carrier(None), "10.0.0.2", LEAST_BYTES)
    unix, other = socket.socketpair()
    with closing(unix), closing(other):
        samples.note(Carrier(unix), "", LEAST_BYTES)
    assert total(samples) == 0
