"""What of a device the decision for it depends on, so that one decision does for all devices that agree in it. Pure.

For two checks that differ in nothing but `device` and `custom_id`: if neither device has an override, no facts that
matter (`facts_matter`), and both agree in `depends_on`, `decide` gives both the same, from one snapshot at one moment.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from edge.domain.buckets import BUCKETS
from edge.domain.decision.decide import own_default
from edge.domain.decision.outcomes import Decision, UpToDate
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import CompiledChannel
from edge.domain.facts import DeviceFacts, forgot_until
from edge.domain.model import SegmentName, UpdateCheck
from edge.domain.schedule.rollout import Moment, active_share_at
from edge.domain.targeting.traits import Draw, Traits, together


def depends_on(app: AppSnapshot, check: UpdateCheck, moment: Moment) -> Traits:
    """What is read of a device whose check is like this one, whichever channel its ids lead it to."""
    parts = [app.leading.traits] if app.leading is not None else []
    for compiled in _reachable(app, check):
        parts.append(Traits(tuple(_draws(compiled, moment))))
        parts += [app.traits[name] for name in _segments(compiled)]
    return parts[0] if len(parts) == 1 else together(parts)


def needs_facts(app: AppSnapshot, check: UpdateCheck, decision: Decision) -> bool:
    """Whether facts about the device may change its decision, or what is noted of it. False for by far the most
    frequent one: nothing that is known of a device could get it anything new."""
    return type(decision) is not UpToDate or app.asks_facts or not check.plugin.keeps_choice


def facts_matter(app: AppSnapshot, facts: DeviceFacts) -> bool:
    """Whether anything that is known of a device may change its decision: failures, also forgotten ones, the channel
    that it chose, or what segments read."""
    return app.asks_facts or bool(facts.failures or facts.channel) or forgot_until(facts) > 0


def _reachable(app: AppSnapshot, check: UpdateCheck) -> Iterator[CompiledChannel]:
    """The channels that `resolve` can give such a device, overrides and stored choices aside."""
    own = own_default(app, check) if check.default_channel else app.public.get(check.platform)
    if own is not None:
        yield own
    if app.leading is not None:
        yield from (compiled for compiled in app.leading.distinct if compiled is not own)


def _segments(compiled: CompiledChannel) -> Iterator[SegmentName]:
    if compiled.rollout is not None:
        yield from compiled.rollout.rollout.segments
        yield from compiled.rollout.rollout.first
    if compiled.experiment is not None:
        yield from compiled.experiment.experiment.segments


def _draws(compiled: CompiledChannel, moment: Moment) -> Iterator[Draw]:
    """Every bucket that `pick` and `arrive` compare, with what they compare it with."""
    if (running := compiled.rollout) is not None:
        if running.rollout.hold_out:
            yield Draw(running.group_salt, (running.rollout.hold_out,))
        yield Draw(running.salt, (active_share_at(running.rollout, moment.proven),))
    if compiled.experiment is not None:
        yield Draw(compiled.experiment.salt, tuple(arm.end for arm in compiled.experiment.arms))
        for arm in compiled.experiment.arms:
            timing = arm.target.timing if arm.target is not None else None
            if timing is not None and timing.spread_seconds:
                yield Draw(timing.salt, (_first_closed(timing.opens_at, moment.proven),))
    if compiled.channel.spread_seconds:
        yield Draw(compiled.spread_salt, (_first_closed(compiled.opens_at, moment.proven),))


def _first_closed(opens_at: Callable[[int], float], proven: float) -> int:
    """The first bucket that a spread has not reached: `opens_at` never falls from one bucket to the next."""
    return bisect_left(range(BUCKETS), True, key=lambda bucket: proven < opens_at(bucket))
