"""What a region and its home say to each other about reports: the bodies and answers of `/v1/feed/segments`. Pure.

Times are in milliseconds since the epoch by home's clock, unless they say whose; a region's own is not compared.
"""

from typing import Annotated

import msgspec

from edge.telemetry.spool.coming_segment import COMING_LIMIT_BYTES

NAMES_LIMIT = 10_000  # segments of one question: a week of 32 workers has half of that, and 1 MB is their names
# Of one request, uncompressed: a group of the spool's whole queue is one frame, with room for the header.
SEND_LIMIT_BYTES = 40 << 20
ERASURES_LIMIT = 500  # told at once: some 60 kB
COMPRESSED = "application/zstd"

Offset = Annotated[int, msgspec.Meta(ge=0, le=COMING_LIMIT_BYTES)]
SegmentText = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Millis = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
RegionText = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$(?!\n)")
]  # a region, as configurations name it


class SegmentTaken(msgspec.Struct, frozen=True, kw_only=True):
    """Home has the segment's first `offset` bytes, whatever it was sent; `whole`: it wants no more of it. `at_ms` is
    its time, `hurry`: a guard may act on what is reported now."""

    offset: int
    whole: bool
    at_ms: int
    hurry: bool


class SegmentsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which segments of the node home has, and how much of each."""

    names: Annotated[list[SegmentText], msgspec.Meta(max_length=NAMES_LIMIT)]


class HeldOfSegment(msgspec.Struct, frozen=True, kw_only=True):
    """As of `SegmentTaken`; a segment that home does not know has offset 0."""

    offset: int
    whole: bool


class SegmentsKnown(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the names asked for."""

    segments: list[HeldOfSegment]
    at_ms: int
    hurry: bool


class ErasureWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The device is to be erased from what was received until `until_ms`, by whoever's clock that was; asked for at
    home at `asked_ms`."""

    app: str
    device: str
    asked_ms: int
    until_ms: int


class AllSent(msgspec.Struct, frozen=True, kw_only=True):
    """Home has everything that the node's devices reported before `until_ms`; 0: nobody knows yet until when. `now_ms`
    is the sender's own clock. `waiting_bytes` are not sent, `refused` reports found no room since the node started.
    All erasures that were asked for at home before `erased_until_ms` are done at the node."""

    region: RegionText
    until_ms: Millis
    now_ms: Millis
    waiting_bytes: Millis = 0
    refused: Millis = 0
    erased_until_ms: Millis = 0


class AllSentNoted(msgspec.Struct, frozen=True, kw_only=True):
    """As of `SegmentTaken`. `erasures` go on, the first asked for first; where there are more than fit, the others come
    once these are done."""

    at_ms: int
    hurry: bool
    erasures: tuple[ErasureWanted, ...] = ()
