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
    note_earlier_offer,
    note_failure,
    note_install,
    note_offer,
)
from edge.domain.facts import CAUSES, NO_FACTS, Cause, DeviceFacts, knows, last_offered, latest_of, name_hash, ran_of
from edge.domain.sharing.state import SharedFacts

SKEW_SECONDS = 10.0  # that the clocks of two nodes may differ, once home has taken what is more into account


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


class Elsewhere(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What a device did at another node. `era` and `lifts` are those of `SharedFacts` that `node` knew then, `at` is
    when, in seconds since the epoch by this node's clock."""

    change: Offered | Failed | Downloaded | Installed
    node: str = ""
    at: float = 0.0
    era: int = 0
    lifts: int = 0


class Brought(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What another node knows of a device. `node` names that node, in the start in which it knows it."""

    app: str
    device: str
    state: SharedFacts
    node: str


class Took(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The evidence of this node up to this number of its epoch is judged."""

    node: str
    epoch: str
    number: int


class HeardAbove(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The node above knows these rows of the register as of these numbers; `words` are its cursors. `again`: it knows
    nothing any more, and is to be told everything."""

    rows: list[tuple[bytes, int]] = []
    words: list[tuple[str, str]] = []
    again: bool = False


class Withheld(msgspec.Struct, frozen=True, array_like=True):
    """A change caused this bundle to be withheld from the device from now on."""

    app: str
    device: str
    bundle: int  # `name_hash` of its version
    cause: Cause


FactChange = Chose | Offered | Failed | Downloaded | Installed | Lifted | Erased
Recordable = FactChange | Faulted | LiftedFromMany | Elsewhere | Brought | Took | HeardAbove
DeviceDeed = Offered | Failed | Downloaded | Installed  # what devices do, as another node can judge it


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


def change_elsewhere(facts: DeviceFacts, told: Elsewhere) -> DeviceFacts:
    """The facts here after what the device did there, which may be heard late: an offer is the latest one only if no
    later one is known. So the same evidence in another order, or twice, leads to the same."""
    change, latest = told.change, latest_of(facts)
    if isinstance(change, Offered) and int(told.at) <= latest.at:
        return note_earlier_offer(facts, name_hash(change.version))
    at = told.at
    if isinstance(change, Failed) and latest.at - SKEW_SECONDS <= at - change.age < latest.at:
        at = latest.at + change.age
    return change_facts(facts, change, at)


def lacks_offer(facts: DeviceFacts, told: Elsewhere) -> bool:
    """Whether what the device did there follows an offer that is not known here yet."""
    change = told.change
    if isinstance(change, Offered) or latest_of(facts).at > told.at + SKEW_SECONDS:
        return False
    return not last_offered(facts) or not knows(facts, name_hash(change.version))


class Record(msgspec.Struct, frozen=True, tag=True):
    """A worker's changes. `Recorded` answers it with the same number; 0 requests no answer."""

    number: int
    changes: list[Recordable]


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Record`: its changes are durable and visible to every worker, or were refused."""

    number: int
    refused: str  # the error's code; "" if accepted
    withheld: list[Withheld] = []
