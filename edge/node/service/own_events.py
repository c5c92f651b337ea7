"""Events that the node itself writes into the spool, next to those that devices report.

No request waits for them. Each kind has a limit of its own for each app: neither a flood of reports nor another app
takes its place. Lost ones and those above the limit are counted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from edge.domain.errors import Unavailable
from edge.domain.facts import Cause
from edge.node.service.limits.event_limits import APPS_LIMIT, Buckets, cost_of
from edge.store.disk.group_commit import settle
from edge.telemetry.spool.record import encode_record
from edge.telemetry.spool.spool import Spool
from edge.wire.actions import withheld_action
from edge.wire.stats import Event


class OwnLimits:
    """How many events of one kind a worker writes for one app, in events per second; 0: no limit."""

    def __init__(self, app_rate: float) -> None:
        self._apps = Buckets(app_rate, APPS_LIMIT)

    def admit(self, app: str, size_bytes: int, now: float) -> bool:
        """Whether one event is within the limit. `now` in seconds of a monotonic clock."""
        return self._apps.take(app, cost_of(1, size_bytes), now)


class OwnEvents:
    """Events of one kind, counted as `<name>_noted`, `<name>_not_noted` and `<name>_over_limit`."""

    def __init__(
        self,
        name: str,
        spool: Spool,
        limits: OwnLimits,
        counts: Counter[str],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._spool = spool
        self._limits = limits
        self._counts = counts
        self._steady = steady

    def put(self, event: Event, now: float) -> asyncio.Future[None] | None:
        """Returns a future that ends when the event is durable or lost; None if it is refused at once. `now` in seconds
        since the epoch."""
        record = encode_record(event, now)
        return self._keep(event.app, len(record), lambda: self._spool.put([record]))

    def put_record(self, app: str, record: bytes, events: int) -> asyncio.Future[None] | None:
        """As `put`, a line of the spool with so many events."""

        def hand_in() -> asyncio.Future[None]:
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._spool.hand_in(record, events, partial(settle, stored))
            return stored

        return self._keep(app, len(record), hand_in)

    def _keep(self, app: str, size_bytes: int, put: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None] | None:
        if not self._limits.admit(app, size_bytes, self._steady()):
            self._counts[f"{self._name}_over_limit"] += 1
            return None
        try:
            stored = put()
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
