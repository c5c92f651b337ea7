"""The model of TCP, held by values that were computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wide_area.model import check_seconds, transfer_seconds, update_seconds

MSS = 1_448
MILLISECOND_A_SEGMENT = 12e6  # 1,500 bytes at 12 Mbit/s
ROUND_TRIP = 0.1

SIZES = st.integers(1, 20_000_000)
ROUND_TRIPS = st.floats(0.001, 0.5)
RATES = st.floats(1e6, 1e10)


@pytest.mark.parametrize(
    ("segments", "seconds"),
    [
        (1, 0.201),  # connect, ask, one segment
        (10, 0.210),  # the initial window, all at once
        (11, 0.301),  # one more has to wait for an acknowledgement
        (30, 0.320),  # 10 and 20
        (31, 0.401),
        (70, 0.440),  # 10, 20 and 40
        (71, 0.501),
        (150, 0.580),  # 10, 20, 40 and 80
        # The window of 160 segments needs 160 ms, more than the round trip: from here the line is never idle.
        (151, 0.601),
        (310, 0.760),
        (1_000, 1.450),
    ],
)
def test_slow_start_doubles_until_the_line_is_full(segments, seconds):
    assert transfer_seconds(segments * MSS, ROUND_TRIP, MILLISECOND_A_SEGMENT) == pytest.approx(seconds)


def test_a_started_segment_counts_whole():
    whole = transfer_seconds(2 * MSS, ROUND_TRIP, MILLISECOND_A_SEGMENT)

    assert transfer_seconds(MSS + 1, ROUND_TRIP, MILLISECOND_A_SEGMENT) == whole


def test_on_a_short_link_only_the_rate_counts():
    assert transfer_seconds(100 * MSS, 0.005, MILLISECOND_A_SEGMENT) == pytest.approx(2 * 0.005 + 100 * 0.001)


def test_five_megabytes_over_ten_milliseconds_at_a_gigabit():
    # 3,454 segments of 12 µs. Seven rounds of 10 ... 640 carry 1,270; the eighth window, 1,280, fills the line.
    assert transfer_seconds(5_000_000, 0.010, 1e9) == pytest.approx(0.020 + 7 * 0.010 + 2_184 * 12e-6)


def test_a_larger_initial_window_saves_rounds():
    assert transfer_seconds(30 * MSS, ROUND_TRIP, MILLISECOND_A_SEGMENT, initial_window=30) == pytest.approx(0.230)


@given(SIZES, SIZES, ROUND_TRIPS, RATES)
def test_more_bytes_never_take_less(one, other, round_trip, rate):
    smaller, larger = sorted((one, other))

    assert transfer_seconds(smaller, round_trip, rate) <= transfer_seconds(larger, round_trip, rate) + 1e-12


@given(SIZES, ROUND_TRIPS, RATES)
def test_nothing_beats_the_line(size, round_trip, rate):
    assert transfer_seconds(size, round_trip, rate) >= 2 * round_trip + size * 8 / rate


@pytest.mark.parametrize(
    ("new", "tls", "seconds"), [(False, False, 0.1), (True, False, 0.2), (True, True, 0.3), (False, True, 0.1)]
)
def test_a_check_is_a_round_trip_and_its_handshakes(new, tls, seconds):
    assert check_seconds(ROUND_TRIP, new_connection=new, tls=tls) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("files", "connections", "seconds"),
    [
        ([], 8, 0.201),  # nothing to fetch: the check
        ([1], 8, 0.302),  # the check's connection is open
        ([1, 1], 8, 0.402),  # the second file needs one of its own
        ([1, 1], 1, 0.401),  # or a turn more on the first
        ([1] * 17, 8, 0.501),  # three turns
        ([11, 1], 8, 0.402),  # 101 + 100 ms of the large one on the open connection, as long as the other's handshake
        ([31, 1], 8, 0.502),
        ([100] * 5, 8, 0.801),  # 500 segments are 500 ms of the line, whatever the connections
    ],
)
def test_an_update_is_bound_by_its_largest_file_by_turns_and_by_the_line(files, connections, seconds):
    sizes = [segments * MSS for segments in files]

    bound = update_seconds(sizes, MSS, ROUND_TRIP, MILLISECOND_A_SEGMENT, connections=connections)

    assert bound == pytest.approx(seconds)
