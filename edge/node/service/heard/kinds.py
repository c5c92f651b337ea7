"""What a check is counted under: labels of the device, of where it belongs, and of what it was answered. Pure.

Devices choose their words, so each is bounded here, and of an app only so many combinations are kept an hour; then
they are counted under fewer labels, and at last under those alone that are this program's own.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from edge.domain.decision.decide import resolve
from edge.domain.decision.outcomes import Decision, Offer
from edge.domain.decision.sides import DrawnPlace, place_of
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import Predicate
from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.domain.model import BUILTIN, UpdateCheck
from edge.domain.statistics.generations import fails_without_offer
from edge.domain.statistics.observation import Cohort, Group
from edge.domain.targeting.traits import Traits

OTHER = "other"
SHED = "shed"  # the code of a check that was answered without a decision
PLUGIN_LIMIT = 32  # characters of a plugin's release; the published ones have up to 20
_WORDS_KEPT = 1_024  # of systems, by what devices said

_MAJOR = re.compile(r"[0-9]{1,4}(?![0-9])", re.ASCII)
_NOWHERE = DrawnPlace()
_NO_TRAITS = Traits()


class CheckLabels(NamedTuple):
    """All but the segments, which are found once a device and hour."""

    app: str
    platform: str
    channel: str
    side: str
    arm: str
    kind: str
    os: str
    country: str
    plugin: str
    runs: str
    code: str
    offered: str

    def cohort(self, segments: tuple[str, ...]) -> Cohort:
        group = Group(self.platform, self.channel, segments, self.side, self.arm, self.kind)
        return Cohort(group, self.os, self.country, self.plugin)

    @property
    def is_offer_of_lax(self) -> bool:
        """Whether a failed download counts only for some minutes after this: the release reports it without, too."""
        return bool(self.offered) and self.plugin != OTHER and fails_without_offer(self.plugin)

    def fewer(self, snapshot: AppSnapshot | None) -> "CheckLabels":
        """Without what a device makes up."""
        known = self.runs == BUILTIN or (snapshot is not None and name_hash(self.runs) in snapshot.offered_by_hash)
        return self._replace(os=OTHER, country=OTHER, plugin=OTHER, runs=self.runs if known else OTHER)

    def ours(self) -> "CheckLabels":
        """Where it belongs and what it was answered."""
        return self._replace(os=OTHER, country=OTHER, plugin=OTHER, runs=OTHER)

    def fewest(self) -> "CheckLabels":
        """What is this program's own."""
        return CheckLabels(self.app, self.platform, "", "", "", self.kind, OTHER, OTHER, OTHER, OTHER, self.code, "")


def labels_of_check(
    snapshot: AppSnapshot, check: UpdateCheck, decision: Decision, facts: DeviceFacts, proven: float
) -> CheckLabels:
    """Of a check that was decided like this; `proven` is the time that rollouts use."""
    compiled = resolve(snapshot, check, facts).channel
    channel, place = "", _NOWHERE
    if compiled is not None:
        channel = compiled.channel.name
        if compiled.usual is None:  # else it has neither a rollout nor an experiment
            place = place_of(compiled, check, facts, proven)
    offered = decision.bundle.version if isinstance(decision, Offer) else ""
    return _labels(check, channel, place, decision.code, offered)


def labels_of_shed(check: UpdateCheck) -> CheckLabels:
    """Of a check that was answered without looking at its app."""
    return _labels(check, "", _NOWHERE, SHED, "")


def _labels(check: UpdateCheck, channel: str, place: DrawnPlace, code: str, offered: str) -> CheckLabels:
    plugin = check.plugin.version
    return CheckLabels(
        check.app,
        check.platform.value,
        channel,
        place.side,
        place.arm,
        "emulator" if check.is_emulator else "device" if check.is_prod else "development",
        major_of(check.version_os),
        check.country,
        plugin if len(plugin) <= PLUGIN_LIMIT else OTHER,
        BUILTIN if check.version_name == check.version_build else check.version_name,
        code,
        offered,
    )


def segments_of(snapshot: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> tuple[str, ...]:
    """All segments that the device is in, sorted."""
    if not snapshot.segments:
        return ()
    return tuple(sorted(name for name, (_, matches) in snapshot.segments.items() if matches(check, facts)))


class CommonSegments(NamedTuple):
    """Of checks that differ in nothing but their ids: `fixed` have all of them, the others depend on the device."""

    fixed: tuple[str, ...]
    varying: tuple[tuple[str, Predicate], ...]

    def of(self, check: UpdateCheck, facts: DeviceFacts) -> tuple[str, ...]:
        """As `segments_of`."""
        return tuple(sorted([*self.fixed, *(name for name, matches in self.varying if matches(check, facts))]))


def common_segments(snapshot: AppSnapshot, check: UpdateCheck) -> CommonSegments:
    """`check` is one of them."""
    fixed, varying = [], []
    reads_facts = snapshot.asks_facts or snapshot.reads_behaviour
    for name, (_, matches) in snapshot.segments.items():
        if reads_facts or snapshot.traits[name] != _NO_TRAITS:
            varying.append((name, matches))
        elif matches(check, NO_FACTS):
            fixed.append(name)
    return CommonSegments(tuple(sorted(fixed)), tuple(varying))


@lru_cache(_WORDS_KEPT)
def major_of(system: str) -> str:
    """The number of a system's major version; "" if it begins with none."""
    found = _MAJOR.match(system)
    return found[0] if found else ""
