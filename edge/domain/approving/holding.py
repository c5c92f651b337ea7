"""Freezes as rollouts keep them: when their clocks stand still. Pure.

Each rollout in progress has the freezes of its channel in it, so its share follows from it and the time alone, on every
node. What has passed of a freeze stays, even if the freeze was ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from edge.domain.app_parts.protection import RolloutHold
from edge.domain.model import AppState, Channel, ChannelName, Rollout


def with_holds(old: AppState, after: AppState, at: float) -> AppState:
    """`after`, made `at`, in seconds since the epoch, from `old`, its rollouts held by its freezes from then on, and
    before as they were."""
    changed = dict(_changed(old, after, at))
    return replace(after, channels={**after.channels, **changed}) if changed else after


def _changed(old: AppState, after: AppState, at: float) -> Iterator[tuple[ChannelName, Channel]]:
    for name, channel in after.channels.items():
        rollout = channel.rollout
        if rollout is None or not (rollout.holds or after.freezes):
            continue
        holds = _holds(_known(old.channels, name, rollout), rollout, after, name, at)
        if holds != rollout.holds:
            yield name, replace(channel, rollout=replace(rollout, holds=holds))


def _known(channels: Mapping[ChannelName, Channel], name: ChannelName, rollout: Rollout) -> tuple[RolloutHold, ...]:
    """As they were until now; of a rollout that an undo brings back, as it knew them."""
    now = channels[name].rollout if name in channels else None
    return now.holds if now is not None and now.salt == rollout.salt else rollout.holds


def _holds(
    known: tuple[RolloutHold, ...], rollout: Rollout, after: AppState, name: ChannelName, at: float
) -> tuple[RolloutHold, ...]:
    if not rollout.phase.is_active:
        return ()
    past = [hold._replace(ends=min(hold.ends, at)) for hold in known]
    coming = [RolloutHold(max(each.begins, at), each.ends) for each in after.freezes if each.covers(name)]
    held = [hold for hold in (*past, *coming) if hold.begins < hold.ends and hold.ends > rollout.began]
    return tuple(_apart(sorted(held)))


def _apart(holds: Iterable[RolloutHold]) -> Iterator[RolloutHold]:
    """Those that touch as one."""
    last: RolloutHold | None = None
    for hold in holds:
        if last is not None and hold.begins <= last.ends:
            last = RolloutHold(last.begins, max(last.ends, hold.ends))
            continue
        if last is not None:
            yield last
        last = hold
    if last is not None:
        yield last
