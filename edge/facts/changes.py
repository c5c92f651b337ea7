"""What can happen to a device's facts: the changes that workers report and operators order, and what each does.

A change names things; hashes are made where it is applied. It travels between processes as msgspec writes it.
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
    """An old plugin chose its channel (device-protocol §3.3); "" takes the choice back."""

    channel: str


class Offered(_Change, frozen=True):
    """An answer with this bundle is on its way to the device, which runs `ran` (a `version_name`)."""

    version: str
    ran: str = ""
    mark: int = 0  # `facts.mark_of`


class Failed(_Change, frozen=True):
    """The device reported that something failed. Without a prior offer that it can be about it changes nothing."""

    version: str  # as the report names it: what was offered, what runs, or nothing
    action: str = "update_fail"  # a key of `facts.CAUSES`
    age: float = 0.0  # seconds that it waited on the device, at least
    dead: bool = False  # the device will not fetch that version again
    prefix: str = ""  # of the address that it came from


class Installed(_Change, frozen=True):
    """The device runs the bundle, or will at its next start."""

    version: str


class Downloaded(_Change, frozen=True):
    """The device has the bundle, whole; it may fail to unpack it yet."""

    version: str


class Lifted(_Change, frozen=True):
    """The operator lets the bundle be offered to this device again."""

    version: str


class Erased(_Change, frozen=True):
    """Everything known of the device is to be forgotten."""


class Faulted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """This node itself failed downloads: of this bundle, to this address. What is empty stands for all."""

    app: str = ""
    version: str = ""
    prefix: str = ""


class Withheld(msgspec.Struct, frozen=True, array_like=True):
    """A change has made a bundle withheld, which was not before."""

    app: str
    device: str
    bundle: int  # its `name_hash`
    cause: Cause


FactChange = Chose | Offered | Failed | Downloaded | Installed | Lifted | Erased
Recordable = FactChange | Faulted


def change_facts(facts: DeviceFacts, change: FactChange, now: float, ours: Ours = never) -> DeviceFacts:
    """`ours` tells whether this node failed a bundle itself, for that device, since a time."""
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
    """What devices brought about, and this worker itself; answered by `Recorded` with the same number, which is 0 for
    no answer."""

    number: int
    changes: list[Recordable]


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Record`: "" when its changes are durable and seen by every worker, else the refusal's code; and
    the bundles that they made withheld."""

    number: int
    refused: str
    withheld: list[Withheld] = []
