"""The control's side of silence: devices outside a rollout that started the app, and whether they showed since that
they live. A sample, the first that come, of devices that were heard of before the watch began; no network has more than
its cap, so nobody can make the control look silent to hide a release that is."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from edge.domain.guarding.networks import TRUSTED_NETWORK, is_counted
from edge.domain.guarding.silence import SILENCE_AGES_MS, InstallsSettled

CONTROL_LIMIT = 5_000  # devices of a watch: a rate of some percent is known to a fraction of one


class NotedStart(NamedTuple):
    """A device of the control reported something: that the app started, or what shows that it lives."""

    at_ms: int
    key: int
    net: int
    starts: bool


class ControlDevice(NamedTuple):
    """`spoke_ms` is of its first sign of life since its first start in the watch; 0: none."""

    key: int
    net: int
    started_ms: int
    spoke_ms: int


class ControlStarts:
    """Of one watch, in memory, made from its rows."""

    def __init__(self) -> None:
        self._devices: dict[int, ControlDevice] = {}
        self._networks = Counter[int]()

    def __contains__(self, key: int) -> bool:
        return key in self._devices

    @property
    def is_full(self) -> bool:
        return len(self._devices) >= CONTROL_LIMIT

    def take(self, device: ControlDevice) -> None:
        """A row as it is in the database."""
        self._devices[device.key] = device
        self._networks[device.net] += 1

    def apply(self, notes: Iterable[NotedStart]) -> list[ControlDevice]:
        """Those of a batch, in the order of time; returns the rows that changed."""
        changed = set()
        for note in sorted(notes):
            known = self._devices.get(note.key)
            if known is None and note.starts and self._has_room(note.net):
                self.take(ControlDevice(note.key, note.net, note.at_ms, 0))
                changed.add(note.key)
            elif known is not None and not note.starts and not known.spoke_ms and note.at_ms >= known.started_ms:
                self._devices[note.key] = known._replace(spoke_ms=note.at_ms)
                changed.add(note.key)
        return [self._devices[key] for key in sorted(changed)]

    def settled(self, now_ms: int) -> list[InstallsSettled]:
        """At each of SILENCE_AGES_MS, counted from the start."""
        found = []
        for age_ms in SILENCE_AGES_MS:
            old = [each for each in self._devices.values() if each.started_ms + age_ms <= now_ms]
            spoke = sum(0 < each.spoke_ms <= each.started_ms + age_ms for each in old)
            found.append(InstallsSettled(len(old), len(old) - spoke))
        return found

    def _has_room(self, net: int) -> bool:
        if self.is_full:
            return False
        return net == TRUSTED_NETWORK or is_counted(len(self._devices), self._networks[net])


def read_starts(connection: sqlite3.Connection, watch: int) -> ControlStarts:
    starts = ControlStarts()
    query = "SELECT key, net, started_ms, spoke_ms FROM control_starts WHERE watch = ? ORDER BY started_ms, key"
    for row in connection.execute(query, (watch,)):
        starts.take(ControlDevice(*row))
    return starts
