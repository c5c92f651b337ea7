"""Answers reports in one worker, each when its events are on disk and its failures recorded, not before.

Takes bodies and returns bodies; knows no HTTP library. An ordinary report is handed to the disk as it came, without a
task; one that is not, or that has to wait for more than the disk, is taken slowly.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.model import AppId, DeviceId
from edge.facts.changes import Downloaded, Failed, Withheld
from edge.node.observing.counts import ServiceCounts
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.common_answers import Reply
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.large_bodies import LARGE_BYTES, ON_LOOP_BYTES, BodyRefused, LargeBodies
from edge.node.service.own_events import OwnEvents, OwnLimits, withheld_event
from edge.node.service.peers import Peer
from edge.node.service.reported import ABOUT_FACTS, EventChange, reported_in
from edge.node.service.reports.networks import Networks
from edge.node.service.rollout_clock import SYSTEM, Moments, ServiceClock
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.record import encode_record, encode_report
from edge.telemetry.spool.spool import Spool
from edge.wire.body import WireError
from edge.wire.ordinary_stats import OrdinaryReport, encode_accepted, read_events, read_ordinary
from edge.wire.stats import Event, encode_stats_answer, parse_stats

Answer = Callable[[Reply], None]

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
        networks: Networks,
        clock: ServiceClock = SYSTEM,
    ) -> None:
        self._current, self._spool, self._facts = current, spool, facts
        self._event_limits, self._fact_limits = event_limits, fact_limits
        self._bodies, self._counts, self._moments = bodies, counts, moments
        self._clock = clock
        self._withheld = OwnEvents("withheld", spool, OwnLimits(event_limits.prefix_rate), counts.others, clock.steady)
        self._network_of = networks.number_of

    async def take(self, body: bytes, peer: Peer) -> Reply:
        """Answer a `POST /stats`."""
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self.take_at_once(body, peer, partial(_tell, answered)):
            return await answered
        return await self.take_slowly(body, peer)

    def take_at_once(self, body: bytes, peer: Peer, answer: Answer) -> bool:
        """Take an ordinary report: `answer` is called once, in a later turn of the loop. False: nothing was done, and
        `take_slowly` is for it."""
        report = read_ordinary(body) if len(body) <= LARGE_BYTES else None
        snapshot = self._current.snapshot(report.app) if report is not None else None
        if report is None or snapshot is None:
            return False
        downloads: list[Downloaded] = []
        if not report.actions.isdisjoint(ABOUT_FACTS):
            if len(body) > ON_LOOP_BYTES:
                return False
            moment = self._moments.of(snapshot.shard)
            downloads, changes = reported_in(read_events(body), snapshot, self._facts.of, moment, peer)
            if changes:
                return False
        record = encode_report(report, body, self._clock.now(), self._network_of(peer.prefix, snapshot.trusted))
        if not self._event_limits.admit(report.app, peer.prefix, report.events, len(record), self._clock.steady()):
            self._counts.events["over_limit"] += report.events
            asyncio.get_running_loop().call_soon(answer, _accepted(report))
            return True
        self._note(downloads, peer)
        try:
            self._spool.hand_in(record, report.events, partial(self._settle, report, answer))
        except Unavailable as refusal:
            asyncio.get_running_loop().call_soon(self._settle, report, answer, refusal)
        return True

    def _settle(self, report: OrdinaryReport, answer: Answer, error: Exception | None) -> None:
        """The report's events are stored, or not."""
        if error is None:
            self._counts.events["stored"] += report.events
            answer(_accepted(report))
        elif isinstance(error, Unavailable):
            self._count_refused(report.events, error)
            answer(Reply(503, EncodedBody(UNAVAILABLE, None), report.app))
        else:
            raise error  # a bug

    async def take_slowly(self, body: bytes, peer: Peer) -> Reply:
        """Answer any `POST /stats`."""
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
        now = self._clock.now()
        snapshot = self._current.snapshot(events[0].app)
        network = self._network_of(peer.prefix, snapshot.trusted if snapshot is not None else ())
        records = await self._bodies.run(size, _records_of, events, now, network)
        size_bytes = sum(map(len, records))
        if not self._event_limits.admit(events[0].app, peer.prefix, len(records), size_bytes, self._clock.steady()):
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
        self._note(downloads, peer)
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

    def _note(self, downloads: list[Downloaded], peer: Peer) -> None:
        for downloaded in downloads:
            if self._admits_note(downloaded.app, peer.prefix):
                self._facts.note(downloaded)

    def _within_limits(self, reported: list[EventChange], peer: Peer) -> list[EventChange]:
        """Without the failures if they are above the limit of failures, and without installations above that of notes;
        their events are stored all the same, within the limits of events."""
        failed = sum(isinstance(each.change, Failed) for each in reported)
        admitted = bool(failed) and self._fact_limits.admit_failures(
            reported[0].event.app, peer.prefix, failed, self._clock.steady()
        )
        if failed and not admitted:
            self._counts.over_limit["failures"] += failed
        return [
            each
            for each in reported
            if (admitted if isinstance(each.change, Failed) else self._admits_note(each.event.app, peer.prefix))
        ]

    def _admits_note(self, app: str, prefix: str) -> bool:
        admitted = self._fact_limits.admit_note(app, prefix, self._clock.steady())
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
            self._count_refused(len(records), error)
            return False
        self._counts.events["stored"] += len(records)
        return True

    def _count_refused(self, events: int, error: Unavailable) -> None:
        self._counts.events["refused"] += events
        self._counts.refused_events[error.code] += events


def _accepted(report: OrdinaryReport) -> Reply:
    return Reply(200, EncodedBody(encode_accepted(report), None), report.app)


def _tell(answered: asyncio.Future[Reply], reply: Reply) -> None:
    if not answered.done():  # else the client has left
        answered.set_result(reply)


def _records_of(events: list[Event], now: float, network: int) -> list[bytes]:
    return [encode_record(event, now, network) for event in events]
