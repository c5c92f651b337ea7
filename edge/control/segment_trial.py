"""Whether a device is in a segment, by the expression compiled as for a check, and what is unknown about the device."""

from collections.abc import Iterator

import orjson

from edge.domain.decision.behaviour_seen import judged_words
from edge.domain.errors import Invalid
from edge.domain.facts import DeviceFacts
from edge.domain.model import AppState, StoredIdSet, UpdateCheck
from edge.domain.states import id_set_of
from edge.domain.targeting.compiler import NO_MEMORY, SegmentMemory
from edge.domain.targeting.conditions import Comparison, Condition, Member, TextTest, UsedFeature, atoms_of
from edge.domain.targeting.id_sets import IdSet, parse_id_set
from edge.domain.targeting.language import Field
from edge.domain.targeting.parser import check_expression, parse_expression
from edge.domain.targeting.places import NodePlace
from edge.domain.targeting.segments import Matches, compile_segment
from edge.store.blobs import map_blob
from edge.store.objects.port import ObjectStore
from edge.wire.updates import WireError, parse_update_check


def read_device(body: bytes, app: str, country: str) -> UpdateCheck:
    """Parse what a device posts to `/updates`. Raises Invalid with the code that the device would get, and
    `app_mismatch`."""
    try:
        check = parse_update_check(body, country)
    except WireError as error:
        raise refused(error) from error
    check_same_app(check.app, app)
    return check


def check_same_app(body_app: str, app: str) -> None:
    """A token for one app must not query another through a device's body. Raises Invalid `app_mismatch`."""
    if body_app != app:
        raise Invalid("app_mismatch", f"the body is for app {body_app[:128]!r}, the URL for {app!r}")


def refused(error: WireError) -> Invalid:
    """The error that the device would get, with the invalid fields, in one line."""
    refusal = orjson.loads(error.body)
    issues = [f"{issue['field']}: {issue['message']}" for issue in refusal["moreInfo"].get("parseResult", ())]
    return Invalid(refusal["error"], "; ".join([refusal["message"], *issues]))


class Trial:
    """An expression as segment `name` of an app: `bucket` draws by that name. Blocks: reads id sets from the store."""

    def __init__(
        self,
        store: ObjectStore,
        state: AppState,
        name: str,
        where: str,
        place: NodePlace,
        memory: SegmentMemory = NO_MEMORY,
    ) -> None:
        """`memory` is that of the saved segment. Raises Invalid `invalid_expression` with the column, NotFound
        `unknown_id_set`."""
        self._app, self._name, self._place = state.app, name, place
        self._sets = {each: _read_set(store, id_set_of(state, each)) for each in sorted(check_expression(where))}
        self._condition = parse_expression(where)
        self._matches = self._compile(where, memory)
        # What the expression uses, each once, and whether it is known; None: always. Many devices may be asked about.
        self._known = {each: self._knows(each) for each in dict.fromkeys(_used_in(self._condition))}

    def matches(self, check: UpdateCheck, facts: DeviceFacts) -> bool:
        """Whether the device is in the segment."""
        return self._matches(check, facts)

    def unknown(self, check: UpdateCheck, facts: DeviceFacts) -> list[str]:
        """The fields and features that the expression uses and that are unknown for this device, each once."""
        return [_name_of(each) for each, knows in self._known.items() if knows is not None and not knows(check, facts)]

    def _knows(self, used: Field | UsedFeature) -> Matches | None:
        if isinstance(used, UsedFeature):
            return lambda check, facts: facts.behaviour.features is not None
        # An unknown value does not even equal itself.
        return self._compile(f"{used.name} == {used.name}") if used.may_be_unknown else None

    def judged(self, facts: DeviceFacts) -> str:
        """What the expression reads of how the device is used."""
        return judged_words(self._condition, facts.behaviour)

    def _compile(self, where: str, memory: SegmentMemory = NO_MEMORY) -> Matches:
        return compile_segment(self._app, self._name, where, place=self._place, sets=self._sets, memory=memory)


def _used_in(condition: Condition) -> Iterator[Field | UsedFeature]:
    for atom in atoms_of(condition):
        match atom:
            case Comparison(field=field, other=Field() as other):
                yield from (field, other)
            case Comparison(field=field) | Member(field=field) | TextTest(field=field):
                yield field
            case UsedFeature():
                yield atom


def _name_of(used: Field | UsedFeature) -> str:
    return f'feature("{used.name}")' if isinstance(used, UsedFeature) else used.name


def _read_set(store: ObjectStore, held: StoredIdSet) -> IdSet:
    return parse_id_set(map_blob(store, held.blob, f"id set {held.name!r}"))
