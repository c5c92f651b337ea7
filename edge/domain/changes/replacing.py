"""What must hold before a channel offers another bundle to all devices, and what that ends. Pure.

While a rollout or an experiment decides who gets what, no new bundle bypasses it. A version below the current one is
usually an accident, and so is one that the channel was rolled back from. Ways back (rollback, undo, withdraw) skip
this.
"""

from dataclasses import replace
from typing import NamedTuple

from edge.domain.changes.commands import NOTHING, Meant, Replacing
from edge.domain.errors import Conflict
from edge.domain.model import AppState, Channel, ChannelName, Rollout, TakenBack, VersionName
from edge.domain.schedule.durations import format_moment
from edge.domain.schedule.rollout import Move, move
from edge.domain.states import served_of
from edge.domain.versions import is_below

_END_IT = "or end it with this change: --force"


class Replaced(NamedTuple):
    """What a change replaced on a channel: the `bundle` that devices got (None: nothing), since `changed`, in seconds
    since the epoch, set by the token `by`; the channel's own bundle if it was `withdrawn` and the other stood in for
    it; the rollout, and the name of the experiment, that the change ended."""

    bundle: VersionName | None
    changed: float
    by: str
    withdrawn: VersionName | None
    rollout: Rollout | None
    experiment: str | None


class CurrentOffer(NamedTuple):
    """What a channel offers now. `bundle` is what it is set to: a version, builtin or None; `served` is what devices
    get for it, another one if it was withdrawn. Set at `changed`, in seconds since the epoch, by the token `by`.
    `rollout` is the version being rolled out, `experiment` the running one's name; `taken_back` is what it was
    rolled back from."""

    app: str
    channel: str
    bundle: str | None
    served: str | None
    changed: float
    by: str
    rollout: str | None
    experiment: str | None
    taken_back: tuple[TakenBack, ...] = ()


def current_offer(state: AppState, channel: Channel) -> CurrentOffer:
    """What the channel offers now, and what a change to it would end."""
    rollout, experiment = channel.rollout, channel.experiment
    return CurrentOffer(
        app=state.app,
        channel=channel.name,
        bundle=channel.bundle,
        served=served_of(state, channel),
        changed=channel.changed,
        by=channel.changed_by,
        rollout=rollout.bundle if rollout is not None and rollout.phase.is_active else None,
        experiment=experiment.name if experiment is not None else None,
        taken_back=channel.taken_back,
    )


def make_way(state: AppState, channel: Channel, wanted: VersionName, terms: Replacing, at: float) -> Channel:
    """The channel ready to offer `wanted` to all devices: rollout and experiment ended. Raises as `check_terms`."""
    offered = current_offer(state, channel)
    check_terms(offered, wanted, terms)
    if offered.rollout == wanted:
        return replace(channel, experiment=None)  # the rollout is complete
    return with_nothing_on_its_way(channel, at)


def check_terms(offered: CurrentOffer, wanted: str, terms: Replacing) -> None:
    """Check that `wanted` may replace what is offered now.

    Raises Conflict: `rollout_active` and `experiment_active` without `force`, `lower_version` without `downgrade`,
    `taken_back` without `again`, `not_current`.
    """
    check_current(offered, wanted, terms)
    if wanted == offered.bundle:
        return
    if not terms.force:
        check_no_rollout(offered, wanted, f", {_END_IT}")
        _check_no_experiment(offered)
    check_meant(offered, wanted, terms)


def check_meant(offered: CurrentOffer, wanted: str, terms: Meant) -> None:
    """Check that `wanted` may be offered to any share of the devices. Raises Conflict: `lower_version` without
    `downgrade`, `taken_back` without `again`."""
    if not terms.downgrade:
        _check_not_lower(offered, wanted)
    if not terms.again:
        _check_not_taken_back(offered, wanted)


def check_current(offered: CurrentOffer, wanted: str | None, terms: Replacing) -> None:
    """Raises Conflict `not_current` where the channel offers neither what the terms name nor, already, `wanted`."""
    current = offered.bundle or NOTHING
    if terms.if_current is None or current in (terms.if_current, wanted):
        return
    offers = f"has offered {current}{_since(offered)}" if offered.bundle else f"offers {current}"
    raise Conflict(
        "not_current",
        f"channel {offered.channel!r} {offers}, not {terms.if_current}: another user has changed it",
    )


def check_no_rollout(offered: CurrentOffer, wanted: str, or_else: str = "") -> None:
    """`or_else` names one more way out in the message. Raises Conflict `rollout_active`."""
    if offered.rollout is None:
        return
    place = f"{offered.app} {offered.channel}"
    if offered.rollout == wanted:
        ways = f"`edge rollout promote {place}` offers it to all devices"
    else:
        ways = f"promote it (`edge rollout promote {place}`) or roll it back (`edge rollout rollback {place}`) first"
    raise Conflict(
        "rollout_active",
        f"a rollout of {offered.rollout} is running on channel {offered.channel!r}: {ways}{or_else}",
    )


def with_nothing_on_its_way(channel: Channel, at: float) -> Channel:
    """The channel, its rollout rolled back and its experiment ended without a winner; itself if it has neither."""
    rollout = channel.rollout
    if rollout is not None and rollout.phase.is_active:
        channel = replace(channel, rollout=move(rollout, Move.ROLL_BACK, at))
    return channel if channel.experiment is None else replace(channel, experiment=None)


def what_was_replaced(before: AppState, after: AppState, name: ChannelName) -> Replaced | None:
    """None: the channel offers the same bundle as before, or is new."""
    old, new = before.channels.get(name), after.channels.get(name)
    if old is None or new is None or old.bundle == new.bundle:
        return None
    rollout = new.rollout if _has_ended(old, new) else None
    experiment = old.experiment.name if old.experiment is not None and new.experiment is None else None
    served = served_of(before, old)
    withdrawn = old.bundle if served != old.bundle else None
    return Replaced(served, old.changed, old.changed_by, withdrawn, rollout, experiment)


def _has_ended(old: Channel, new: Channel) -> bool:
    """Whether the change ended the channel's rollout."""
    was, now = old.rollout, new.rollout
    return was is not None and was.phase.is_active and now is not None and not now.phase.is_active


def _check_no_experiment(offered: CurrentOffer) -> None:
    if offered.experiment is None:
        return
    place = f"{offered.app} {offered.channel}"
    raise Conflict(
        "experiment_active",
        f"experiment {offered.experiment!r} runs on channel {offered.channel!r}: keep an arm (`edge experiment stop "
        f"{place} --keep ARM`), end it without a winner (`edge rollback {place}`), {_END_IT}",
    )


def _check_not_lower(offered: CurrentOffer, wanted: str) -> None:
    if not is_below(wanted, offered.served or ""):
        return
    back = f"edge rollback {offered.app} {offered.channel}"
    raise Conflict(
        "lower_version",
        f"{wanted} is below {offered.served}, which channel {offered.channel!r} {_has_offered(offered)}: publish a "
        f"higher one, roll back with `{back}`, or pass --downgrade if you mean it",
    )


def _check_not_taken_back(offered: CurrentOffer, wanted: str) -> None:
    left = next((each for each in offered.taken_back if each.bundle == wanted), None)
    if left is None:
        return
    by = f" (by {left.by!r})" if left.by else ""
    raise Conflict(
        "taken_back",
        f"channel {offered.channel!r} was rolled back from {wanted} at {format_moment(left.at)}{by}: publish a higher "
        "version, or pass --again if you mean it",
    )


def _has_offered(offered: CurrentOffer) -> str:
    """About what devices get. When the stand-in for a withdrawn bundle took over is not recorded."""
    if offered.served != offered.bundle:
        return f"offers since {offered.bundle} was withdrawn"
    return f"has offered{_since(offered)}"


def _since(offered: CurrentOffer) -> str:
    by = f" (set by {offered.by!r})" if offered.by else ""
    return f" since {format_moment(offered.changed)}{by}"
