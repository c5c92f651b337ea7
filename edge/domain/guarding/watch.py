"""A release under guard: what is counted for it, since when, and by which rules. Pure."""

from collections.abc import Iterator

import msgspec

from edge.domain.guard_policy import Guarded, GuardPolicy
from edge.domain.model import AppState, Channel, Phase


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is another one after each start and each resume, so a count never runs on over what a person decided.
    `salt` is that of the rollout, "" of a plain publish; `since_ms` is in milliseconds since the epoch."""

    id: str
    channel: str
    bundle: str
    salt: str
    since_ms: int
    policy: GuardPolicy


def watches_of(state: AppState) -> Iterator[Watch]:
    """What is under guard now, by channel."""
    for _, channel in sorted(state.channels.items()):
        watch = watch_of(channel)
        if watch is not None:
            yield watch


def watch_of(channel: Channel) -> Watch | None:
    """A running rollout, else what the channel offers to everybody, if its guard is to watch that."""
    policy, rollout = channel.guard, channel.rollout
    if policy.guarded is Guarded.NOTHING:
        return None
    if rollout is not None and rollout.phase is Phase.RUNNING:
        return Watch(
            id=f"{rollout.salt}.{rollout.resumed}",
            channel=channel.name,
            bundle=rollout.bundle,
            salt=rollout.salt,
            since_ms=int(rollout.began * 1000) if rollout.resumed else int(rollout.started * 1000),
            policy=policy,
        )
    if policy.guarded is not Guarded.EVERYTHING or channel.bundle is None or channel.rolled_back:
        return None
    changed_ms = int(channel.changed * 1000)
    return Watch(
        id=f"{channel.name}.{channel.bundle}.{changed_ms}",
        channel=channel.name,
        bundle=channel.bundle,
        salt="",
        since_ms=changed_ms,
        policy=policy,
    )
