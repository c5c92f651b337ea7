"""The request's whole way: every step in the order of `decide`, with the values that it looked at.

`decide` answers quickly and `explain` tells everything; a property test holds them to the same end.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from edge.domain.buckets import bucket_of
from edge.domain.decision.decide import (
    chosen,
    decide,
    is_open,
    is_spread,
    is_way_back,
    name_of,
    own_default,
    resolve,
    yields,
)
from edge.domain.decision.outcomes import Decision, HoldReason, Reason
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES, NODE_RULES, Inputs, Rule
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import (
    CompiledChannel,
    ExperimentRoutes,
    RolloutRoute,
    Route,
    block_of,
    last_good_here,
    leaves,
    pick,
    way_around,
    works,
)
from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.domain.model import BUILTIN, UpdateCheck
from edge.domain.schedule.rollout import Moment, share_at
from edge.domain.shares import format_share

PASS, STOP, DECIDES, NOT_HERE = "pass", "stop", "decides", "not on this channel"


class ExplainedStep(NamedTuple):
    """One step on the way: its stable name, the values it looked at, and what came of it: "pass"; "stop", it ended the
    way; "decides", it gave the channel or the bundle; "not on this channel"."""

    rule: str
    saw: Inputs
    outcome: str


class _Picked(NamedTuple):
    """What `pick` says, by name, and whether it is the way around what `pick` says, which a rule blocks."""

    route: Route | None
    back: bool
    held: HoldReason | None
    failed: bool
    around: bool = False


def explain(
    app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts = NO_FACTS
) -> tuple[list[ExplainedStep], Decision]:
    """Every step up to the one that ended it, and the decision."""
    return list(_walk(app, check, moment, facts)), decide(app, check, moment, facts)


def _walk(app: AppSnapshot, check: UpdateCheck, moment: Moment, facts: DeviceFacts) -> Iterator[ExplainedStep]:
    supported = check.plugin.supported
    yield ExplainedStep(Reason.UNSUPPORTED_PLUGIN.code, {"plugin": check.plugin.version}, PASS if supported else STOP)
    if not supported:
        return
    yield from _channel_steps(app, check, facts)
    compiled, assigned, _ = resolve(app, check, facts)
    seen = {"channel": compiled.channel.name if compiled else "", "assigned": assigned}
    yield ExplainedStep(Reason.NO_CHANNEL.code, seen, PASS if compiled else STOP)
    if compiled is None:
        return
    picked = _pick(compiled, check, facts, moment, assigned)
    yield from _bundle_steps(compiled, picked, check, facts, moment)
    if picked.route is None:
        return
    yield from _until_stop(_rule_steps(compiled, picked, picked.route, check, assigned, moment))


def _pick(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, moment: Moment, assigned: bool) -> _Picked:
    picked = _Picked(*pick(compiled, check, facts, moment))
    if picked.route is not None and block_of(picked.route, check, assigned) is None:
        return picked
    way = way_around(compiled, check, facts, assigned)
    return picked if way is None else picked._replace(route=way, back=True, around=True)


def _until_stop(steps: Iterator[ExplainedStep]) -> Iterator[ExplainedStep]:
    for step in steps:
        yield step
        if step.outcome == STOP:
            return


def _channel_steps(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Iterator[ExplainedStep]:
    """Who gives the channel: every voice up to the one that decides."""
    _, _, decided = resolve(app, check, facts)
    override, choice = app.overrides.get(check.device, ""), chosen(app, check, facts)
    stored = {
        "stored choice": choice.channel.name if choice else "",
        "plugin keeps its choice": check.plugin.keeps_choice,
    }
    default = {"defaultChannel": check.default_channel, "may be on it": own_default(app, check) is not None}
    public = app.public.get(check.platform)
    voices = (
        ("override", [("channel_override", {"override": override})]),
        ("stored choice", [("channel_stored_choice", stored)]),
        ("segment", list(_segments_seen(app, check, facts))),
        ("defaultChannel", [("channel_default", default)]),
        (
            "public",
            [("channel_public", {"platform": check.platform.value, "public": public.channel.name if public else ""})],
        ),
    )
    for voice, said in voices:
        for rule, saw in said[:-1]:
            yield ExplainedStep(rule, saw, PASS)
        for rule, saw in said[-1:]:
            yield ExplainedStep(rule, saw, DECIDES if voice == decided else PASS)
        if voice == decided:
            return


def _segments_seen(app: AppSnapshot, check: UpdateCheck, facts: DeviceFacts) -> Iterator[tuple[str, Inputs]]:
    """The segments that lead to a channel, in their order, up to the first that matches."""
    for at, segment in enumerate(app.leading.segments if app.leading else ()):
        _, predicate = app.segments[segment.name]
        matches = predicate(check, facts)
        seen = {
            "segment": segment.name,
            "where": segment.where,
            "channel": segment.channel,
            "matches": matches,
            "yields to defaultChannel": matches and yields(app, at, check),
        }
        yield "channel_segment", seen
        if matches:
            return


def _bundle_steps(
    compiled: CompiledChannel, picked: _Picked, check: UpdateCheck, facts: DeviceFacts, moment: Moment
) -> Iterator[ExplainedStep]:
    """Which of the channel's bundles the device is pointed at, and why."""
    channel = compiled.channel
    good = last_good_here(compiled, check, facts)
    withdrawn = {
        "bundle": channel.bundle or "",
        "withdrawn": compiled.withdrawn,
        "last good": good.version if good else "",
        "failed here": [route.version for route in compiled.earlier if not works(route, check, facts)],
    }
    yield ExplainedStep(HoldReason.WITHDRAWN.code, withdrawn, DECIDES if picked.held is HoldReason.WITHDRAWN else PASS)
    takes = compiled.experiment is not None and compiled.experiment.takes(check, facts)
    if compiled.experiment is not None:
        yield _experiment_step(compiled.experiment, takes, check)
    if compiled.rollout is not None and not takes:
        yield _rollout_step(compiled.rollout, check, facts, moment)
    nothing = picked.route is None
    yield ExplainedStep("channel_offers_nothing", {"bundle": channel.bundle or ""}, STOP if nothing else PASS)
    if nothing:
        return
    seen_withheld = {
        "failed on this device": picked.failed or picked.held is HoldReason.WITHHELD,
        "failures": _failures_seen(compiled, facts),
        "runs what was withdrawn or taken back": leaves(compiled, check),
        "a rule keeps it from what it would get": picked.around,
        "bundle": name_of(picked.route) if picked.route else "",
    }
    before = picked.around or picked.held is HoldReason.WITHHELD
    yield ExplainedStep("what_comes_before", seen_withheld, DECIDES if before else PASS)


def _failures_seen(compiled: CompiledChannel, facts: DeviceFacts) -> Inputs:
    """What failed on the device of all that the channel can offer, and until when it is withheld, where it is."""
    versions = {name_hash(offer.bundle.version): offer.bundle.version for offer in compiled.offers()}
    return {
        versions[each.bundle]: {"cause": each.cause.word, "attempts": each.attempts}
        | ({"until": each.until or "for good"} if each.withheld else {})
        for each in facts.failures
        if each.bundle in versions
    }


def _experiment_step(routed: ExperimentRoutes, takes: bool, check: UpdateCheck) -> ExplainedStep:
    arm = routed.arm_of(check) if takes else None
    seen = {
        "experiment": routed.experiment.name,
        "segment": routed.experiment.segment or "",
        "bucket": bucket_of(routed.salt, check.device),
        "arm": arm.offer.arm if arm and arm.offer else "",
        "bundle": arm.version if arm else "",
    }
    return ExplainedStep("experiment", seen, DECIDES if takes else PASS)


def _rollout_step(routed: RolloutRoute, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> ExplainedStep:
    rollout = routed.rollout
    held = routed.holds_back(check, facts, moment.proven)
    seen = {
        "bundle": rollout.bundle,
        "phase": rollout.phase.value,
        "share": format_share(share_at(rollout, moment.proven)),
        "bucket": bucket_of(routed.salt, check.device),
        "control group": f"{rollout.hold_out_group} {format_share(rollout.hold_out)}" if rollout.hold_out else "",
        "runs it already": check.version_name == rollout.bundle,
        "segments": {
            name: predicate(check, facts)
            for name, predicate in zip((*rollout.segments, *rollout.first), (*routed.only, *routed.first), strict=True)
        },
        "time": moment.proven,
    }
    return ExplainedStep(held.code if held else "rollout", seen, PASS if held else DECIDES)


def _rule_steps(
    compiled: CompiledChannel, picked: _Picked, route: Route, check: UpdateCheck, assigned: bool, moment: Moment
) -> Iterator[ExplainedStep]:
    keys = (_rule_step(rule, check, route, assigned) for rule in KEY_RULES)
    # Steps of the node's own faults are shown only while there are any.
    faults = [rule for rule in NODE_RULES if rule.can_fire(route.target)]
    rules = (_rule_step(rule, check, route, assigned) for rule in (*CHANNEL_RULES, *faults))
    own = (_up_to_date_step(route, check, picked.held), _failed_step(route, picked))
    return chain(keys, own, rules, _last_steps(compiled, route, picked, check, moment))


def _up_to_date_step(route: Route, check: UpdateCheck, held: HoldReason | None) -> ExplainedStep:
    seen = {"runs": check.version_name, "offered": name_of(route), "held": held.code if held else ""}
    return ExplainedStep("no_new_version_available", seen, STOP if check.version_name == route.version else PASS)


def _failed_step(route: Route, picked: _Picked) -> ExplainedStep:
    seen = {"bundle": name_of(route), "failed on this device": picked.failed}
    if picked.failed:
        seen |= {"there is one before it": False}
    return ExplainedStep(Reason.WITHHELD.code, seen, STOP if picked.failed else PASS)


def _rule_step(rule: Rule, check: UpdateCheck, route: Route, assigned: bool) -> ExplainedStep:
    if not rule.can_fire(route.target):
        return ExplainedStep(rule.reason.code, {}, NOT_HERE)
    stops = rule.blocks(check, route.target, assigned)
    return ExplainedStep(rule.reason.code, rule.sees(check, route.target, assigned), STOP if stops else PASS)


def _last_steps(
    compiled: CompiledChannel, route: Route, picked: _Picked, check: UpdateCheck, moment: Moment
) -> Iterator[ExplainedStep]:
    back = picked.back or route.offer is None
    if route.offer is None:
        on_it, can = check.version_name == check.version_build, check.plugin.reverts_to_builtin
        seen: Inputs = {"runs": check.version_name, "native": check.version_build, "plugin can revert": can}
        yield ExplainedStep(BUILTIN, seen, STOP if on_it or not can else PASS)
    schedule = compiled.schedule
    if schedule is None:
        yield ExplainedStep(Reason.OUTSIDE_WINDOW.code, {}, NOT_HERE)
    else:
        seen = {
            "windows": list(compiled.channel.windows),
            "open": schedule.is_open(moment.now),
            "opens at": schedule.opens_at(moment.now),
            "way back": is_way_back(compiled, check, back=back),
            "rollback passes": compiled.channel.rollback_passes,
            "time": moment.now,
        }
        yield ExplainedStep(
            Reason.OUTSIDE_WINDOW.code, seen, PASS if is_open(compiled, check, moment, back=back) else STOP
        )
    if not is_spread(compiled, route):
        yield ExplainedStep(Reason.SPREAD.code, {}, NOT_HERE)
    else:
        opens = compiled.opens_for(check)
        seen = {"spread seconds": compiled.channel.spread_seconds, "opens at": opens, "time": moment.proven}
        yield ExplainedStep(Reason.SPREAD.code, seen, STOP if moment.proven < opens else PASS)
    yield ExplainedStep(
        "offer" if route.offer else "revert_to_builtin", {"bundle": name_of(route), "runs": check.version_name}, STOP
    )
