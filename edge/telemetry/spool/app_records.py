"""Lines of a segment for what plugins do not report: events of the app's own code, and outcomes from elsewhere.

`{"received_ms":…,"used":{…},"net":N}` has the events of one device's `POST /events`, `{"received_ms":…,"outcomes":{…}}`
what the team's own systems say of devices. Both were checked before they were written.
"""

from typing import Annotated

import msgspec

from edge.wire.app_events import AppEvent, EventValue

# The node's own kind, refused from apps: the device was given this value of a feature, "<feature>/<variant>".
EXPOSURE = "exposure"

TIME_LIMIT_MS = 1 << 53  # exact in every JSON reader; a later time is damage

Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=TIME_LIMIT_MS)]  # since the epoch


class Used(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events of one request of one device; an empty text means that the app did not say it."""

    app: str
    device: str  # a lower-case UUID
    of: list[AppEvent]
    custom_id: str = ""
    platform: str = ""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a system of the team says of one device, or of the devices with one custom id: one of them is empty. With
    the app, `name` and `id` are its identity, for good."""

    name: str
    id: str
    at_ms: Milliseconds
    device: str = ""  # a lower-case UUID
    custom_id: str = ""
    value: EventValue | None = None


class Outcomes(msgspec.Struct, frozen=True):
    app: str
    of: list[Outcome]


class KnownOutcomes(msgspec.Struct, frozen=True):
    """Of a batch of outcomes: `repeated` have the name and id of an earlier one; `unmatched` are those of the others
    that are of no device which this node has heard of."""

    repeated: int
    unmatched: int


class UsedLine(msgspec.Struct, frozen=True):
    """`net` is a keyed hash of the address prefix; 0: not known."""

    received_ms: Milliseconds
    used: Used
    net: int = 0


class OutcomesLine(msgspec.Struct, frozen=True):
    received_ms: Milliseconds
    outcomes: Outcomes


_encoder = msgspec.json.Encoder()


def encode_used(used: Used, received: float, net: int = 0) -> bytes:
    """A line for the spool, without newline. `received` is the node's clock, in epoch seconds."""
    return _encoder.encode(UsedLine(int(received * 1000), used, net))


def encode_outcomes(outcomes: Outcomes, received: float) -> bytes:
    """A line for the spool, without newline; `received` as above."""
    return _encoder.encode(OutcomesLine(int(received * 1000), outcomes))
