"""How long a request may take to arrive: its head a fixed time, its body a time and what its bytes take at a minimum
rate. Pure.

The clock starts at the first byte, and no later byte starts it again. A byte of a body buys only its own share of the
rate, so a peer that drips is cut however steadily it does, and however large a body it has announced.
"""

HEAD_SECONDS = 20.0  # the plugin's default `responseTimeout` (PROTOCOL.md §1.1)
BODY_SECONDS = 20.0  # before the minimum rate counts: 20 kbit/s of GPRS bring the largest ordinary report in that time
MINIMUM_BODY_BPS = 64_000  # bits per second; 1 MiB has two and a half minutes


def body_due(
    begun: float, received_bytes: int, seconds: float = BODY_SECONDS, minimum_bps: int = MINIMUM_BODY_BPS
) -> float:
    """When the next byte of a body must have arrived; `begun` is when its head had. All in monotonic seconds."""
    return begun + seconds + received_bytes * 8 / minimum_bps
