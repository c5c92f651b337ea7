"""What a change does to those who are served: what each channel offers before and after it, and where devices end up.

Pure: two states, or two snapshots and the devices to ask them with. Nothing here knows which change it was.
"""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Offer, RevertToBuiltin
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import BUILTIN, AppState, Channel, ChannelName, UpdateCheck, VersionName
from edge.domain.schedule.rollout import Moment
from edge.domain.states import last_good_of


class Offering(NamedTuple):
    """What a channel has for its devices. `bundle` is what everybody gets, the stand-in of a withdrawn one included: a
    version, builtin, or None for nothing new. `last_good` is what the channel would fall back to."""

    bundle: VersionName | None
    public: bool
    last_good: VersionName | None
    rollout: VersionName | None = None  # on its way
    experiment: str | None = None


class ChannelImpact(NamedTuple):
    """None where the channel does not exist."""

    channel: ChannelName
    before: Offering | None
    after: Offering | None


@dataclass(frozen=True, slots=True)
class Impact:
    """`channels` are those whose offering changes, by name; the bundles are sorted by name."""

    channels: tuple[ChannelImpact, ...]
    withdrawn: tuple[VersionName, ...]
    removed: tuple[VersionName, ...]


@dataclass(slots=True)
class DeviceCounts:
    """`moves` counts devices by what they run, and where they end up without and with the change, where that differs;
    `running` counts all by the bundle that they run."""

    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)


def impact_of(before: AppState | None, after: AppState) -> Impact:
    old, new = _offerings(before), _offerings(after)
    changed = [
        ChannelImpact(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    bundles = before.bundles if before is not None else {}
    withdrawn = [v for v, bundle in after.bundles.items() if bundle.withdrawn and v in bundles]
    return Impact(
        tuple(changed),
        tuple(sorted(v for v in withdrawn if not bundles[v].withdrawn)),
        tuple(sorted(bundles.keys() - after.bundles.keys())),
    )


def offering_of(channel: Channel, available: Container[VersionName]) -> Offering:
    """`available` are the bundles that exist and are not withdrawn."""
    good = last_good_of(channel, available)
    bundle = channel.bundle
    if bundle is not None and bundle != BUILTIN and bundle not in available:
        bundle = good or BUILTIN
    rollout = channel.rollout
    return Offering(
        bundle,
        channel.public,
        good,
        rollout.bundle if rollout is not None and rollout.phase.is_active else None,
        channel.experiment.name if channel.experiment is not None else None,
    )


def count_devices(
    before: AppSnapshot | None,
    after: AppSnapshot | None,
    devices: Iterable[tuple[UpdateCheck, DeviceFacts]],
    moment: Moment,
) -> DeviceCounts:
    """Asks each device's check of both snapshots."""
    counted = DeviceCounts()
    for check, facts in devices:
        runs = runs_now(check)
        counted.running[runs] += 1
        was, becomes = _ends_up(before, check, facts, moment), _ends_up(after, check, facts, moment)
        if was != becomes:
            counted.moves[runs, was, becomes] += 1
    return counted


def _offerings(state: AppState | None) -> dict[ChannelName, Offering]:
    if state is None:
        return {}
    available = {version for version, bundle in state.bundles.items() if not bundle.withdrawn}
    return {name: offering_of(channel, available) for name, channel in state.channels.items()}


def _ends_up(app: AppSnapshot | None, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> str:
    """What the device runs after its answer: one that hears "nothing new" goes on with what it has."""
    decision = decide(app, check, moment, facts) if app is not None else None
    match decision:
        case Offer():
            return decision.bundle.version
        case RevertToBuiltin():
            return BUILTIN
        case _:
            return runs_now(check)


def runs_now(check: UpdateCheck) -> str:
    """The bundle that the device runs, or builtin."""
    return BUILTIN if check.version_name == check.version_build else check.version_name
