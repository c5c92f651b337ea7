"""What killing a feature may turn on: others that need its default, which every device then gets. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from edge.domain.app_parts.stored_features import Feature, Prerequisite


class Kills:
    """Of an app's features: made once, asked for each of them."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._features = features
        self._fixed = _fixed(features)
        self._needing: dict[str, list[tuple[Feature, Prerequisite]]] = {}
        for each in features.values():
            for wanted in each.prerequisites:
                self._needing.setdefault(wanted.feature, []).append((each, wanted))

    def turn_on(self, name: str) -> list[str]:
        """Those that may give a device something else than their defaults which a prerequisite kept from it, by name;
        the same before the kill of `name` and after it."""
        if name not in self._needing:
            return []
        feature = self._features[name]
        fixed = self._fixed if feature.on else _fixed({**self._features, name: replace(feature, on=True)})
        if name in fixed:
            return []
        off = self._reached({name}, fixed)  # for every device, as soon as it is killed
        less, more = off, set[str]()
        while grown := self._need_default(less, fixed | off) - more:
            more = self._reached(more | grown, fixed | off)
            less = self._reached(less | self._need_default(more, fixed), fixed)
        return sorted(more)

    def _need_default(self, others: set[str], without: set[str]) -> set[str]:
        """What needs the default of one of them."""
        return {
            each.name
            for other in others
            for each, wanted in self._needing.get(other, ())
            if wanted.value == self._features[other].default and each.name not in without
        }

    def _reached(self, begin: set[str], without: set[str]) -> set[str]:
        """`begin`, and what needs more than the default of one of them, at any distance."""
        found, left = set(begin), list(begin)
        while left:
            other = left.pop()
            for each, wanted in self._needing.get(other, ()):
                wants_more = wanted.value != self._features[other].default
                if wants_more and each.name not in without and each.name not in found:
                    found.add(each.name)
                    left.append(each.name)
        return found


def _fixed(features: Mapping[str, Feature]) -> set[str]:
    """Those that give every device their default."""
    found = {each.name for each in features.values() if not each.on or not _gives_more(each)}

    def is_unmet(wanted: Prerequisite) -> bool:
        other = features.get(wanted.feature)  # None: of a state that no change makes
        return other is None or (other.name in found and wanted.value != other.default)

    while more := {
        each.name for each in features.values() if each.name not in found and any(map(is_unmet, each.prerequisites))
    }:
        found |= more
    return found


def _gives_more(feature: Feature) -> bool:
    """Whether a rule, the share or the experiment gives anything but the default."""
    default, share, experiment = feature.default, feature.share, feature.experiment
    return (
        any(rule.value != default for rule in feature.rules)
        or (share is not None and share.value != default)
        or (experiment is not None and any(arm.value != default for arm in experiment.arms))
    )
