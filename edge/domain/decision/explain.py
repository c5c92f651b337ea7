"""Every step of a check in the order of `decide`, with the values that it read.

`decide` answers fast, `explain` shows everything; a property test holds both to the same end.
"""

import enum
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from edge.domain.buckets import bucket_of
from edge.domain.decision.behaviour_seen import behaviour_seen
from edge.domain.decision.decide import (
    ChannelSource,
    chosen,
    decide,
    has_to_leave,
    is_open,
    is_way_back,
    name_of,
    opens_for,
    own_default,
    resolve,
    schedule_of,
    spread_of,
    yields,
)
from edge.domain.decision.form_seen import form_seen
from edge.domain.decision.outcomes import Decision, HoldReason, Reason
from edge.domain.decision.pick import block_of, last_good_here, leaves, pick, way_around, works
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES, NODE_RULES, Inputs, Rule
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import CompiledChannel, ExperimentTargets, Pick, RolloutTarget, Target
from edge.domain.errors import Invalid
from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.domain.model import BUILTIN, SegmentName, UpdateCheck
from edge.domain.schedule.rollout import Moment, share_at
from edge.domain.shares import format_share
from edge.domain.targeting.parser import parse_expression


class StepOutcome(enum.StrEnum):
    """What came of a step."""

    PASSES = "pass"
    STOPS = "stop"  # it ended the check
    DECIDES = "decides"  # it gave the channel or the bundle
    NOT_HERE = "not_on_this_channel"  # it can never stop anything on this channel


class StepName(enum.StrEnum):
    """The stable name of a step that no `Reason` or `HoldReason` names."""

    OVERRIDE = "channel_override"
    STORED_CHOICE = "channel_stored_choice"
    SEGMENT = "channel_segment"
    DEFAULT_CHANNEL = "channel_default"
    PUBLIC = "channel_public"
    EXPERIMENT = "experiment"
    ROLLOUT = "rollout"
    NOTHING_OFFERED = "channel_offers_nothing"
    FALL_BACK = "what_comes_before"
    UP_TO_DATE = "no_new_version_available"
    BUILTIN = BUILTIN
    OFFER = "offer"
    REVERT = "revert_to_builtin"


class ExplainedStep(NamedTuple):
    """`rule` is the step's stable name: a `StepName`'s value or a reason's code. `saw` is what it read, by snake_case
    name; times are in seconds since the epoch."""

    rule: str
    saw: Inputs
    outcome: StepOutcome


class _Picked(NamedTuple):
    """`around`: the target is the way around what blocks the device's own."""

    pick: Pick
    around: bool = False


_PASSES, _STOPS = StepOutcome.PASSES, StepOutcome.STOPS
_DECIDES, _NOT_HERE = StepOutcome.DECIDES, StepOutcome.NOT_HERE


def explain(
    app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts = NO_FACTS
) -> tuple[list[ExplainedStep], Decision]:
    """Every step up to the one that ended the check, and the decision."""
    return list(_walk(app, check, moment, facts)), decide(app, check, moment, facts)


def _walk(app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts) -> Iterator[ExplainedStep]:
    supported = check.plugin.supported
    yield _step(Reason.UNSUPPORTED_PLUGIN, {"plugin": check.plugin.version}, _PASSES if supported else _STOPS)
    if not supported:
        return
    yield from _channel_steps(app, check, facts)
    resolved = resolve(app, check, facts)
    compiled, assigned = resolved.channel, resolved.assigned
    seen = {"channel": compiled.channel.name if compiled else "", "assigned": assigned}
    yield _step(Reason.NO_CHANNEL, seen, _PASSES if compiled else _STOPS)
    if compiled is None:
        return
    picked = _pick(compiled, check, facts, moment, assigned)
    yield from _bundle_steps(app, compiled, picked, check, facts, moment)
    if picked.pick.target is None:
        return
    steps = _rule_steps(compiled, picked.pick, picked.pick.target, check, assigned, moment)
    for step in _until_stop(steps):
        offers = step.rule == StepName.OFFER
        yield step._replace(saw={**step.saw, **form_seen(app, picked.pick.target.candidate, check)}) if offers else step


def _step(rule: StepName | Reason | HoldReason, saw: Inputs, outcome: StepOutcome) -> ExplainedStep:
    return ExplainedStep(rule if isinstance(rule, StepName) else rule.code, saw, outcome)


def _pick(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, moment: Moment, assigned: bool) -> _Picked:
    picked = pick(compiled, check, facts, moment)
    if picked.target is not None and block_of(picked.target, check, assigned) is None:
        return _Picked(picked)
    way = way_around(compiled, check, facts, assigned)
    return _Picked(picked) if way is None else _Picked(Pick(way, True, picked.held, picked.failed), around=True)


def _until_stop(steps: Iterator[ExplainedStep]) -> Iterator[ExplainedStep]:
    for step in steps:
        yield step
        if step.outcome is _STOPS:
            return


def _channel_steps(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Iterator[ExplainedStep]:
    """Every source of a channel up to the one that decides."""
    decided = resolve(app, check, facts).source
    choice, public = chosen(app, check, facts), app.public.get(check.platform)
    stored = {"stored_choice": choice.channel.name if choice else "", "plugin_keeps_choice": check.plugin.keeps_choice}
    default = {"default_channel": check.default_channel, "may_be_on_it": own_default(app, check) is not None}
    sources: dict[ChannelSource, tuple[StepName, list[Inputs]]] = {
        ChannelSource.OVERRIDE: (StepName.OVERRIDE, [{"override": app.overrides.get(check.device, "")}]),
        ChannelSource.STORED_CHOICE: (StepName.STORED_CHOICE, [stored]),
        ChannelSource.SEGMENT: (StepName.SEGMENT, list(_segments_seen(app, check, facts))),
        ChannelSource.DEFAULT_CHANNEL: (StepName.DEFAULT_CHANNEL, [default]),
        ChannelSource.PUBLIC: (
            StepName.PUBLIC,
            [{"platform": check.platform.value, "public": public.channel.name if public else ""}],
        ),
    }
    for source, (name, seen) in sources.items():
        for saw in seen[:-1]:
            yield _step(name, saw, _PASSES)
        for saw in seen[-1:]:
            yield _step(name, saw, _DECIDES if source is decided else _PASSES)
        if source is decided:
            return


def _segments_seen(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Iterator[Inputs]:
    """The segments that lead to a channel, in order, up to the first that matches."""
    for at, segment in enumerate(app.leading.segments if app.leading else ()):
        _, predicate = app.segments[segment.name]
        matches = predicate(check, facts)
        yield {
            "segment": segment.name,
            "where": segment.where,
            "channel": segment.channel,
            "matches": matches,
            "yields_to_default_channel": matches and yields(app, at, check),
            **_judged(app, segment.name, facts),
        }
        if matches:
            return


def _judged(app: AppSnapshot, name: SegmentName, facts: DeviceFacts) -> Inputs:
    """How the device is used, as far as the segment reads that."""
    segment, _ = app.segments[name]
    try:
        condition = parse_expression(segment.where)
    except Invalid:
        return {}
    return behaviour_seen(condition, segment, name in app.held, facts.behaviour)


def _judged_by_name(app: AppSnapshot, names: Iterable[SegmentName], facts: DeviceFacts) -> Inputs:
    """As `_judged`, of each segment that reads it."""
    seen = {name: judged for name in names if (judged := _judged(app, name, facts))}
    return {"behaviour": seen} if seen else {}


def _bundle_steps(
    app: AppSnapshot, compiled: CompiledChannel, picked: _Picked, check: UpdateCheck, facts: DeviceFacts, moment: Moment
) -> Iterator[ExplainedStep]:
    """Which of the channel's targets the device gets, and why."""
    channel, (pick_, around) = compiled.channel, picked
    good = last_good_here(compiled, check, facts)
    withdrawn = {
        "bundle": channel.bundle or "",
        "withdrawn": compiled.withdrawn,
        "last_good": good.version if good else "",
        "failed_here": [target.version for target in compiled.earlier if not works(target, check, facts)],
    }
    yield _step(HoldReason.WITHDRAWN, withdrawn, _DECIDES if pick_.held is HoldReason.WITHDRAWN else _PASSES)
    takes = compiled.experiment is not None and compiled.experiment.takes(check, facts)
    if compiled.experiment is not None:
        yield _experiment_step(app, compiled.experiment, takes, check, facts)
    if compiled.rollout is not None and not takes:
        yield _rollout_step(app, compiled.rollout, check, facts, moment)
    yield _step(StepName.NOTHING_OFFERED, {"bundle": channel.bundle or ""}, _PASSES if pick_.target else _STOPS)
    if pick_.target is None:
        return
    stands_in = pick_.held in (HoldReason.WITHHELD, HoldReason.LOST)
    fall_back = {
        "failed_on_device": pick_.failed or pick_.held is HoldReason.WITHHELD,
        "lost_by_node": pick_.held is HoldReason.LOST,
        "failures": _failures_seen(compiled, facts),
        "runs_withdrawn_or_taken_back": leaves(compiled, check),
        "blocked_by_rule": around,
        "bundle": name_of(pick_.target),
    }
    yield _step(StepName.FALL_BACK, fall_back, _DECIDES if around or stands_in else _PASSES)


def _failures_seen(compiled: CompiledChannel, facts: DeviceFacts) -> Inputs:
    """What failed on the device of all that the channel can offer, by version; `until` when it is withheld."""
    versions = {name_hash(offer.bundle.version): offer.bundle.version for offer in compiled.offers()}
    return {
        versions[each.bundle]: {"cause": each.cause.word, "attempts": each.attempts}
        | ({"until": each.until or "for good"} if each.withheld else {})
        for each in facts.failures
        if each.bundle in versions
    }


def _experiment_step(
    app: AppSnapshot, running: ExperimentTargets, takes: bool, check: UpdateCheck, facts: DeviceFacts
) -> ExplainedStep:
    segment = running.experiment.segment
    arm = running.target_of(check, facts) if takes else None
    seen = {
        "experiment": running.experiment.name,
        "segment": segment or "",
        "bucket": bucket_of(running.salt, check.device),
        "arm": arm.offer.arm if arm and arm.offer else "",
        "bundle": arm.version if arm else "",
        **(_criteria_seen(running, check, facts) if takes else {}),
        **_judged_by_name(app, running.experiment.segments, facts),
    }
    return _step(StepName.EXPERIMENT, seen, _DECIDES if takes else _PASSES)


def _criteria_seen(running: ExperimentTargets, check: UpdateCheck, facts: DeviceFacts) -> Inputs:
    """Whether the device matches the segment of its arm, if that has one: else it gets what the channel offers."""
    place = running.arm_of(check)
    drawn, matches = running.experiment.arms[place], running.arms[place].matches
    if matches is None:
        return {}
    return {"drawn": drawn.name, "arm_segment": drawn.segment, "arm_matches": matches(check, facts)}


def _rollout_step(
    app: AppSnapshot, running: RolloutTarget, check: UpdateCheck, facts: DeviceFacts, moment: Moment
) -> ExplainedStep:
    rollout = running.rollout
    held = running.holds_back(check, facts, moment.proven)
    names, predicates = (*rollout.segments, *rollout.first), (*running.only, *running.first)
    seen = {
        "bundle": rollout.bundle,
        "phase": rollout.phase.value,
        "share": format_share(share_at(rollout, moment.proven)),
        "bucket": bucket_of(running.salt, check.device),
        "control_group": f"{rollout.hold_out_group} {format_share(rollout.hold_out)}" if rollout.hold_out else "",
        "runs_it_already": check.version_name == rollout.bundle,
        "segments": {name: matches(check, facts) for name, matches in zip(names, predicates, strict=True)},
        "time": moment.proven,
        **_judged_by_name(app, names, facts),
    }
    return _step(held or StepName.ROLLOUT, seen, _PASSES if held else _DECIDES)


def _rule_steps(
    compiled: CompiledChannel, picked: Pick, target: Target, check: UpdateCheck, assigned: bool, moment: Moment
) -> Iterator[ExplainedStep]:
    keys = (_rule_step(rule, check, target, assigned) for rule in KEY_RULES)
    # Steps for the node's own faults are shown only while it has any.
    faults = [rule for rule in NODE_RULES if rule.can_fire(target.candidate)]
    rules = (_rule_step(rule, check, target, assigned) for rule in (*CHANNEL_RULES, *faults))
    own = (_up_to_date_step(target, check, picked.held), _failed_step(target, picked))
    return chain(keys, own, rules, _last_steps(compiled, target, picked, check, moment))


def _up_to_date_step(target: Target, check: UpdateCheck, held: HoldReason | None) -> ExplainedStep:
    seen = {"runs": check.version_name, "offered": name_of(target), "held": held.code if held else ""}
    return _step(StepName.UP_TO_DATE, seen, _STOPS if check.version_name == target.version else _PASSES)


def _failed_step(target: Target, picked: Pick) -> ExplainedStep:
    seen = {"bundle": name_of(target), "failed_on_device": picked.failed}
    if picked.failed:
        seen |= {"has_earlier": False}
    return _step(Reason.WITHHELD, seen, _STOPS if picked.failed else _PASSES)


def _rule_step(rule: Rule, check: UpdateCheck, target: Target, assigned: bool) -> ExplainedStep:
    if not rule.can_fire(target.candidate):
        return _step(rule.reason, {}, _NOT_HERE)
    stops = rule.blocks(check, target.candidate, assigned)
    return _step(rule.reason, rule.inputs(check, target.candidate, assigned), _STOPS if stops else _PASSES)


def _last_steps(
    compiled: CompiledChannel, target: Target, picked: Pick, check: UpdateCheck, moment: Moment
) -> Iterator[ExplainedStep]:
    if target.offer is None:
        on_it, can = check.version_name == check.version_build, check.plugin.reverts_to_builtin
        seen = {"runs": check.version_name, "native": check.version_build, "plugin_can_revert": can}
        yield _step(StepName.BUILTIN, seen, _STOPS if on_it or not can else _PASSES)
    back = picked.back or target.offer is None
    yield _window_step(compiled, target, check, moment, back=back)
    yield _spread_step(compiled, target, check, moment)
    if moment.stale is not None:  # as the node's own faults: shown only while there is one
        seen = moment.stale._asdict() | {"way_back": has_to_leave(compiled, target, check, back=back)}
        yield _step(Reason.STALE, seen, _PASSES if seen["way_back"] else _STOPS)
    last = {"bundle": name_of(target), "runs": check.version_name}
    yield _step(StepName.OFFER if target.offer else StepName.REVERT, last, _STOPS)


def _window_step(
    compiled: CompiledChannel, target: Target, check: UpdateCheck, moment: Moment, *, back: bool
) -> ExplainedStep:
    schedule = schedule_of(compiled, target)
    if schedule is None:
        return _step(Reason.OUTSIDE_WINDOW, {}, _NOT_HERE)
    seen = {
        "windows": list((target.timing and target.timing.windows) or compiled.channel.windows),
        "open": schedule.is_open(moment.now),
        "opens_at": schedule.opens_at(moment.now),
        "way_back": is_way_back(compiled, check, back=back),
        "rollback_passes": compiled.channel.rollback_passes,
        "time": moment.now,
    }
    passes = is_open(compiled, target, check, moment, back=back)
    return _step(Reason.OUTSIDE_WINDOW, seen, _PASSES if passes else _STOPS)


def _spread_step(compiled: CompiledChannel, target: Target, check: UpdateCheck, moment: Moment) -> ExplainedStep:
    spread_seconds = spread_of(compiled, target)
    if not spread_seconds:
        return _step(Reason.SPREAD, {}, _NOT_HERE)
    opens = opens_for(compiled, target, check)
    seen = {"spread_seconds": spread_seconds, "opens_at": opens, "time": moment.proven}
    return _step(Reason.SPREAD, seen, _STOPS if moment.proven < opens else _PASSES)
