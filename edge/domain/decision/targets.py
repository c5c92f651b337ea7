"""What a channel can point a device at, compiled: each bundle with only those rules that can fire on it.

A channel has one route for everybody, and where more is going on, one for each arm, for the rollout and for the way
back. Which one a device is on, `pick` says; whether it may go there, the rules.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from edge.domain.buckets import BUCKETS, bucket_of
from edge.domain.decision.outcomes import HoldReason, Offer, UpToDate
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES, NODE_RULES, Rule, Target
from edge.domain.facts import DeviceFacts, failure_of, forgot_until, is_withheld, mark_of, name_hash
from edge.domain.model import (
    BUILTIN,
    AppState,
    Bundle,
    Channel,
    Digest,
    Experiment,
    Phase,
    Rollout,
    SegmentName,
    UpdateCheck,
)
from edge.domain.schedule.rollout import Moment, active_share_at
from edge.domain.schedule.windows import Schedule, compile_windows
from edge.domain.states import good_ones
from edge.domain.versions import parse_version

Predicate = Callable[[UpdateCheck, DeviceFacts], bool]


@dataclass(frozen=True, slots=True)
class Route:
    """A target, and what has to be asked on the way to it."""

    target: Target
    key_rules: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    offer: Offer | None  # None: builtin
    version: str  # of the bundle; "" for builtin, which no device runs by that name
    bundle_hash: int  # `name_hash` of it, as device facts hold it; 0 for builtin
    runs: UpToDate  # what a device hears that runs the target


@dataclass(frozen=True, slots=True)
class RolloutRoute:
    rollout: Rollout
    route: Route
    salt: bytes
    group_salt: bytes
    only: tuple[Predicate, ...]
    first: tuple[Predicate, ...]

    def holds_back(self, check: UpdateCheck, facts: DeviceFacts, proven: float) -> HoldReason | None:
        """Why the device is not in; None: it is. Once in, a device stays in: who runs the bundle is not asked again. A
        pause lets nobody else in, by share or as one of the first."""
        rollout = self.rollout
        if rollout.hold_out and bucket_of(self.group_salt, check.device) < rollout.hold_out:
            return HoldReason.CONTROL_GROUP
        if check.version_name == rollout.bundle:
            return None
        is_first = bool(self.first) and any(matches(check, facts) for matches in self.first)
        if not is_first and self.only and not any(matches(check, facts) for matches in self.only):
            return HoldReason.NOT_IN_SEGMENT
        if rollout.phase is Phase.PAUSED:
            return HoldReason.PAUSED
        if is_first or bucket_of(self.salt, check.device) < active_share_at(rollout, proven):
            return None
        return HoldReason.SHARE


@dataclass(frozen=True, slots=True)
class ExperimentRoutes:
    experiment: Experiment
    arms: tuple[tuple[int, Route | None], ...]  # each with the first bucket behind it, rising
    salt: bytes
    segment: Predicate | None

    def takes(self, check: UpdateCheck, facts: DeviceFacts) -> bool:
        """Whether the device is in one of the arms."""
        return self.segment is None or self.segment(check, facts)

    def arm_of(self, check: UpdateCheck) -> Route | None:
        """None: its bundle was withdrawn, and the channel offers nothing else."""
        bucket = bucket_of(self.salt, check.device)
        return next(route for end, route in self.arms if bucket < end)


@dataclass(frozen=True, slots=True)
class CompiledChannel:
    """A channel with everything that a check may be pointed at."""

    channel: Channel
    stable: Route | None  # for everybody; None: the channel offers nothing
    earlier: tuple[Route, ...]  # what it offered to everybody before and is not withdrawn, the latest first
    builtin: Route
    withdrawn: bool  # whether `stable` was withdrawn, so that the way back stands in for it
    rollout: RolloutRoute | None
    experiment: ExperimentRoutes | None
    schedule: Schedule | None  # None: always open
    left: frozenset[str]  # bundles that no device stays on: withdrawn ones of the app, and those below
    taken_back: frozenset[str]  # bundles whose devices are on a way back, whatever the channel itself did last
    spread_salt: bytes
    simple: bool  # whether every device without facts is on `stable`
    up_to_date: UpToDate

    def offers(self) -> Iterator[Offer]:
        """Everything that a check may be answered with, the ways back of single devices included."""
        arms = [route for _, route in self.experiment.arms] if self.experiment else []
        rollout = [self.rollout.route] if self.rollout else []
        usual = None if self.withdrawn else self.stable
        routes = (usual, *arms, *rollout, *self.earlier)
        yield from (route.offer for route in routes if route is not None and route.offer is not None)

    def opens_for(self, check: UpdateCheck) -> float:
        """When the spread of the channel's bundle lets the device in, in seconds since the epoch."""
        return self.channel.changed + self.channel.spread_seconds * bucket_of(self.spread_salt, check.device) / BUCKETS


# The route; whether it is a way back; why it is not the newest; and whether it failed on this device, with nothing
# before it to fall back to.
Pick = tuple[Route | None, bool, HoldReason | None, bool]


def pick(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> Pick:
    """The route of a device: the arm of an experiment, else the rollout, else what everybody gets; and where that
    bundle was withdrawn or has failed on this device, what comes before it."""
    held = None
    if compiled.experiment is not None and compiled.experiment.takes(check, facts):
        route = compiled.experiment.arm_of(check)
    elif compiled.rollout is not None:
        held = compiled.rollout.holds_back(check, facts, moment.proven)
        route = compiled.rollout.route if held is None else compiled.stable
    else:
        route = compiled.stable
    back = False
    if route is compiled.stable:
        if compiled.withdrawn:
            return way_back(compiled, check, facts), True, HoldReason.WITHDRAWN, False
        back = compiled.channel.rolled_back
    if facts.failures and route is not None and withholds(route, check, facts, moment.now):
        before = _before(route, compiled, check, facts)
        return (route, back, held, True) if before is None else (before, True, HoldReason.WITHHELD, False)
    return route, back, held, False


def withholds(route: Route, check: UpdateCheck, facts: DeviceFacts, now: float) -> bool:
    """Whether the bundle is withheld from the device now. One that runs it all the same keeps it."""
    failure = failure_of(facts, route.bundle_hash)
    if failure is None or check.version_name == route.version or route.offer is None:
        return False
    return is_withheld(failure, mark_of(route.offer.bundle, check), now)


def works(route: Route, check: UpdateCheck, facts: DeviceFacts) -> bool:
    """Whether the bundle can be a way back: it never failed on the device, as far as that is remembered, and cannot be
    what had to be forgotten. What the device runs can."""
    if route.offer is None or check.version_name == route.version:
        return True
    failure = failure_of(facts, route.bundle_hash)
    return (failure is None or not failure.withheld) and route.offer.bundle.published >= forgot_until(facts)


def way_back(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Route:
    """The latest earlier bundle that works on the device and is for its native code; builtin where there is none."""
    return next((route for route in compiled.earlier if _suits(route, check, facts)), compiled.builtin)


def last_good_here(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Route | None:
    """The latest earlier bundle that works on the device."""
    return next((route for route in compiled.earlier if works(route, check, facts)), None)


def leaves(compiled: CompiledChannel, check: UpdateCheck) -> bool:
    """Whether the device runs a bundle that was withdrawn or taken back, and so must not stay on it."""
    return check.version_name in compiled.left and not _on_builtin(check)


def block_of(route: Route, check: UpdateCheck, assigned: bool) -> Rule | None:
    """The rule that keeps the device from the route. One that runs its bundle is asked for the key alone."""
    rules = route.key_rules if check.version_name == route.version else (*route.key_rules, *route.rules)
    return next((rule for rule in rules if rule.blocks(check, route.target, assigned)), None)


def way_around(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, assigned: bool) -> Route | None:
    """Where a device goes that must leave what it runs while a rule blocks its route, or the channel offers nothing:
    what everybody gets, else the latest earlier bundle that suits it, else builtin; whichever no rule blocks.

    None: it need not leave, or nothing is open to it.
    """
    if not leaves(compiled, check):
        return None
    stable = None if compiled.withdrawn else compiled.stable
    ways = [stable] if stable is not None and works(stable, check, facts) else []
    ways += [route for route in compiled.earlier if _suits(route, check, facts)]
    ways += [compiled.builtin] if check.plugin.reverts_to_builtin else []
    others = (way for way in ways if way.version != check.version_name)
    return next((way for way in others if block_of(way, check, assigned) is None), None)


def _before(failed: Route, compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Route | None:
    """What comes before a bundle that failed here: what everybody gets, and before that the ways back.

    None: nothing does, and the device stays with what it runs: that was not taken back, so no failure of another bundle
    moves the device to something older.
    """
    stable = None if compiled.withdrawn else compiled.stable
    if stable is not None and (stable.bundle_hash == failed.bundle_hash or not works(stable, check, facts)):
        stable = None
    if compiled.withdrawn or leaves(compiled, check):
        return stable or way_back(compiled, check, facts)
    ways = [stable] if stable is not None else []
    ways += [route for route in compiled.earlier if route.version == check.version_name or _suits(route, check, facts)]
    return next((way for way in ways if not _is_older(way, check)), None)


def _suits(route: Route, check: UpdateCheck, facts: DeviceFacts) -> bool:
    """Whether an earlier bundle works on the device, is not older than its native code, and runs in that."""
    target = route.target
    return (
        (target.version or check.native) >= check.native and target.runs_on(check.native) and works(route, check, facts)
    )


def _is_older(route: Route, check: UpdateCheck) -> bool:
    """Whether the route leads back from what the device runs. A name without a version is above everything."""
    if check.version_name == route.version:
        return False
    if route.target.version is None:
        return not _on_builtin(check)
    runs = check.native if _on_builtin(check) else parse_version(check.version_name)
    return runs is None or route.target.version < runs


def _on_builtin(check: UpdateCheck) -> bool:
    return check.version_name == check.version_build


_MakeRoute = Callable[..., Route]  # `_route` of one channel: (bundle, arm)


def compile_channel(
    channel: Channel,
    state: AppState,
    predicates: Mapping[SegmentName, Predicate],
    withdrawn_names: frozenset[str],
    lost: Container[Digest] = (),
) -> CompiledChannel:
    """`predicates` are those of the segments that the channel's rollout and experiment name; `withdrawn_names` are of
    all bundles of the app that were withdrawn; `lost` holds the manifests that this node cannot read."""
    rollout = channel.rollout if channel.rollout is not None and channel.rollout.phase.is_active else None
    route = partial(_route, channel, lost)
    builtin = route(None)
    stable = _stable(channel, state, route, builtin)
    taken_back = frozenset(_taken_back(channel, state))
    withdrawn = channel.bundle in withdrawn_names
    return CompiledChannel(
        channel=channel,
        stable=stable,
        earlier=tuple(route(state.bundles[version]) for version in good_ones(state, channel)),
        builtin=builtin,
        withdrawn=withdrawn,
        rollout=_rollout(rollout, state, predicates, route) if rollout else None,
        experiment=_experiment(channel.experiment, state, predicates, route, stable) if channel.experiment else None,
        schedule=compile_windows(channel.windows) if channel.windows else None,
        left=withdrawn_names | taken_back if taken_back else withdrawn_names,
        taken_back=taken_back,
        spread_salt=f"spread\0{state.app}\0{channel.name}\0{channel.bundle}\0".encode(),
        simple=not (withdrawn or rollout or channel.experiment),
        up_to_date=UpToDate(channel.name),
    )


def _taken_back(channel: Channel, state: AppState) -> Iterator[str]:
    """What a rollout brought that was rolled back, and withdrawn arms, as long as the channel offers what it did when
    the rollout was rolled back or the experiment began: to anything later, the way is forward."""
    rollout, experiment = channel.rollout, channel.experiment
    if rollout is not None and rollout.phase is Phase.ROLLED_BACK and channel.changed <= rollout.began:
        yield rollout.bundle
    if experiment is not None and channel.changed <= experiment.started:
        yield from (arm.bundle for arm in experiment.arms if state.bundles[arm.bundle].withdrawn)


def target_of(channel: Channel, bundle: Bundle | None) -> Target:
    """The channel's target with its versions parsed; `bundle` None stands for builtin."""
    if bundle is None:
        return Target(channel, None, None, None, None)
    version, least, most = map(parse_version, (bundle.version, bundle.min_native, bundle.max_native))
    return Target(channel, bundle, version, least, most)


def _stable(channel: Channel, state: AppState, route: _MakeRoute, builtin: Route) -> Route | None:
    if channel.bundle is None:
        return None
    return builtin if channel.bundle == BUILTIN else route(state.bundles[channel.bundle])


def _route(channel: Channel, lost: Container[Digest], bundle: Bundle | None, arm: str = "") -> Route:
    target = target_of(channel, bundle)
    if bundle is not None and bundle.manifest in lost:
        target = target._replace(manifest_lost=True)
    return Route(
        target=target,
        key_rules=tuple(rule for rule in KEY_RULES if rule.can_fire(target)),
        rules=tuple(rule for rule in (*CHANNEL_RULES, *NODE_RULES) if rule.can_fire(target)),
        offer=Offer(bundle, channel.name, arm) if bundle else None,
        version=bundle.version if bundle else "",
        bundle_hash=name_hash(bundle.version) if bundle else 0,
        runs=UpToDate(channel.name, arm=arm),
    )


def _rollout(
    rollout: Rollout, state: AppState, predicates: Mapping[SegmentName, Predicate], route: _MakeRoute
) -> RolloutRoute:
    return RolloutRoute(
        rollout=rollout,
        route=route(state.bundles[rollout.bundle]),
        salt=f"rollout\0{state.app}\0{rollout.salt}\0".encode(),
        group_salt=f"group\0{state.app}\0{rollout.hold_out_group}\0".encode(),
        only=tuple(predicates[name] for name in rollout.segments),
        first=tuple(predicates[name] for name in rollout.first),
    )


def _experiment(
    experiment: Experiment,
    state: AppState,
    predicates: Mapping[SegmentName, Predicate],
    route: _MakeRoute,
    stable: Route | None,
) -> ExperimentRoutes:
    """An arm whose bundle was withdrawn goes where everybody goes."""
    ends = 0
    arms: list[tuple[int, Route | None]] = []
    for arm in experiment.arms:
        ends += arm.weight
        bundle = state.bundles[arm.bundle]
        arms.append((ends, stable if bundle.withdrawn else route(bundle, f"{experiment.name}/{arm.name}")))
    return ExperimentRoutes(
        experiment=experiment,
        arms=tuple(arms),
        salt=f"experiment\0{state.app}\0{experiment.salt}\0".encode(),
        segment=predicates[experiment.segment] if experiment.segment is not None else None,
    )
