"""How long TCP takes at best: slow start from its initial window, a round trip, a rate. Pure arithmetic.

No loss, no delayed acknowledgement, no pacing, a receiver that is always ready: what is measured can only be slower.
"""

from collections.abc import Sequence

MSS_BYTES = 1_448  # 1500 bytes of MTU less IPv4 and TCP headers with timestamps
SEGMENT_BYTES = 1_500  # the same on the line
INITIAL_WINDOW = 10  # segments, RFC 6928
TLS13_ROUND_TRIPS = 1  # that a new connection costs in addition, RFC 8446 section 2


def check_seconds(round_trip_seconds: float, *, new_connection: bool, tls: bool = False) -> float:
    """A request and an answer of one segment each; a new connection costs one round trip more."""
    handshakes = 1 + (TLS13_ROUND_TRIPS if tls else 0) if new_connection else 0
    return (1 + handshakes) * round_trip_seconds


def transfer_seconds(
    size_bytes: int, round_trip_seconds: float, rate_bps: float, *, initial_window: int = INITIAL_WINDOW
) -> float:
    """From the first SYN to the last byte on a new connection: connect, ask, receive.

    The window doubles each round trip while its bytes leave the line idle; from the first window that does not, the
    rest comes at the line's rate.
    """
    left = -(-size_bytes // MSS_BYTES)  # segments
    window = initial_window
    segment_seconds = SEGMENT_BYTES * 8 / rate_bps
    elapsed = 2 * round_trip_seconds
    while left > window and window * segment_seconds < round_trip_seconds:
        left -= window
        window *= 2
        elapsed += round_trip_seconds
    return elapsed + left * segment_seconds


def update_seconds(
    files_bytes: Sequence[int], answer_bytes: int, round_trip_seconds: float, rate_bps: float, *, connections: int
) -> float:
    """The least a file-by-file update takes: a check on a new connection, then the files, each on one connection.

    The largest goes over the connection of the check, which is open; all others need one of their own or wait their
    turn, and however small they are a turn is a round trip.
    """
    check = transfer_seconds(answer_bytes, round_trip_seconds, rate_bps)
    if not files_bytes:
        return check
    largest, *others = sorted(files_bytes, reverse=True)
    bounds = [transfer_seconds(largest, round_trip_seconds, rate_bps) - round_trip_seconds]
    if others and connections > 1:
        bounds.append(transfer_seconds(others[0], round_trip_seconds, rate_bps))
    segments = sum(-(-size // MSS_BYTES) for size in files_bytes)
    bounds.append(round_trip_seconds + segments * SEGMENT_BYTES * 8 / rate_bps)
    bounds.append(-(-len(files_bytes) // connections) * round_trip_seconds)
    return check + max(bounds)
