"""Where an app uses its bundles: what channels offer, roll out, test, and would fall back to. Pure."""

import enum
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge.domain.model import AppState, Channel, Phase, VersionName
from edge.domain.schedule.rollout import Moment, share_at
from edge.domain.shares import WHOLE_SHARE
from edge.domain.states import last_good


class BundleUse(enum.StrEnum):
    """How a channel uses a bundle."""

    ALL = "all"  # it is what everybody on the channel gets
    ROLLOUT = "rollout"
    PAUSED = "paused"  # a rollout that is paused
    ARM = "arm"
    WAY_BACK = "way_back"


class UsedBundle(NamedTuple):
    """`share` is of the channel's devices, in thousandths of a percent; `arm` names the arm of an experiment."""

    channel: str
    use: BundleUse
    share: int
    arm: str = ""


def uses_of(state: AppState, moment: Moment) -> Mapping[VersionName, list[UsedBundle]]:
    """By version, channels sorted by name; versions that no channel needs are left out."""
    found = defaultdict[VersionName, list[UsedBundle]](list)
    for _, channel in sorted(state.channels.items()):
        for version, use in _uses(state, channel, moment):
            found[version].append(use)
    return found


def _uses(state: AppState, channel: Channel, moment: Moment) -> Iterator[tuple[VersionName, UsedBundle]]:
    name, rollout, experiment = channel.name, channel.rollout, channel.experiment
    if channel.bundle is not None:
        yield channel.bundle, UsedBundle(name, BundleUse.ALL, WHOLE_SHARE)
    if rollout is not None and rollout.phase.is_active:
        use = BundleUse.PAUSED if rollout.phase is Phase.PAUSED else BundleUse.ROLLOUT
        yield rollout.bundle, UsedBundle(name, use, share_at(rollout, moment.proven))
    if experiment is not None:
        for arm in experiment.arms:
            yield arm.bundle, UsedBundle(name, BundleUse.ARM, arm.weight, arm.name)
    back = last_good(state, channel)
    if back is not None and back != channel.bundle:
        yield back, UsedBundle(name, BundleUse.WAY_BACK, 0)
