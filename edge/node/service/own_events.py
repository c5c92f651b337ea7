"""Events that the node itself writes into the spool, next to those that devices report.

No request waits for them. They have the limits of reports; lost ones and those above the limits are counted.
"""

import asyncio
import time
from collections import Counter

from edge.domain.errors import Unavailable
from edge.domain.facts import Cause
from edge.node.service.limits.event_limits import EventLimits
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.actions import withheld_action
from edge.wire.stats import Event


class OwnEvents:
    """Events of one kind, counted as `<name>_noted`, `<name>_not_noted` and `<name>_over_limit`. `source` takes the
    place of a peer's prefix: all of a worker's events share the limit of one address."""

    def __init__(self, name: str, source: str, spool: Spool, limits: EventLimits, counts: Counter[str]) -> None:
        self._name = name
        self._source = source
        self._spool = spool
        self._limits = limits
        self._counts = counts

    def put(self, event: Event, now: float) -> asyncio.Future[None] | None:
        """Returns a future that ends when the event is durable or lost; None if it is refused at once. `now` in seconds
        since the epoch."""
        records = [encode_record(event, now)]
        if not self._limits.admit(event.app, self._source, records, time.monotonic()):
            self._counts[f"{self._name}_over_limit"] += 1
            return None
        try:
            stored = self._spool.put(records)
        except Unavailable:
            self._counts[f"{self._name}_not_noted"] += 1
            return None
        stored.add_done_callback(self._count)
        return stored

    def _count(self, stored: asyncio.Future[None]) -> None:
        self._counts[f"{self._name}_{'not_noted' if is_lost(stored) else 'noted'}"] += 1


def is_lost(stored: asyncio.Future[None]) -> bool:
    """Of a future that has ended: whether the event was not stored."""
    return stored.cancelled() or stored.exception() is not None


def withheld_event(report: Event, version: str, cause: Cause) -> Event:
    """A bundle is withheld from a device from now on because of `report`. The action names the cause."""
    return Event(
        app=report.app,
        device=report.device,
        action=withheld_action(cause),
        version=version,
        platform=report.platform,
        plugin=report.plugin,
        native=report.native,
        is_prod=report.is_prod,
        is_emulator=report.is_emulator,
        custom_id=report.custom_id,
    )
