"""Segments of an app and the id sets that their expressions use, checked before they are saved."""

from dataclasses import replace
from itertools import islice

from msgspec import UNSET

from edge.domain.changes.commands import DeleteIdSet, DeleteSegment, PutIdSet, SegmentSettings, SetSegment
from edge.domain.changes.features.feature_changes import id_sets_read, segments_read
from edge.domain.changes.messages.message_changes import reading_id_set, reading_segment
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import (
    AppState,
    IdSetName,
    Segment,
    SegmentName,
    StoredIdSet,
    parse_digest,
    parse_name,
)
from edge.domain.states import channel_of, id_set_of, named, segment_of, segments_of, with_entry, without_entry
from edge.domain.targeting.behavioural import PLACES_LIMIT, is_behavioural, remembered_parts
from edge.domain.targeting.id_sets import IDS_LIMIT
from edge.domain.targeting.parser import check_expression, parse_expression

SEGMENT_LIMIT = 100  # an app; a check may have to evaluate each of them
SEGMENTS_LIMIT_BYTES = 32 * 1024  # of all their expressions: evaluating that much takes a check at most 0.2 ms
ID_SET_LIMIT = 100  # an app; every worker maps them all
PRIORITY_LIMIT = 1_000_000


def carry_out(
    state: AppState, command: SetSegment | DeleteSegment | PutIdSet | DeleteIdSet, at: float = 0.0
) -> AppState:
    """The state after the command; `at` in seconds since the epoch. Raises Invalid, NotFound, Conflict."""
    match command:
        case SetSegment():
            return _set_segment(state, command)
        case DeleteSegment():
            return _delete_segment(state, command, at)
        case PutIdSet():
            return _put_id_set(state, command)
        case DeleteIdSet():
            return _delete_id_set(state, command, at)


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
    if segment.leave is not None:
        _check_leave(segment, segment.leave)
    _check_size(state, segment)
    _check_places(state, segment)
    if not 0 <= segment.priority <= PRIORITY_LIMIT:
        raise Invalid("invalid_priority", f"the priority must be between 0 (evaluated first) and {PRIORITY_LIMIT}")
    return replace(state, segments=with_entry(state.segments, name, segment))


def _check_size(state: AppState, segment: Segment) -> None:
    listed = (segment, *(each for name, each in state.segments.items() if name != segment.name))
    total_bytes = sum(len(text.encode()) for each in listed for text in (each.where, each.leave or ""))
    if total_bytes > SEGMENTS_LIMIT_BYTES:
        raise Conflict(
            "segments_too_large",
            f"the expressions of app {state.app!r} would take {total_bytes} bytes; the limit is {SEGMENTS_LIMIT_BYTES}",
        )


def _check_leave(segment: Segment, leave: str) -> None:
    check_expression(leave)
    if not is_behavioural(parse_expression(leave)):
        raise Invalid(
            "invalid_leave",
            "--leave takes conditions on how a device is used, such as sessions_7d < 7, and no others: what a check "
            "says is never remembered",
        )
    if not remembered_parts(segment.where):
        raise Invalid(
            "invalid_leave",
            f"segment {segment.name!r} reads nothing of how a device is used, so there is nothing to leave by: "
            "--no-leave",
        )


def _check_places(state: AppState, segment: Segment) -> None:
    others = sum(len(each.places) for name, each in state.segments.items() if name != segment.name)
    if others + len(remembered_parts(segment.where)) > PLACES_LIMIT:
        raise Conflict(
            "too_many_behaviour_parts",
            f"the segments of app {state.app!r} would have more than {PLACES_LIMIT} parts that read how a device is "
            "used",
        )


def with_places(old: AppState, after: AppState, revision: int, *, anew: bool = False) -> AppState:
    """`after`, at `revision`, where each definition that `old` does not have got places of its own for its parts, so
    that none means what was remembered of another. `anew`: each definition did, as what was remembered may be of
    revisions that are lost. What finds no place is not remembered."""
    kept = (
        {} if anew else {name: each for name, each in after.segments.items() if _is_same(old.segments.get(name), each)}
    )
    if len(kept) == len(after.segments):
        return after
    segments = {
        name: replace(each, places=old.segments[name].places, since=old.segments[name].since)
        for name, each in kept.items()
    }
    free = iter(sorted(set(range(PLACES_LIMIT)) - {place for each in segments.values() for place in each.places}))
    for name, each in after.segments.items():
        if name not in kept:
            parts = remembered_parts(each.where)
            places = tuple(islice(free, len(parts)))
            whole = bool(parts) and len(places) == len(parts)
            segments[name] = replace(each, places=places if whole else (), since=revision if whole else 0)
    return replace(after, segments={name: segments[name] for name in after.segments})


def _is_same(old: Segment | None, new: Segment) -> bool:
    return old is not None and (old.where, old.leave) == (new.where, new.leave)


def _changed(segment: Segment, settings: SegmentSettings) -> Segment:
    wanted = {name: value for name in settings.__struct_fields__ if (value := getattr(settings, name)) is not UNSET}
    return replace(segment, **wanted)


def _delete_segment(state: AppState, command: DeleteSegment, at: float) -> AppState:
    segment = segment_of(state, command.name)
    asking = sorted(name for name, channel in state.channels.items() if segment.name in segments_of(channel))
    if asking:
        raise Conflict(
            "segment_in_use",
            f"segment {segment.name!r} is used by a rollout or an experiment on {named('channel', asking)}",
        )
    guarded = sorted(name for name, channel in state.channels.items() if segment.name in channel.guard.segments)
    if guarded:
        raise Conflict(
            "segment_in_use", f"segment {segment.name!r} is tested by the guard of {named('channel', guarded)}"
        )
    reading = sorted(each.name for each in state.features.values() if segment.name in segments_read(each))
    if reading:
        raise Conflict("segment_in_use", f"segment {segment.name!r} is used by {named('feature', reading)}")
    if planned := sorted(reading_segment(state, segment.name, at)):
        raise Conflict("segment_in_use", f"segment {segment.name!r} is used by {named('message', planned)}")
    return replace(state, segments=without_entry(state.segments, segment.name))


def _put_id_set(state: AppState, command: PutIdSet) -> AppState:
    name = IdSetName(parse_name("id set", command.name))
    if name not in state.id_sets and len(state.id_sets) >= ID_SET_LIMIT:
        raise Conflict("too_many_id_sets", f"app {state.app!r} has reached the limit of {ID_SET_LIMIT} id sets")
    if not 0 <= command.ids <= IDS_LIMIT:
        raise Invalid("too_many_ids", f"an id set can have at most {IDS_LIMIT} ids")
    put = StoredIdSet(name=name, blob=parse_digest(command.blob), ids=command.ids)
    return state if state.id_sets.get(name) == put else replace(state, id_sets=with_entry(state.id_sets, name, put))


def _delete_id_set(state: AppState, command: DeleteIdSet, at: float) -> AppState:
    held = id_set_of(state, command.name)
    asking = sorted(name for name, each in state.segments.items() if held.name in check_expression(each.where))
    if asking:
        raise Conflict("id_set_in_use", f"id set {held.name!r} is used by {named('segment', asking)}")
    reading = sorted(each.name for each in state.features.values() if held.name in id_sets_read(each))
    if reading:
        raise Conflict("id_set_in_use", f"id set {held.name!r} is used by {named('feature', reading)}")
    if planned := sorted(reading_id_set(state, held.name, at)):
        raise Conflict("id_set_in_use", f"id set {held.name!r} is used by {named('message', planned)}")
    return replace(state, id_sets=without_entry(state.id_sets, held.name))
