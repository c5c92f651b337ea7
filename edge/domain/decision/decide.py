"""The decision: what one device gets, from its app's snapshot and its check. In memory, without a clock.

The order is normative: the channel (`resolve`), the target on it (`pick`), the rules of PROTOCOL.md §1.4, the
maintenance window, the spread, the age of the node's view, the answer. `explain` takes the same steps and shows what
each one read.
"""

import enum
from functools import lru_cache

import msgspec

from edge.domain.buckets import bucket_of
from edge.domain.decision.outcomes import Blocked, Decision, HoldReason, Reason, RevertToBuiltin, UpToDate
from edge.domain.decision.pick import is_older, leaves, pick, way_around
from edge.domain.decision.snapshot import UNKNOWN, UNKNOWN_CHANNEL, AppSnapshot
from edge.domain.decision.targets import CompiledChannel, Target
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.model import BUILTIN, ChannelName, UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.domain.schedule.windows import Schedule

HELD_CACHE_LIMIT = 4096  # answers to devices that a rollout does not reach: a few for each channel of each app

_UNSUPPORTED = Blocked(Reason.UNSUPPORTED_PLUGIN)
_NO_CHANNEL = Blocked(Reason.NO_CHANNEL)


class ChannelSource(enum.Enum):
    """What gave a device its channel, in order of precedence."""

    OVERRIDE = "override"
    STORED_CHOICE = "stored_choice"
    SEGMENT = "segment"
    DEFAULT_CHANNEL = "default_channel"
    PUBLIC = "public"


# A member looked up on its class costs 0.1 µs in Python 3.11, and every check needs one.
_DEFAULT_CHANNEL, _PUBLIC = ChannelSource.DEFAULT_CHANNEL, ChannelSource.PUBLIC


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """A device's channel, None: it has none. `assigned`: by an override or a segment, rather than chosen by the device
    or public."""

    channel: CompiledChannel | None
    assigned: bool
    source: ChannelSource


def decide(app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts = NO_FACTS) -> Decision:
    """The first step that stops ends it. `facts` is what is known of the device."""
    if not check.plugin.supported:
        return _UNSUPPORTED
    resolved = resolve(app, check, facts)
    compiled, assigned = resolved.channel, resolved.assigned
    if compiled is None:
        return _NO_CHANNEL
    picked = compiled.usual
    if picked is None or facts.failures:
        picked = pick(compiled, check, facts, moment)
    target, held = picked.target, picked.held
    if target is None:
        nothing = compiled.up_to_date if held is None else held_back(compiled.channel.name, held)
        return _around(compiled, check, moment, facts, assigned, nothing)
    for rule in target.key_rules:
        if rule.blocks(check, target.candidate, assigned):
            return _around(compiled, check, moment, facts, assigned, Blocked(rule.reason, name_of(target)))
    if check.version_name == target.version:
        return target.up_to_date if held is None else held_back(compiled.channel.name, held)
    if picked.failed:
        return Blocked(Reason.WITHHELD, name_of(target))
    for rule in target.rules:
        if rule.blocks(check, target.candidate, assigned):
            return _around(compiled, check, moment, facts, assigned, Blocked(rule.reason, name_of(target)))
    return arrive(compiled, target, check, moment, back=picked.back, held=held)


def _around(
    compiled: CompiledChannel, check: UpdateCheck, moment: Moment, facts: DeviceFacts, assigned: bool, stays: Decision
) -> Decision:
    """`stays`, unless what the device runs was withdrawn or taken back and there is a way around what blocks it."""
    way = way_around(compiled, check, facts, assigned)
    return stays if way is None else arrive(compiled, way, check, moment, back=True, held=None)


def resolve(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Resolved:
    """The device's channel (PROTOCOL.md §1.4.1).

    An operator's override comes first, then a choice that an old plugin stored here, then segments, then what the app
    is built with. The first segment that matches decides; it may leave the device on its own `defaultChannel`.
    """
    override = app.overrides.get(check.device) if app.overrides else None
    if override is not None:
        if override in app.channels:
            return Resolved(app.channels[override], True, ChannelSource.OVERRIDE)
        if override == UNKNOWN_CHANNEL:
            return Resolved(UNKNOWN, True, ChannelSource.OVERRIDE)
    if facts.channel and (choice := chosen(app, check, facts)) is not None:
        return Resolved(choice, False, ChannelSource.STORED_CHOICE)
    if app.leading is not None:
        at = app.leading.first_match(check, facts)
        if at >= 0 and not yields(app, at, check):
            return Resolved(app.leading.channels[at], True, ChannelSource.SEGMENT)
    if check.default_channel:
        # Neither a fall-back to the public channel, nor a hint whether the name exists.
        return Resolved(own_default(app, check), False, _DEFAULT_CHANNEL)
    return Resolved(app.public.get(check.platform), False, _PUBLIC)


def chosen(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> CompiledChannel | None:
    """The channel that an old plugin's device chose, if there still is one of that name."""
    if check.plugin.keeps_choice or not facts.channel:
        return None
    name = app.channels_by_hash.get(facts.channel)
    return None if name is None else app.channels[name]


def own_default(app: AppSnapshot, check: UpdateCheck) -> CompiledChannel | None:
    """The channel that the device's `defaultChannel` names, if it may be on it."""
    named = app.channels.get(ChannelName(check.default_channel)) if check.default_channel else None
    if named and named.channel.serves(check.platform) and (named.channel.public or named.channel.self_set):
        return named
    return None


def yields(app: AppSnapshot, at: int, check: UpdateCheck) -> bool:
    """Whether the matching segment, number `at` of `app.leading`, leaves the device on its own `defaultChannel`."""
    own = own_default(app, check) if check.default_channel else None
    if own is None or app.leading is None:
        return False
    wanted = app.leading.segments[at].yield_to_self_set
    return own.channel.self_set and not own.channel.public if wanted is None else wanted


def arrive(
    compiled: CompiledChannel,
    target: Target,
    check: UpdateCheck,
    moment: Moment,
    *,
    back: bool,
    held: HoldReason | None,
) -> Decision:
    """No rule blocks the target: what is left are the window, the spread and the age of the node's view.
    `back`: the target is a way back."""
    if target.offer is None:
        if check.version_name == check.version_build:
            return compiled.up_to_date if held is None else held_back(compiled.channel.name, held)
        if not check.plugin.reverts_to_builtin:
            return Blocked(Reason.BUILTIN_TOO_OLD, BUILTIN)
        back = True
    # What nearly no target has is asked for without a call: a check costs a microsecond.
    timing, channel = target.timing, compiled.channel
    if (compiled.schedule or timing) and not is_open(compiled, target, check, moment, back=back):
        return Blocked(Reason.OUTSIDE_WINDOW, name_of(target))
    if (channel.spread_seconds or timing) and is_early(compiled, target, check, moment):
        return Blocked(Reason.SPREAD, name_of(target))
    if moment.stale is not None and not has_to_leave(compiled, target, check, back=back):
        return Blocked(Reason.STALE, name_of(target))
    return target.offer or RevertToBuiltin(compiled.channel.name)


def schedule_of(compiled: CompiledChannel, target: Target) -> Schedule | None:
    """The maintenance windows of the target's arm, else of the channel; None: always open."""
    timing = target.timing
    return compiled.schedule if timing is None or timing.schedule is None else timing.schedule


def is_open(compiled: CompiledChannel, target: Target, check: UpdateCheck, moment: Moment, *, back: bool) -> bool:
    """Whether maintenance windows let the device have something else than it runs."""
    schedule = schedule_of(compiled, target)
    if schedule is None or schedule.is_open(moment.now):
        return True
    return compiled.channel.rollback_passes and is_way_back(compiled, check, back=back)


def is_way_back(compiled: CompiledChannel, check: UpdateCheck, *, back: bool) -> bool:
    """`back`: the target is a way back for any device; for this one it also is where it runs what was taken back."""
    return back or check.version_name in compiled.taken_back


def has_to_leave(compiled: CompiledChannel, target: Target, check: UpdateCheck, *, back: bool) -> bool:
    """Whether a node must not keep the target from the device, however old its view: it leaves what was withdrawn or
    taken back, goes back to something older, or to builtin. What stands in for something is new to all others."""
    if target.offer is None or leaves(compiled, check) or check.version_name in compiled.taken_back:
        return True
    return back and is_older(target, check)


def spread_of(compiled: CompiledChannel, target: Target) -> int:
    """Over how many seconds the target's offers open, 0: at once. An arm has a spread of its own; else only the
    channel's own bundle has one. Reverting to builtin downloads nothing and needs none."""
    if target.timing is not None:
        return target.timing.spread_seconds
    return compiled.channel.spread_seconds if target is compiled.stable and target.offer is not None else 0


def is_early(compiled: CompiledChannel, target: Target, check: UpdateCheck, moment: Moment) -> bool:
    """Whether the target's spread has not reached the device."""
    return bool(spread_of(compiled, target)) and moment.proven < opens_for(compiled, target, check)


def opens_for(compiled: CompiledChannel, target: Target, check: UpdateCheck) -> float:
    """When the target's spread reaches the device, in seconds since the epoch."""
    timing = target.timing
    return compiled.opens_for(check) if timing is None else timing.opens_at(bucket_of(timing.salt, check.device))


@lru_cache(HELD_CACHE_LIMIT)
def held_back(channel: ChannelName, held: HoldReason) -> UpToDate:
    """Cached: a rollout gives this to most devices."""
    return UpToDate(channel, held)


def name_of(target: Target) -> str:
    """The version, or builtin."""
    return target.version or BUILTIN
