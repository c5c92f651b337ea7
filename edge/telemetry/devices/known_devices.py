"""An app's known devices: those whose reports are still in this node's spool, each as it would check for updates.

"Known" is not proven: anyone who reaches the device port can send a report in any device's name. A field that a report
lacks is taken as one that the device does not send. Good for a preview of a change; no decision is made from it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.model import BUILTIN, AppId, DeviceId, Platform, UpdateCheck
from edge.domain.versions import read_native
from edge.telemetry.spool.recent_events import READ_LIMIT_BYTES, RecentEvents
from edge.wire.actions import OF_RUNNING
from edge.wire.plugins.forms import asker_of
from edge.wire.stats import Event, bundle_of

DEVICES_LIMIT = 100_000  # the number of buckets: more devices would not make a share more precise

NOBODY: Mapping[str, int] = MappingProxyType({})
_PLATFORMS = {platform.value: platform for platform in Platform}


class KnownDevice(NamedTuple):
    """The check that the device would send. `reported` is the epoch time of its report by this node's clock."""

    check: UpdateCheck
    reported: float


class KnownDevices:
    """Iterate once: each device, or only `device`, by its latest report that states what it runs, newest first. Blocks
    while it reads. What was received of a device by its time in `erased`, in epoch milliseconds, does not count.

    Afterwards `devices` is their number, `since` the time of the oldest report that counted (epoch seconds), and `cut`
    states whether a limit was reached before the end of the spool.
    """

    def __init__(
        self,
        directory: Path,
        app: AppId,
        *,
        device: str | None = None,
        erased: Mapping[str, int] = NOBODY,
        devices_limit: int = DEVICES_LIMIT,
        read_limit_bytes: int = READ_LIMIT_BYTES,
    ) -> None:
        self.devices = 0
        self.since: float | None = None
        self.cut = False
        self._events = RecentEvents(directory, app, device=device, read_limit_bytes=read_limit_bytes)
        self._erased = erased
        self._devices_limit = devices_limit

    def __iter__(self) -> Iterator[KnownDevice]:
        seen: set[DeviceId] = set()
        for received_ms, event in self._events:
            if event.device in seen or event.action not in OF_RUNNING:
                continue
            if received_ms <= self._erased.get(event.device, -1):
                continue
            check = check_of(event)
            if check is None:
                continue
            if len(seen) >= self._devices_limit:
                self.cut = True
                return
            seen.add(event.device)
            self.devices, self.since = len(seen), received_ms / 1000
            yield KnownDevice(check, received_ms / 1000)
        self.cut = self._events.cut


def check_of(event: Event) -> UpdateCheck | None:
    """The check that the device would send now; None if the report does not contain enough for one."""
    platform_reported = _PLATFORMS.get(event.platform)
    if platform_reported is None:
        return None
    try:
        platform, plugin = asker_of(platform_reported, event.plugin)
    except Invalid:
        return None
    runs = BUILTIN if event.action == "reset" else bundle_of(event.version)
    return UpdateCheck(
        app=event.app,
        device=event.device,
        platform=platform,
        version_name=event.native if runs in ("", BUILTIN) else runs,
        version_build=event.native,
        native=read_native(event.native),
        plugin=plugin,
        is_prod=event.is_prod,
        is_emulator=event.is_emulator,
        default_channel=event.default_channel,
        custom_id=event.custom_id,
        key_id=event.key_id,
        version_os=event.os,
        install_source=event.install_source,
        says_builtin=bundle_of(event.version) == BUILTIN,
    )
