"""Events that the node itself writes into the spool, beside those that devices report.

Nobody waits for them. They are bounded as reports are; what is lost or above the limits is counted.
"""

import asyncio
import time
from collections import Counter

from edge.domain.errors import Unavailable
from edge.domain.facts import Cause
from edge.node.service.event_limits import EventLimits
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.actions import withheld_action
from edge.wire.stats import Event


class OwnEvents:
    """Of one kind: `<name>_noted`, `<name>_not_noted` and `<name>_over_limit` are its counts. `source` stands where a
    report has the peer's prefix, so that all of a worker's share the limit of one address."""

    def __init__(self, name: str, source: str, spool: Spool, limits: EventLimits, counts: Counter[str]) -> None:
        self._name = name
        self._source = source
        self._spool = spool
        self._limits = limits
        self._counts = counts

    def put(self, event: Event, now: float) -> asyncio.Future[None] | None:
        """The future is done when the event is durable, or failed; None where it was refused at once. `now` in seconds
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
    return stored.cancelled() or stored.exception() is not None


def withheld_event(report: Event, version: str, cause: Cause) -> Event:
    """That a bundle is withheld from a device from now on; `report` is what decided it. The action names the cause."""
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
