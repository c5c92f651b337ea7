"""Before a channel offers another bundle to everybody: what has to hold, and what it ends. Pure.

A rollout or an experiment decides who gets what; nothing new slips past it. A version below the one that is offered is
most often an accident. Ways back (rollback, undo, withdraw) do not ask here.
"""

from dataclasses import replace
from typing import NamedTuple

from edge.domain.commands import NOTHING, Replacing
from edge.domain.durations import format_moment
from edge.domain.errors import Conflict
from edge.domain.model import BUILTIN, AppState, Channel, ChannelName, Rollout, VersionName
from edge.domain.rollout import Move, move
from edge.domain.states import last_good
from edge.domain.versions import parse_version


class Replaced(NamedTuple):
    """What a change replaced on a channel: the bundle (None: nothing), since when, in seconds since the epoch, and by
    whom; the rollout and the experiment's name that it ended."""

    bundle: VersionName | None
    changed: float
    by: str
    rollout: Rollout | None
    experiment: str | None


def make_way(state: AppState, channel: Channel, wanted: VersionName, terms: Replacing, at: float) -> Channel:
    """The channel as it is before it offers `wanted`, another bundle than now, to everybody.

    Raises Conflict: `rollout_active` and `experiment_active` without `force`, `lower_version` without `downgrade`.
    """
    if not terms.force:
        _check_nothing_on_its_way(state, channel, wanted)
    if not terms.downgrade:
        _check_not_lower(state, channel, wanted)
    rollout = channel.rollout
    if rollout is not None and rollout.phase.is_active and rollout.bundle == wanted:
        return replace(channel, experiment=None)  # the rollout has arrived
    return with_nothing_on_its_way(channel, at)


def check_current(channel: Channel, wanted: str | None, terms: Replacing) -> None:
    """Raises Conflict `not_current` where the channel offers neither what the terms name nor, already, `wanted`."""
    current = channel.bundle or NOTHING
    if terms.if_current is None or current in (terms.if_current, wanted):
        return
    raise Conflict(
        "not_current",
        f"channel {channel.name!r} offers {_offered(channel)}, not {terms.if_current}; look at what came in between",
    )


def check_no_rollout(state: AppState, channel: Channel, wanted: VersionName, or_else: str = "") -> None:
    """`or_else` is one more way out. Raises Conflict `rollout_active`."""
    rollout = channel.rollout
    if rollout is None or not rollout.phase.is_active:
        return
    place = f"{state.app} {channel.name}"
    if rollout.bundle == wanted:
        ways = f"`edge rollout promote {place}` offers it to everybody"
    else:
        ways = f"promote it (`edge rollout promote {place}`) or roll it back (`edge rollout rollback {place}`) first"
    raise Conflict(
        "rollout_active", f"a rollout of {rollout.bundle!r} is on its way to channel {channel.name!r}: {ways}{or_else}"
    )


def with_nothing_on_its_way(channel: Channel, at: float) -> Channel:
    """The channel with its rollout rolled back and its experiment ended without a winner; itself, if it has neither."""
    rollout = channel.rollout
    if rollout is not None and rollout.phase.is_active:
        channel = replace(channel, rollout=move(rollout, Move.ROLL_BACK, at))
    return channel if channel.experiment is None else replace(channel, experiment=None)


def what_was_replaced(before: AppState, after: AppState, name: ChannelName) -> Replaced | None:
    """None: the channel offers what it did, or is new."""
    old, new = before.channels.get(name), after.channels.get(name)
    if old is None or new is None or old.bundle == new.bundle:
        return None
    rollout = new.rollout if _has_ended(old, new) else None
    experiment = old.experiment.name if old.experiment is not None and new.experiment is None else None
    return Replaced(old.bundle, old.changed, old.changed_by, rollout, experiment)


def _has_ended(old: Channel, new: Channel) -> bool:
    """Whether the rollout that was on its way is over."""
    was, now = old.rollout, new.rollout
    return was is not None and was.phase.is_active and now is not None and not now.phase.is_active


def _check_nothing_on_its_way(state: AppState, channel: Channel, wanted: VersionName) -> None:
    check_no_rollout(state, channel, wanted, ", or end it with this very change (--force)")
    experiment, place = channel.experiment, f"{state.app} {channel.name}"
    if experiment is not None:
        raise Conflict(
            "experiment_active",
            f"experiment {experiment.name!r} runs on channel {channel.name!r}: keep an arm (`edge experiment stop "
            f"{place} --keep ARM`), end it without a winner (`edge rollback {place}`), or end it with this very change "
            "(--force)",
        )


def _check_not_lower(state: AppState, channel: Channel, wanted: VersionName) -> None:
    """What was withdrawn is not offered: what stands in for it counts."""
    current = channel.bundle
    if current in state.bundles and state.bundles[VersionName(str(current))].withdrawn:
        current = last_good(state, channel)
    if current in (None, BUILTIN) or wanted == BUILTIN:
        return
    offered, asked = parse_version(str(current)), parse_version(wanted)
    if offered is None or asked is None or asked >= offered:
        return
    raise Conflict(
        "lower_version",
        f"{wanted} is below {current}, which channel {channel.name!r} offers{_since(channel)}: publish a higher one, "
        f"go back with `edge rollback {state.app} {channel.name}`, or say that it is meant (--downgrade)",
    )


def _offered(channel: Channel) -> str:
    return f"{channel.bundle}{_since(channel)}" if channel.bundle else NOTHING


def _since(channel: Channel) -> str:
    by = f" by {channel.changed_by!r}" if channel.changed_by else ""
    return f" since {format_moment(channel.changed)}{by}"
