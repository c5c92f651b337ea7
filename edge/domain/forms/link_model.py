"""How long an update takes over a link, as its zip and file by file: round trips, bytes, slow start. Pure arithmetic.

Without loss, and without what both forms need: the check's own round trips, and writing the files. The zip travels over
one new connection. Files travel over `PARALLEL_FILES`; each connection asks for the next file when it has the last one.
"""

from typing import NamedTuple

# Of those of PROTOCOL.md §5.4, the number that every device reaches; with more than four cores it is higher.
PARALLEL_FILES = 8
INITIAL_WINDOW_BYTES = 14_480  # ten segments of 1,448 bytes, RFC 6928
NEW_CONNECTION_ROUND_TRIPS = 1  # the TCP handshake; with TLS one more, for both forms alike
LISTED_BYTES = 65  # of an offer, for each file that it lists, compressed: 13,430 bytes for 215 files (wan benchmark)
HEAD_BYTES = 500  # of an answer and its request's, around each file
FILE_SECONDS = 0.001  # for each file that is fetched: a request on the device, and opening a file


class LinkSpeed(NamedTuple):
    """What is between a node and its devices, in the middle of all."""

    round_trip_seconds: float
    rate_bps: float  # bits per second


# Until something was observed. The round trip is the median to nodes near everybody (B. Schlinker et al., "Internet
# Performance from Facebook's Edge", IMC 2019); the rate is about the median of mobile downloads of Ookla's Speedtest
# Global Index in 2024.
USUAL_LINK = LinkSpeed(round_trip_seconds=0.039, rate_bps=50e6)


class Difference(NamedTuple):
    """What a device fetches file by file: how many files, their stored bytes, and those of the largest."""

    files: int
    bytes: int
    largest_bytes: int


class Costs(NamedTuple):
    """What one form takes: bytes on the line, and seconds."""

    bytes: int
    seconds: float


def zip_costs(zip_bytes: int, link: LinkSpeed) -> Costs:
    """Of the zip, from the answer to the check to the last byte."""
    round_trips = NEW_CONNECTION_ROUND_TRIPS + 1 + _more_windows(zip_bytes, link)
    sent = zip_bytes + HEAD_BYTES
    return Costs(sent, round_trips * link.round_trip_seconds + _on_line(sent, link))


def files_costs(difference: Difference, listed: int, link: LinkSpeed) -> Costs:
    """Of the files that differ, and of listing all `listed` files in the offer."""
    answer = listed * LISTED_BYTES
    sent = difference.bytes + answer + difference.files * HEAD_BYTES
    round_trips = _more_windows(answer, link)
    if difference.files:
        turns = -(-difference.files // PARALLEL_FILES)
        new = NEW_CONNECTION_ROUND_TRIPS if difference.files > 1 else 0  # the check's connection takes one file
        round_trips += new + turns + _more_windows(difference.largest_bytes, link)
    seconds = round_trips * link.round_trip_seconds + _on_line(sent, link)
    return Costs(sent, seconds + difference.files * FILE_SECONDS)


def _on_line(sent_bytes: int, link: LinkSpeed) -> float:
    return sent_bytes * 8 / link.rate_bps


def _more_windows(sent_bytes: int, link: LinkSpeed) -> int:
    """The round trips that slow start adds: a new connection's window doubles until it fills the line."""
    left, window, count = sent_bytes, INITIAL_WINDOW_BYTES, 0
    while left > window and _on_line(window, link) < link.round_trip_seconds:
        left -= window
        window *= 2
        count += 1
    return count
