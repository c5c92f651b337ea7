"""What the counts of an arm are without some of its devices: those beyond their network's cap, those of the networks
that speak most for a difference, those that an arm has beyond its weight. Pure.

Reports carry no proof. Whoever makes devices up has few networks, so a difference is shown only if it is there without
any two of them; and checks have no network, so it must also be there if each arm had as many devices as its weight
says.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.sequences import mean_of
from edge.domain.guarding.networks import LEFT_OUT

CountsByNetwork = Callable[[], Iterable[Sequence[ArmMeasure]]]  # what each network's counted devices have, by arm


class ArmPair(NamedTuple):
    """An arm and the first one. `share` is the arm's of the devices of both, by their weights."""

    arm: ArmMeasure
    other: ArmMeasure
    share: float


def without(whole: ArmMeasure, part: ArmMeasure) -> ArmMeasure:
    """`whole` less its devices `part`. With a negative number of devices in `part`, all alike, that many more."""
    n = whole.devices - part.devices
    total = whole.total - part.total
    if n <= 0 or not whole.devices:
        return msgspec.structs.replace(whole, devices=0, having=0, total=0.0, deviations=0.0)
    off = total / n - part.total / part.devices if part.devices else 0.0
    deviations = whole.deviations - part.deviations - off * off * n * part.devices / whole.devices
    return msgspec.structs.replace(
        whole, devices=n, having=max(0, whole.having - part.having), total=total, deviations=max(0.0, deviations)
    )


def without_capped(whole: ArmMeasure) -> ArmMeasure:
    """Less the devices beyond the cap of their network."""
    found = without(whole, _alike(whole, whole.capped)) if whole.capped else whole
    return msgspec.structs.replace(found, capped=0)


def without_worst(pair: ArmPair, networks: Iterable[Sequence[ArmMeasure]], place: int) -> ArmPair:
    """Less those LEFT_OUT networks that speak most for the difference as it is; `place` is the arm's number."""
    if not pair.arm.devices or not pair.other.devices:
        return pair
    middle = (pair.arm.total + pair.other.total) / (pair.arm.devices + pair.other.devices)
    sign = 1 if mean_of(pair.arm) >= mean_of(pair.other) else -1

    def speaks(of: Sequence[ArmMeasure]) -> float:
        arm = (of[place].total - middle * of[place].devices) / pair.arm.devices
        return sign * (arm - (of[0].total - middle * of[0].devices) / pair.other.devices)

    for each in sorted((each for each in networks if speaks(each) > 0), key=speaks, reverse=True)[:LEFT_OUT]:
        pair = ArmPair(without(pair.arm, each[place]), without(pair.other, each[0]), pair.share)
    return pair


def by_weights(pair: ArmPair) -> ArmPair:
    """As if each arm had its weight's part of the devices, those that it lacks or has too many having no number."""
    n = pair.arm.devices + pair.other.devices
    arm = round(n * pair.share)
    return ArmPair(_sized(pair.arm, arm), _sized(pair.other, n - arm), pair.share)


def _sized(each: ArmMeasure, devices: int) -> ArmMeasure:
    return without(each, _alike(each, each.devices - devices))


def _alike(whole: ArmMeasure, devices: int) -> ArmMeasure:
    """So many of its devices, each of which has nothing but the floor."""
    having = devices if whole.floor > 0 else 0
    return ArmMeasure(arm=whole.arm, devices=devices, having=having, total=devices * whole.floor, deviations=0.0)
