"""What a batch tells of the control's devices, for silence: noted device by device, applied in the order of time."""

import sqlite3
from collections.abc import Callable

from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.generations import tells_what_it_is
from edge.domain.statistics.meanings import Meaning
from edge.domain.statistics.observation import Cohort
from edge.telemetry.votes.arm_counts import draw
from edge.telemetry.votes.control_starts import NotedStart
from edge.telemetry.votes.watch_book import WatchBook

SPEAKS = int(Meaning.READY | Meaning.PROOF | Meaning.RESET | Meaning.FAILED_BOOT | Meaning.FAILED_INSTALL)
_STARTS = int(Meaning.START | Meaning.FOREGROUND)
_LIVES = _STARTS | SPEAKS


class ControlNotes:
    """Of one watch of a rollout in one batch."""

    def __init__(self, app: str, book: WatchBook, labels_of: Callable[[int], Cohort]) -> None:
        self._app, self._book, self._labels_of = app, book, labels_of
        self._notes: list[NotedStart] = []
        self._started: set[int] = set()

    def hear(self, state: DeviceRecord, device: str, meaning: int, at_ms: int, net: int, node: str) -> None:
        """A device reported what has this meaning, of whatever bundle, to this node."""
        if not meaning & _LIVES or at_ms < self._book.watch.since_ms:
            return
        if state.key in self._book.control or state.key in self._started:
            if meaning & SPEAKS:
                self._notes.append(NotedStart(at_ms, state.key, net, starts=False))
        elif meaning & _STARTS and self._has_room(number := self._book.number_of(node), state, device, at_ms):
            self._started.add(state.key)
            self._notes.append(NotedStart(at_ms, state.key, net, starts=True, node=number))

    def store(self, connection: sqlite3.Connection) -> bool:
        """Whether rows have changed."""
        changed = [(self._book.id, *each) for each in self._book.control.apply(self._notes)]
        connection.executemany("INSERT OR REPLACE INTO control_starts VALUES (?, ?, ?, ?, ?, ?)", changed)
        return bool(changed)

    def _has_room(self, node: int, state: DeviceRecord, device: str, at_ms: int) -> bool:
        return not self._book.control.is_full(node) and self._is_outside(state, device, at_ms)

    def _is_outside(self, state: DeviceRecord, device: str, at_ms: int) -> bool:
        """Of devices heard of before the watch began: their silence then is not that they are made up."""
        watch = self._book.watch
        if watch.rollout is None or not state.followed or not state.cohort or not 0 < state.first_ms < watch.since_ms:
            return False
        labels = self._labels_of(state.cohort)
        group = labels.group
        if group.channel != watch.channel or group.kind != "device" or not tells_what_it_is(labels.plugin):
            return False
        drawn = draw(self._app, watch.rollout, device.lower(), group.segments, at_ms)
        return drawn is not None and not drawn.in_arm
