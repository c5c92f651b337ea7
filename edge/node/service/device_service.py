"""What one worker answers devices with, whoever carried the request: checks from memory, reports onto disk.

Takes bodies and gives bodies; knows no HTTP library. A check never waits. A report is answered when its events are on
disk, not before.
"""

import time

import msgspec

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Offer, UpToDate, unserved
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS
from edge.domain.manifest_forms import sent_as
from edge.domain.model import ChannelName, DeviceId, UpdateCheck
from edge.domain.plugin import Sent
from edge.facts.changes import Withheld
from edge.node.delivery.lost_blobs import LostBlobs
from edge.node.observing.counts import ServiceCounts
from edge.node.service.addresses import base_address
from edge.node.service.answer_cache import EncodedBody, Offers
from edge.node.service.event_limits import EventLimits
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.facts_client import FactsClient
from edge.node.service.overload import Overload
from edge.node.service.own_events import OwnEvents, withheld_event
from edge.node.service.own_faults import OwnFaults
from edge.node.service.peers import Peer, Proxies
from edge.node.service.rate_limits import ChannelLimits
from edge.node.service.reported import Dated, changes_in, downloads_in
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.answers import encode_answer, encode_offer, encode_up_to_date
from edge.wire.plugins.forms import form_of
from edge.wire.stats import Event, encode_stats_answer, parse_stats
from edge.wire.updates import WireError, parse_update_check

_UNAVAILABLE = b'{"error":"unavailable","message":"Events cannot be stored now"}'
_SHED = UpToDate(ChannelName(""))  # no channel was looked at


class Reply(msgspec.Struct, frozen=True, gc=False):
    """`app` is the one that was asked about, where the question could be read."""

    status: int
    body: EncodedBody
    app: str = ""


class DeviceService:
    """What the device routes work with, in one worker. `now`, in seconds since the epoch, is moved on by the lane's
    clock, once a second.
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
        self.lost = LostBlobs()
        self.offers = Offers()
        self.counts = ServiceCounts()
        self._decisions = self.counts.decisions
        self.moments = Moments(time.time())
        self.faults = OwnFaults(current.snapshot, facts.tell_fault)
        others = self.counts.others
        self._arms = ArmNotes(OwnEvents("arms", "experiments", spool, event_limits, others))
        self._withheld = OwnEvents("withheld", "withheld", spool, event_limits, others)
        self.public_url = public_url
        self._allowed_hosts = allowed_hosts
        self._scheme = scheme  # of the port itself

    def answer_check(self, check: UpdateCheck, base: str) -> EncodedBody:
        """Decide and encode, from memory. `base` is the address that devices download from."""
        if not check.plugin.listed:
            self.counts.others["unlisted_plugin_releases"] += 1
        if self.overload.overloaded:
            # "Nothing new" in the words of the device's release: never an error, which counts as a failed download.
            self.counts.shed["checks"] += 1
            self.faults.note_everything()
            return EncodedBody(encode_answer(_SHED, check, base), None)
        snapshot = self.current.snapshot(check.app)
        if snapshot is None:
            blocked = unserved(check.app)
            self._decisions[blocked.code] += 1
            return EncodedBody(encode_answer(blocked, check, base), None)
        moment = self.moments.of(snapshot.shard)
        decision = decide(snapshot, check, moment)
        if type(decision) is UpToDate and check.plugin.keeps_choice and not snapshot.asks_facts:
            # The most frequent answer by far, and no fact could change it: the look-up is spared.
            self._decisions[decision.code] += 1
            if decision.arm:
                self._note_arm(snapshot, check, decision, check.version_name, moment.now)
            return EncodedBody(encode_up_to_date(check, base), None)
        facts = self.facts.of(check.app, check.device)
        if facts is not NO_FACTS:
            decision = decide(snapshot, check, moment, facts)
            if facts.failures:
                self.facts.note_install(check, facts)
        self._decisions[decision.code] += 1
        if not isinstance(decision, Offer):
            if isinstance(decision, UpToDate) and decision.arm:
                self._note_arm(snapshot, check, decision, check.version_name, moment.now)
            return EncodedBody(encode_answer(decision, check, base), None)
        if decision.arm:
            self._note_arm(snapshot, check, decision, decision.bundle.version, moment.now)
        self.facts.note_offer(check, decision.bundle, facts)
        return self._encode_offer(decision, snapshot, check, base)

    def _encode_offer(self, offer: Offer, snapshot: AppSnapshot, check: UpdateCheck, base: str) -> EncodedBody:
        bundle = offer.bundle
        form = form_of(check.platform, check.plugin.version)
        sent = sent_as(bundle, check.plugin.manifest)
        # A name never gets other bytes; a bundle deleted and published again has another time, and maybe metadata.
        key = (check.app, bundle.version, bundle.published, form, sent, base)
        body = self.offers.get(key)
        if body is None:
            document = b"" if sent is Sent.ZIP else snapshot.manifest_of(bundle)
            plain = encode_offer(offer, check.app, form, sent, base, document, snapshot.expose_metadata)
            body = self.offers.add(key, plain)
        return body

    def _note_arm(
        self, snapshot: AppSnapshot, check: UpdateCheck, decision: Offer | UpToDate, bundle: str, now: float
    ) -> None:
        """The device counts for the arm that it is in, whether it is offered the bundle or runs it already."""
        routed = snapshot.channels[decision.channel].experiment
        assert routed is not None, "an arm is an experiment's"
        _, _, arm = decision.arm.partition("/")
        self._arms.note(check, decision.channel, routed.experiment, arm, bundle, now)

    def base_of(self, host: str | None, own: tuple[str, int]) -> str:
        """The address that a device is told; `own` is the socket's that its request came in on."""
        return base_address(
            public_url=self.public_url,
            allowed_hosts=self._allowed_hosts,
            host_header=host,
            own=own,
            scheme=self._scheme,
        )

    def take_check(self, body: bytes, base: str, country: str = "") -> Reply:
        """`POST /updates`, whole. `country` is what a proxy of ours says of the device, else ""."""
        try:
            check = parse_update_check(body, country, self.current.apps)
        except WireError as error:
            self.counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        return Reply(200, self.answer_check(check, base), check.app)

    async def take_report(self, body: bytes, peer: Peer) -> Reply:
        """`POST /stats`, whole."""
        try:
            report = parse_stats(body)
        except WireError as error:
            self.counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        app = report.events[0].app if report.events else ""
        known = [event for event in report.events if self.current.snapshot(event.app) is not None]
        self.counts.events["unknown_app"] += len(report.events) - len(known)
        if known and not await self._take_events(known, peer):
            # 503 makes the plugin keep its events and send them again (device-protocol §4.1).
            return Reply(503, EncodedBody(_UNAVAILABLE, None), app)
        return Reply(200, EncodedBody(encode_stats_answer(report), None), app)

    async def _take_events(self, events: list[Event], peer: Peer) -> bool:
        """The events of one request, all of one app; False when there is no room now. What is above the limits of its
        app or address changes nothing: it is dropped and counted, and for the device it is done.
        """
        now = time.time()
        records = [encode_record(event, now) for event in events]
        if not self.event_limits.admit(events[0].app, peer.prefix, records, time.monotonic()):
            self.counts.events["over_limit"] += len(events)
            return True
        return await self._withhold(events, peer) and await self._keep(records)

    async def _withhold(self, events: list[Event], peer: Peer) -> bool:
        """Bundles that fail on a device are not offered to it again; False when that cannot be kept now. All events are
        of one app.

        Before the events are stored: a report that comes again changes nothing here, and is counted once there.
        """
        snapshot = self.current.snapshot(events[0].app)
        assert snapshot is not None, "the app is known"
        for downloaded in downloads_in(events, snapshot, self.facts.of):
            self.facts.note_download(downloaded)
        dated = list(changes_in(events, snapshot, self.facts.of, self.moments.of(snapshot.shard), peer))
        if not dated:
            return True
        try:
            withheld = await self.facts.record([change for _, change in dated])
        except Unavailable:
            self.counts.others["failures_refused"] += len(dated)
            return False
        self.counts.others["failures"] += len(dated)
        self._note_withheld(withheld, dated, snapshot)
        return True

    def _note_withheld(self, withheld: list[Withheld], dated: list[Dated], snapshot: AppSnapshot) -> None:
        """For metrics and for the app's statistics: many devices with one cause are a wrong key, not bad luck."""
        events = {event.device: event for event, _ in dated}
        for each in withheld:
            self.counts.withheld[each.cause.word] += 1
            bundle = snapshot.offered_by_hash.get(each.bundle)
            report, version = events[DeviceId(each.device)], bundle.version if bundle else ""
            self._withheld.put(withheld_event(report, version, each.cause), self.moments.now)

    async def _keep(self, records: list[bytes]) -> bool:
        """Store the events of one request; False when there is no room now."""
        try:
            await self.spool.append(records)
        except Unavailable as error:
            self.counts.events["refused"] += len(records)
            self.counts.refused_events[error.code] += len(records)
            return False
        self.counts.events["stored"] += len(records)
        return True
