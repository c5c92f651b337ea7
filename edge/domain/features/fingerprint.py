"""A digest of all that the answers about an app's features follow from, on any node. Pure."""

import hashlib
from collections.abc import Iterator

from edge.domain.errors import Invalid
from edge.domain.model import AppState, IdSetName, SegmentName
from edge.domain.states import held_segments
from edge.domain.targeting.parser import check_expression

NO_FINGERPRINT = "none"  # of an app without features
_CHARACTERS = 16


def fingerprint_of(state: AppState) -> str:
    """Letters and digits: the same where features, the segments in their rules and the lists in their expressions are
    the same, whatever else of the app changed."""
    if not state.features:
        return NO_FINGERPRINT
    digest = hashlib.sha256()
    for part in _parts(state):
        digest.update(repr(part).encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:_CHARACTERS]


def _parts(state: AppState) -> Iterator[object]:
    named, expressions, held = set[str](), [], held_segments(state)
    for _, feature in sorted(state.features.items()):
        yield feature
        named |= {rule.segment for rule in feature.rules if rule.segment is not None}
        if feature.experiment is not None and feature.experiment.segment is not None:
            named.add(feature.experiment.segment)
        expressions += [rule.where for rule in feature.rules if rule.where is not None]
    for name in sorted(named):
        segment = state.segments.get(SegmentName(name))
        yield segment, name in held
        expressions += [segment.where] if segment is not None else []
    for each in sorted({name for where in expressions for name in _sets_in(where)}):
        ids = state.id_sets.get(IdSetName(each))
        yield each, ids.blob if ids is not None else None


def _sets_in(expression: str) -> frozenset[str]:
    try:
        return frozenset(check_expression(expression)) if expression else frozenset()
    except Invalid:  # of a later release
        return frozenset()
