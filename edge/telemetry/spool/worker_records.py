"""Lines with what a worker counted since it last handed over: checks by what they heard, and deliveries. Pure.

(stream, sequence) names a line: one that was handed over twice counts once. A stream is one run of one worker, and its
sequence rises from 1. Devices are `device_key`s of 8 bytes, little-endian; one that comes again changes nothing.
"""

from typing import Annotated

import msgspec

from edge.domain.statistics.observation import Cohort, Group

STREAM_LIMIT = 128  # characters of "<node>-<worker>-<start in ms>"
KEY_BYTES = 8
HANDED_OVER_MS = 10_000  # how often a worker hands over: what a device said in a check is at most so much older

COUNT_LIMIT = 1 << 32  # of checks and deliveries of one entry: a batch of them stays within SQLite's integers
BYTES_LIMIT = 1 << 53  # exact in every JSON reader
SECONDS_LIMIT = 1e12

_Count = Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]
_Bytes = Annotated[int, msgspec.Meta(ge=0, lt=BYTES_LIMIT)]
_Stream = Annotated[str, msgspec.Meta(min_length=1, max_length=STREAM_LIMIT)]
_Sequence = Annotated[int, msgspec.Meta(ge=1, lt=1 << 53)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_LIMIT)]


class _StoredGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Group` by the names of its labels."""

    platform: str = ""
    channel: str = ""
    segments: tuple[str, ...] = ()
    side: str = ""
    arm: str = ""
    kind: str = "device"


class HeardCount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Checks that are alike in all this: `n` of them, and the devices that were not handed over for it this hour.

    `runs` is the bundle that the devices run, `offered` the one of an offer, else "", `code` that of the decision.
    """

    stored_group: _StoredGroup = msgspec.field(name="group")
    os: str = ""
    country: str = ""
    plugin: str = ""
    runs: str = ""
    code: str = ""
    offered: str = ""
    n: _Count = 0
    devices: bytes = b""  # JSON has them in base64

    def __post_init__(self) -> None:
        if len(self.devices) % KEY_BYTES:
            raise ValueError(f"devices of {len(self.devices)} bytes are no keys of {KEY_BYTES}")

    @property
    def cohort(self) -> Cohort:
        """Whose checks these are."""
        of = self.stored_group
        group = Group(of.platform, of.channel, of.segments, of.side, of.arm, of.kind)
        return Cohort(group, self.os, self.country, self.plugin)


class HeardChecks(msgspec.Struct, frozen=True):
    """One app's checks of one worker since the line before."""

    stream: _Stream
    sequence: _Sequence
    app: str
    of: list[HeardCount]


class DeliveredCount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answers with bytes of one bundle: `complete` ones were sent whole; of `cut` ones the peer left, stalled or was
    too slow. `seconds` is the sum of those that sent a whole file; None if it was not measured."""

    bundle: str
    form: str  # "zip", "file", "patch"
    encoding: str  # of the bytes: "identity", "gzip", "br", "zstd", "dcz"
    complete: _Count = 0
    cut: _Count = 0
    bytes: _Bytes = 0
    seconds: _Seconds | None = None


class Delivered(msgspec.Struct, frozen=True):
    """One app's deliveries of one worker since the line before."""

    stream: _Stream
    sequence: _Sequence
    app: str
    of: list[DeliveredCount]


class _HeardRecord(msgspec.Struct):
    received_ms: int
    heard: HeardChecks


class _DeliveredRecord(msgspec.Struct):
    received_ms: int
    delivered: Delivered


_encoder = msgspec.json.Encoder()


def heard_count(cohort: Cohort, runs: str, code: str, offered: str, n: int, devices: bytes, /) -> HeardCount:
    """The count of one key; `devices` are whole keys."""
    return HeardCount(
        _StoredGroup(*cohort.group), cohort.os, cohort.country, cohort.plugin, runs, code, offered, n, devices
    )


def encode_heard(heard: HeardChecks, received: float) -> bytes:
    """A line for the spool, without newline. `received` in seconds since the epoch."""
    return _encoder.encode(_HeardRecord(int(received * 1000), heard))


def encode_delivered(delivered: Delivered, received: float) -> bytes:
    """As `encode_heard`."""
    return _encoder.encode(_DeliveredRecord(int(received * 1000), delivered))
