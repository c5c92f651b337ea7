"""Segments of an app and the id sets that their expressions use, checked before they are saved."""

from dataclasses import replace

from msgspec import UNSET

from edge.domain.changes.commands import DeleteIdSet, DeleteSegment, PutIdSet, SegmentSettings, SetSegment
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import (
    AppState,
    Channel,
    IdSetName,
    Segment,
    SegmentName,
    StoredIdSet,
    parse_digest,
    parse_name,
)
from edge.domain.states import channel_of, id_set_of, named, segment_of, with_entry, without_entry
from edge.domain.targeting.id_sets import IDS_LIMIT
from edge.domain.targeting.parser import check_expression

SEGMENT_LIMIT = 100  # an app; a check may have to evaluate each of them
SEGMENTS_LIMIT_BYTES = 32 * 1024  # of all their expressions: evaluating that much takes a check at most 0.2 ms
ID_SET_LIMIT = 100  # an app; every worker maps them all
PRIORITY_LIMIT = 1_000_000


def carry_out(state: AppState, command: SetSegment | DeleteSegment | PutIdSet | DeleteIdSet) -> AppState:
    """The state after the command. Raises Invalid, NotFound, Conflict."""
    match command:
        case SetSegment():
            return _set_segment(state, command)
        case DeleteSegment():
            return _delete_segment(state, command)
        case PutIdSet():
            return _put_id_set(state, command)
        case DeleteIdSet():
            return _delete_id_set(state, command)


def _set_segment(state: AppState, command: SetSegment) -> AppState:
    name = SegmentName(parse_name("segment", command.name))
    known = state.segments.get(name)
    if known is None and len(state.segments) >= SEGMENT_LIMIT:
        raise Conflict("too_many_segments", f"app {state.app!r} has reached the limit of {SEGMENT_LIMIT} segments")
    segment = _changed(known or Segment(name=name, where=""), command.settings)
    if not segment.where:
        raise Invalid("missing_expression", f"segment {name!r} needs an expression")
    if known is not None and segment == known:
        return state
    for each in sorted(check_expression(segment.where)):
        id_set_of(state, each)
    if segment.channel is not None:
        channel_of(state, segment.channel)
    _check_size(state, segment)
    if not 0 <= segment.priority <= PRIORITY_LIMIT:
        raise Invalid("invalid_priority", f"the priority must be between 0 (evaluated first) and {PRIORITY_LIMIT}")
    return replace(state, segments=with_entry(state.segments, name, segment))


def _check_size(state: AppState, segment: Segment) -> None:
    others = (each.where for name, each in state.segments.items() if name != segment.name)
    total_bytes = sum(len(where.encode()) for where in (segment.where, *others))
    if total_bytes > SEGMENTS_LIMIT_BYTES:
        raise Conflict(
            "segments_too_large",
            f"the expressions of app {state.app!r} would take {total_bytes} bytes; the limit is {SEGMENTS_LIMIT_BYTES}",
        )


def _changed(segment: Segment, settings: SegmentSettings) -> Segment:
    wanted = {name: value for name in settings.__struct_fields__ if (value := getattr(settings, name)) is not UNSET}
    return replace(segment, **wanted)


def _delete_segment(state: AppState, command: DeleteSegment) -> AppState:
    segment = segment_of(state, command.name)
    asking = sorted(name for name, channel in state.channels.items() if segment.name in segments_of(channel))
    if asking:
        raise Conflict(
            "segment_in_use",
            f"segment {segment.name!r} is used by a rollout or an experiment on {named('channel', asking)}",
        )
    return replace(state, segments=without_entry(state.segments, segment.name))


def segments_of(channel: Channel) -> frozenset[SegmentName]:
    """The segments that the channel's rollout or experiment uses."""
    rollout, experiment = channel.rollout, channel.experiment
    asked = {*rollout.segments, *rollout.first} if rollout is not None and rollout.phase.is_active else set()
    if experiment is not None and experiment.segment is not None:
        asked.add(experiment.segment)
    return frozenset(asked)


def _put_id_set(state: AppState, command: PutIdSet) -> AppState:
    name = IdSetName(parse_name("id set", command.name))
    if name not in state.id_sets and len(state.id_sets) >= ID_SET_LIMIT:
        raise Conflict("too_many_id_sets", f"app {state.app!r} has reached the limit of {ID_SET_LIMIT} id sets")
    if not 0 <= command.ids <= IDS_LIMIT:
        raise Invalid("too_many_ids", f"an id set can have at most {IDS_LIMIT} ids")
    put = StoredIdSet(name=name, blob=parse_digest(command.blob), ids=command.ids)
    return state if state.id_sets.get(name) == put else replace(state, id_sets=with_entry(state.id_sets, name, put))


def _delete_id_set(state: AppState, command: DeleteIdSet) -> AppState:
    held = id_set_of(state, command.name)
    asking = sorted(name for name, each in state.segments.items() if held.name in check_expression(each.where))
    if asking:
        raise Conflict("id_set_in_use", f"id set {held.name!r} is used by {named('segment', asking)}")
    return replace(state, id_sets=without_entry(state.id_sets, held.name))
