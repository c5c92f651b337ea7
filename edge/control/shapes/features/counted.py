"""Counts of known devices by what they get of features, as the control API answers them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from edge.control.shapes.features.feature_shapes import FeatureImpactView, GivenView, ValueMoveView
from edge.domain.decision.foresight.feature_counts import FeatureCounts, GivenValue

FEATURES_LISTED = 20  # of those that a change concerns; a summary fits one screen
MOVES_LISTED = 20  # groups of devices by what they get


def json_of(text: str | None) -> Any:
    """A stored value as it stands in an answer; None: there is none."""
    return None if text is None else msgspec.json.decode(text)


def view_feature_impact(names: Iterable[str], counted: Mapping[str, FeatureCounts] | None) -> list[FeatureImpactView]:
    """Of the features called `names`, at most FEATURES_LISTED: those first that change what most devices get. `counted`
    None: nothing could be counted."""
    if counted is None:
        return [FeatureImpactView(feature=name, touched=None, moves=[]) for name in sorted(names)][:FEATURES_LISTED]
    ordered = sorted(names, key=lambda name: (-counted[name].touched, name))
    return [
        FeatureImpactView(feature=name, touched=counted[name].touched, moves=view_moves(counted[name]))
        for name in ordered[:FEATURES_LISTED]
    ]


def view_given(counted: Counter[GivenValue]) -> list[GivenView]:
    """The largest first; what no device gets is not there, and neither is a feature that does not exist."""
    return [
        GivenView(variant=given.variant, value=json_of(given.value_json), devices=n)
        for given, n in sorted(counted.items(), key=lambda each: (-each[1], each[0].variant))
        if given.variant
    ]


def view_moves(counts: FeatureCounts) -> list[ValueMoveView]:
    return [
        ValueMoveView(was=json_of(was), becomes=json_of(becomes), devices=n)
        for (was, becomes), n in counts.moves.most_common(MOVES_LISTED)
    ]
