"""Answers devices in one worker, whichever HTTP server read the request: checks from memory, reports once on disk.

Takes bodies and returns bodies; knows no HTTP library. Checks are answered by `Questions`, which has `CheckService`
behind it, reports by `ReportService`. `take_check` answers a `POST /updates` at once, given the `base_of` the request.
"""

from urllib.parse import urlsplit

from edge.domain.model import UpdateCheck
from edge.node.observing.counts import ServiceCounts
from edge.node.service.addresses import base_address
from edge.node.service.app_events.app_event_service import AppEventService
from edge.node.service.checks.check_service import CheckService
from edge.node.service.checks.questions import Questions
from edge.node.service.common_answers import Reply
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.facts_client import FactsClient
from edge.node.service.features.change_streams import ChangeStreams
from edge.node.service.features.exposures import Exposures
from edge.node.service.features.feature_service import FeatureService
from edge.node.service.heard.check_notes import CheckNotes
from edge.node.service.heard.delivery_counts import DeliveryCounts
from edge.node.service.heard.hand_over import HandOver
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.large_bodies import LargeBodies
from edge.node.service.limits.overload import Overload
from edge.node.service.limits.rate_limits import ChannelLimits
from edge.node.service.own_events import OwnEvents, OwnLimits
from edge.node.service.own_faults import OwnFaults
from edge.node.service.peers import NOWHERE, Peer, Proxies, Whence
from edge.node.service.push.push_service import PushService
from edge.node.service.reports.networks import Networks
from edge.node.service.reports.report_service import ReportService
from edge.node.service.rollout_clock import SYSTEM, Moments, ServiceClock
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.spool import Spool


class DeviceService:
    """What the lane and the aiohttp application share in one worker. The lane ticks `moments` once a second."""

    def __init__(
        self,
        current: ServedSnapshots,
        spool: Spool,
        *,
        public_url: str,
        allowed_hosts: frozenset[str],
        proxies: Proxies,
        overload: Overload,
        event_limits: EventLimits,
        facts: FactsClient,
        net_key: bytes,
        scheme: str = "http",
        clock: ServiceClock = SYSTEM,
    ) -> None:
        self.current = current
        self.facts = facts
        self.channel_limits = ChannelLimits()
        self.spool = spool
        self._clock = clock
        self.proxies = proxies
        self.overload = overload
        self.event_limits = event_limits
        self.fact_limits = FactLimits(event_limits)
        self.counts = ServiceCounts()
        self.bodies = LargeBodies(self.counts.others)
        self.moments = Moments(clock.now(), clock.since_boot)
        self.faults = OwnFaults(current.snapshot, facts.tell_fault, clock.steady)
        others, rate = self.counts.others, event_limits.prefix_rate
        self.heard = CheckNotes(others, clock.now(), facts.with_behaviour)
        self.deliveries = DeliveryCounts(current.snapshot, others)
        self.checks = CheckService(
            current,
            self.moments,
            facts,
            ArmNotes(OwnEvents("arms", spool, OwnLimits(rate), others, clock.steady)),
            self.heard,
            overload=overload,
            proxies=proxies,
            fact_limits=self.fact_limits,
            counts=self.counts,
            faults=self.faults,
            clock=clock,
        )
        self.questions = Questions(self.checks)
        self.take_check = self.questions.take  # as a method of its own it would cost each check a call more
        self.networks = networks = Networks(net_key)
        self.reports = ReportService(
            current,
            spool,
            facts,
            event_limits=event_limits,
            fact_limits=self.fact_limits,
            bodies=self.bodies,
            counts=self.counts,
            moments=self.moments,
            clock=clock,
            networks=networks,
        )
        self.app_events = AppEventService(
            current,
            spool,
            limits=EventLimits(event_limits.app_rate, event_limits.prefix_rate),
            bodies=self.bodies,
            counts=self.counts,
            networks=networks,
            clock=clock,
        )
        self.features = FeatureService(
            current,
            facts,
            self.moments,
            Exposures(OwnEvents("exposures", spool, OwnLimits(rate), others, clock.steady)),
            ChangeStreams(overload.in_progress_limit, urlsplit(public_url).path),
            overload=overload,
            proxies=proxies,
            counts=self.counts.features,
            steady=clock.steady,
        )
        self.push = PushService(
            current,
            spool,
            limits=EventLimits(event_limits.app_rate, event_limits.prefix_rate),
            counts=self.counts,
            networks=networks,
            clock=clock,
        )
        self.public_url = public_url
        self._allowed_hosts = allowed_hosts
        self._scheme = scheme  # of the port itself

    def hand_over_as(self, worker: str) -> HandOver:
        """What takes to the spool what was heard and delivered; `worker` is "<node>-<number>"."""
        return HandOver(self.heard, self.deliveries, self.spool, self.counts.others, worker=worker, now=self._clock.now)

    def base_of(self, host: str | None, own: tuple[str, int], stated_scheme: str = "") -> str:
        """The base address of downloads; `own` is the address and port of the socket that received the request,
        `stated_scheme` what a trusted proxy says that the device used."""
        return base_address(
            public_url=self.public_url,
            allowed_hosts=self._allowed_hosts,
            host_header=host,
            own=own,
            scheme=self._scheme,
            stated_scheme=stated_scheme,
        )

    async def await_check(self, check: UpdateCheck, base: str, whence: Whence = NOWHERE) -> Reply:
        """Answer the check of a NotLoaded once its app is loaded; with "nothing new" if that takes too long."""
        return await self.checks.take_late(check, base, whence)

    async def take_report(self, body: bytes, peer: Peer) -> Reply:
        """Answer a `POST /stats`."""
        return await self.reports.take(body, peer)
