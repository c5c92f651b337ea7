"""The rollouts of a channel: preview, start, show, and every legal move in the table of the life cycle."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, ChangeResult, command_id, commit, load_app, weigh
from edge.control.operations import Operation, parse_number
from edge.control.shapes.rollouts import (
    PreviewAnswer,
    RolloutChanged,
    RolloutGuard,
    RolloutPaused,
    RolloutPlan,
    RolloutRequest,
    RolloutRolledBack,
    RolloutView,
)
from edge.domain.changes.commands import MoveRollout, RolloutTerms, StartRollout
from edge.domain.errors import NotFound
from edge.domain.guard_policy import Guarded, GuardPolicy
from edge.domain.model import AppState, Channel, Rollout, VersionName
from edge.domain.schedule.rollout import LIFE_CYCLE, Move, next_step_at, share_at, step_at, step_began, step_ends
from edge.domain.shares import format_share, parse_share
from edge.domain.states import channel_of

LISTED_DEFAULT = 20  # devices that a preview lists per step: enough to look some of them up
LISTED_LIMIT = 1_000  # with 50 steps 2 MB of ids

_ROLLOUT = "/v1/apps/{app}/channels/{name}/rollout"


async def handle_start(call: Call[RolloutRequest]) -> RolloutChanged:
    return await _change(call, _parse_start(call.part("name"), call.body))


async def handle_show(call: Call[None]) -> RolloutView:
    """Raises NotFound `no_rollout`."""
    state, name = await load_app(call), call.part("name")
    rollout = _rollout(state, name)
    return view_rollout(channel_of(state, name), rollout, call.ports.clock.moment(call.app).proven)


async def handle_preview(call: Call[RolloutRequest]) -> PreviewAnswer:
    """Refuses what a start would refuse."""
    listed = parse_number(call.request, "devices", LISTED_DEFAULT, 0, LISTED_LIMIT)
    if not call.grant.may(Permission.LOOK_UP_DEVICES, call.app):
        listed = 0  # how many, and not which
    command = _parse_start(call.part("name"), call.body)
    return await call.ports.known_devices.preview(call.app, command, command_id(call), listed)


async def handle_move(move: Move, call: Call[None]) -> RolloutChanged:
    return await _change(call, MoveRollout(channel=call.part("name"), move=move))


async def handle_pause(call: Call[None]) -> RolloutPaused:
    """Pause first, count waiting devices afterwards."""
    paused = await handle_move(Move.PAUSE, call)
    waiting = await call.ports.known_devices.waiting(call.app, VersionName(paused.bundle))
    return RolloutPaused(**asdict(paused), waiting=waiting)


async def handle_rollback(call: Call[None]) -> RolloutRolledBack:
    """Roll back first, count the impact afterwards."""
    command = MoveRollout(channel=call.part("name"), move=Move.ROLL_BACK)
    done = await commit(call, call.app, command)
    return RolloutRolledBack(**asdict(_changed(call, done, command.channel)), impact=await weigh(call, done))


def _parse_start(channel: str, body: RolloutRequest) -> StartRollout:
    """Raises Invalid `invalid_share`; `apply` checks everything else."""
    return StartRollout(
        channel=channel,
        bundle=body.bundle,
        steps=tuple(parse_share(step) for step in body.steps),
        every_seconds=body.every_seconds,
        segments=tuple(body.segments),
        first=tuple(body.first),
        hold_out=parse_share(body.hold_out),
        hold_out_group=body.hold_out_group,
        downgrade=body.downgrade,
        again=body.again,
    )


def parse_plan(plan: RolloutPlan) -> RolloutTerms:
    """Of a rollout that a publish starts. Raises as `_parse_start`."""
    return RolloutTerms(
        steps=tuple(parse_share(step) for step in plan.steps),
        every_seconds=plan.every_seconds,
        segments=tuple(plan.segments),
        first=tuple(plan.first),
        hold_out=parse_share(plan.hold_out),
        hold_out_group=plan.hold_out_group,
    )


def view_rollout(channel: Channel, rollout: Rollout, proven: float) -> RolloutView:
    """The channel's rollout at `proven`, a moment that the heads prove, in seconds since the epoch."""
    step = step_at(rollout, proven)
    return RolloutView(
        bundle=rollout.bundle,
        phase=rollout.phase,
        step=step + 1,
        share=format_share(share_at(rollout, proven)),
        next_step_at=next_step_at(rollout, proven),
        steps=[format_share(share) for share in rollout.steps],
        every_seconds=rollout.every_seconds,
        segments=list(rollout.segments),
        first=list(rollout.first),
        hold_out=format_share(rollout.hold_out),
        hold_out_group=rollout.hold_out_group,
        started=rollout.started,
        began=step_began(rollout, proven),
        paused=rollout.paused or None,
        gated=rollout.gated,
        gate_opens=step_ends(rollout, proven) if rollout.gated else None,
        resumed=rollout.resumed,
        guard=_view_guard(channel.guard),
    )


def _view_guard(policy: GuardPolicy) -> RolloutGuard | None:
    if policy.guarded is Guarded.NOTHING:
        return None
    return RolloutGuard(
        max_failure=format_share(policy.max_failure),
        metrics=list(policy.metrics),
        segments=list(policy.segments),
        action=policy.action,
    )


async def _change(call: Call[Any], command: StartRollout | MoveRollout) -> RolloutChanged:
    committed = await commit(call, call.app, command)
    return _changed(call, committed, command.channel)


def _changed(call: Call[Any], committed: ChangeResult, channel: str) -> RolloutChanged:
    state = committed.state
    rollout = _rollout(state, channel)
    view = view_rollout(channel_of(state, channel), rollout, call.ports.clock.moment(state.app).proven)
    return RolloutChanged(
        **asdict(view), app=state.app, channel=channel, revision=state.revision, changed=committed.changed
    )


def _rollout(state: AppState, channel: str) -> Rollout:
    """Raises NotFound `no_rollout`, `unknown_channel`, also for a repeated command whose channel has been deleted
    since."""
    rollout = channel_of(state, channel).rollout
    if rollout is None:
        raise NotFound("no_rollout", f"channel {channel!r} has had no rollout")
    return rollout


def _move_operation(move: Move) -> Operation:
    handle: Callable[[Call[None]], Awaitable[RolloutChanged]] = partial(handle_move, move)
    answer: type[RolloutChanged] = RolloutChanged
    if move is Move.PAUSE:
        handle, answer = handle_pause, RolloutPaused
    elif move is Move.ROLL_BACK:
        handle, answer = handle_rollback, RolloutRolledBack
    before = " or ".join(phase.value for phase in LIFE_CYCLE[move].before)
    return Operation(
        name=f"{move.name.lower()}_rollout",
        method="POST",
        path=f"{_ROLLOUT}/{move.value}",
        summary=f"For a rollout that is {before}: {LIFE_CYCLE[move].meaning}",
        permission=Permission.ROLL_BACK if move is Move.ROLL_BACK else Permission.CHANGE_ROLLOUTS,
        handle=handle,
        answer=answer,
        changes=True,
    )


OPERATIONS = (
    Operation(
        name="start_rollout",
        method="POST",
        path=_ROLLOUT,
        summary="Offer a bundle to a growing share of a channel's devices",
        permission=Permission.CHANGE_ROLLOUTS,
        handle=handle_start,
        answer=RolloutChanged,
        body=RolloutRequest,
        changes=True,
    ),
    Operation(
        name="show_rollout",
        method="GET",
        path=_ROLLOUT,
        summary="Show a channel's latest rollout",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=RolloutView,
    ),
    Operation(
        name="preview_rollout",
        method="POST",
        path=f"{_ROLLOUT}/preview",
        summary="Show which known devices a rollout would reach, step by step; nothing is changed",
        permission=Permission.READ_APP,
        handle=handle_preview,
        answer=PreviewAnswer,
        body=RolloutRequest,
        query=("devices",),
        refusals=(409, 503),
    ),
    *(_move_operation(move) for move in Move),
)
