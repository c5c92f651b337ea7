"""Rollouts and experiments of a channel: start, move, stop. One of each at a time."""

from dataclasses import replace

from edge.domain.changes.channels import SPREAD_LIMIT_SECONDS, offering
from edge.domain.changes.commands import (
    MoveRollout,
    NewArm,
    Replacing,
    RolloutTerms,
    StartExperiment,
    StartRollout,
    StopExperiment,
)
from edge.domain.changes.replacing import (
    check_current,
    check_meant,
    check_no_rollout,
    current_offer,
    with_nothing_on_its_way,
)
from edge.domain.comparing.arms import check_arms, parse_question
from edge.domain.comparing.measures import parse_measures, usual_measures
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.model import AppState, Arm, Channel, Experiment, Rollout, SegmentName, VersionName, parse_name
from edge.domain.schedule.durations import format_duration
from edge.domain.schedule.rollout import Move, move
from edge.domain.schedule.windows import canonical_windows
from edge.domain.shares import WHOLE_SHARE, format_share
from edge.domain.states import channel_of, offerable, segment_of, with_entry

STEPS_LIMIT = 50
STEP_LIMIT_SECONDS = 90 * 86_400
SHORTEST_STEP_SECONDS = 60  # no one can judge a step sooner
NAMED_LIMIT = 20  # segments of one rollout


def carry_out(
    state: AppState, command: StartRollout | MoveRollout | StartExperiment | StopExperiment, at: float, change_id: str
) -> AppState:
    """`change_id` salts what is started, so that no two draw the same devices. Raises NotFound, Conflict or Invalid."""
    channel = channel_of(state, command.channel)
    match command:
        case StartRollout():
            after = _start_rollout(state, channel, command, at, change_id)
        case MoveRollout():
            after = _move_rollout(state, channel, command.move, at)
        case StartExperiment():
            after = _start_experiment(state, channel, command, at, change_id)
        case StopExperiment():
            after = _stop_experiment(state, channel, command, at)
    return replace(state, channels=with_entry(state.channels, channel.name, after))


def roll_out(
    state: AppState,
    channel: Channel,
    bundle: VersionName,
    how: RolloutTerms,
    terms: Replacing,
    at: float,
    change_id: str,
) -> AppState:
    """Start the rollout of what is published with it; the state itself if the channel offers the bundle already, to
    some or to all. Raises as `carry_out` and `check_current`."""
    check_current(current_offer(state, channel), bundle, terms)
    rollout = channel.rollout
    if bundle == channel.bundle or (rollout is not None and rollout.phase.is_active and rollout.bundle == bundle):
        return state
    if terms.force:
        channel = with_nothing_on_its_way(channel, at)
    given = {name: getattr(how, name) for name in RolloutTerms.__struct_fields__}
    start = StartRollout(channel=channel.name, bundle=bundle, downgrade=terms.downgrade, again=terms.again, **given)
    started = _start_rollout(state, channel, start, at, change_id)
    return replace(state, channels=with_entry(state.channels, channel.name, started))


def _start_rollout(state: AppState, channel: Channel, command: StartRollout, at: float, salt: str) -> Channel:
    if channel.rollout is not None and channel.rollout.phase.is_active:
        raise Conflict(
            "rollout_active", f"a rollout of {channel.rollout.bundle} is running on channel {channel.name!r}"
        )
    bundle = offerable(state, command.bundle).version
    if bundle == channel.bundle:
        raise Conflict("nothing_to_roll_out", f"channel {channel.name!r} already offers {bundle!r} to all devices")
    check_meant(current_offer(state, channel), bundle, command)
    check_steps(command.steps)
    _check_pace(command)
    rollout = Rollout(
        bundle=bundle,
        salt=salt,
        steps=command.steps,
        every_seconds=command.every_seconds,
        segments=_segments(state, command.segments),
        first=_segments(state, command.first),
        hold_out=command.hold_out,
        hold_out_group=parse_name("group", command.hold_out_group),
        began=at,
        started=at,
        gated=channel.guard.auto_advance,
    )
    if channel.experiment is not None and _takes_all(channel.experiment, rollout):
        raise Conflict(
            "experiment_active",
            f"experiment {channel.experiment.name!r} takes all devices that the rollout is for: keep an arm (`edge "
            f"experiment stop {state.app} {channel.name} --keep ARM`) or end it (`edge rollback {state.app} "
            f"{channel.name}`) first",
        )
    return replace(channel, rollout=rollout)


def _takes_all(experiment: Experiment, rollout: Rollout) -> bool:
    """Whether the experiment, which takes precedence, takes every device of the rollout, judged by segment names."""
    named = {*rollout.segments, *rollout.first}
    return experiment.segment is None or (bool(rollout.segments) and named == {experiment.segment})


def check_steps(steps: tuple[int, ...]) -> None:
    """`steps` are shares in thousandths of a percent. Raises Invalid `invalid_steps` that names the step."""
    if not 0 < len(steps) <= STEPS_LIMIT:
        raise Invalid("invalid_steps", f"a rollout must have 1 to {STEPS_LIMIT} steps")
    before = 0
    for place, share in enumerate(steps, start=1):
        if not 0 < share <= WHOLE_SHARE:
            raise Invalid("invalid_steps", f"step {place}: {format_share(share)} is not between 0% and 100%")
        if share <= before:
            raise Invalid(
                "invalid_steps",
                f"step {place}: {format_share(share)} is not above the previous {format_share(before)}",
            )
        before = share


def _check_pace(command: StartRollout) -> None:
    every = command.every_seconds
    if every and not SHORTEST_STEP_SECONDS <= every <= STEP_LIMIT_SECONDS:
        raise Invalid(
            "invalid_every",
            f"a step must last {format_duration(SHORTEST_STEP_SECONDS)} to {format_duration(STEP_LIMIT_SECONDS)}, "
            "or 0: until advanced",
        )
    if not 0 <= command.hold_out < WHOLE_SHARE:
        raise Invalid("invalid_hold_out", "the share to hold out must be at least 0 and below 100%")


def _segments(state: AppState, names: tuple[str, ...]) -> tuple[SegmentName, ...]:
    if len(names) > NAMED_LIMIT:
        raise Invalid("too_many_segments", f"a rollout can name at most {NAMED_LIMIT} segments")
    return tuple(dict.fromkeys(segment_of(state, name).name for name in names))


def _move_rollout(state: AppState, channel: Channel, wanted: Move, at: float) -> Channel:
    if channel.rollout is None:
        raise NotFound("no_rollout", f"channel {channel.name!r} has had no rollout")
    rollout = move(channel.rollout, wanted, at)
    if wanted is not Move.PROMOTE:
        return replace(channel, rollout=rollout)
    return offering(replace(channel, rollout=rollout), offerable(state, rollout.bundle).version, at)


def _start_experiment(state: AppState, channel: Channel, command: StartExperiment, at: float, salt: str) -> Channel:
    if channel.experiment is not None:
        raise Conflict("experiment_active", f"experiment {channel.experiment.name!r} runs on channel {channel.name!r}")
    arms, offered = _arms(state, command.arms), current_offer(state, channel)
    for arm in arms:
        if arm.bundle != channel.bundle:
            check_meant(offered, arm.bundle, command)
    experiment = Experiment(
        name=parse_name("experiment", command.name),
        arms=arms,
        salt=salt,
        segment=segment_of(state, command.segment).name if command.segment is not None else None,
        started=at,
        question=parse_question(command.question),
        measures=tuple(each.id for each in parse_measures(command.measures or usual_measures(arms))),
    )
    rollout = channel.rollout
    if rollout is not None and rollout.phase.is_active and _takes_all(experiment, rollout):
        raise Conflict(
            "rollout_active",
            f"the experiment would take all devices that the rollout of {rollout.bundle!r} is for: promote it or roll "
            "it back first, or limit the experiment to a segment (--segment)",
        )
    return replace(channel, experiment=experiment)


def _arms(state: AppState, given: tuple[NewArm, ...]) -> tuple[Arm, ...]:
    check_arms([(arm.name, arm.weight) for arm in given])
    return tuple(_arm(state, arm) for arm in given)


def _arm(state: AppState, given: NewArm) -> Arm:
    if not 0 <= given.spread_seconds <= SPREAD_LIMIT_SECONDS:
        most = format_duration(SPREAD_LIMIT_SECONDS)
        raise Invalid("invalid_spread", f"arm {given.name!r}: the spread must be between 0 and {most}")
    return Arm(
        name=given.name,
        bundle=offerable(state, given.bundle).version,
        weight=given.weight,
        windows=canonical_windows(given.windows) if given.windows else (),
        spread_seconds=given.spread_seconds,
        segment=segment_of(state, given.segment).name if given.segment is not None else None,
    )


def _stop_experiment(state: AppState, channel: Channel, command: StopExperiment, at: float) -> Channel:
    experiment = channel.experiment
    if experiment is None:
        raise NotFound("no_experiment", f"no experiment runs on channel {channel.name!r}")
    arm = next((arm for arm in experiment.arms if arm.name == command.keep), None)
    if arm is None:
        raise NotFound("unknown_arm", f"experiment {experiment.name!r} has no arm {command.keep!r}")
    if withdrawn := state.bundles[arm.bundle].withdrawn:
        raise Conflict(
            "bundle_withdrawn",
            f"bundle {arm.bundle!r} of arm {arm.name!r} was withdrawn: {withdrawn}; keep another arm, or roll the "
            "channel back, which ends the experiment",
        )
    ended = replace(channel, experiment=None)
    if arm.bundle == channel.bundle:
        return ended
    check_no_rollout(current_offer(state, channel), arm.bundle)
    return offering(ended, arm.bundle, at)
