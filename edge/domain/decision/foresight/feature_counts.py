"""Who gets which value of features, and whose changes: the real evaluation for each known device, counted. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from edge.domain.app_parts.stored_features import Feature
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Invalid
from edge.domain.facts import DeviceFacts
from edge.domain.features.compiled import NO_FEATURES, CompiledFeatures
from edge.domain.features.evaluation import Evaluation, Subject
from edge.domain.model import AppState, IdSetName, SegmentName, UpdateCheck
from edge.domain.states import held_segments
from edge.domain.targeting.parser import check_expression


class GivenValue(NamedTuple):
    """`value_json` None: none, so the app's code uses its own."""

    variant: str
    value_json: str | None


NOT_GIVEN = GivenValue("", None)  # there is no such feature


@dataclass(slots=True)
class FeatureCounts:
    """Devices by what they get of one feature before and after a change, and those whose value changes, from what to
    what."""

    before: Counter[GivenValue] = field(default_factory=Counter)
    after: Counter[GivenValue] = field(default_factory=Counter)
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)

    @property
    def touched(self) -> int:
        return self.moves.total()


class FeatureMoves:
    """Counts the features called `names`, of two snapshots; None: the app does not exist there."""

    def __init__(self, before: AppSnapshot | None, after: AppSnapshot | None, names: Iterable[str]) -> None:
        self._before, self._after = _features_of(before), _features_of(after)
        self.counts = {name: FeatureCounts() for name in sorted(names)}

    def noting(self, devices: Iterable[tuple[UpdateCheck, DeviceFacts]]) -> Iterator[tuple[UpdateCheck, DeviceFacts]]:
        """The same devices, each counted as it passes."""
        for check, facts in devices:
            if self.counts:
                self._note(Subject(check, facts, check.device.encode()))
            yield check, facts

    def _note(self, subject: Subject) -> None:
        for name, counts in self.counts.items():
            was, becomes = self._before.evaluate(name, subject), self._after.evaluate(name, subject)
            before, after = _given(was), _given(becomes)
            counts.before[before] += 1
            counts.after[after] += 1
            if before.value_json != after.value_json:
                counts.moves[before.value_json, after.value_json] += 1


def changed_features(before: AppState | None, after: AppState) -> frozenset[str]:
    """Those that may give somebody something else: by what is set of them, by the segments and id sets that they read,
    or by the features that they need."""
    old = before.features if before is not None else {}
    names = old.keys() | after.features.keys()
    changed = {name for name in names if _told(before, old.get(name)) != _told(after, after.features.get(name))}
    while more := {
        name
        for state in (old, after.features)
        for name, each in state.items()
        if name not in changed and any(p.feature in changed for p in each.prerequisites)
    }:
        changed |= more
    return frozenset(changed)


def _told(state: AppState | None, feature: Feature | None) -> object:
    """All that its answers follow from, other features aside."""
    if state is None or feature is None:
        return None
    names = [each.segment for each in (*feature.rules, *((feature.experiment,) if feature.experiment else ()))]
    segments = [state.segments[SegmentName(name)] for name in names if name is not None]
    expressions = [each.where for each in segments] + [each.where for each in feature.rules if each.where is not None]
    held = held_segments(state)
    sets = {IdSetName(name) for where in expressions for name in _sets_of(where)}
    return (
        replace(feature, revision=0, about="", noted=False, server_only=False),
        [(each.where, each.leave, each.places, each.since, each.name in held) for each in segments],
        [state.id_sets.get(name) for name in sorted(sets)],
    )


def _sets_of(where: str) -> frozenset[str]:
    try:
        return check_expression(where)
    except Invalid:
        return frozenset()


def _features_of(snapshot: AppSnapshot | None) -> CompiledFeatures:
    return NO_FEATURES if snapshot is None else snapshot.features


def _given(evaluation: Evaluation | None) -> GivenValue:
    if evaluation is None:
        return NOT_GIVEN
    value = evaluation.value_json
    return GivenValue(evaluation.variant, None if value is None else value.decode())
