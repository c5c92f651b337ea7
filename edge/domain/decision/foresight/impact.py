"""What a change does: what each channel offers before and after it, and which bundle devices end up with.

Pure: it compares two states, or two snapshots on given devices, and does not know the change.
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
    """What a channel offers. `bundle` is what all devices get, which may stand in for a withdrawn one: a version,
    builtin, or None for nothing. `last_good` is what the channel would fall back to."""

    bundle: VersionName | None
    public: bool
    last_good: VersionName | None
    rollout: VersionName | None = None  # of the one in progress
    experiment: str | None = None


class ChannelImpact(NamedTuple):
    """None where the channel does not exist."""

    channel: ChannelName
    before: Offering | None
    after: Offering | None


@dataclass(frozen=True, slots=True)
class Impact:
    """`channels` are those whose offering changes, by name; `withdrawn` and `removed` bundles are sorted by name."""

    channels: tuple[ChannelImpact, ...]
    withdrawn: tuple[VersionName, ...]
    removed: tuple[VersionName, ...]


@dataclass(slots=True)
class DeviceCounts:
    """`moves` counts devices by (what they run, what they end up with without the change, and with it), if the last two
    differ; `running` counts all by what they run."""

    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)


def impact_of(before: AppState | None, after: AppState) -> Impact:
    """`before` None: the app does not exist yet."""
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
    """`available` has the bundles that exist and are not withdrawn."""
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
    """Decide each device's check in both snapshots. None: the app does not exist there."""
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
    """What the device runs after its answer; without an offer it keeps what it has."""
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
