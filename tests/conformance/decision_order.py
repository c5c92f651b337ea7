"""The order of the decision, written down once more: for the coverage of its vectors."""

from collections.abc import Callable

from decision_cases import Asked

from edge.domain.buckets import bucket_of
from edge.domain.decision.decide import chosen, resolve
from edge.domain.decision.outcomes import HoldReason, Reason
from edge.domain.decision.pick import pick
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES
from edge.domain.decision.targets import CompiledChannel, RolloutTarget, Target
from edge.domain.model import Phase, Platform
from edge.domain.schedule.rollout import share_at

# What can stop a device, in the order.
ORDER = (
    Reason.UNSUPPORTED_PLUGIN.code,
    Reason.NO_CHANNEL.code,
    "channel_offers_nothing",
    *(rule.reason.code for rule in KEY_RULES),
    "no_new_version_available",
    Reason.WITHHELD.code,
    *(rule.reason.code for rule in CHANNEL_RULES),
    Reason.BUILTIN_TOO_OLD.code,
    Reason.OUTSIDE_WINDOW.code,
    Reason.SPREAD.code,
)
# What gives a device its channel, and then its bundle: each with the next one in the order.
CHOICES = (
    ("channel_override", "channel_stored_choice"),
    ("channel_stored_choice", "channel_segment"),
    ("channel_segment", "channel_default"),
    ("channel_default", "channel_public"),
    (HoldReason.WITHDRAWN.code, "experiment"),
    ("experiment", "rollout"),
    ("rollout", "what_comes_before"),
    (HoldReason.CONTROL_GROUP.code, "once_in"),
    (HoldReason.CONTROL_GROUP.code, HoldReason.NOT_IN_SEGMENT.code),
    (HoldReason.NOT_IN_SEGMENT.code, HoldReason.SHARE.code),
    (HoldReason.NOT_IN_SEGMENT.code, HoldReason.PAUSED.code),
)

_ENCRYPTED = {Reason.KEY_ID_MISMATCH.code, Reason.ENCRYPTION_UNSUPPORTED.code, Reason.KEY_ID_MISSING.code}
_PLATFORMS = {f"disabled_platform_{platform.value}" for platform in Platform}
_POLICIES = {each.code for each in (Reason.MAJOR, Reason.MINOR, Reason.PATCH, Reason.MISCONFIGURED, Reason.METADATA)}
_NATIVE_RANGE = {Reason.BELOW_MINIMUM.code, Reason.ABOVE_MAXIMUM.code}
_OF_A_BUNDLE = {
    *_ENCRYPTED,
    *_POLICIES,
    Reason.ENCRYPTION_REQUIRED.code,
    *_NATIVE_RANGE,
    Reason.UNNUMBERED_NATIVE.code,
    Reason.UNDER_NATIVE.code,
    Reason.WITHHELD.code,
    "no_new_version_available",
}
# Steps that cannot both hold for one device, and why.
EXCLUSIVE = (
    _PLATFORMS,  # a device has one platform
    _POLICIES,  # a channel has one policy
    _NATIVE_RANGE,  # a minimum is not above its maximum
    *({Reason.BELOW_MINIMUM.code, each.code} for each in (Reason.MISCONFIGURED, Reason.METADATA)),  # one policy's own
    {Reason.METADATA.code, Reason.ABOVE_MAXIMUM.code},  # below the minimum and above the maximum
    {Reason.UNNUMBERED_NATIVE.code, Reason.ABOVE_MAXIMUM.code},  # nothing is below it
    {Reason.MAJOR.code, Reason.UNDER_NATIVE.code},  # above the native version and below it
    {Reason.UNNUMBERED_NATIVE.code, Reason.UNDER_NATIVE.code},  # no bundle is below it
    {Reason.PROD_BUILD.code, Reason.DEV_BUILD.code},
    {Reason.DEVICE.code, Reason.EMULATOR.code},
    *({each, Reason.ENCRYPTION_REQUIRED.code} for each in _ENCRYPTED),  # the bundle is encrypted or plain
    {Reason.KEY_ID_MISMATCH.code, Reason.KEY_ID_MISSING.code},  # the device says a key id or none
    {Reason.NO_CHANNEL.code, "channel_offers_nothing"},
    *({each, "channel_offers_nothing"} for each in _OF_A_BUNDLE),
    # Builtin is no bundle: nothing to decrypt, to withhold, to compare or to spread.
    *({each, Reason.BUILTIN_TOO_OLD.code} for each in (*_OF_A_BUNDLE, Reason.SPREAD.code)),
)


def holds(step: str, given: Asked) -> bool:
    """Whether this step alone would stop the device, or give it its channel or bundle."""
    resolved = resolve(given.snapshot, given.check, given.facts)
    compiled, assigned = resolved.channel, resolved.assigned
    if step == Reason.UNSUPPORTED_PLUGIN.code:
        return not given.check.plugin.supported
    if step == Reason.NO_CHANNEL.code:
        return compiled is None
    if step in _VOICES:
        return _VOICES[step](given)
    on = compiled or given.snapshot.channels["production"]
    if step in _TARGETS:
        return _TARGETS[step](on, given)
    if on.rollout is not None and step in _IN_A_ROLLOUT:
        return _IN_A_ROLLOUT[step](on.rollout, given)
    return _stops(step, on, given, assigned)


def _stops(step: str, on: CompiledChannel, given: Asked, assigned: bool) -> bool:
    target = pick(on, given.check, given.facts, given.moment).target
    if step == "channel_offers_nothing":
        return target is None
    target = target or on.builtin
    if step in _LAST:
        return _LAST[step](on, target, given)
    (rule,) = (rule for rule in (*KEY_RULES, *CHANNEL_RULES) if rule.reason.code == step)
    return rule.can_fire(target.candidate) and rule.blocks(given.check, target.candidate, assigned)


_VOICES: dict[str, Callable[[Asked], bool]] = {
    "channel_override": lambda given: given.check.device in given.snapshot.overrides,
    "channel_stored_choice": lambda given: chosen(given.snapshot, given.check, given.facts) is not None,
    "channel_segment": lambda given: given.snapshot.leading.first_match(given.check, given.facts) >= 0,
    "channel_default": lambda given: bool(given.check.default_channel),
    "channel_public": lambda given: given.check.platform in given.snapshot.public,
}
_TARGETS: dict[str, Callable[[CompiledChannel, Asked], bool]] = {
    HoldReason.WITHDRAWN.code: lambda on, given: on.withdrawn,
    "experiment": lambda on, given: on.experiment.takes(given.check, given.facts),
    "rollout": lambda on, given: on.rollout.holds_back(given.check, given.facts, given.moment.proven) is None,
    "what_comes_before": lambda on, given: any(
        target and _failed(target, given)
        for target in (on.stable, on.rollout and on.rollout.target, on.experiment and _arm_target(on, given))
    ),
}


def _arm_target(on: CompiledChannel, given: Asked) -> Target | None:
    return on.experiment.target_of(given.check, given.facts)


def _failed(target: Target, given: Asked) -> bool:
    return any(failure.bundle == target.bundle_hash for failure in given.facts.failures)


def _out_of_share(running: RolloutTarget, given: Asked) -> bool:
    return bucket_of(running.salt, given.check.device) >= share_at(running.rollout, given.moment.proven)


_IN_A_ROLLOUT: dict[str, Callable[[RolloutTarget, Asked], bool]] = {
    HoldReason.CONTROL_GROUP.code: lambda running, given: (
        bucket_of(running.group_salt, given.check.device) < running.rollout.hold_out
    ),
    "once_in": lambda running, given: given.check.version_name == running.rollout.bundle,
    HoldReason.NOT_IN_SEGMENT.code: lambda running, given: (
        not any(only(given.check, given.facts) for only in running.only)
    ),
    HoldReason.SHARE.code: _out_of_share,
    HoldReason.PAUSED.code: lambda running, given: running.rollout.phase is Phase.PAUSED,
}
_LAST: dict[str, Callable[[CompiledChannel, Target, Asked], bool]] = {
    "no_new_version_available": lambda on, target, given: given.check.version_name == target.version,
    Reason.WITHHELD.code: lambda on, target, given: _failed(target, given),
    "builtin": lambda on, target, given: target.offer is None and given.check.version_name == given.check.version_build,
    Reason.BUILTIN_TOO_OLD.code: lambda on, target, given: (
        target.offer is None
        and given.check.version_name != given.check.version_build
        and not given.check.plugin.reverts_to_builtin
    ),
    Reason.OUTSIDE_WINDOW.code: lambda on, target, given: (
        on.schedule is not None and not on.schedule.is_open(given.moment.now)
    ),
    Reason.SPREAD.code: lambda on, target, given: (
        on.channel.spread_seconds > 0 and given.moment.proven < on.opens_for(given.check)
    ),
}
