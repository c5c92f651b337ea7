"""What a message changed: devices that got it beside those that were held out, and one text beside the other. Pure.

Devices are compared as they were planned, whatever became of the attempt: who is reached at all is not drawn, the arms
are. Of each, what it did within a day of the moment that was meant for it counts. Shares have the exact interval of the
ratio, sessions a confidence sequence: both hold at every look.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.domain.comparing.event_share import rate_ratio
from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.sequences import mean_ratio, varies
from edge.domain.messaging.planning import HELD_OUT

ALPHA = 0.05  # of all comparisons of a message together
LEAST_DEVICES, LEAST_EVENTS = 100, 25  # in each arm, in both: below, nothing is compared


class ArmEffects(NamedTuple):
    """Of the devices of one arm whose day is over: `opened` the message, `active` had a session, `updated` installed an
    update; `sessions` of all, and the sum of their squares."""

    devices: int = 0
    opened: int = 0
    updated: int = 0
    active: int = 0
    sessions: int = 0
    squares: int = 0

    def plus(self, other: "ArmEffects") -> "ArmEffects":
        return ArmEffects(*(one + more for one, more in zip(self, other, strict=True)))


class ComparedEffect(NamedTuple):
    """One measure of an arm beside another. `value` and `other_value` are shares of devices, or sessions a device;
    `ratio` how many times as much, between `low` and `high`, None where that is not known. `shown` is "more", "fewer",
    "no_difference" or "early"."""

    measure: str
    arm: str
    other: str
    devices: int
    other_devices: int
    value: float | None
    other_value: float | None
    ratio: float | None
    low: float | None
    high: float | None
    shown: str


def compare_effects(arms: Mapping[str, ArmEffects]) -> list[ComparedEffect]:
    """All that there is to compare: with the message beside without it, and the second text beside the first."""
    texts = sorted(name for name in arms if name != HELD_OUT)
    asked: list[tuple[str, str, str, ArmEffects, ArmEffects]] = []
    if HELD_OUT in arms and texts:
        all_texts = ArmEffects()
        for name in texts:
            all_texts = all_texts.plus(arms[name])
        of = "+".join(texts)
        asked += [(each, of, HELD_OUT, all_texts, arms[HELD_OUT]) for each in ("active", "sessions", "updated")]
    if len(texts) > 1:
        asked += [(each, texts[1], texts[0], arms[texts[1]], arms[texts[0]]) for each in ("opened", "active")]
    return [_compare(*each, ALPHA / len(asked)) for each in asked]


def _compare(measure: str, arm: str, other: str, one: ArmEffects, base: ArmEffects, alpha: float) -> ComparedEffect:
    value, other_value = _value(measure, one), _value(measure, base)
    said = (measure, arm, other, one.devices, base.devices, value, other_value)
    events = _total(measure, one) + _total(measure, base)
    if min(one.devices, base.devices) < LEAST_DEVICES or events < LEAST_EVENTS or value is None or not other_value:
        return ComparedEffect(*said, None, None, None, "early")
    if measure == "sessions":
        first, second = _measure_of(arm, one), _measure_of(other, base)
        interval = mean_ratio(first, second, alpha) if varies(first) and varies(second) else None
    else:
        share = one.devices / (one.devices + base.devices)
        interval = rate_ratio(_total(measure, one), _total(measure, base), share, alpha)
    if interval is None:
        return ComparedEffect(*said, value / other_value, None, None, "early")
    shown = "no_difference"
    if interval.low > 1:
        shown = "more"
    elif interval.high is not None and interval.high < 1:
        shown = "fewer"
    return ComparedEffect(*said, value / other_value, interval.low, interval.high, shown)


def _measure_of(name: str, of: ArmEffects) -> ArmMeasure:
    deviations = max(0.0, of.squares - of.sessions * of.sessions / of.devices)
    return ArmMeasure(arm=name, devices=of.devices, having=of.active, total=float(of.sessions), deviations=deviations)


def _value(measure: str, of: ArmEffects) -> float | None:
    return _total(measure, of) / of.devices if of.devices else None


def _total(measure: str, of: ArmEffects) -> int:
    return int(getattr(of, measure))


def effect_sentence(effect: ComparedEffect) -> str:
    """For people: what is shown, and what is not."""
    what = _WORDS[effect.measure]
    beside = "without it" if effect.other == HELD_OUT else f"with text {effect.other}"
    with_ = "with it" if effect.other == HELD_OUT else f"with text {effect.arm}"
    if effect.shown == "early":
        return f"{what}: too few yet, {effect.devices:,} devices {with_} and {effect.other_devices:,} {beside}"
    times = _times(effect)
    if effect.shown == "no_difference":
        return f"{what}: no difference shown, {times} {beside}"
    return f"{what}: {effect.shown} {with_}, {times} {beside}"


def _times(effect: ComparedEffect) -> str:
    low, high = effect.low or 0.0, effect.high
    return f"at least {low:.2f} times as many as" if high is None else f"{low:.2f} to {high:.2f} times as many as"


def sum_arms(arms: Sequence[tuple[str, ArmEffects]]) -> dict[str, ArmEffects]:
    """Parts of the same arm together."""
    found: dict[str, ArmEffects] = {}
    for name, each in arms:
        found[name] = found.get(name, ArmEffects()).plus(each)
    return found


_WORDS = {
    "active": "Devices with a session within 24 h",
    "sessions": "Sessions within 24 h",
    "updated": "Devices that installed an update within 24 h",
    "opened": "Devices on which it was opened",
}
