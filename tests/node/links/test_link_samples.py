"""What the kernel knows of a connection, counted once for each peer and hour."""

import socket
from contextlib import closing

import pytest

from edge.node.links.samples import HOUR_SECONDS, PEERS_LIMIT, LinkSamples, read_figures


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


def test_a_peer_counts_once_an_hour(connection):
    now = [0.0]
    samples = LinkSamples(lambda address: False, lambda: now[0])
    for now[0], prefix, counted in (
        (0.0, "a", 1),
        (1.0, "a", 1),
        (2.0, "b", 2),
        (HOUR_SECONDS - 1, "b", 2),
        (HOUR_SECONDS, "b", 3),
    ):
        samples.note(Carrier(connection), prefix, prefix)
        assert total(samples) == counted


def test_peers_are_bounded(connection):
    samples = LinkSamples(lambda address: False, lambda: 0.0)
    for number in range(PEERS_LIMIT + 10):
        samples.note(Carrier(connection), "", str(number))
    assert total(samples) == PEERS_LIMIT


def test_a_link_that_is_no_device_s_counts_nothing(connection):
    samples = LinkSamples(lambda address: address == "10.0.0.1")
    samples.note(Carrier(connection), "10.0.0.1", "10.0.0.1")
    samples.note(Carrier(None), "10.0.0.2", "10.0.0.2")
    unix, other = socket.socketpair()
    with closing(unix), closing(other):
        samples.note(Carrier(unix), "", "unix")
    assert total(samples) == 0
