"""How many devices were given which value of a feature, and how many said that they used it."""

import msgspec

from edge.domain.statistics import subjects
from edge.domain.statistics.definitions import Definition, Figure, figure, share
from edge.domain.statistics.figures import NO_DEVICES
from edge.telemetry.questions.port import By, Figures, Where
from edge.telemetry.questions.scope import Scope

_DEVICE = "device"  # no emulator, no development build


class FeatureUseQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in milliseconds since the epoch."""

    app: str
    feature: str
    since_ms: int
    until_ms: int


class VariantFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`devices` were given this variant at least once; `share` of them of all that were given any."""

    variant: str
    devices: Figure
    share: Figure


class FeatureUse(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of whole hours, or days, from `since` until `until`, in seconds since the epoch. `given` are the
    variants, the most frequent first, of a feature that is noted; `used` the devices whose app said that it used a
    feature of this name, and `used_share` of them of the active ones."""

    since: int
    until: int
    given: list[VariantFigures]
    used: Figure
    used_share: Figure


def answer_feature_use(figures: Figures, asked: FeatureUseQuestion) -> FeatureUse:
    """A device that was given two variants, as its app was updated or the feature was changed, counts in both."""
    scope = Scope(figures, asked.app, Where(kind=_DEVICE), asked.since_ms, asked.until_ms)
    prefix, own = f"{subjects.EVENT}exposure:{asked.feature}/", f"{subjects.EVENT}feature:{asked.feature}"
    found = figures.devices(asked.app, (f"{prefix}*", own), scope.span(), scope.where, (By.SUBJECT,))
    counted = {each.labels[0]: each.devices for each in found}
    used = counted.pop(own, 0)
    total = sum(counted.values())
    active = sum(scope.active(()).values())
    return FeatureUse(
        since=asked.since_ms // 1000,
        until=asked.until_ms // 1000,
        given=[
            VariantFigures(
                variant=subject.removeprefix(prefix),
                devices=figure(Definition.GIVEN_VALUE, n, estimated=True),
                share=share(Definition.GIVEN_SHARE, n, total, NO_DEVICES),
            )
            for subject, n in sorted(counted.items(), key=lambda each: (-each[1], each[0]))
        ],
        used=figure(Definition.FEATURE_DEVICES, used, estimated=True),
        used_share=share(Definition.FEATURE_SHARE, min(used, active), active, NO_DEVICES),
    )
