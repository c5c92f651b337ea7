"""The statistics that a device sends: built, queued and sent as the release does.

Releases that send arrays keep undelivered reports across launches; the others send each report once and drop it.
PROTOCOL.md §4.1, §11.9.
"""

import enum
import json
from collections.abc import Callable
from typing import Any

from edge.device.ledger import Ledger
from edge.device.network import DeviceNetwork, TransferFailed
from edge.device.profile import Profile
from edge.device.rate_limit import RateGate
from edge.device.state import DeviceState

_KEPT_STATUSES = frozenset({408, 429})  # and every 5xx: the batch is sent again later


class _Delivery(enum.Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    KEPT = "kept"


class Reporter:
    """The queue of reports of one launch."""

    def __init__(
        self,
        profile: Profile,
        state: DeviceState,
        gate: RateGate,
        *,
        stats_url: str,
        key_id: str,
        info: Callable[[str, str], dict[str, Any]],
        running: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        """An empty `stats_url` turns reports off. `info` builds the members of every request from a version name and a
        key id; `running` names the running bundle; `clock` returns seconds since the epoch.
        """
        self._profile = profile
        self._state = state
        self._gate = gate
        self._stats_url = stats_url
        self._key_id = key_id
        self._info = info
        self._running = running
        self._clock = clock
        self._queue: list[dict[str, Any]] = state.pending_reports if profile.stats_in_arrays else []
        self._singles: list[dict[str, Any]] = []

    def report(self, action: str, version_name: str | None, old_version_name: str = "") -> None:
        """Queue an event of the plugin itself. `version_name` None leaves the member out."""
        if not self._stats_url:
            return
        event = self._build(action, version_name, old_version_name, self._key_id)
        if self._profile.stats_in_arrays:
            event["timestamp"] = int(self._clock() * 1000)
            self._queue.append(event)
            self._state.keep_reports(self._queue)
            self._queue = self._state.pending_reports
        else:
            self._singles.append(event)

    def report_download(self, action: str, version_name: str) -> None:
        """Queue an event of the download. Android's worker sends it separately, without key id and time (§4.1)."""
        if self._stats_url and self._profile.android:
            self._singles.append(self._build(action, version_name, "", ""))
        else:
            self.report(action, version_name)

    async def flush(self, network: DeviceNetwork, ledger: Ledger) -> None:
        """Send the queue. A failed delivery keeps an array for later and drops single reports."""
        singles, self._singles = self._singles, []
        for event in singles:
            if await self._deliver(network, ledger, event) is _Delivery.TAKEN:
                ledger.reports.append(event)
        if self._queue:
            await self._flush_queue(network, ledger)

    async def send_rate_limit_reached(self, network: DeviceNetwork, ledger: Ledger) -> None:
        """Send the one report that passes the closed gate: alone, never repeated (PROTOCOL.md §1.9)."""
        if not self._stats_url:
            return
        event = self._build("rate_limit_reached", self._running(), "", self._key_id)
        try:
            reply = await network.post(self._stats_url, json.dumps(event).encode())
        except TransferFailed:
            return
        if 200 <= reply.status < 300:
            ledger.reports.append(event)

    async def _flush_queue(self, network: DeviceNetwork, ledger: Ledger) -> None:
        match await self._deliver(network, ledger, self._queue):
            case _Delivery.KEPT:
                return
            case _Delivery.TAKEN:
                ledger.reports.extend(self._queue)
            case _Delivery.REFUSED:
                pass
        self._queue = []
        self._state.keep_reports([])

    async def _deliver(self, network: DeviceNetwork, ledger: Ledger, body: object) -> _Delivery:
        """Send one body. Only the HTTP status counts; results per event are not read (PROTOCOL.md §4.1)."""
        if self._gate.closed(self._clock()):
            return _Delivery.KEPT
        try:
            reply = await network.post(self._stats_url, json.dumps(body).encode())
        except TransferFailed:
            return _Delivery.KEPT
        if reply.status == 429 and self._gate.take_429(reply.headers, reply.body, self._clock()):
            await self.send_rate_limit_reached(network, ledger)
        if 200 <= reply.status < 300:
            return _Delivery.TAKEN
        return _Delivery.KEPT if reply.status in _KEPT_STATUSES or reply.status >= 500 else _Delivery.REFUSED

    def _build(self, action: str, version_name: str | None, old_version_name: str, key_id: str) -> dict[str, Any]:
        event = self._info(version_name or "", key_id)
        if version_name is None:
            del event["version_name"]
        event["action"] = action
        if self._profile.sends_old_version_name:
            event["old_version_name"] = old_version_name
        return event
