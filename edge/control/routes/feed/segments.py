"""Reports of other nodes' devices, on their way into this node's figures: segments of their spools, piece by piece."""

import asyncio
from typing import Any

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation, parse_flag, parse_number
from edge.control.uploads import read_body
from edge.domain.errors import Conflict
from edge.regions.sending.receiving import Receiving
from edge.regions.sending.sent_words import (
    COMPRESSED,
    SEND_LIMIT_BYTES,
    AllSent,
    AllSentNoted,
    SegmentsAsked,
    SegmentsKnown,
    SegmentTaken,
)
from edge.telemetry.spool.coming_segment import COMING_LIMIT_BYTES

BODY_LIMIT_BYTES = SEND_LIMIT_BYTES + (1 << 20)  # compressed, what does not shrink grows by some bytes


async def handle_take_segment(call: Call[None]) -> SegmentTaken:
    node, receiving = await _admitted(call, call.part("segment"))
    offset = parse_number(call.request, "offset", 0, 0, COMING_LIMIT_BYTES)
    lost = parse_number(call.request, "lost", 0, 0, COMING_LIMIT_BYTES)
    whole = parse_flag(call.request, "whole")
    with receiving.room_for(node):
        compressed = await read_body(call.stream, BODY_LIMIT_BYTES)
        return await receiving.take(node, call.part("segment"), offset, lost, compressed, whole=whole)


async def handle_known_segments(call: Call[SegmentsAsked]) -> SegmentsKnown:
    node, receiving = await _admitted(call)
    with receiving.room_for(node):
        return await receiving.known(node, call.body)


async def handle_all_sent(call: Call[AllSent]) -> AllSentNoted:
    node, receiving = await _admitted(call)
    registry = call.ports.fleet.registry
    if registry.region_of(node) != call.body.region:
        await asyncio.to_thread(registry.place, node, call.body.region)
    return await receiving.note_sent(node, call.body)


async def _admitted(call: Call[Any], *segments: str) -> tuple[str, Receiving]:
    """Before a name is written down it is a possible one. Raises what `NodeRegistry.admit` raises, and
    Conflict `not_home` at a node that sends its own reports on."""
    node, receiving = call.part("node"), call.ports.receiving
    if receiving is None:
        raise Conflict("not_home", "this node sends its own reports to another one: send them there (upstream.home)")
    for segment in segments:
        receiving.parse(node, segment)
    await asyncio.to_thread(call.ports.fleet.registry.admit, call.grant.name, node)
    return node, receiving


OPERATIONS = (
    Operation(
        name="take_segment",
        method="PUT",
        path="/v1/feed/segments/{node}/{segment}",
        summary="Take what follows `offset` of a segment of the node's reports; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_take_segment,
        answer=SegmentTaken,
        streams=COMPRESSED,
        query=("offset", "lost", "whole"),
        refusals=(408, 409, 413, 422, 503, 507),
    ),
    Operation(
        name="known_segments",
        method="POST",
        path="/v1/feed/segments/{node}",
        summary="Show how much of the node's segments is here; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_known_segments,
        answer=SegmentsKnown,
        body=SegmentsAsked,
        body_limit_bytes=2 << 20,
        refusals=(409, 422, 503, 507),
    ),
    Operation(
        name="all_sent",
        method="POST",
        path="/v1/feed/sent/{node}",
        summary="Say until when all reports of the node are here; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_all_sent,
        answer=AllSentNoted,
        body=AllSent,
        refusals=(409, 422, 503, 507),
    ),
)
