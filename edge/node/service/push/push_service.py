"""Answers `/push/register`, `/push/unregister` and `/push/opened` in one worker, when they are on disk and not before
(PROTOCOL.md §14).

Takes bodies and returns bodies; knows no HTTP library. As of events, what is above the limits is refused: whoever sends
it waits and sends it again.
"""

from collections.abc import Callable
from typing import NamedTuple

from edge.domain.errors import Unavailable
from edge.domain.states import is_taken
from edge.node.observing.counts import ServiceCounts
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.common_answers import Reply
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.rate_limits import Windows
from edge.node.service.peers import Peer
from edge.node.service.reports.networks import Networks
from edge.node.service.rollout_clock import SYSTEM, ServiceClock
from edge.node.service.snapshots.served import ServedSnapshots
from edge.telemetry.spool.push_records import PushLeaving, PushOpening, PushRecord, PushRegistration, encode_push
from edge.telemetry.spool.spool import Spool
from edge.wire.body import WireError
from edge.wire.push.registrations import (
    PushRequest,
    encode_push_answer,
    parse_push_opened,
    parse_push_register,
    parse_push_unregister,
)

UNAVAILABLE = b'{"error":"unavailable","message":"This cannot be stored now: send it again later"}'
REQUEST_COST = 10  # tokens of the limits of events: a device registers at each start, and reports some ten events then
DEVICE_REQUESTS, DEVICE_SECONDS = 10, 60.0  # of a kind, of one device and app: more is a loop in the app


class _Asked(NamedTuple):
    of: PushRequest
    record: PushRecord
    answer: bytes


class PushService:
    """Of one worker. What becomes of requests is counted in `counts.push`."""

    def __init__(
        self,
        current: ServedSnapshots,
        spool: Spool,
        *,
        limits: EventLimits,
        counts: ServiceCounts,
        networks: Networks,
        clock: ServiceClock = SYSTEM,
    ) -> None:
        self._current, self._spool, self._limits = current, spool, limits
        self._counts, self._clock = counts, clock
        self._devices = Windows(DEVICE_REQUESTS, DEVICE_SECONDS)
        self._network_of = networks.number_of

    async def register(self, body: bytes, key: str, peer: Peer) -> Reply:
        """`key` is the header's, or ""."""
        return await self._take(_registration, body, key, peer)

    async def unregister(self, body: bytes, key: str, peer: Peer) -> Reply:
        """As `register`."""
        return await self._take(_leaving, body, key, peer)

    async def opened(self, body: bytes, key: str, peer: Peer) -> Reply:
        """As `register`."""
        return await self._take(_opening, body, key, peer)

    async def _take(self, parse: Callable[[bytes], _Asked], body: bytes, key: str, peer: Peer) -> Reply:
        try:
            asked = parse(body)
        except WireError as error:
            self._counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        app = asked.of.app
        try:
            outcome = await self._keep(asked, key or asked.of.key, peer)
        except WireError as error:
            return Reply(error.status, EncodedBody(error.body, None), app)
        self._counts.push[outcome] += 1
        if outcome == "refused":
            return Reply(503, EncodedBody(UNAVAILABLE, None), app)
        return Reply(200, EncodedBody(asked.answer, None), app)

    async def _keep(self, asked: _Asked, key: str, peer: Peer) -> str:
        """What became of it: the record's act, or "refused". Raises WireError: 404, 401, 403, 429."""
        app, current, now = asked.of.app, self._current, self._clock.now()
        await current.wait_for(app)
        snapshot = current.snapshot(app)
        if snapshot is None:
            if current.is_unserved(app):
                return "refused"  # the app exists, or may, and its keys cannot be known now
            raise self._refused("unknown_app", 404, "This node has no such app")
        if not is_taken(snapshot.event_keys, key, now):
            if not key:
                raise self._refused("missing_key", 401, "This app takes this with its event key alone: send it")
            raise self._refused("wrong_key", 403, "This is no event key of the app, or one that has ended")
        record = encode_push(asked.record, now, self._network_of(peer.prefix, snapshot.trusted))
        steady = self._clock.steady()
        if not self._limits.admit(app, peer.prefix, REQUEST_COST, len(record), steady) or not self._devices.admit(
            (app, asked.of.device, _act_of(asked)), steady
        ):
            raise self._refused("too_many_requests", 429, "Too many of this app, device or address: send it later")
        try:
            await self._spool.keep(record, 1)
        except Unavailable as error:
            self._counts.refused_events[error.code] += 1
            return "refused"
        return _act_of(asked)

    def _refused(self, code: str, status: int, message: str) -> WireError:
        self._counts.push["over_limit" if status == 429 else code] += 1
        return WireError(status, code, message)


def _act_of(asked: _Asked) -> str:
    """Each has a limit of its own: no flood of registrations keeps a person from leaving."""
    return str(asked.record.__struct_config__.tag)


def _registration(body: bytes) -> _Asked:
    """Without consent, the device leaves."""
    found = parse_push_register(body)
    app, device = found.of.app, found.of.device
    record: PushRecord = PushLeaving(app, device, found.provider)
    if found.consent:
        record = PushRegistration(
            *(app, device, found.provider, found.token, found.zone, found.locale, found.platform, found.custom_id)
        )
    return _Asked(found.of, record, encode_push_answer(found))


def _leaving(body: bytes) -> _Asked:
    found = parse_push_unregister(body)
    left = PushLeaving(found.of.app, found.of.device, found.provider, found.token)
    return _Asked(found.of, left, encode_push_answer())


def _opening(body: bytes) -> _Asked:
    found = parse_push_opened(body)
    return _Asked(found.of, PushOpening(found.of.app, found.of.device, found.message), encode_push_answer())
