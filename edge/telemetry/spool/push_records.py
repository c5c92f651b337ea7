"""Lines of a segment about devices that take messages: `{"received_ms":…,"push":{"act":…},"net":N}`.

Devices register, leave and open messages; who sends messages says which tokens are dead, and which device was to get
which text when. All were checked before they were written. They hold tokens: no export has them.
"""

from struct import Struct
from typing import Annotated, NamedTuple

import msgspec

from edge.telemetry.spool.app_records import Milliseconds

ASSIGNED = Struct("<qI")  # a device's key, and when it was due, in minutes since the epoch
ASSIGNED_LIMIT = 20_000  # devices of one line: 320 kB of base64

_Signed = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]  # as SQLite holds it


class PushRegistration(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="act", tag="register"):
    """With the person's consent. An empty text was not said."""

    app: str
    device: str  # a lower-case UUID
    provider: str
    token: str
    zone: str = ""
    locale: str = ""
    platform: str = ""
    custom_id: str = ""


class PushLeaving(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="act", tag="leave"):
    """Nothing more is sent to the device: through this provider, with this token, or at all."""

    app: str
    device: str
    provider: str = ""
    token: str = ""


class PushOpening(msgspec.Struct, frozen=True, tag_field="act", tag="open"):
    app: str
    device: str
    message: str


class DeadPushToken(msgspec.Struct, frozen=True, tag_field="act", tag="dead"):
    """A provider said so; a device that registered it after `at_ms` lives. The token is known by its hash."""

    app: str
    key: _Signed
    provider: str
    hash: _Signed
    at_ms: Milliseconds


class PushAssigned(msgspec.Struct, frozen=True, tag_field="act", tag="assign"):
    """Devices that a message was planned for in one of its arms, those that are held out among them; `devices` are
    ASSIGNED one after the other, in base64."""

    app: str
    message: str
    arm: str
    devices: bytes

    def __post_init__(self) -> None:
        if len(self.devices) % ASSIGNED.size:
            raise ValueError(f"devices of {len(self.devices)} bytes are none of {ASSIGNED.size} each")


PushRecord = PushRegistration | PushLeaving | PushOpening | DeadPushToken | PushAssigned


class PushLine(msgspec.Struct, frozen=True):
    """`net` is a keyed hash of the address prefix; 0: not known."""

    received_ms: Milliseconds
    push: PushRecord
    net: int = 0


class AssignedDevice(NamedTuple):
    key: int
    due_minute: int


_encoder = msgspec.json.Encoder()


def encode_push(record: PushRecord, received: float, net: int = 0) -> bytes:
    """A line for the spool, without newline. `received` is the node's clock, in epoch seconds."""
    return _encoder.encode(PushLine(int(received * 1000), record, net))


def assigned_devices(record: PushAssigned) -> list[AssignedDevice]:
    """In their order."""
    return [AssignedDevice(*each) for each in ASSIGNED.iter_unpack(record.devices)]
