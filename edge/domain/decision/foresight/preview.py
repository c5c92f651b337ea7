"""What a rollout would do, step by step: the real decision for each device on a snapshot in which it has begun. Pure.

A device's outcome changes at a single step, the first whose share reaches its bucket, so two decisions are enough: one
before that step and one from it on.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edge.domain.buckets import bucket_of
from edge.domain.decision.decide import decide, resolve
from edge.domain.decision.outcomes import Offer, RevertToBuiltin
from edge.domain.decision.pick import block_of, pick
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.decision.targets import CompiledChannel
from edge.domain.facts import DeviceFacts
from edge.domain.model import ChannelName, DeviceId, Rollout, UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.domain.shares import WHOLE_SHARE

OFFERED, HAS_IT, EXPERIMENT = "offer", "has_it", "experiment"


@dataclass(slots=True)
class StepPreview:
    """`outcomes` counts the devices on the channel by OFFERED, HAS_IT, EXPERIMENT, or the code of why not. `joining`
    has the first few that are offered the bundle from this step on."""

    share: int  # thousandths of a percent
    outcomes: Counter[str] = field(default_factory=Counter)
    joining: list[DeviceId] = field(default_factory=list)


@dataclass(slots=True)
class RolloutPreview:
    """`elsewhere` counts the devices on other channels or on none."""

    steps: list[StepPreview]
    elsewhere: int = 0


def preview_rollout(
    app: AppSnapshot,
    channel: ChannelName,
    devices: Iterable[tuple[UpdateCheck, DeviceFacts]],
    moment: Moment,
    *,
    listed: int = 0,
) -> RolloutPreview:
    """`app` is the snapshot in which the rollout has begun on `channel`; each step lists at most `listed` devices."""
    running = app.channels[channel].rollout
    assert running is not None, "the rollout has begun"
    rollout = running.rollout
    stages = [_at_step(app, app.channels[channel], rollout, step) for step in range(len(rollout.steps))]
    preview = RolloutPreview([StepPreview(share) for share in rollout.steps])
    courses: Counter[tuple[int, str, str]] = Counter()
    for check, facts in devices:
        found = resolve(app, check, facts).channel
        if found is None or found.channel.name != channel:
            preview.elsewhere += 1
            continue
        turn = bisect_right(rollout.steps, bucket_of(running.salt, check.device))
        after = _outcome(stages[min(turn, len(stages) - 1)], channel, check, facts, moment)
        before = _outcome(stages[turn - 1], channel, check, facts, moment) if turn else after
        courses[turn, before, after] += 1
        joins = _joins(turn, before, after)
        if joins is not None and len(preview.steps[joins].joining) < listed:
            preview.steps[joins].joining.append(check.device)
    for (turn, before, after), n in courses.items():
        for number, step in enumerate(preview.steps):
            step.outcomes[before if number < turn else after] += n
    return preview


def share_in(rollout: Rollout, share: int) -> float:
    """How many of 100,000 devices that the rollout is for get it at `share`, in thousandths of a percent. The control
    group is drawn independently of the share, so this is an expectation."""
    return share * (WHOLE_SHARE - rollout.hold_out) / WHOLE_SHARE


def _joins(turn: int, before: str, after: str) -> int | None:
    if before == OFFERED:
        return 0
    return turn if after == OFFERED else None


def _outcome(app: AppSnapshot, channel: ChannelName, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> str:
    """The outcome of the device's check as far as the rollout is concerned: an offer of another bundle is none."""
    compiled = app.channels[channel]
    assert compiled.rollout is not None
    bundle = compiled.rollout.rollout.bundle
    decision = decide(app, check, moment, facts)
    if isinstance(decision, Offer) and decision.bundle.version == bundle and not decision.arm:
        return OFFERED
    if compiled.experiment is not None and compiled.experiment.takes(check, facts):
        return EXPERIMENT
    picked = pick(compiled, check, facts, moment)
    if picked.held is not None:
        return picked.held.code
    if check.version_name == bundle:
        return HAS_IT
    if picked.target is None or not isinstance(decision, Offer | RevertToBuiltin):
        return decision.code
    # What it gets is a way around the rule that blocks the rollout's bundle.
    block = block_of(picked.target, check, resolve(app, check, facts).assigned)
    return block.reason.code if block is not None else decision.code


def _at_step(app: AppSnapshot, old: CompiledChannel, rollout: Rollout, step: int) -> AppSnapshot:
    """The snapshot with the channel's rollout fixed at one step."""
    assert old.rollout is not None
    new = replace(old, rollout=replace(old.rollout, rollout=replace(rollout, step=step, every_seconds=0)))
    leading = app.leading and replace(
        app.leading, channels=tuple(new if each is old else each for each in app.leading.channels)
    )
    return replace(
        app,
        channels={name: new if each is old else each for name, each in app.channels.items()},
        public={platform: new if each is old else each for platform, each in app.public.items()},
        leading=leading,
    )
