"""Answers `POST /events` in one worker, when the events are on disk and not before (PROTOCOL.md §13).

Takes bodies and returns bodies; knows no HTTP library. Unlike a report, a request above the limits is refused: whoever
sends events waits and sends them again. The limits are apart from those of reports, which these must not crowd out.
"""

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.states import is_taken
from edge.node.observing.counts import ServiceCounts
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.common_answers import Reply
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.large_bodies import BodyRefused, LargeBodies
from edge.node.service.peers import Peer
from edge.node.service.reports.networks import Networks
from edge.node.service.rollout_clock import SYSTEM, ServiceClock
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.app_records import Used, encode_used
from edge.telemetry.spool.spool import Spool
from edge.wire.app_events import AppReport, encode_app_answer, parse_app_report
from edge.wire.body import WireError

UNAVAILABLE = b'{"error":"unavailable","message":"Events cannot be stored now: send them again later"}'


class AppEventService:
    """Of one worker. What becomes of events is counted in `counts.app_events`."""

    def __init__(
        self,
        current: ServedSnapshots,
        spool: Spool,
        *,
        limits: EventLimits,
        bodies: LargeBodies,
        counts: ServiceCounts,
        networks: Networks,
        clock: ServiceClock = SYSTEM,
    ) -> None:
        self._current, self._spool, self._limits = current, spool, limits
        self._bodies, self._counts, self._clock = bodies, counts, clock
        self._network_of = networks.number_of

    async def take(self, body: bytes, key: str, peer: Peer) -> Reply:
        """Answer a request; `key` is the header's, or ""."""
        try:
            report = await self._bodies.run(len(body), parse_app_report, body)
        except WireError as error:
            self._counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        except BodyRefused:
            return Reply(503, EncodedBody(UNAVAILABLE, None))
        try:
            outcome = await self._keep(report, key, peer)
        except WireError as error:
            return Reply(error.status, EncodedBody(error.body, None), report.app)
        self._counts.app_events["malformed"] += len(report.refused)
        self._counts.app_events[outcome] += len(report.events)
        if outcome != "stored":
            return Reply(503, EncodedBody(UNAVAILABLE, None), report.app)
        return Reply(200, EncodedBody(encode_app_answer(report), None), report.app)

    async def _keep(self, report: AppReport, key: str, peer: Peer) -> str:
        """What became of the events: "stored" or "refused". Raises WireError: 404, 401, 403, 429."""
        snapshot = await self._snapshot(report)
        if snapshot is None:
            return "refused"
        self._check_key(report, key or report.key, snapshot)
        used = Used(report.app, report.device, report.events, report.custom_id, report.platform)
        record = encode_used(used, self._clock.now(), self._network_of(peer.prefix, snapshot.trusted))
        if not self._limits.admit(report.app, peer.prefix, len(report.events), len(record), self._clock.steady()):
            self._count(report, "over_limit")
            raise WireError(429, "too_many_requests", "Too many events of this app or address: send them again later")
        try:
            await self._spool.keep(record, len(report.events))
        except Unavailable as error:
            self._counts.refused_events[error.code] += len(report.events)
            return "refused"
        return "stored"

    async def _snapshot(self, report: AppReport) -> AppSnapshot | None:
        """None: the app exists, or may, and its keys cannot be known now. Raises WireError 404."""
        await self._current.wait_for(report.app)
        snapshot = self._current.snapshot(report.app)
        if snapshot is None and not self._current.is_unserved(report.app):
            self._count(report, "unknown_app")
            raise WireError(404, "unknown_app", "This node has no such app")
        return snapshot

    def _check_key(self, report: AppReport, key: str, snapshot: AppSnapshot) -> None:
        if is_taken(snapshot.event_keys, key, self._clock.now()):
            return
        self._count(report, "wrong_key")
        if not key:
            raise WireError(401, "missing_key", "This app takes events with its event key alone: send it")
        raise WireError(403, "wrong_key", "This is no event key of the app, or one that has ended")

    def _count(self, report: AppReport, outcome: str) -> None:
        self._counts.app_events[outcome] += len(report.events)
