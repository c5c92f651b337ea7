"""The decision: what one device gets, from its app's snapshot and its question, in memory and without a clock.

The order is normative: the channel (`resolve`), the bundle on it (`routes.pick`), the rules of device-protocol §1.4,
the maintenance window, the spread, the answer. `explaining` walks the same way and shows what each step saw.
"""

from functools import lru_cache

from edge.domain.decision.outcomes import Blocked, Decision, HoldReason, Reason, RevertToBuiltin, UpToDate
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import CompiledChannel, Route, pick, way_around
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.model import BUILTIN, ChannelName, UpdateCheck
from edge.domain.schedule.rollout import Moment

HELD_CACHE_LIMIT = 4096  # answers for devices that a rollout does not reach: some for each channel of each app

_UNSUPPORTED = Blocked(Reason.UNSUPPORTED_PLUGIN)
_NO_CHANNEL = Blocked(Reason.NO_CHANNEL)


# The channel; whether it was assigned, by the operator or a segment, rather than chosen or public; and what decided.
Resolved = tuple[CompiledChannel | None, bool, str]


def decide(app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts = NO_FACTS) -> Decision:
    """The first step that says no ends it. `facts` are what is known of it."""
    if not check.plugin.supported:
        return _UNSUPPORTED
    compiled, assigned, _ = resolve(app, check, facts)
    if compiled is None:
        return _NO_CHANNEL
    if compiled.simple and not facts.failures:
        route, back, held, failed = compiled.stable, compiled.channel.rolled_back, None, False
    else:
        route, back, held, failed = pick(compiled, check, facts, moment)
    if route is None:
        nothing = compiled.up_to_date if held is None else held_back(compiled.channel.name, held)
        return _around(compiled, check, moment, facts, assigned, nothing)
    for rule in route.key_rules:
        if rule.blocks(check, route.target, assigned):
            return _around(compiled, check, moment, facts, assigned, Blocked(rule.reason, name_of(route)))
    if check.version_name == route.version:
        return route.runs if held is None else held_back(compiled.channel.name, held)
    if failed:
        return Blocked(Reason.WITHHELD, name_of(route))
    for rule in route.rules:
        if rule.blocks(check, route.target, assigned):
            return _around(compiled, check, moment, facts, assigned, Blocked(rule.reason, name_of(route)))
    return arrive(compiled, route, check, moment, back=back, held=held)


def _around(
    compiled: CompiledChannel, check: UpdateCheck, moment: Moment, facts: DeviceFacts, assigned: bool, stays: Decision
) -> Decision:
    """What a device gets that would stay where it is, unless what it runs was withdrawn or taken back: the way around
    what keeps it there."""
    way = way_around(compiled, check, facts, assigned)
    return stays if way is None else arrive(compiled, way, check, moment, back=True, held=None)


def resolve(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Resolved:
    """The device's channel (device-protocol §1.4.1, with segments).

    The operator's word is above a choice that an old plugin left with us, that above segments, and these above what the
    app is built with. The first segment that matches decides; it may leave the device on its own `defaultChannel`.
    """
    override = app.overrides.get(check.device) if app.overrides else None
    if override is not None and override in app.channels:
        return app.channels[override], True, "override"
    if facts.channel and (choice := chosen(app, check, facts)) is not None:
        return choice, False, "stored choice"
    if app.leading is not None:
        at = app.leading.first_match(check, facts)
        if at >= 0 and not yields(app, at, check):
            return app.leading.channels[at], True, "segment"
    if check.default_channel:
        # No fall-back to the public channel, and no word on whether the name exists.
        return own_default(app, check), False, "defaultChannel"
    return app.public.get(check.platform), False, "public"


def chosen(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> CompiledChannel | None:
    """The channel that an old plugin's device chose, while there is one of that name."""
    if check.plugin.keeps_choice or not facts.channel:
        return None
    name = app.channels_by_hash.get(facts.channel)
    return None if name is None else app.channels[name]


def own_default(app: AppSnapshot, check: UpdateCheck) -> CompiledChannel | None:
    """The channel that a device's `defaultChannel` names, where it may be on it."""
    named = app.channels.get(ChannelName(check.default_channel)) if check.default_channel else None
    if named and named.channel.serves(check.platform) and (named.channel.public or named.channel.self_set):
        return named
    return None


def yields(app: AppSnapshot, at: int, check: UpdateCheck) -> bool:
    """Whether the segment leaves a device that it matches on its own `defaultChannel`."""
    own = own_default(app, check) if check.default_channel else None
    if own is None or app.leading is None:
        return False
    wanted = app.leading.segments[at].yield_to_self_set
    return own.channel.self_set and not own.channel.public if wanted is None else wanted


def arrive(
    compiled: CompiledChannel, route: Route, check: UpdateCheck, moment: Moment, *, back: bool, held: HoldReason | None
) -> Decision:
    """No rule has said no: what is left to ask before the device gets it."""
    if route.offer is None:
        if check.version_name == check.version_build:
            return compiled.up_to_date if held is None else held_back(compiled.channel.name, held)
        if not check.plugin.reverts_to_builtin:
            return Blocked(Reason.BUILTIN_TOO_OLD, BUILTIN)
        back = True
    if not is_open(compiled, check, moment, back=back):
        return Blocked(Reason.OUTSIDE_WINDOW, name_of(route))
    if is_spread(compiled, route) and moment.proven < compiled.opens_for(check):
        return Blocked(Reason.SPREAD, name_of(route))
    return route.offer or RevertToBuiltin(compiled.channel.name)


def is_open(compiled: CompiledChannel, check: UpdateCheck, moment: Moment, *, back: bool) -> bool:
    """Whether the channel's maintenance window lets something new through."""
    schedule = compiled.schedule
    if schedule is None or schedule.is_open(moment.now):
        return True
    return compiled.channel.rollback_passes and is_way_back(compiled, check, back=back)


def is_way_back(compiled: CompiledChannel, check: UpdateCheck, *, back: bool) -> bool:
    """`back`: the route is one for whoever takes it."""
    return back or check.version_name in compiled.taken_back


def is_spread(compiled: CompiledChannel, route: Route) -> bool:
    """Whether the route's offers open little by little: those of the channel's own bundle, and no way to builtin, which
    downloads nothing."""
    return compiled.channel.spread_seconds > 0 and route is compiled.stable and route.offer is not None


@lru_cache(HELD_CACHE_LIMIT)
def held_back(channel: ChannelName, held: HoldReason) -> UpToDate:
    return UpToDate(channel, held)


def name_of(route: Route) -> str:
    return route.version or BUILTIN
