"""The known devices of an app as they were read some seconds ago, for pages: one reading of the spool serves several.

What was erased since is left out each time.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from edge.domain.model import AppId, DeviceId, UpdateCheck
from edge.telemetry.devices.known_devices import NOBODY, KnownDevice, KnownDevices

REMEMBERED_SECONDS = 10.0
DEVICES_REMEMBERED = 20_000  # of all apps together, of some 2 kB each; an app with more is read each time


class _Read(NamedTuple):
    devices: Mapping[DeviceId, KnownDevice]
    cut: bool
    at: float


class SeenDevices:
    """As `KnownDevices`; may be iterated again."""

    def __init__(self, read: _Read, erased: Mapping[str, int]) -> None:
        self._found = [each for each in read.devices.values() if _stands(each.check, each.reported, erased)]
        self.devices = len(self._found)
        self.since = self._found[-1].reported if self._found else None
        self.cut = read.cut

    def __iter__(self) -> Iterator[KnownDevice]:
        return iter(self._found)


class RememberedDevices:
    """For one thread at a time. `clock` is in seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], limit: int = DEVICES_REMEMBERED) -> None:
        self._clock, self._limit = clock, limit
        self._read: dict[AppId, _Read] = {}

    def read_at(self, app: AppId) -> float | None:
        """When they were read, in seconds since the epoch; None: they are not remembered."""
        found = self._read.get(app)
        return found.at if found is not None and 0 <= self._clock() - found.at < REMEMBERED_SECONDS else None

    def of(self, app: AppId, known: KnownDevices, erased: Mapping[str, int] = NOBODY) -> SeenDevices:
        """Those that are remembered, or else `known`, which is read and remembered. `erased` is as of now."""
        if self.read_at(app) is None:
            at = self._clock()
            devices = {each.check.device: each for each in known}
            read = _Read(devices, known.cut, at)
            self._keep(app, read)
            return SeenDevices(read, erased)
        return SeenDevices(self._read[app], erased)

    def find(self, app: AppId, device: DeviceId, erased: Mapping[str, int] = NOBODY) -> KnownDevice | None:
        """One that is remembered."""
        found = self._read[app].devices.get(device) if self.read_at(app) is not None else None
        return found if found is not None and _stands(found.check, found.reported, erased) else None

    def _keep(self, app: AppId, read: _Read) -> None:
        self._read = {each: old for each, old in self._read.items() if each != app and self.read_at(each) is not None}
        if len(read.devices) > self._limit:
            return
        self._read[app] = read
        while sum(len(each.devices) for each in self._read.values()) > self._limit:
            del self._read[next(iter(self._read))]


def _stands(check: UpdateCheck, reported: float, erased: Mapping[str, int]) -> bool:
    return round(reported * 1_000) > erased.get(check.device, -1)
