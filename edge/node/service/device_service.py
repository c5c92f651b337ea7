"""Answers devices in one worker, whichever HTTP server read the request: checks from memory, reports once on disk.

Takes bodies and returns bodies; knows no HTTP library. A check never waits and reads no file. Reports are
`ReportService`'s.
"""

import time
from collections.abc import Mapping

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Offer, UpToDate, unserved
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS
from edge.domain.manifest_forms import sent_to
from edge.domain.model import ChannelName, UpdateCheck
from edge.domain.plugin import Sent
from edge.facts.changes import Installed, Offered
from edge.node.observing.counts import ServiceCounts
from edge.node.service.addresses import base_address
from edge.node.service.answer_cache import EncodedBody, Offers
from edge.node.service.common_answers import Reply
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.facts_client import FactsClient, installed_anew, offered_anew
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.large_bodies import LargeBodies
from edge.node.service.limits.overload import Overload
from edge.node.service.limits.rate_limits import ChannelLimits
from edge.node.service.own_events import OwnEvents, OwnLimits
from edge.node.service.own_faults import OwnFaults
from edge.node.service.peers import NOWHERE, Peer, Proxies, Whence, find_peer
from edge.node.service.reports.report_service import ReportService
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of
from edge.telemetry.spool import Spool
from edge.wire.answers import encode_answer, encode_offer, encode_up_to_date
from edge.wire.plugins.forms import form_of
from edge.wire.updates import WireError, parse_update_check

_SHED = UpToDate(ChannelName(""))  # no channel was looked at


class NotLoaded(Exception):
    """The check is for an app that is known and not loaded yet: answer it with `DeviceService.await_check`."""

    def __init__(self, check: UpdateCheck) -> None:
        super().__init__(check.app)
        self.check = check


class DeviceService:
    """What the lane and the aiohttp application share in one worker. The lane ticks `moments` once a second.

    `unserved` are the head shards whose apps are offered nothing, with the reason: the store went back to an old copy.
    """

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
        scheme: str = "http",
    ) -> None:
        self.current = current
        self.facts = facts
        self.channel_limits = ChannelLimits()
        self.spool = spool
        self.proxies = proxies
        self.overload = overload
        self.event_limits = event_limits
        self.fact_limits = FactLimits(event_limits)
        self.unserved: Mapping[str, str] = {}
        self.offers = Offers()
        self.counts = ServiceCounts()
        self.bodies = LargeBodies(self.counts.others)
        self._decisions = self.counts.decisions
        self.moments = Moments(time.time())
        self.faults = OwnFaults(current.snapshot, facts.tell_fault)
        others, rate = self.counts.others, event_limits.prefix_rate
        self._arms = ArmNotes(OwnEvents("arms", spool, OwnLimits(rate), others))
        self.reports = ReportService(
            current,
            spool,
            facts,
            event_limits=event_limits,
            fact_limits=self.fact_limits,
            bodies=self.bodies,
            counts=self.counts,
            moments=self.moments,
        )
        self.public_url = public_url
        self._allowed_hosts = allowed_hosts
        self._scheme = scheme  # of the port itself

    def answer_check(self, check: UpdateCheck, base: str, whence: Whence = NOWHERE) -> EncodedBody:
        """Decide and encode, from memory. `base` is the address of downloads (`base_of`); what is noted is charged to
        `whence`. Raises NotLoaded."""
        if not check.plugin.listed:
            self.counts.others["unlisted_plugin_releases"] += 1
        if self.overload.overloaded:
            # "Nothing new" as the device's release expects it: it takes an error for a failed download.
            self.counts.shed["checks"] += 1
            self.faults.note_everything()
            return EncodedBody(encode_answer(_SHED, check, base), None)
        if self.unserved and shard_of(check.app) in self.unserved:
            self.counts.shed["unserved_checks"] += 1
            return EncodedBody(encode_answer(_SHED, check, base), None)
        snapshot = self.current.snapshot(check.app)
        if snapshot is None:
            return self._answer_unserved(check, base)
        moment = self.moments.of(snapshot.shard)
        decision = decide(snapshot, check, moment)
        if type(decision) is UpToDate and check.plugin.keeps_choice and not snapshot.asks_facts:
            # By far the most frequent answer, and no fact could change it: skip the look-up.
            self._decisions[decision.code] += 1
            if decision.arm:
                self._note_arm(snapshot, check, decision, check.version_name, moment.now, whence)
            return EncodedBody(encode_up_to_date(check, base), None)
        facts = self.facts.of(check.app, check.device)
        if facts is not NO_FACTS:
            decision = decide(snapshot, check, moment, facts)
            if facts.failures:
                self._note(installed_anew(check, facts), whence)
        self._decisions[decision.code] += 1
        if not isinstance(decision, Offer):
            if isinstance(decision, UpToDate) and decision.arm:
                self._note_arm(snapshot, check, decision, check.version_name, moment.now, whence)
            return EncodedBody(encode_answer(decision, check, base), None)
        if decision.arm:
            self._note_arm(snapshot, check, decision, decision.bundle.version, moment.now, whence)
        self._note(offered_anew(check, decision.bundle, facts), whence)
        return self._encode_offer(decision, snapshot, check, base)

    def _answer_unserved(self, check: UpdateCheck, base: str) -> EncodedBody:
        """An app that the store has is never called unknown: its devices hear that there is nothing new. Raises
        NotLoaded."""
        if self.current.is_awaited(check.app):
            raise NotLoaded(check)
        if check.app in self.current.apps:
            self.counts.shed["unserved_checks"] += 1
            return EncodedBody(encode_answer(_SHED, check, base), None)
        blocked = unserved(check.app)
        self._decisions[blocked.code] += 1
        return EncodedBody(encode_answer(blocked, check, base), None)

    def _encode_offer(self, offer: Offer, snapshot: AppSnapshot, check: UpdateCheck, base: str) -> EncodedBody:
        bundle = offer.bundle
        form = form_of(check.platform, check.plugin.version)
        sent = sent_to(bundle, offer.forms, check)
        # A version name is never reused for other bytes; publishing it again changes its time and maybe its metadata.
        key = (check.app, bundle.version, bundle.published, form, sent, base)
        body = self.offers.get(key)
        if body is None:
            document = b"" if sent is Sent.ZIP else snapshot.manifest_of(bundle)
            plain = encode_offer(offer, check.app, form, sent, base, document, snapshot.expose_metadata)
            body = self.offers.add(key, plain)
        return body

    def _note(self, change: Offered | Installed | None, whence: Whence) -> None:
        """Record a change that a check brought, within the limits of its peer; without, the answer is the same."""
        if change is not None and self._admits_note(change.app, self._prefix_of(whence)):
            self.facts.note(change)

    def _admits_note(self, app: str, prefix: str) -> bool:
        admitted = self.fact_limits.admit_note(app, prefix, time.monotonic())
        if not admitted:
            self.counts.over_limit["notes"] += 1
        return admitted

    def _prefix_of(self, whence: Whence) -> str:
        return find_peer(whence, self.proxies).prefix

    def _note_arm(
        self,
        snapshot: AppSnapshot,
        check: UpdateCheck,
        decision: Offer | UpToDate,
        bundle: str,
        now: float,
        whence: Whence,
    ) -> None:
        """A device counts for its arm whether it is offered the arm's bundle or already runs it."""
        routed = snapshot.channels[decision.channel].experiment
        assert routed is not None, "an arm is an experiment's"
        if self._arms.has(check, routed.experiment) or not self._admits_note(check.app, self._prefix_of(whence)):
            return
        _, _, arm = decision.arm.partition("/")
        self._arms.note(check, decision.channel, routed.experiment, arm, bundle, now)

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

    def take_check(self, body: bytes, base: str, country: str = "", whence: Whence = NOWHERE) -> Reply:
        """Answer a `POST /updates`, at once. `country` is the device's as one of our proxies states it, else "". Raises
        NotLoaded."""
        try:
            check = parse_update_check(body, country, self.current.apps)
        except WireError as error:
            self.counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        return Reply(200, self.answer_check(check, base, whence), check.app)

    async def await_check(self, check: UpdateCheck, base: str, whence: Whence = NOWHERE) -> Reply:
        """Answer the check of a NotLoaded once its app is loaded; with "nothing new" if that takes too long."""
        await self.current.wait_for(check.app)
        try:
            body = self.answer_check(check, base, whence)
        except NotLoaded:
            self.counts.shed["unloaded_checks"] += 1
            body = EncodedBody(encode_answer(_SHED, check, base), None)
        return Reply(200, body, check.app)

    async def take_report(self, body: bytes, peer: Peer) -> Reply:
        """Answer a `POST /stats`."""
        return await self.reports.take(body, peer)
