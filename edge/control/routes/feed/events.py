"""What followers hear at once, as server-sent events over a connection that stays open."""

import asyncio

from aiohttp import hdrs, web

from edge.control.access.roles import Permission
from edge.control.access.tokens import hash_secret
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.regions.feed.events import HEARTBEAT, Subscription, encode_event

EVENT_STREAM = "text/event-stream"


async def handle_events(call: Call[None]) -> web.StreamResponse:
    """Until the follower leaves or reads nothing, its token is revoked, or this node leaves."""
    with call.ports.feed.events.subscribed(call.grant.name) as subscription:
        headers = {hdrs.CONTENT_TYPE: EVENT_STREAM, hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        response.force_close()
        try:
            await response.prepare(call.stream)
            await _send(call, response, subscription)
        except (ConnectionError, TimeoutError):
            if call.stream.transport is not None:
                call.stream.transport.abort()
    return response


async def _send(call: Call[None], response: web.StreamResponse, subscription: Subscription) -> None:
    feed = call.ports.feed.events
    content, admitted = HEARTBEAT, (now := asyncio.get_running_loop().time)()
    while not subscription.is_over:
        async with asyncio.timeout(feed.send_seconds):
            await response.write(content)
        events = await subscription.next(feed.heartbeat_seconds)
        if not events or now() - admitted >= feed.heartbeat_seconds:
            if not await _is_admitted(call):
                return
            admitted = now()
        content = b"".join(map(encode_event, events)) or HEARTBEAT


async def _is_admitted(call: Call[None]) -> bool:
    """Whether the token still stands: a connection that stays open must not outlive it."""
    _, _, secret = call.stream.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    ports = call.ports
    return await asyncio.to_thread(ports.tokens.standing, hash_secret(secret.strip()), ports.clock.now()) is not None


OPERATIONS = (
    Operation(
        name="follow_events",
        method="GET",
        path="/v1/feed/events",
        summary="Hear as server-sent events which documents moved, and which blobs are coming",
        permission=Permission.FOLLOW,
        handle=handle_events,
        answer=bytes,
        content_type=EVENT_STREAM,
    ),
)
