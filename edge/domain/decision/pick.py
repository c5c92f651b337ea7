"""Which of its channel's targets a device gets, and where one goes that must leave what it runs. No rule is applied
here, except in looking for a way around one.
"""

from edge.domain.decision.outcomes import HoldReason
from edge.domain.decision.rules import Rule
from edge.domain.decision.targets import CompiledChannel, Pick, Target
from edge.domain.facts import DeviceFacts, failure_of, forgot_until, is_withheld, mark_of
from edge.domain.model import UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.domain.versions import parse_version


def pick(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> Pick:
    """The experiment's arm, else the rollout, else what all devices get; where that was withdrawn or has failed on this
    device, what comes before it."""
    held = None
    if compiled.experiment is not None and compiled.experiment.takes(check, facts):
        target = compiled.experiment.target_of(check, facts)
    elif compiled.rollout is not None:
        held = compiled.rollout.holds_back(check, facts, moment.proven)
        target = compiled.rollout.target if held is None else compiled.stable
    else:
        target = compiled.stable
    back = False
    if target is compiled.stable:
        if compiled.withdrawn:
            return Pick(way_back(compiled, check, facts), True, HoldReason.WITHDRAWN)
        back = compiled.channel.rolled_back
    if facts.failures and target is not None and withholds(target, check, facts, moment.now):
        before = _before(target, compiled, check, facts)
        return Pick(target, back, held, True) if before is None else Pick(before, True, HoldReason.WITHHELD)
    if target is not None and is_lost(target, check):
        before = _before(target, compiled, check, facts)
        return Pick(target, back, held) if before is None else Pick(before, True, HoldReason.LOST)
    return Pick(target, back, held)


def withholds(target: Target, check: UpdateCheck, facts: DeviceFacts, now: float) -> bool:
    """Whether the bundle is withheld from the device at `now`, in seconds since the epoch. A device that runs it anyway
    keeps it."""
    failure = failure_of(facts, target.bundle_hash)
    if failure is None or check.version_name == target.version or target.offer is None:
        return False
    return is_withheld(failure, mark_of(target.offer.bundle, check), now)


def is_lost(target: Target, check: UpdateCheck) -> bool:
    """Whether this node has lost what the device would be sent. A device that runs the bundle needs nothing of it."""
    if not target.faults or check.version_name == target.version:
        return False
    return any(rule.blocks(check, target.candidate, False) for rule in target.faults)


def works(target: Target, check: UpdateCheck, facts: DeviceFacts) -> bool:
    """Whether the bundle can be a way back: the device runs it, or this node has it, and it neither failed there as far
    as is remembered, nor can be among the failures that were forgotten."""
    if target.offer is None or check.version_name == target.version:
        return True
    if is_lost(target, check):
        return False
    failure = failure_of(facts, target.bundle_hash)
    return (failure is None or not failure.withheld) and target.offer.bundle.published >= forgot_until(facts)


def way_back(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Target:
    """The latest earlier bundle that suits the device and its native app; builtin if there is none."""
    return next((target for target in compiled.earlier if _suits(target, check, facts)), compiled.builtin)


def last_good_here(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Target | None:
    """The latest earlier bundle that works on the device."""
    return next((target for target in compiled.earlier if works(target, check, facts)), None)


def leaves(compiled: CompiledChannel, check: UpdateCheck) -> bool:
    """Whether the device runs a bundle that was withdrawn or taken back, and so must not stay on it."""
    return check.version_name in compiled.left and not _on_builtin(check)


def block_of(target: Target, check: UpdateCheck, assigned: bool) -> Rule | None:
    """The first rule that blocks the device's way to the target. Where it runs that already, only key rules apply."""
    rules = target.key_rules if check.version_name == target.version else (*target.key_rules, *target.rules)
    return next((rule for rule in rules if rule.blocks(check, target.candidate, assigned)), None)


def way_around(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, assigned: bool) -> Target | None:
    """Where a device goes that must leave what it runs while a rule blocks its target, or the channel offers nothing:
    what all devices get, else the latest earlier bundle that suits it, else builtin, skipping what a rule blocks.

    None: it need not leave, or no way is open.
    """
    if not leaves(compiled, check):
        return None
    stable = None if compiled.withdrawn else compiled.stable
    ways = [stable] if stable is not None and works(stable, check, facts) else []
    ways += [target for target in compiled.earlier if _suits(target, check, facts)]
    ways += [compiled.builtin] if check.plugin.reverts_to_builtin else []
    others = (way for way in ways if way.version != check.version_name)
    return next((way for way in others if block_of(way, check, assigned) is None), None)


def _before(failed: Target, compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts) -> Target | None:
    """What comes before a bundle that failed here, or that the node lost: what all devices get, then the ways back.

    None: nothing does, and the device keeps what it runs. That was not taken back, so another bundle's failure moves
    the device to nothing older.
    """
    stable = None if compiled.withdrawn else compiled.stable
    if stable is not None and (stable.bundle_hash == failed.bundle_hash or not works(stable, check, facts)):
        stable = None
    if compiled.withdrawn or leaves(compiled, check):
        return stable or way_back(compiled, check, facts)
    ways = [stable] if stable is not None else []
    ways += [each for each in compiled.earlier if each.version == check.version_name or _suits(each, check, facts)]
    return next((way for way in ways if not is_older(way, check)), None)


def _suits(target: Target, check: UpdateCheck, facts: DeviceFacts) -> bool:
    """Whether an earlier bundle works on the device, is not older than its native app, and runs in it."""
    candidate, native = target.candidate, check.native
    return (candidate.version or native) >= native and candidate.runs_on(native) and works(target, check, facts)


def is_older(target: Target, check: UpdateCheck) -> bool:
    """Whether the target is older than what the device runs. A name that is no version is newer than everything."""
    if check.version_name == target.version:
        return False
    if target.candidate.version is None:
        return not _on_builtin(check)
    runs = check.native if _on_builtin(check) else parse_version(check.version_name)
    return runs is None or target.candidate.version < runs


def _on_builtin(check: UpdateCheck) -> bool:
    return check.version_name == check.version_build
