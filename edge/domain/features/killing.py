"""What killing a feature may turn on: others that need its default, which every device then gets. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from edge.domain.app_parts.stored_features import Feature, Prerequisite


def turned_on_by_kill(features: Mapping[str, Feature], name: str) -> list[str]:
    """Those that may give a device something else than their defaults which a prerequisite kept from it, by name; the
    same before the kill and after it."""
    alive, killed = (_fixed({**features, name: replace(features[name], on=on)}) for on in (True, False))
    newly, found = killed - alive, set[str]()

    def is_met(wanted: Prerequisite) -> bool:
        wants_default = wanted.value == features[wanted.feature].default
        return wanted.feature in newly if wants_default else wanted.feature in found

    while more := {
        each.name
        for each in features.values()
        if each.name not in killed | found and any(map(is_met, each.prerequisites))
    }:
        found |= more
    return sorted(found)


def _fixed(features: Mapping[str, Feature]) -> set[str]:
    """Those that give every device their default."""
    found = {each.name for each in features.values() if not each.on or _values(each) <= {each.default}}

    def is_unmet(wanted: Prerequisite) -> bool:
        other = features.get(wanted.feature)  # None: of a state that no change makes
        return other is None or (other.name in found and wanted.value != other.default)

    while more := {
        each.name for each in features.values() if each.name not in found and any(map(is_unmet, each.prerequisites))
    }:
        found |= more
    return found


def _values(feature: Feature) -> set[str]:
    """What its rules, its share and its experiment give."""
    of_share = {feature.share.value} if feature.share is not None else set[str]()
    of_arms = {arm.value for arm in feature.experiment.arms} if feature.experiment is not None else set[str]()
    return {rule.value for rule in feature.rules} | of_share | of_arms
