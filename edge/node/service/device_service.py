"""Answers devices in one worker, whichever HTTP server read the request: checks from memory, reports once on disk.

Takes bodies and returns bodies; knows no HTTP library. A check never waits and reads no file. A report is answered when
its events are on disk, not before.
"""

import time
from collections.abc import Mapping

import msgspec

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Offer, UpToDate, unserved
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS
from edge.domain.manifest_forms import sent_as
from edge.domain.model import AppId, ChannelName, DeviceId, UpdateCheck
from edge.domain.plugin import Sent
from edge.facts.changes import Failed, Installed, Offered, Withheld
from edge.node.observing.counts import ServiceCounts
from edge.node.service.addresses import base_address
from edge.node.service.answer_cache import EncodedBody, Offers
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.facts_client import FactsClient, installed_anew, offered_anew
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.large_bodies import BodyRefused, LargeBodies
from edge.node.service.limits.overload import Overload
from edge.node.service.limits.rate_limits import ChannelLimits
from edge.node.service.own_events import OwnEvents, OwnLimits, withheld_event
from edge.node.service.own_faults import OwnFaults
from edge.node.service.peers import NOWHERE, Peer, Proxies, Whence, find_peer
from edge.node.service.reported import EventChange, reported_in
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.answers import encode_answer, encode_offer, encode_up_to_date
from edge.wire.plugins.forms import form_of
from edge.wire.stats import Event, encode_stats_answer, parse_stats
from edge.wire.updates import WireError, parse_update_check

_UNAVAILABLE = b'{"error":"unavailable","message":"Events cannot be stored now"}'
_SHED = UpToDate(ChannelName(""))  # no channel was looked at


class Reply(msgspec.Struct, frozen=True, gc=False):
    """`app` is the request's, or "" if it could not be read."""

    status: int
    body: EncodedBody
    app: str = ""


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
        self._withheld = OwnEvents("withheld", spool, OwnLimits(rate), others)
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
        sent = sent_as(bundle, check.plugin.manifest)
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
        return find_peer(whence.address, whence.forwarded, None, self.proxies).prefix

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

    def base_of(self, host: str | None, own: tuple[str, int]) -> str:
        """The base address of downloads; `own` is the address and port of the socket that received the request."""
        return base_address(
            public_url=self.public_url,
            allowed_hosts=self._allowed_hosts,
            host_header=host,
            own=own,
            scheme=self._scheme,
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
        try:
            return await self._report(body, peer)
        except WireError as error:
            self.counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        except BodyRefused:
            self.counts.others["reports_refused"] += 1
            return Reply(503, EncodedBody(_UNAVAILABLE, None))

    async def _report(self, body: bytes, peer: Peer) -> Reply:
        """Raises WireError, BodyRefused. What takes a time that depends on the body's size leaves the loop."""
        size = len(body)
        report = await self.bodies.run(size, parse_stats, body)
        app = report.events[0].app if report.events else ""
        known = [event for event in report.events if event.app in self.current.apps]
        self.counts.events["unknown_app"] += len(report.events) - len(known)
        if app and not known and self.current.is_unserved(AppId(app)):  # it may exist: the device keeps its events
            self.counts.shed["unserved_requests"] += 1
            return Reply(503, EncodedBody(_UNAVAILABLE, None), app)
        if known and not await self._take_events(known, peer, size):
            # 503 makes the plugin keep its events and send them again (PROTOCOL.md §4.1).
            return Reply(503, EncodedBody(_UNAVAILABLE, None), app)
        return Reply(200, EncodedBody(await self.bodies.run(size, encode_stats_answer, report), None), app)

    async def _take_events(self, events: list[Event], peer: Peer, size: int) -> bool:
        """The events of one request, all of one app; False if they cannot be stored now. Above the limits of their app
        or address they are dropped and counted, and the device gets its 200.
        """
        await self.current.wait_for(events[0].app)
        if self.current.is_awaited(events[0].app):  # not stored, or a failure of this device would be missed
            self.counts.shed["unloaded_requests"] += 1
            return False
        now = time.time()
        records = await self.bodies.run(size, _records_of, events, now)
        if not self.event_limits.admit(events[0].app, peer.prefix, records, time.monotonic()):
            self.counts.events["over_limit"] += len(events)
            return True
        return await self._withhold(events, peer, size) and await self._keep(records)

    async def _withhold(self, events: list[Event], peer: Peer, size: int) -> bool:
        """Record failures, so that the bundles are not offered to the device again; False if that fails now. All events
        are of one app.

        Comes before storing the events: a report that is sent again changes nothing here, and is counted once there.
        """
        snapshot = self.current.snapshot(events[0].app)
        if snapshot is None:  # damaged: which of its bundles a failure is about cannot be told
            return True
        moment = self.moments.of(snapshot.shard)
        downloads, changes = await self.bodies.run(size, reported_in, events, snapshot, self.facts.of, moment, peer)
        for downloaded in downloads:
            if self._admits_note(downloaded.app, peer.prefix):
                self.facts.note(downloaded)
        reported = self._within_limits(changes, peer)
        if not reported:
            return True
        try:
            withheld = await self.facts.record([each.change for each in reported])
        except Unavailable:
            self.counts.others["failures_refused"] += len(reported)
            return False
        self.counts.others["failures"] += len(reported)
        self._note_withheld(withheld, reported, snapshot)
        return True

    def _within_limits(self, reported: list[EventChange], peer: Peer) -> list[EventChange]:
        """Without the failures if they are above the limit of failures, and without installations above that of notes;
        their events are stored all the same, within the limits of events."""
        failed = sum(isinstance(each.change, Failed) for each in reported)
        admitted = bool(failed) and self.fact_limits.admit_failures(
            reported[0].event.app, peer.prefix, failed, time.monotonic()
        )
        if failed and not admitted:
            self.counts.over_limit["failures"] += failed
        return [
            each
            for each in reported
            if (admitted if isinstance(each.change, Failed) else self._admits_note(each.event.app, peer.prefix))
        ]

    def _note_withheld(self, withheld: list[Withheld], reported: list[EventChange], snapshot: AppSnapshot) -> None:
        """For metrics and the app's statistics: one cause on many devices is a wrong key, not bad luck."""
        events = {each.event.device: each.event for each in reported}
        for each in withheld:
            self.counts.withheld[each.cause.word] += 1
            bundle = snapshot.offered_by_hash.get(each.bundle)
            report, version = events[DeviceId(each.device)], bundle.version if bundle else ""
            self._withheld.put(withheld_event(report, version, each.cause), self.moments.now)

    async def _keep(self, records: list[bytes]) -> bool:
        """Store the events of one request; False if the spool refuses them."""
        try:
            await self.spool.append(records)
        except Unavailable as error:
            self.counts.events["refused"] += len(records)
            self.counts.refused_events[error.code] += len(records)
            return False
        self.counts.events["stored"] += len(records)
        return True


def _records_of(events: list[Event], now: float) -> list[bytes]:
    return [encode_record(event, now) for event in events]
