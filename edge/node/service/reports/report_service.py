"""Answers reports in one worker, each when its events are on disk and its failures recorded, not before.

Takes bodies and returns bodies; knows no HTTP library.
"""

import time

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.model import AppId, DeviceId
from edge.facts.changes import Failed, Withheld
from edge.node.observing.counts import ServiceCounts
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.common_answers import Reply
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.large_bodies import BodyRefused, LargeBodies
from edge.node.service.own_events import OwnEvents, OwnLimits, withheld_event
from edge.node.service.peers import Peer
from edge.node.service.reported import EventChange, reported_in
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.body import WireError
from edge.wire.stats import Event, encode_stats_answer, parse_stats

UNAVAILABLE = b'{"error":"unavailable","message":"Events cannot be stored now"}'


class ReportService:
    """Of one worker, beside its checks, with which it shares what it is given."""

    def __init__(
        self,
        current: ServedSnapshots,
        spool: Spool,
        facts: FactsClient,
        *,
        event_limits: EventLimits,
        fact_limits: FactLimits,
        bodies: LargeBodies,
        counts: ServiceCounts,
        moments: Moments,
    ) -> None:
        self._current, self._spool, self._facts = current, spool, facts
        self._event_limits, self._fact_limits = event_limits, fact_limits
        self._bodies, self._counts, self._moments = bodies, counts, moments
        self._withheld = OwnEvents("withheld", spool, OwnLimits(event_limits.prefix_rate), counts.others)

    async def take(self, body: bytes, peer: Peer) -> Reply:
        """Answer a `POST /stats`."""
        try:
            return await self._report(body, peer)
        except WireError as error:
            self._counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        except BodyRefused:
            self._counts.others["reports_refused"] += 1
            return Reply(503, EncodedBody(UNAVAILABLE, None))

    async def _report(self, body: bytes, peer: Peer) -> Reply:
        """Raises WireError, BodyRefused. What takes a time that depends on the body's size leaves the loop."""
        size = len(body)
        report = await self._bodies.run(size, parse_stats, body)
        app = report.events[0].app if report.events else ""
        known = [event for event in report.events if event.app in self._current.apps]
        self._counts.events["unknown_app"] += len(report.events) - len(known)
        if app and not known and self._current.is_unserved(AppId(app)):  # it may exist: the device keeps its events
            self._counts.shed["unserved_requests"] += 1
            return Reply(503, EncodedBody(UNAVAILABLE, None), app)
        if known and not await self._take_events(known, peer, size):
            # 503 makes the plugin keep its events and send them again (PROTOCOL.md §4.1).
            return Reply(503, EncodedBody(UNAVAILABLE, None), app)
        return Reply(200, EncodedBody(await self._bodies.run(size, encode_stats_answer, report), None), app)

    async def _take_events(self, events: list[Event], peer: Peer, size: int) -> bool:
        """The events of one request, all of one app; False if they cannot be stored now. Above the limits of their app
        or address they are dropped and counted, and the device gets its 200.
        """
        await self._current.wait_for(events[0].app)
        if self._current.is_awaited(events[0].app):  # not stored, or a failure of this device would be missed
            self._counts.shed["unloaded_requests"] += 1
            return False
        now = time.time()
        records = await self._bodies.run(size, _records_of, events, now)
        if not self._event_limits.admit(events[0].app, peer.prefix, records, time.monotonic()):
            self._counts.events["over_limit"] += len(events)
            return True
        return await self._withhold(events, peer, size) and await self._keep(records)

    async def _withhold(self, events: list[Event], peer: Peer, size: int) -> bool:
        """Record failures, so that the bundles are not offered to the device again; False if that fails now. All events
        are of one app.

        Comes before storing the events: a report that is sent again changes nothing here, and is counted once there.
        """
        snapshot = self._current.snapshot(events[0].app)
        if snapshot is None:  # damaged: which of its bundles a failure is about cannot be told
            return True
        moment = self._moments.of(snapshot.shard)
        downloads, changes = await self._bodies.run(size, reported_in, events, snapshot, self._facts.of, moment, peer)
        for downloaded in downloads:
            if self._admits_note(downloaded.app, peer.prefix):
                self._facts.note(downloaded)
        reported = self._within_limits(changes, peer)
        if not reported:
            return True
        try:
            withheld = await self._facts.record([each.change for each in reported])
        except Unavailable:
            self._counts.others["failures_refused"] += len(reported)
            return False
        self._counts.others["failures"] += len(reported)
        self._note_withheld(withheld, reported, snapshot)
        return True

    def _within_limits(self, reported: list[EventChange], peer: Peer) -> list[EventChange]:
        """Without the failures if they are above the limit of failures, and without installations above that of notes;
        their events are stored all the same, within the limits of events."""
        failed = sum(isinstance(each.change, Failed) for each in reported)
        admitted = bool(failed) and self._fact_limits.admit_failures(
            reported[0].event.app, peer.prefix, failed, time.monotonic()
        )
        if failed and not admitted:
            self._counts.over_limit["failures"] += failed
        return [
            each
            for each in reported
            if (admitted if isinstance(each.change, Failed) else self._admits_note(each.event.app, peer.prefix))
        ]

    def _admits_note(self, app: str, prefix: str) -> bool:
        admitted = self._fact_limits.admit_note(app, prefix, time.monotonic())
        if not admitted:
            self._counts.over_limit["notes"] += 1
        return admitted

    def _note_withheld(self, withheld: list[Withheld], reported: list[EventChange], snapshot: AppSnapshot) -> None:
        """For metrics and the app's statistics: one cause on many devices is a wrong key, not bad luck."""
        events = {each.event.device: each.event for each in reported}
        for each in withheld:
            self._counts.withheld[each.cause.word] += 1
            bundle = snapshot.offered_by_hash.get(each.bundle)
            report, version = events[DeviceId(each.device)], bundle.version if bundle else ""
            self._withheld.put(withheld_event(report, version, each.cause), self._moments.now)

    async def _keep(self, records: list[bytes]) -> bool:
        """Store the events of one request; False if the spool refuses them."""
        try:
            await self._spool.append(records)
        except Unavailable as error:
            self._counts.events["refused"] += len(records)
            self._counts.refused_events[error.code] += len(records)
            return False
        self._counts.events["stored"] += len(records)
        return True


def _records_of(events: list[Event], now: float) -> list[bytes]:
    return [encode_record(event, now) for event in events]
