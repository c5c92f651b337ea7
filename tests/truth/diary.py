"""What really happened, written by who did it: checks, reports, app events and outcomes with when a node took them.

The fleet writes it and the recount reads it; neither looks into what the node stored. Times are in milliseconds since
the epoch by the node's clock, but `device_ms`. A device is its index in `devices`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

HOUR_MS = 3_600_000


class Owner(NamedTuple):
    """A device, as it is all its life."""

    id: str  # lower case
    platform: str
    plugin: str  # as it reports it
    os: str
    kind: str  # "device", "emulator", "development"
    channel: str
    country: str
    peer: str  # its address
    dated: bool  # its reports state when they happened, so that resent ones can be told
    tells_launches: bool
    tells_crashes: bool  # where the system has them, too
    tells_errors: bool
    mute: bool  # its app has reports switched off


class Checked(NamedTuple):
    """A check that was answered; `offered` is the bundle of an offer, else ""."""

    at_ms: int
    device: int
    runs: str
    offered: str


class Told(NamedTuple):
    """An event that the node acknowledged. `serial` is the event's own: a resend has it too."""

    at_ms: int
    device: int
    action: str
    version: str
    serial: int
    device_ms: int | None
    old: str = ""


class Used(NamedTuple):
    """An event of the app's own code that the node acknowledged; `serial` as of Told."""

    at_ms: int
    device: int
    kind: str
    name: str
    value: float | None
    serial: int


class Came(NamedTuple):
    """An outcome from elsewhere that the node acknowledged."""

    at_ms: int
    device: int
    name: str
    value: float | None


class Sent(NamedTuple):
    """The node sent so many bytes of a bundle's zip, all of it or not."""

    at_ms: int
    bundle: str
    bytes: int
    complete: bool


class HandedOver(NamedTuple):
    """The worker handed what it noted of checks to the spool."""

    at_ms: int


class Began(NamedTuple):
    """A rollout or an experiment began, with the id of the change that began it; `ended_ms` 0: it did not end."""

    at_ms: int
    channel: str
    id: str
    hold_out: int = 0  # thousandths of a percent
    steps: tuple[tuple[int, int], ...] = ()  # of a rollout: from when on (ms) which share
    arms: tuple[tuple[str, int], ...] = ()  # of an experiment: its name and weight
    ended_ms: int = 0


def heard_at(check: Checked, handed: HandedOver) -> int:
    """When the check counts: at its hand-over, but within its own hour."""
    return min(handed.at_ms, check.at_ms // HOUR_MS * HOUR_MS + HOUR_MS - 1)


Entry = Checked | Told | Used | Came | Sent | HandedOver


@dataclass(slots=True)
class Diary:
    """`entries` are in the order in which the node took them."""

    app: str
    devices: list[Owner] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    rollouts: list[Began] = field(default_factory=list)
    experiments: list[Began] = field(default_factory=list)
    withdrawn: dict[str, int] = field(default_factory=dict)  # since when (ms): what is sent of it later is of no bundle
    works: set[tuple[int, str]] = field(default_factory=set)  # devices on which a bundle really started
    sent: int = 0  # events in reports that were acknowledged
    refused: int = 0  # requests that were not
