"""That a bundle is withheld from a device from now on: an event in the spool, beside those that devices report.

Nobody waits for it. It is bounded as reports are; what is lost or above the limits is counted.
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

OWN_PREFIX = "withheld"  # no peer's: all of a worker share the limit of one address


class WithheldNotes:
    def __init__(self, spool: Spool, limits: EventLimits, counts: Counter[str]) -> None:
        self._spool = spool
        self._limits = limits
        self._counts = counts

    def note(self, report: Event, version: str, cause: Cause, now: float) -> None:
        """`report` is what decided it, `version` the bundle, `now` in seconds since the epoch."""
        records = [encode_record(withheld_event(report, version, cause), now)]
        if not self._limits.admit(report.app, OWN_PREFIX, records, time.monotonic()):
            self._counts["withheld_over_limit"] += 1
            return
        try:
            self._spool.put(records).add_done_callback(self._noted)
        except Unavailable:
            self._counts["withheld_not_noted"] += 1

    def _noted(self, done: asyncio.Future[None]) -> None:
        lost = done.cancelled() or done.exception() is not None
        self._counts["withheld_not_noted" if lost else "withheld_noted"] += 1


def withheld_event(report: Event, version: str, cause: Cause) -> Event:
    """The action names the cause."""
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
