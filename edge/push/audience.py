"""Which registered devices a message's segment has, by the same expressions as update checks. Blocks."""

from collections.abc import Callable
from typing import NamedTuple

from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.errors import Unavailable
from edge.domain.facts import DeviceFacts
from edge.domain.model import AppState, SegmentName, StoredIdSet
from edge.domain.states import held_segments, id_set_of, segment_of
from edge.domain.targeting.compiler import NO_MEMORY
from edge.domain.targeting.id_sets import IdSet, parse_id_set
from edge.domain.targeting.parser import check_expression
from edge.domain.targeting.places import NodePlace
from edge.domain.targeting.segments import Matches, compile_segment, memory_of
from edge.push.registered import RegisteredDevice
from edge.store.blobs import map_blob
from edge.store.objects.port import ObjectStore

FactsOf = Callable[[str, str], DeviceFacts]  # by app and device


class Audience(NamedTuple):
    """Of one message; `matches` None: all registered devices."""

    app: str
    matches: Matches | None
    facts_of: FactsOf

    def has(self, device: RegisteredDevice) -> bool | None:
        """None: the device never reported, so nothing is known that an expression reads."""
        if self.matches is None:
            return True
        if device.check is None:
            return None
        return self.matches(device.check, self.facts_of(self.app, device.device))


def open_audience(
    store: ObjectStore, state: AppState, message: StoredMessage, place: NodePlace, facts_of: FactsOf
) -> Audience:
    """As of this state. Raises Invalid, NotFound, Unavailable: it cannot be known who is meant."""
    name, where, memory = f"message {message.id}", message.where, NO_MEMORY
    if message.segment is not None:
        segment = segment_of(state, message.segment)
        name, where = SegmentName(message.segment), segment.where
        memory = memory_of(segment, held_segments(state))
    if where is None:
        return Audience(state.app, None, facts_of)
    sets = {each: _read(store, id_set_of(state, each)) for each in sorted(check_expression(where))}
    return Audience(state.app, compile_segment(state.app, name, where, place=place, sets=sets, memory=memory), facts_of)


def _read(store: ObjectStore, held: StoredIdSet) -> IdSet:
    try:
        return parse_id_set(map_blob(store, held.blob, f"id set {held.name!r}"))
    except OSError as error:
        raise Unavailable("missing_object", f"id set {held.name!r} cannot be read: {error}") from error
