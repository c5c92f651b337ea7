"""Records which arm of an experiment a device is in, once it is offered the arm's bundle or already runs it.

Once per device and experiment, as far as a worker remembers; the fold counts duplicates, from other workers or after a
restart, once. A record that is lost is written again at the device's next check.
"""

import asyncio
from array import array
from functools import partial

from xxhash import xxh3_64_intdigest

from edge.domain.model import ChannelName, Experiment, UpdateCheck
from edge.node.service.own_events import OwnEvents, is_lost
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

PLACES = 1 << 18  # 2 MiB per worker. Two devices that share a place are recorded in turn, and still counted once


class ArmNotes:
    """Remembers the devices that were recorded, in fixed memory."""

    def __init__(self, events: OwnEvents) -> None:
        self._events = events
        self._seen = array("Q", bytes(8 * PLACES))  # at a device's place, the hash that was recorded there last

    def has(self, check: UpdateCheck, experiment: Experiment) -> bool:
        """Whether the device is recorded in this experiment, as far as this worker remembers."""
        mark = _mark_of(check, experiment)
        return self._seen[mark % PLACES] == mark

    def note(
        self, check: UpdateCheck, channel: ChannelName, experiment: Experiment, arm: str, bundle: str, now: float
    ) -> None:
        """Record that the device is in `arm`, whose bundle is `bundle`. `now` in seconds since the epoch."""
        mark = _mark_of(check, experiment)
        if self._seen[mark % PLACES] == mark:
            return
        stored = self._events.put(arm_event(check, channel, experiment, arm, bundle), now)
        if stored is not None:
            self._seen[mark % PLACES] = mark
            stored.add_done_callback(partial(self._forget_if_lost, mark))

    def _forget_if_lost(self, mark: int, stored: asyncio.Future[None]) -> None:
        if is_lost(stored) and self._seen[mark % PLACES] == mark:
            self._seen[mark % PLACES] = 0


def _mark_of(check: UpdateCheck, experiment: Experiment) -> int:
    return xxh3_64_intdigest(f"{check.app}\0{experiment.salt}\0{check.device}".encode())


def arm_event(check: UpdateCheck, channel: ChannelName, experiment: Experiment, arm: str, bundle: str) -> Event:
    """`metadata` names the experiment, with the id of the change that started it, and the arm."""
    return Event(
        app=check.app,
        device=check.device,
        action=EXPERIMENT_OFFER,
        version=bundle,
        platform=check.platform.value,
        old_version=check.version_name,
        plugin=check.plugin.version,
        native=check.version_build,
        is_prod=check.is_prod,
        is_emulator=check.is_emulator,
        custom_id=check.custom_id,
        metadata={"channel": channel, "experiment": experiment.name, "id": experiment.salt, "arm": arm},
    )
