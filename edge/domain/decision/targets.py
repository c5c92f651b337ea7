"""What a channel can point a device at, compiled at publish: each bundle with only the rules that can block it.

A channel has one target for all devices and, where more is going on, one for each arm of its experiment, one for its
rollout and one for each bundle that it can fall back to. `pick` chooses among them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from edge.domain.buckets import BUCKETS, bucket_of, hold_out_salt, rollout_salt
from edge.domain.decision.outcomes import HoldReason, Offer, UpToDate
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES, NODE_RULES, Candidate, Rule
from edge.domain.facts import DeviceFacts, name_hash
from edge.domain.forms.comparisons import FormsOf, files_always
from edge.domain.model import (
    BUILTIN,
    AppState,
    Arm,
    Bundle,
    Channel,
    Digest,
    Experiment,
    Phase,
    Rollout,
    SegmentName,
    UpdateCheck,
)
from edge.domain.schedule.rollout import active_share_at
from edge.domain.schedule.windows import Schedule, compile_windows
from edge.domain.states import good_ones
from edge.domain.versions import parse_version

Predicate = Callable[[UpdateCheck, DeviceFacts], bool]

_SHARE, _PAUSED = HoldReason.SHARE, Phase.PAUSED  # a member looked up on its class costs 0.1 µs in Python 3.11


@dataclass(frozen=True, slots=True)
class Timing:
    """When an arm's devices may get its bundle, in place of the channel's windows and spread."""

    windows: tuple[str, ...]  # as they are written; empty: the channel's
    schedule: Schedule | None  # None: the channel's
    spread_seconds: int
    began: float  # seconds since the epoch
    salt: bytes

    def opens_at(self, bucket: int) -> float:
        """When the spread reaches the devices of a bucket; the higher, the later."""
        return self.began + self.spread_seconds * bucket / BUCKETS


@dataclass(frozen=True, slots=True)
class Target:
    """A bundle on a channel, or builtin, with the rules that can block it."""

    candidate: Candidate
    key_rules: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    faults: tuple[Rule, ...]  # those of `rules` that are this node's own
    offer: Offer | None  # None: builtin
    version: str  # of the bundle; "" for builtin, which no device runs under that name
    bundle_hash: int  # `name_hash` of the version, as device facts hold it; 0 for builtin
    up_to_date: UpToDate  # the decision for a device that runs the target
    timing: Timing | None = None  # None: as the channel has it


class Pick(msgspec.Struct, frozen=True, gc=False):
    """A device's target, before any rule. `target` None: the channel offers nothing. `back`: it is a way back. `held`:
    why it is not the channel's newest bundle. `failed`: it failed on this device, with nothing to fall back to."""

    target: Target | None
    back: bool
    held: HoldReason | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RolloutTarget:
    """A rollout in progress, and who gets its target."""

    rollout: Rollout
    target: Target
    salt: bytes
    group_salt: bytes
    only: tuple[Predicate, ...]
    first: tuple[Predicate, ...]

    def holds_back(self, check: UpdateCheck, facts: DeviceFacts, proven: float) -> HoldReason | None:
        """Why the device does not get the bundle; None: it does. A device that runs the bundle keeps it, unless it is
        in the control group; a pause includes no other device. `proven` as in `Moment`."""
        rollout = self.rollout
        if rollout.hold_out and bucket_of(self.group_salt, check.device) < rollout.hold_out:
            return HoldReason.CONTROL_GROUP
        if check.version_name == rollout.bundle:
            return None
        is_first = bool(self.first) and any(matches(check, facts) for matches in self.first)
        if not is_first and self.only and not any(matches(check, facts) for matches in self.only):
            return HoldReason.NOT_IN_SEGMENT
        if rollout.phase is _PAUSED:
            return HoldReason.PAUSED
        if is_first or bucket_of(self.salt, check.device) < active_share_at(rollout, proven):
            return None
        return _SHARE


@dataclass(frozen=True, slots=True)
class ArmTarget:
    """One arm, for buckets below `end` that no arm before takes. `matches` None: all of its devices get its target."""

    end: int
    target: Target | None
    matches: Predicate | None


@dataclass(frozen=True, slots=True)
class ExperimentTargets:
    """A running experiment, and who gets which arm's target; `otherwise` is what the channel offers."""

    experiment: Experiment
    arms: tuple[ArmTarget, ...]  # ascending
    salt: bytes
    segment: Predicate | None
    otherwise: Target | None

    def takes(self, check: UpdateCheck, facts: DeviceFacts) -> bool:
        """Whether the device is in the experiment."""
        return self.segment is None or self.segment(check, facts)

    def arm_of(self, check: UpdateCheck) -> int:
        """The number of the device's arm, whether it gets that arm's bundle or not."""
        bucket = bucket_of(self.salt, check.device)
        return next(place for place, arm in enumerate(self.arms) if bucket < arm.end)

    def target_of(self, check: UpdateCheck, facts: DeviceFacts) -> Target | None:
        """What the device gets of its arm. None: its bundle was withdrawn, or is not for this device, and the channel
        offers nothing else."""
        arm = self.arms[self.arm_of(check)]
        return arm.target if arm.matches is None or arm.matches(check, facts) else self.otherwise


@dataclass(frozen=True, slots=True)
class CompiledChannel:
    """A channel with every target that it has for a device."""

    channel: Channel
    stable: Target | None  # for all devices; None: the channel offers nothing
    earlier: tuple[Target, ...]  # offered to all devices before and not withdrawn, latest first
    builtin: Target
    withdrawn: bool  # whether `stable` was withdrawn, so that a way back stands in for it
    rollout: RolloutTarget | None
    experiment: ExperimentTargets | None
    schedule: Schedule | None  # None: always open
    left: frozenset[str]  # bundles that no device may stay on: the app's withdrawn ones, and `taken_back`
    taken_back: frozenset[str]  # bundles whose devices are on a way back, whatever the channel did last
    spread_salt: bytes
    usual: Pick | None  # of every device on which nothing failed; None: `pick` decides
    up_to_date: UpToDate

    def offers(self) -> Iterator[Offer]:
        """Everything that a check can be answered with, including the ways back of single devices."""
        arms = [arm.target for arm in self.experiment.arms] if self.experiment else []
        rollout = [self.rollout.target] if self.rollout else []
        stable = None if self.withdrawn else self.stable
        targets = (stable, *arms, *rollout, *self.earlier)
        yield from (target.offer for target in targets if target is not None and target.offer is not None)

    def opens_for(self, check: UpdateCheck) -> float:
        """When the spread of the channel's bundle reaches the device, in seconds since the epoch."""
        return self.opens_at(bucket_of(self.spread_salt, check.device))

    def opens_at(self, bucket: int) -> float:
        """When the spread reaches the devices of a bucket; the higher, the later."""
        return self.channel.changed + self.channel.spread_seconds * bucket / BUCKETS


_MakeTarget = Callable[..., Target]  # `_target` of one channel: (bundle, arm, timing)


def compile_channel(
    channel: Channel,
    state: AppState,
    predicates: Mapping[SegmentName, Predicate],
    withdrawn_names: frozenset[str],
    lost: Collection[Digest] = (),
    forms_of: FormsOf = files_always,
) -> CompiledChannel:
    """`predicates` has those of the segments that the channel's rollout and experiment name; `withdrawn_names` are all
    withdrawn bundles of the app; `lost` has the zips that this node cannot read, and the manifests
    that it cannot read itself or a file of; `forms_of` has the forms of bundles."""
    rollout = channel.rollout if channel.rollout is not None and channel.rollout.phase.is_active else None
    target = partial(_target, channel, lost, forms_of)
    builtin = target(None)
    stable = _stable(channel, state, target, builtin)
    taken_back = frozenset(_taken_back(channel, state))
    withdrawn = channel.bundle in withdrawn_names
    faulty = stable is not None and bool(stable.faults)
    return CompiledChannel(
        channel=channel,
        stable=stable,
        earlier=tuple(target(state.bundles[version]) for version in good_ones(state, channel)),
        builtin=builtin,
        withdrawn=withdrawn,
        rollout=_rollout(rollout, state, predicates, target) if rollout else None,
        experiment=_experiment(channel.experiment, state, predicates, target, stable) if channel.experiment else None,
        schedule=compile_windows(channel.windows) if channel.windows else None,
        left=withdrawn_names | taken_back if taken_back else withdrawn_names,
        taken_back=taken_back,
        spread_salt=f"spread\0{state.app}\0{channel.name}\0{channel.bundle}\0".encode(),
        usual=None if withdrawn or rollout or channel.experiment or faulty else Pick(stable, channel.rolled_back),
        up_to_date=UpToDate(channel.name),
    )


def _taken_back(channel: Channel, state: AppState) -> Iterator[str]:
    """The bundle of a rollout that was rolled back, and withdrawn arms, as long as the channel offers what it did when
    the rollout was rolled back or the experiment started: anything later is a way forward."""
    rollout, experiment = channel.rollout, channel.experiment
    if rollout is not None and rollout.phase is Phase.ROLLED_BACK and channel.changed <= rollout.began:
        yield rollout.bundle
    if experiment is not None and channel.changed <= experiment.started:
        yield from (arm.bundle for arm in experiment.arms if state.bundles[arm.bundle].withdrawn)


def candidate_of(channel: Channel, bundle: Bundle | None) -> Candidate:
    """`bundle` None stands for builtin."""
    if bundle is None:
        return Candidate(channel, None, None, None, None)
    version, least, most = map(parse_version, (bundle.version, bundle.min_native, bundle.max_native))
    return Candidate(channel, bundle, version, least, most)


def _stable(channel: Channel, state: AppState, target: _MakeTarget, builtin: Target) -> Target | None:
    if channel.bundle is None:
        return None
    return builtin if channel.bundle == BUILTIN else target(state.bundles[channel.bundle])


def _target(
    channel: Channel,
    lost: Collection[Digest],
    forms_of: FormsOf,
    bundle: Bundle | None,
    arm: str = "",
    timing: Timing | None = None,
) -> Target:
    # Without its zip, a bundle goes as files wherever it can.
    forms = None if bundle is None or bundle.zip in lost else forms_of(bundle, channel.prefer)
    candidate = candidate_of(channel, bundle)._replace(forms=forms)
    if bundle is not None and lost:
        candidate = candidate._replace(manifest_lost=bundle.manifest in lost, zip_lost=bundle.zip in lost)
    faults = tuple(rule for rule in NODE_RULES if rule.can_fire(candidate))
    return Target(
        candidate=candidate,
        key_rules=tuple(rule for rule in KEY_RULES if rule.can_fire(candidate)),
        rules=(*(rule for rule in CHANNEL_RULES if rule.can_fire(candidate)), *faults),
        faults=faults,
        offer=Offer(bundle, channel.name, arm, forms) if bundle else None,
        version=bundle.version if bundle else "",
        bundle_hash=name_hash(bundle.version) if bundle else 0,
        up_to_date=UpToDate(channel.name, arm=arm),
        timing=timing,
    )


def _rollout(
    rollout: Rollout, state: AppState, predicates: Mapping[SegmentName, Predicate], target: _MakeTarget
) -> RolloutTarget:
    return RolloutTarget(
        rollout=rollout,
        target=target(state.bundles[rollout.bundle]),
        salt=rollout_salt(state.app, rollout.salt),
        group_salt=hold_out_salt(state.app, rollout.hold_out_group),
        only=tuple(predicates[name] for name in rollout.segments),
        first=tuple(predicates[name] for name in rollout.first),
    )


def _experiment(
    experiment: Experiment,
    state: AppState,
    predicates: Mapping[SegmentName, Predicate],
    target: _MakeTarget,
    stable: Target | None,
) -> ExperimentTargets:
    """The devices of an arm whose bundle was withdrawn get what all others get."""
    end = 0
    arms: list[ArmTarget] = []
    for arm in experiment.arms:
        end += arm.weight
        bundle = state.bundles[arm.bundle]
        named, timing = f"{experiment.name}/{arm.name}", _timing(state, experiment, arm)
        own = stable if bundle.withdrawn else target(bundle, named, timing)
        arms.append(ArmTarget(end, own, predicates[arm.segment] if arm.segment is not None else None))
    return ExperimentTargets(
        experiment=experiment,
        arms=tuple(arms),
        salt=f"experiment\0{state.app}\0{experiment.salt}\0".encode(),
        segment=predicates[experiment.segment] if experiment.segment is not None else None,
        otherwise=stable,
    )


def _timing(state: AppState, experiment: Experiment, arm: Arm) -> Timing | None:
    if not arm.windows and not arm.spread_seconds:
        return None
    return Timing(
        windows=arm.windows,
        schedule=compile_windows(arm.windows) if arm.windows else None,
        spread_seconds=arm.spread_seconds,
        began=experiment.started,
        salt=f"spread\0{state.app}\0{experiment.salt}\0{arm.name}\0".encode(),
    )
