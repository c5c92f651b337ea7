"""Which known devices are in the segments of an app, and which an expression would select."""

from functools import partial

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app, load_app, require
from edge.control.operations import Operation
from edge.control.segment_trial import Trial
from edge.control.shapes.insight.segment_reach import SegmentCounted, SegmentCountRequest, SegmentsReach
from edge.domain.model import parse_name
from edge.domain.states import held_segments, segment_of
from edge.domain.targeting.compiler import NO_MEMORY
from edge.domain.targeting.segments import memory_of
from edge.domain.targeting.warnings import warnings_of


async def handle_reach(call: Call[None]) -> SegmentsReach:
    """Raises Unavailable `busy`."""
    await check_app(call)
    return await call.ports.known_devices.segments(call.app)


async def handle_count(call: Call[SegmentCountRequest]) -> SegmentCounted:
    """At this node's place, with the devices' facts. An expression of one's own that selects a single device tells what
    is known of it. Raises Forbidden `forbidden`, Invalid `invalid_expression`, NotFound `unknown_segment`,
    `unknown_id_set`, Unavailable `busy`."""
    if call.body.where is not None:
        require(call, Permission.LOOK_UP_DEVICES)
    state = await load_app(call)
    name = parse_name("segment", call.part("name"))
    saved = segment_of(state, name) if call.body.where is None else None
    where = saved.where if saved is not None else str(call.body.where)
    memory = NO_MEMORY if saved is None else memory_of(saved, held_segments(state))
    build = partial(Trial, call.ports.store, state, name, where, call.ports.place, memory)
    counted = await call.ports.known_devices.count_matching(state.app, build)
    return SegmentCounted(
        name=name,
        where=where,
        devices=counted.devices,
        matching=counted.matching,
        unknown=dict(counted.unknown.most_common()),
        warnings=list(warnings_of(where, saved.leave if saved is not None else None)),
        since=counted.since,
        cut=counted.cut,
    )


OPERATIONS = (
    Operation(
        name="show_segments_reach",
        method="GET",
        path="/v1/apps/{app}/segments-reach",
        summary="Count the known devices in each segment, what they run and how they are used",
        permission=Permission.READ_APP,
        handle=handle_reach,
        answer=SegmentsReach,
        refusals=(503,),
    ),
    Operation(
        name="count_segment",
        method="POST",
        path="/v1/apps/{app}/segments/{name}/count",
        summary="Count the known devices that are in a segment, or would be with another expression; nothing is saved",
        permission=Permission.READ_APP,
        handle=handle_count,
        answer=SegmentCounted,
        body=SegmentCountRequest,
        refusals=(503,),
    ),
)
