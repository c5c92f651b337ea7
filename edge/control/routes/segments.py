"""The segments of an app: list, show, set, delete, and test whether a device is in one, saved or not."""

import msgspec
from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.routes.explain import parse_country
from edge.control.segment_trial import Trial, read_device
from edge.control.shapes.targeting import (
    SegmentChanged,
    SegmentDeleted,
    SegmentTested,
    SegmentTestRequest,
    SegmentView,
)
from edge.control.work_queue import take_look
from edge.domain.changes.commands import DeleteSegment, SegmentSettings, SetSegment
from edge.domain.model import Segment, parse_name
from edge.domain.states import held_segments, segment_of
from edge.domain.targeting.compiler import NO_MEMORY
from edge.domain.targeting.segments import memory_of
from edge.domain.targeting.warnings import warnings_of


def _view(segment: Segment) -> SegmentView:
    return msgspec.convert(segment, SegmentView, from_attributes=True)


async def handle_list(call: Call[None]) -> list[SegmentView]:
    """In the order of evaluation: by priority, then by name."""
    state = await load_app(call)
    return [_view(each) for each in sorted(state.segments.values(), key=lambda each: (each.priority, each.name))]


async def handle_show(call: Call[None]) -> SegmentView:
    return _view(segment_of(await load_app(call), call.part("name")))


async def handle_set(call: Call[SegmentSettings]) -> SegmentChanged:
    name = call.part("name")
    committed = await commit(call, call.app, SetSegment(name=name, settings=call.body))
    state = committed.state
    view = _view(segment_of(state, name))  # not found: a repeated command whose segment has been deleted since
    return SegmentChanged(
        **asdict(view),
        warnings=list(warnings_of(view.where, view.leave)),
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
    )


async def handle_delete(call: Call[None]) -> SegmentDeleted:
    name = call.part("name")
    committed = await commit(call, call.app, DeleteSegment(name=name))
    state = committed.state
    return SegmentDeleted(app=state.app, revision=state.revision, changed=committed.changed, name=name)


async def handle_test(call: Call[SegmentTestRequest]) -> SegmentTested:
    """At this node's place, with the device's facts."""
    state = await load_app(call)
    name, body, ports = parse_name("segment", call.part("name")), call.body, call.ports
    saved = segment_of(state, name) if body.where is None else None
    where = saved.where if saved is not None else str(body.where)
    leave = body.leave or (saved.leave if saved is not None else None)
    memory = NO_MEMORY if saved is None else memory_of(saved, held_segments(state))
    check = read_device(bytes(body.device), state.app, parse_country(body.country))
    facts = ports.facts.facts_of(state.app, check.device)

    def test() -> SegmentTested:
        trial = Trial(ports.store, state, name, where, ports.place, memory)
        matches, unknown = trial.matches(check, facts), trial.unknown(check, facts)
        leaves = None
        if leave is not None:
            left, enters = (Trial(ports.store, state, name, each, ports.place) for each in (leave, where))
            leaves = left.matches(check, facts) and not enters.matches(check, facts)
        return SegmentTested(
            name=name,
            where=where,
            leave=leave,
            matches=matches,
            leaves=leaves,
            unknown=unknown,
            judged=trial.judged(facts),
        )

    return await take_look(call.request, test)


OPERATIONS = (
    Operation(
        name="list_segments",
        method="GET",
        path="/v1/apps/{app}/segments",
        summary="List the segments in the order of evaluation",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[SegmentView],
    ),
    Operation(
        name="show_segment",
        method="GET",
        path="/v1/apps/{app}/segments/{name}",
        summary="Show a segment",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=SegmentView,
    ),
    Operation(
        name="set_segment",
        method="PATCH",
        path="/v1/apps/{app}/segments/{name}",
        summary="Create a segment (needs an expression) or change one; absent settings stay",
        permission=Permission.CHANGE_SEGMENTS,
        handle=handle_set,
        answer=SegmentChanged,
        body=SegmentSettings,
        changes=True,
    ),
    Operation(
        name="delete_segment",
        method="DELETE",
        path="/v1/apps/{app}/segments/{name}",
        summary="Delete a segment that no rollout or experiment uses",
        permission=Permission.CHANGE_SEGMENTS,
        handle=handle_delete,
        answer=SegmentDeleted,
        changes=True,
    ),
    Operation(
        name="test_segment",
        method="POST",
        path="/v1/apps/{app}/segments/{name}/test",
        summary="Test whether a device is in a segment, or would be with another expression; nothing is saved",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_test,
        answer=SegmentTested,
        body=SegmentTestRequest,
    ),
)
