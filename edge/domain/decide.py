"""The decision: what one device gets, from its app's snapshot and its question, in memory and without a clock.

`decide` answers; `explain` walks the same rules in the same order and shows what each saw. They must agree.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from edge.domain.decision import Blocked, Decision, Reason, RevertToBuiltin, UpToDate
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.model import BUILTIN, ChannelName, UpdateCheck
from edge.domain.rules import CHANNEL_RULES, KEY_RULES, Rule, Seen, Target
from edge.domain.snapshot import AppSnapshot, CompiledChannel

_UNSUPPORTED = Blocked(Reason.UNSUPPORTED_PLUGIN)
_NO_CHANNEL = Blocked(Reason.NO_CHANNEL)


class Step(NamedTuple):
    """One rule on the way: its stable name, the values it looked at, and "pass", "stop" or "not on this channel"."""

    rule: str
    saw: Seen
    outcome: str


def decide(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts = NO_FACTS) -> Decision:
    """The rules of device-protocol §1.4 in order; the first that says no ends it. `facts` are those in force."""
    if not check.plugin.supported:
        return _UNSUPPORTED
    compiled, assigned = _resolve(app, check, facts)
    if compiled is None:
        return _NO_CHANNEL
    target = compiled.target
    if target is None:
        return compiled.up_to_date
    for rule in compiled.key_rules:
        if rule.blocks(check, target, assigned):
            return _blocked(rule, target)
    if compiled.offer and check.version_name == compiled.offer.bundle.version:
        return compiled.up_to_date
    if compiled.bundle_hash in facts.withheld:
        return Blocked(Reason.WITHHELD, compiled.offer.bundle.version if compiled.offer else "")
    for rule in compiled.rules:
        if rule.blocks(check, target, assigned):
            return _blocked(rule, target)
    return compiled.offer or _to_builtin(compiled, check)


def explain(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts = NO_FACTS) -> tuple[list[Step], Decision]:
    """The request's whole way: every rule up to the one that ended it, and the decision."""
    return list(_walk(app, check, facts)), decide(app, check, facts)


def _resolve(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> tuple[CompiledChannel | None, bool]:
    """The device's channel (§1.4.1), and whether it was assigned by the operator rather than chosen or public.

    The operator's word is above a choice that an old plugin left with us, and that above what the app is built with.
    """
    override = app.overrides.get(check.device) if app.overrides else None
    if override is not None and override in app.channels:
        return app.channels[override], True
    choice = _choice(app, check, facts)
    if choice is not None:
        return choice, False
    if check.default_channel:
        chosen = app.channels.get(ChannelName(check.default_channel))
        if chosen and chosen.channel.serves(check.platform) and (chosen.channel.public or chosen.channel.self_set):
            return chosen, False
        return None, False  # no fall-back to the public channel, and no word on whether the name exists
    return app.public.get(check.platform), False


def _choice(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> CompiledChannel | None:
    """The channel that an old plugin's device chose, while there is one of that name."""
    if check.plugin.keeps_choice or not facts.channel:
        return None
    name = app.channels_by_hash.get(facts.channel)
    return None if name is None else app.channels[name]


def _blocked(rule: Rule, target: Target) -> Blocked:
    return Blocked(rule.reason, target.bundle.version if target.bundle else BUILTIN)


def _to_builtin(compiled: CompiledChannel, check: UpdateCheck) -> RevertToBuiltin | UpToDate | Blocked:
    if check.version_name == check.version_build:
        return compiled.up_to_date
    if not check.plugin.reverts_to_builtin:
        return Blocked(Reason.BUILTIN_TOO_OLD, BUILTIN)
    return RevertToBuiltin(compiled.channel.name)


def _walk(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Iterator[Step]:
    supported = check.plugin.supported
    yield Step(Reason.UNSUPPORTED_PLUGIN.code, {"plugin": check.plugin.version}, "pass" if supported else "stop")
    if not supported:
        return
    compiled, assigned = _resolve(app, check, facts)
    seen = _channel_seen(app, check, facts, compiled, assigned)
    yield Step(Reason.NO_CHANNEL.code, seen, "pass" if compiled else "stop")
    if compiled is None:
        return
    target = compiled.target
    yield Step("channel_offers_nothing", {"bundle": compiled.channel.bundle or ""}, "pass" if target else "stop")
    if target is None:
        return
    own = (_up_to_date_step(target, check), _withheld_step(compiled, facts))
    keys = (_rule_step(rule, check, target, assigned) for rule in KEY_RULES)
    rules = (_rule_step(rule, check, target, assigned) for rule in CHANNEL_RULES)
    for step in chain(keys, own, rules):
        yield step
        if step.outcome == "stop":
            return
    yield _last_step(compiled, check)


def _channel_seen(
    app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts, compiled: CompiledChannel | None, assigned: bool
) -> Seen:
    choice = _choice(app, check, facts)
    return {
        "override": app.overrides.get(check.device, ""),
        "stored choice": choice.channel.name if choice else "",
        "defaultChannel": check.default_channel,
        "public": app.public[check.platform].channel.name if check.platform in app.public else "",
        "platform": check.platform.value,
        "channel": compiled.channel.name if compiled else "",
        "assigned": assigned,
    }


def _up_to_date_step(target: Target, check: UpdateCheck) -> Step:
    offered = target.bundle.version if target.bundle else BUILTIN
    runs_it = target.bundle is not None and check.version_name == offered
    return Step(
        "no_new_version_available", {"runs": check.version_name, "offered": offered}, "stop" if runs_it else "pass"
    )


def _withheld_step(compiled: CompiledChannel, facts: DeviceFacts) -> Step:
    withheld = compiled.bundle_hash in facts.withheld
    seen = {"failed on this device": withheld, "withheld bundles": len(facts.withheld)}
    return Step(Reason.WITHHELD.code, seen, "stop" if withheld else "pass")


def _rule_step(rule: Rule, check: UpdateCheck, target: Target, assigned: bool) -> Step:
    if not rule.can_fire(target):
        return Step(rule.reason.code, {}, "not on this channel")
    stops = rule.blocks(check, target, assigned)
    return Step(rule.reason.code, rule.sees(check, target, assigned), "stop" if stops else "pass")


def _last_step(compiled: CompiledChannel, check: UpdateCheck) -> Step:
    if compiled.offer:
        return Step("offer", {"bundle": compiled.offer.bundle.version, "runs": check.version_name}, "stop")
    seen = {
        "runs": check.version_name,
        "native": check.version_build,
        "plugin can revert": check.plugin.reverts_to_builtin,
    }
    return Step("builtin", seen, "stop")
