"""What can happen to a device's facts: the changes that workers report and operators order, and what each does.

A change names things; hashes are made where it is applied. It travels between processes as msgspec writes it.
"""

import msgspec

from edge.domain.facts import NO_FACTS, DeviceFacts, choose_channel, lift, name_hash, note_failure, note_offer


class _Change(msgspec.Struct, frozen=True, tag=True, array_like=True):
    app: str
    device: str


class Chose(_Change, frozen=True):
    """An old plugin chose its channel (device-protocol §3.3); "" takes the choice back."""

    channel: str


class Offered(_Change, frozen=True):
    """An answer with this bundle is on its way to the device."""

    version: str


class Failed(_Change, frozen=True):
    """The device reported `update_fail` or `set_fail`. Without a prior offer of that bundle it changes nothing."""

    version: str


class Lifted(_Change, frozen=True):
    """The operator lets the bundle be offered to this device again."""

    version: str


class Erased(_Change, frozen=True):
    """Everything known of the device is to be forgotten."""


FactChange = Chose | Offered | Failed | Lifted | Erased


def change_facts(facts: DeviceFacts, change: FactChange, now: float) -> DeviceFacts:
    match change:
        case Chose(channel=channel):
            return choose_channel(facts, name_hash(channel) if channel else 0)
        case Offered(version=version):
            return note_offer(facts, name_hash(version), now)
        case Failed(version=version):
            return note_failure(facts, name_hash(version), now)
        case Lifted(version=version):
            return lift(facts, name_hash(version))
        case Erased():
            return NO_FACTS
