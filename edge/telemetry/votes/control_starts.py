"""The control's side of silence: devices outside a rollout that started the app, and whether they showed since that
they live. A sample, the first that come, of devices that were heard of before the watch began; no network has more than
its cap, so nobody can make the control look silent to hide a release that is; each node has a sample of its own."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from edge.domain.guarding.networks import TRUSTED_NETWORK, is_counted
from edge.domain.guarding.silence import SILENCE_AGES_MS, InstallsSettled
from edge.telemetry.votes.counted_votes import HERE

CONTROL_LIMIT = 5_000  # devices of a watch and node: a rate of some percent is known to a fraction of one


class NotedStart(NamedTuple):
    """A device of the control reported something, to the node of this number: that the app started, or what shows that
    it lives."""

    at_ms: int
    key: int
    net: int
    starts: bool
    node: int = HERE


class ControlDevice(NamedTuple):
    """`spoke_ms` is of its first sign of life since its first start in the watch; 0: none. `node` heard that start."""

    key: int
    net: int
    started_ms: int
    spoke_ms: int
    node: int = HERE


class ControlStarts:
    """Of one watch, in memory, made from its rows."""

    def __init__(self) -> None:
        self._devices: dict[int, ControlDevice] = {}
        self._networks = Counter[tuple[int, int]]()
        self._of_node = Counter[int]()

    def __contains__(self, key: int) -> bool:
        return key in self._devices

    def is_full(self, node: int = HERE) -> bool:
        return self._of_node[node] >= CONTROL_LIMIT

    def take(self, device: ControlDevice) -> None:
        """A row as it is in the database."""
        self._devices[device.key] = device
        self._networks[device.node, device.net] += 1
        self._of_node[device.node] += 1

    def apply(self, notes: Iterable[NotedStart]) -> list[ControlDevice]:
        """Those of a batch, in the order of time; returns the rows that changed."""
        changed = set()
        for note in sorted(notes):
            known = self._devices.get(note.key)
            if known is None and note.starts and self._has_room(note.net, note.node):
                self.take(ControlDevice(note.key, note.net, note.at_ms, 0, note.node))
                changed.add(note.key)
            elif known is not None and not note.starts and not known.spoke_ms and note.at_ms >= known.started_ms:
                self._devices[note.key] = known._replace(spoke_ms=note.at_ms)
                changed.add(note.key)
        return [self._devices[key] for key in sorted(changed)]

    def settled(self, now_ms: int) -> list[InstallsSettled]:
        """At each of SILENCE_AGES_MS, counted from the start."""
        return settled_of(self.settled_by_node(now_ms))

    def settled_by_node(self, now_ms: int) -> dict[int, list[InstallsSettled]]:
        found: defaultdict[int, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in SILENCE_AGES_MS])
        for each in self._devices.values():
            for age_ms, counts in zip(SILENCE_AGES_MS, found[each.node], strict=True):
                if each.started_ms + age_ms <= now_ms:
                    counts[0] += 1
                    counts[1] += not 0 < each.spoke_ms <= each.started_ms + age_ms
        return {node: [InstallsSettled(*each) for each in counts] for node, counts in found.items()}

    def _has_room(self, net: int, node: int) -> bool:
        if self.is_full(node):
            return False
        return net == TRUSTED_NETWORK or is_counted(self._of_node[node], self._networks[node, net])


def settled_of(nodes: Mapping[int, list[InstallsSettled]], without: int | None = None) -> list[InstallsSettled]:
    """Of all nodes together, but one; at each of SILENCE_AGES_MS."""
    kept = [each for node, each in nodes.items() if node != without]
    return [
        InstallsSettled(sum(each[index].installed for each in kept), sum(each[index].silent for each in kept))
        for index in range(len(SILENCE_AGES_MS))
    ]


def read_starts(connection: sqlite3.Connection, watch: int) -> ControlStarts:
    starts = ControlStarts()
    query = "SELECT key, net, started_ms, spoke_ms, node FROM control_starts WHERE watch = ? ORDER BY started_ms, key"
    for row in connection.execute(query, (watch,)):
        starts.take(ControlDevice(*row))
    return starts
