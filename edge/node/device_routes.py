"""The devices' doors: `POST /updates` and `POST /stats`, and the two probes. What is said is decided elsewhere.

A check reads memory alone. A report is answered when its events are on disk, not before.
"""

import time
from collections import Counter

from aiohttp import web

from edge.domain.decide import decide
from edge.domain.decision import Blocked, Offer, Reason, UpToDate
from edge.domain.errors import Unavailable
from edge.domain.model import ChannelName, UpdateCheck
from edge.node.addresses import base_address
from edge.node.bodies import json_response, read_body
from edge.node.current import Current
from edge.node.device_facts import Facts
from edge.node.event_limits import EventLimits
from edge.node.offers import Body, Offers
from edge.node.overload import Overload
from edge.node.peers import Peer, Proxies, find_peer
from edge.node.rate_limits import ChannelLimits
from edge.telemetry.facts_changes import Failed
from edge.telemetry.record import encode_record
from edge.telemetry.spool import Spool
from edge.wire.answers import encode_answer, encode_offer
from edge.wire.plugins import form_of
from edge.wire.stats import STATS_BODY_LIMIT_BYTES, Event, bundle_of, encode_stats_answer, parse_stats
from edge.wire.updates import BODY_LIMIT_BYTES, WireError, parse_update_check

FAILURES = frozenset({"update_fail", "set_fail"})  # the bundle was there and does not work on this device

_UNKNOWN_APP = Blocked(Reason.UNKNOWN_APP)
_SHED = UpToDate(ChannelName(""))  # no channel was looked at


class DeviceDesk:
    """What the device routes work with, in one worker."""

    def __init__(
        self,
        current: Current,
        spool: Spool,
        *,
        public_url: str,
        allowed_hosts: frozenset[str],
        proxies: Proxies,
        overload: Overload,
        event_limits: EventLimits,
        facts: Facts,
    ) -> None:
        self.current = current
        self.facts = facts
        self.channel_limits = ChannelLimits()
        self.spool = spool
        self.proxies = proxies
        self.overload = overload
        self.event_limits = event_limits
        self.offers = Offers()
        self.counts: Counter[str] = Counter()
        self._public_url = public_url
        self._allowed_hosts = allowed_hosts

    def answer_check(self, check: UpdateCheck, base: str) -> Body:
        """Decide and encode, from memory. `base` is the address that devices download from."""
        if not check.plugin.listed:
            self.counts["unlisted_plugin_releases"] += 1
        if self.overload.overloaded:
            # "Nothing new" in the words of the device's release: never an error, which counts as a failed download.
            self.counts["checks_shed"] += 1
            return Body(encode_answer(_SHED, check, base), None)
        snapshot = self.current.snapshot(check.app)
        if snapshot is None:
            self.counts[Reason.UNKNOWN_APP.code] += 1
            return Body(encode_answer(_UNKNOWN_APP, check, base), None)
        facts = self.facts.of(check.app, check.device, time.time())
        decision = decide(snapshot, check, facts)
        if not isinstance(decision, Offer):
            self.counts[decision.reason.code if isinstance(decision, Blocked) else type(decision).__name__] += 1
            return Body(encode_answer(decision, check, base), None)
        self.counts["offer"] += 1
        form = form_of(check.platform, check.plugin.version)
        bundle = decision.bundle
        self.facts.note_offer(check.app, check.device, bundle.version, facts)
        # A name never gets other bytes; a bundle deleted and published again has another time, and maybe metadata.
        key = (check.app, bundle.version, bundle.published, form, base)
        return self.offers.get(
            key,
            lambda: encode_offer(
                decision, check.app, form, base, snapshot.manifest_of(bundle), snapshot.expose_metadata
            ),
        )

    def base_of(self, request: web.Request) -> str:
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport else None
        return base_address(
            public_url=self._public_url,
            allowed_hosts=self._allowed_hosts,
            host_header=request.headers.get("Host"),
            own=own[:2] if own else ("127.0.0.1", 80),
        )

    def peer_of(self, request: web.Request) -> Peer:
        """Who asks, by the socket and, from our own proxies, by what they say."""
        transport = request.transport
        peername = transport.get_extra_info("peername") if transport else None
        headers = request.headers
        name = self.proxies.country_header
        return find_peer(
            peername[0] if peername else "",
            headers.getall("X-Forwarded-For", ()),
            headers.get(name) if name else None,
            self.proxies,
        )


async def handle_updates(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    try:
        check = parse_update_check(await read_body(request, BODY_LIMIT_BYTES))
    except WireError as error:
        desk.counts["bad_request"] += 1
        return json_response(error.body, error.status)
    return _negotiated(desk.answer_check(check, desk.base_of(request)), request)


async def handle_stats(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    try:
        report = parse_stats(await read_body(request, STATS_BODY_LIMIT_BYTES))
    except WireError as error:
        desk.counts["bad_request"] += 1
        return json_response(error.body, error.status)
    known = [event for event in report.events if desk.current.snapshot(event.app) is not None]
    desk.counts["events_of_unknown_apps"] += len(report.events) - len(known)
    if known and not (await _withhold(desk, known) and await _keep(desk, known, desk.peer_of(request))):
        # 503 makes the plugin keep its events and send them again (device-protocol §4.1).
        return json_response(b'{"error":"unavailable","message":"Events cannot be stored now"}', 503)
    return json_response(encode_stats_answer(report))


async def handle_greeting(request: web.Request) -> web.Response:
    return json_response(b'{"status":"ok"}')


async def handle_livez(request: web.Request) -> web.Response:
    return json_response(b'{"status":"ok"}')


async def handle_readyz(request: web.Request) -> web.Response:
    """503 until the snapshots are loaded and again while draining, so that a balancer sends nobody here."""
    readiness = request.app[READINESS]
    body = b'{"ready":true}' if readiness.ready else b'{"ready":false}'
    return json_response(body, 200 if readiness.ready else 503)


async def _withhold(desk: DeviceDesk, events: list[Event]) -> bool:
    """Bundles that failed on a device are not offered to it again; False when that cannot be kept now.

    Before the events are stored: a report that has to be sent again changes nothing here, and is counted once there.
    """
    failed = [Failed(e.app, e.device, bundle_of(e.version)) for e in events if e.action in FAILURES and e.version]
    if not failed:
        return True
    try:
        await desk.facts.record(failed)
    except Unavailable:
        desk.counts["failures_refused"] += len(failed)
        return False
    desk.counts["failures"] += len(failed)
    return True


async def _keep(desk: DeviceDesk, events: list[Event], peer: Peer) -> bool:
    """Store the events of one request, all of one app; False when there is no room now. What is above the limits of
    its app or address is dropped and counted, and for the device it is done.
    """
    now = time.time()
    records = [encode_record(event, now) for event in events]
    if not desk.event_limits.admit(events[0].app, peer.prefix, records, time.monotonic()):
        desk.counts["events_over_limit"] += len(events)
        return True
    try:
        await desk.spool.append(records)
    except Unavailable as error:
        desk.counts["events_refused"] += len(events)
        desk.counts[f"events_refused_{error.code}"] += len(events)
        return False
    desk.counts["events"] += len(events)
    return True


class Readiness:
    ready = False


DESK = web.AppKey("desk", DeviceDesk)
READINESS = web.AppKey("readiness", Readiness)


def _negotiated(body: Body, request: web.Request) -> web.Response:
    if body.gzipped is None:
        return json_response(body.plain)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response = json_response(body.gzipped)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = json_response(body.plain)
    response.headers["Vary"] = "Accept-Encoding"
    return response
