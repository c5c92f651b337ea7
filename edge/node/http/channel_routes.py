"""`/channel_self` in its four verbs, and `POST /updates/manifest_size`.

A channel choice is on disk and visible to every worker before the device gets its 200.
"""

import time

from aiohttp import web

from edge.domain.decision.channel_choice import (
    Allowed,
    ChannelSelfOutcome,
    ChannelSelfReason,
    ChannelSelfRefused,
    ChannelSelfRequest,
    Forget,
    Store,
    decide_choice,
    is_led_elsewhere,
)
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.facts import name_hash
from edge.domain.model import AppId, ChannelName, DeviceId, Digest
from edge.facts.changes import Chose
from edge.node.http.bodies import busy, json_response, read_body
from edge.node.http.device_routes import SERVICE, peer_of
from edge.node.http.peer import REQUESTED_APP
from edge.node.http.refusals import refuse_for_now
from edge.node.service.device_service import DeviceService
from edge.node.service.limits.large_bodies import WHATEVER_SIZE, BodyRefused
from edge.wire.body import BODY_LIMIT_BYTES, WireError
from edge.wire.channels import VERBS, encode_channel_answer, encode_too_many, parse_channel_request
from edge.wire.manifest_size import (
    MANIFEST_SIZE_BODY_LIMIT_BYTES,
    SizeOf,
    SizeRequest,
    encode_manifest_size,
    parse_manifest_size,
)
from edge.wire.updates import parse_update_check


def add_channel_routes(router: web.UrlDispatcher) -> None:
    for verb in VERBS:  # unlike `add_get`, `add_route` adds no HEAD, which the protocol does not have
        router.add_route(verb, "/channel_self", handle_channel_self)
    router.add_post("/updates/manifest_size", handle_manifest_size)


async def handle_channel_self(request: web.Request) -> web.Response:
    """List channels, or read, set or clear the device's choice. Refusals are a 200 too, except for a bad request."""
    service = request.app[SERVICE]
    body = await read_body(request, BODY_LIMIT_BYTES)
    try:
        asked = parse_channel_request(request.method, body, list(request.query.items()))
    except WireError as error:
        service.counts.others["bad_request"] += 1
        return json_response(error.body, error.status)
    request[REQUESTED_APP] = asked.app
    if not service.channel_limits.admit(asked, peer_of(request).prefix, time.monotonic()):
        service.counts.others["channel_self_limited"] += 1
        return json_response(encode_too_many(asked))
    await service.current.wait_for(asked.app)
    if service.current.is_unserved(asked.app):
        return _refuse_unserved(service)
    outcome = await _carry_out(service, asked, peer_of(request).prefix)
    if outcome is None:
        return json_response(encode_too_many(asked))
    if isinstance(outcome, Allowed) and _is_led_elsewhere(service, asked, body, peer_of(request).country):
        outcome = ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
    service.counts.others[f"channel_{asked.verb.value}"] += 1
    return json_response(encode_channel_answer(outcome, asked))


async def handle_manifest_size(request: web.Request) -> web.Response:
    """The sizes of the files of a manifest that a device may read."""
    service = request.app[SERVICE]
    with service.bodies.lease(peer_of(request).prefix, time.monotonic()) as lease:
        body = await read_body(request, MANIFEST_SIZE_BODY_LIMIT_BYTES, lease=lease)
        try:
            return await _answer_sizes(service, body)
        except WireError as error:
            service.counts.others["bad_request"] += 1
            return json_response(error.body, error.status)
        except BodyRefused as error:
            raise busy() from error


async def _answer_sizes(service: DeviceService, body: bytes) -> web.Response:
    """Raises WireError, BodyRefused. Off the loop: there is a `stat` for each file."""
    asked = [await service.bodies.run(WHATEVER_SIZE, parse_manifest_size, body)]
    app = asked[0].app
    await service.current.wait_for(app)
    if service.current.is_unserved(app):
        return _refuse_unserved(service)
    return json_response(await service.bodies.run(WHATEVER_SIZE, _encode_sizes, asked, _size_in(service)))


def _encode_sizes(asked: list[SizeRequest], size_of: SizeOf) -> bytes:
    """Takes the request, so that it is forgotten here, too: its 20,000 files take milliseconds."""
    return encode_manifest_size(asked.pop(), size_of)


def _refuse_unserved(service: DeviceService) -> web.Response:
    service.counts.shed["unserved_requests"] += 1
    return refuse_for_now()


async def _carry_out(service: DeviceService, asked: ChannelSelfRequest, prefix: str) -> ChannelSelfOutcome | None:
    """Decide, and store the choice if the outcome is to; refused if it cannot be stored, None if it changes a choice
    above the limits of its peer."""
    snapshot = service.current.snapshot(asked.app)
    outcome = decide_choice(snapshot, asked, _chosen(service, snapshot, asked))
    if isinstance(outcome, Store | Forget) and asked.device is not None:
        channel = outcome.channel if isinstance(outcome, Store) else ""
        if not _admits(service, asked.app, asked.device, channel, prefix):
            service.counts.over_limit["choices"] += 1
            return None
        try:
            await service.facts.record([Chose(asked.app, asked.device, channel)])
        except Unavailable:
            service.counts.others["choices_refused"] += 1
            return ChannelSelfRefused(ChannelSelfReason.NOT_STORED)
    return outcome


def _admits(service: DeviceService, app: AppId, device: DeviceId, channel: str, prefix: str) -> bool:
    """A choice that is made again, as apps do at each start, costs nothing."""
    stored = service.facts.of(app, device).channel
    if stored == (name_hash(channel) if channel else 0):
        return True
    return service.fact_limits.admit_choice(app, prefix, time.monotonic())


def _is_led_elsewhere(service: DeviceService, asked: ChannelSelfRequest, body: bytes, country: str) -> bool:
    """Whether a segment leads the device past its choice: known only if the body has every field of a check."""
    snapshot = service.current.snapshot(asked.app)
    if snapshot is None or snapshot.leading is None:
        return False
    try:
        check = parse_update_check(body, country, service.current.apps)
    except WireError:
        return False
    return is_led_elsewhere(snapshot, asked.channel, check, service.facts.all_of(check.app, check.device))


def _chosen(service: DeviceService, snapshot: AppSnapshot | None, asked: ChannelSelfRequest) -> ChannelName | None:
    """The device's stored choice; "", which no channel is called, if that channel is gone."""
    if snapshot is None or asked.device is None:
        return None
    stored = service.facts.of(asked.app, asked.device).channel
    return snapshot.channels_by_hash.get(stored, ChannelName("")) if stored else None


def _size_in(service: DeviceService) -> SizeOf:
    def size_of(app: AppId, digest: Digest) -> int | None:
        try:
            path = service.current.blob(app, "file", digest)
            return path.stat().st_size if path else None
        except FileNotFoundError:  # lost: only this file's size is unknown
            return None

    return size_of
