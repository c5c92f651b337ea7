"""Devices that will install a bundle at their next start, which a pause can no longer prevent, as far as reported.

The device's last report about the bundle counts. Devices that report nothing are unknown, so a count is a lower bound;
the offers that this node remembers show how many more of the known devices there may be.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.domain.facts import DeviceFacts, name_hash
from edge.domain.model import AppId, VersionName
from edge.telemetry.devices.known_devices import DEVICES_LIMIT
from edge.telemetry.spool.recent_events import READ_LIMIT_BYTES, RecentEvents
from edge.wire.actions import INSTALLS_LATER, NOT_INSTALLED, OF_RUNNING
from edge.wire.stats import Event, bundle_of


class WaitingDevices(NamedTuple):
    """`downloaded` devices have reported the download, and since then neither that they run the bundle nor that it
    failed. `offered` are other known devices that were offered it and have reported nothing about it. `since` is the
    time of the oldest report read, in seconds since the epoch; `cut`: a limit was reached before the end of the spool.
    """

    downloaded: int
    offered: int
    since: float | None
    cut: bool


def count_waiting(
    directory: Path,
    app: AppId,
    bundle: VersionName,
    facts_of: Callable[[str, str], DeviceFacts],
    *,
    devices_limit: int = DEVICES_LIMIT,
    read_limit_bytes: int = READ_LIMIT_BYTES,
) -> WaitingDevices:
    """Reads the spools in `directory`. `facts_of` looks up an app's device. Blocks while it reads."""
    events = RecentEvents(directory, app, read_limit_bytes=read_limit_bytes)
    waits: dict[str, bool | None] = {}  # by device; None: it has reported nothing about the bundle
    since: float | None = None
    for received_ms, event in events:
        if event.device not in waits and len(waits) >= devices_limit:
            return _counted(app, bundle, waits, facts_of, since, cut=True)
        since = received_ms / 1000
        if waits.get(event.device) is None:
            waits[event.device] = _waits(event, bundle)
    return _counted(app, bundle, waits, facts_of, since, cut=events.cut)


def _waits(event: Event, bundle: VersionName) -> bool | None:
    """Whether the bundle waits on the device after this event; None if the event is not about that."""
    if bundle_of(event.version) != bundle:
        return None
    if event.action in INSTALLS_LATER:
        return True
    return False if event.action in OF_RUNNING or event.action in NOT_INSTALLED else None


def _counted(
    app: AppId,
    bundle: VersionName,
    waits: dict[str, bool | None],
    facts_of: Callable[[str, str], DeviceFacts],
    since: float | None,
    *,
    cut: bool,
) -> WaitingDevices:
    wanted = name_hash(bundle)
    silent = (device for device, waiting in waits.items() if waiting is None)
    offered = sum(1 for device in silent if wanted in facts_of(app, device).offered)
    return WaitingDevices(list(waits.values()).count(True), offered, since, cut)
