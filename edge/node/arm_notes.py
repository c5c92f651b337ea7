"""Which arm of an experiment a device was offered: an event in the spool, beside those that devices report.

A check does not wait for it. It is bounded as reports are; what is lost or above the limits is counted.
"""

import asyncio
import time
from collections import Counter

from edge.domain.decision import Offer
from edge.domain.errors import Unavailable
from edge.domain.model import UpdateCheck
from edge.node.event_limits import EventLimits
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

OWN_PREFIX = "experiments"  # no peer's: all offers of a worker share the limit of one address


class ArmNotes:
    def __init__(self, spool: Spool, limits: EventLimits, counts: Counter[str]) -> None:
        self._spool = spool
        self._limits = limits
        self._counts = counts

    def note(self, check: UpdateCheck, offer: Offer, now: float) -> None:
        """`now` in seconds since the epoch."""
        records = [encode_record(arm_event(check, offer), now)]
        if not self._limits.admit(check.app, OWN_PREFIX, records, time.monotonic()):
            self._counts["arms_over_limit"] += 1
            return
        try:
            self._spool.put(records).add_done_callback(self._noted)
        except Unavailable:
            self._counts["arms_not_noted"] += 1

    def _noted(self, done: asyncio.Future[None]) -> None:
        lost = done.cancelled() or done.exception() is not None
        self._counts["arms_not_noted" if lost else "arms_noted"] += 1


def arm_event(check: UpdateCheck, offer: Offer) -> Event:
    """`metadata` names the experiment and the arm."""
    experiment, _, arm = offer.arm.partition("/")
    return Event(
        app=check.app,
        device=check.device,
        action=EXPERIMENT_OFFER,
        version=offer.bundle.version,
        platform=check.platform.value,
        old_version=check.version_name,
        plugin=check.plugin.version,
        native=check.version_build,
        is_prod=check.is_prod,
        is_emulator=check.is_emulator,
        custom_id=check.custom_id,
        metadata={"channel": offer.channel, "experiment": experiment, "arm": arm},
    )
