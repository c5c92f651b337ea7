"""Which arm of an experiment a device is in: an event in the spool, beside those that devices report, when the device
is offered the arm's bundle or runs it already.

Once a device and experiment, as far as a worker remembers; what comes twice all the same, from another worker or after
a restart, the fold counts once. A check does not wait for it. It is bounded as reports are; what is lost or above the
limits is counted, and noted at the device's next check.
"""

import asyncio
import time
from array import array
from collections import Counter
from functools import partial

from xxhash import xxh3_64_intdigest

from edge.domain.errors import Unavailable
from edge.domain.model import ChannelName, Experiment, UpdateCheck
from edge.node.service.event_limits import EventLimits
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

OWN_PREFIX = "experiments"  # no peer's: all offers of a worker share the limit of one address


PLACES = 1 << 18  # 2 MiB a worker. Two devices that share a place are noted at each turn, and counted once all the same


class ArmNotes:
    def __init__(self, spool: Spool, limits: EventLimits, counts: Counter[str]) -> None:
        self._spool = spool
        self._limits = limits
        self._counts = counts
        self._seen = array("Q", bytes(8 * PLACES))  # at a device's place, the hash that was noted there last

    def note(
        self, check: UpdateCheck, channel: ChannelName, experiment: Experiment, arm: str, bundle: str, now: float
    ) -> None:
        """The device is in `arm`, which has `bundle` for it. `now` in seconds since the epoch."""
        mark = xxh3_64_intdigest(f"{check.app}\0{experiment.salt}\0{check.device}".encode())
        if self._seen[mark % PLACES] == mark:
            return
        records = [encode_record(arm_event(check, channel, experiment, arm, bundle), now)]
        if not self._limits.admit(check.app, OWN_PREFIX, records, time.monotonic()):
            self._counts["arms_over_limit"] += 1
            return
        try:
            noting = self._spool.put(records)
        except Unavailable:
            self._counts["arms_not_noted"] += 1
            return
        self._seen[mark % PLACES] = mark
        noting.add_done_callback(partial(self._noted, mark))

    def _noted(self, mark: int, done: asyncio.Future[None]) -> None:
        lost = done.cancelled() or done.exception() is not None
        self._counts["arms_not_noted" if lost else "arms_noted"] += 1
        if lost and self._seen[mark % PLACES] == mark:
            self._seen[mark % PLACES] = 0


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
