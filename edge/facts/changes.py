"""Changes of a device's facts, as workers report and operators order them, and what each one does.

A change holds names; they are hashed where it is applied. Processes exchange changes in msgspec's encoding.
"""

import msgspec

from edge.domain.attempts import (
    FailureReport,
    Ours,
    choose_channel,
    lift,
    never,
    note_download,
    note_failure,
    note_install,
    note_offer,
)
from edge.domain.facts import CAUSES, NO_FACTS, Cause, DeviceFacts, name_hash, ran_of


class _Change(msgspec.Struct, frozen=True, tag=True, array_like=True):
    app: str
    device: str


class Chose(_Change, frozen=True):
    """An old plugin chose its channel (PROTOCOL.md §3.3); "" withdraws the choice."""

    channel: str


class Offered(_Change, frozen=True):
    """This bundle is being sent to the device as its update; it runs `ran` (a `version_name`)."""

    version: str
    ran: str = ""
    mark: int = 0  # `facts.mark_of`


class Failed(_Change, frozen=True):
    """The device reported a failure. It changes nothing unless an earlier offer can have caused it."""

    version: str  # as reported: what was offered, what runs, or ""
    action: str = "update_fail"  # a key of `facts.CAUSES`
    age: float = 0.0  # seconds that the report waited on the device, at least
    dead: bool = False  # the device will not fetch that version again
    prefix: str = ""  # of the device's address


class Installed(_Change, frozen=True):
    """The device runs the bundle, or will after its next start."""

    version: str


class Downloaded(_Change, frozen=True):
    """The device has downloaded the whole bundle; unpacking may still fail."""

    version: str


class Lifted(_Change, frozen=True):
    """The operator allows this device to be offered the bundle again."""

    version: str


class Erased(_Change, frozen=True):
    """The operator erases everything known about the device."""


class Faulted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """This node failed downloads of this bundle to this address. An empty field means all."""

    app: str = ""
    version: str = ""
    prefix: str = ""


class LiftedFromMany(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The operator allows these devices, by their keys in the table, to be offered the bundle again."""

    bundle: int  # `name_hash` of its version
    keys: list[bytes]


class Withheld(msgspec.Struct, frozen=True, array_like=True):
    """A change caused this bundle to be withheld from the device from now on."""

    app: str
    device: str
    bundle: int  # `name_hash` of its version
    cause: Cause


FactChange = Chose | Offered | Failed | Downloaded | Installed | Lifted | Erased
Recordable = FactChange | Faulted | LiftedFromMany


def change_facts(facts: DeviceFacts, change: FactChange, now: float, ours: Ours = never) -> DeviceFacts:
    """The facts after the change, which happened at `now` (seconds since the epoch). `ours` returns whether this node
    itself has failed the bundle for that device since a time."""
    match change:
        case Chose(channel=channel):
            return choose_channel(facts, name_hash(channel) if channel else 0)
        case Offered(version=version, ran=ran, mark=mark):
            return note_offer(facts, name_hash(version), now, ran_of(ran), mark)
        case Failed(version=version, action=action, age=age, dead=dead):
            return note_failure(facts, FailureReport(version, CAUSES[action], age, dead), now, ours)
        case Downloaded(version=version):
            return note_download(facts, name_hash(version))
        case Installed(version=version):
            return note_install(facts, name_hash(version))
        case Lifted(version=version):
            return lift(facts, name_hash(version))
        case Erased():
            return NO_FACTS


class Record(msgspec.Struct, frozen=True, tag=True):
    """A worker's changes. `Recorded` answers it with the same number; 0 requests no answer."""

    number: int
    changes: list[Recordable]


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Record`: its changes are durable and visible to every worker, or were refused."""

    number: int
    refused: str  # the error's code; "" if accepted
    withheld: list[Withheld] = []
