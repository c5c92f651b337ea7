"""When packets leave, arrive and are dropped."""

import struct

import pytest

from benchmarks.wide_area.link import QUEUE_FLOOR_BYTES, VNET_HEADER, Pipe, WanLink, wire_bytes

MS = 1_000_000  # nanoseconds
PACKET = 1_500  # bytes: one millisecond at 12 Mbit/s
LINK = WanLink(0.040, 12e6)


def pipe(link=LINK, dice=lambda: 0.5):
    return Pipe(link, dice)


def test_a_packet_takes_its_time_on_the_line_and_half_the_round_trip():
    assert pipe().arrival_ns(PACKET, 7 * MS) == (7 + 1 + 20) * MS


def test_packets_wait_for_those_before_them():
    line = pipe()

    arrivals = [line.arrival_ns(PACKET, 0) for _ in range(3)]

    assert arrivals == [21 * MS, 22 * MS, 23 * MS]


def test_an_idle_line_owes_nothing_to_the_past():
    line = pipe()
    line.arrival_ns(PACKET, 0)

    assert line.arrival_ns(PACKET, 50 * MS) == 71 * MS


@pytest.mark.parametrize(("now_ms", "packets"), [(0, 4), (1, 3), (3.5, 0.5), (4, 0), (9, 0)])
def test_the_backlog_drains_at_the_rate(now_ms, packets):
    line = pipe()
    for _ in range(4):
        line.arrival_ns(PACKET, 0)

    assert line.backlog_bytes(round(now_ms * MS)) == packets * PACKET


def test_a_queue_holds_one_bandwidth_delay_product():
    assert WanLink(0.080, 200e6).queue_bytes == 2_000_000


def test_a_short_link_still_has_a_queue():
    assert WanLink(0.001, 1e6).queue_bytes == QUEUE_FLOOR_BYTES


def test_what_finds_the_queue_full_is_dropped_and_costs_the_line_nothing():
    line = pipe()
    fitting = QUEUE_FLOOR_BYTES // PACKET
    arrivals = [line.arrival_ns(PACKET, 0) for _ in range(fitting + 2)]

    assert arrivals[fitting:] == [None, None]
    assert line.dropped_full == 2
    assert line.backlog_bytes(0) == fitting * PACKET


def test_there_is_room_again_when_a_packet_has_left():
    line = pipe()
    while line.arrival_ns(PACKET, 0) is not None:
        pass

    assert line.arrival_ns(PACKET, 1 * MS) is not None


def test_a_lost_packet_was_on_the_line():
    throws = iter([0.009, 0.011])
    line = pipe(LINK._replace(loss=0.01), lambda: next(throws))

    assert line.arrival_ns(PACKET, 0) is None
    assert line.arrival_ns(PACKET, 0) == 22 * MS
    assert (line.dropped_lost, line.dropped_full) == (1, 0)


def test_a_line_without_loss_throws_no_dice():
    def no_dice():
        raise AssertionError

    assert pipe(dice=no_dice).arrival_ns(PACKET, 0) is not None


def tcp_frame(payload_bytes, *, gso_size, options_bytes=12):
    ip = b"\x45" + bytes(19)
    tcp = struct.pack(">12xB7x", (20 + options_bytes) // 4 << 4) + bytes(options_bytes)
    header = VNET_HEADER.pack(1, 1 if gso_size else 0, 0, gso_size, len(ip), 16)
    return header + ip + tcp + bytes(payload_bytes)


@pytest.mark.parametrize(
    ("payload", "gso_size", "expected"),
    [
        (0, 0, 52),  # an acknowledgement
        (1_448, 0, 1_500),
        (1_448, 1_448, 1_500),
        (1_449, 1_448, 1_449 + 2 * 52),
        (16 * 1_448, 1_448, 16 * 1_500),
    ],
)
def test_a_run_of_segments_counts_with_the_headers_each_would_have(payload, gso_size, expected):
    assert wire_bytes(tcp_frame(payload, gso_size=gso_size)) == expected
