"""A release under guard: what is counted for it, since when, and by which rules. Pure."""

import hashlib
from collections.abc import Iterator

import msgspec

from edge.domain.guard_policy import Guarded, GuardPolicy
from edge.domain.model import BUILTIN, AppState, Channel, Phase, Rollout


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is another one after each start and each resume, so a count never runs on over what a person decided. A
    plain publish that the guard pauses becomes a rollout with the same one: its figures go on.

    `rollout` is None for a plain publish. `since_ms` is in milliseconds since the epoch. `acts`: it is running; a
    paused rollout is still counted, and nothing follows from that.
    """

    id: str
    channel: str
    bundle: str
    rollout: Rollout | None
    since_ms: int
    acts: bool
    policy: GuardPolicy


def watches_of(state: AppState) -> Iterator[Watch]:
    """What is under guard now, by channel."""
    for _, channel in sorted(state.channels.items()):
        watch = watch_of(channel)
        if watch is not None:
            yield watch


def watch_of(channel: Channel) -> Watch | None:
    """An active rollout, else what the channel offers to everybody, if its guard is to watch that."""
    policy, rollout = channel.guard, channel.rollout
    if policy.guarded is Guarded.NOTHING:
        return None
    if rollout is not None and rollout.phase.is_active:
        return Watch(
            id=f"{rollout.salt}.{rollout.resumed}",
            channel=channel.name,
            bundle=rollout.bundle,
            rollout=rollout,
            since_ms=_ms(rollout.resumed_at or rollout.started),
            acts=rollout.phase is Phase.RUNNING,
            policy=policy,
        )
    if policy.guarded is not Guarded.EVERYTHING or channel.bundle in (None, BUILTIN) or channel.rolled_back:
        return None
    return Watch(
        id=f"{plain_salt(channel)}.0",
        channel=channel.name,
        bundle=str(channel.bundle),
        rollout=None,
        since_ms=_ms(channel.changed),
        acts=True,
        policy=policy,
    )


def rules_of(policy: GuardPolicy) -> str:
    """A digest of it: what was found by other rules is no reason to act by these."""
    return hashlib.blake2b(msgspec.json.encode(policy), digest_size=8).hexdigest()


def plain_salt(channel: Channel) -> str:
    """The salt of the rollout that a paused publish becomes. Without `/`: names of a rollout's sides contain one."""
    return f"{channel.name.replace('/', '~')}.{channel.bundle}.{_ms(channel.changed)}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
