"""What a channel was rolled back from, remembered so that a job that runs again does not offer it unnoticed. Pure.

A channel is rolled back from a bundle when a rollback, an undo or a lower version takes it from all devices, from a
rollout's share or from an arm. A rollout that is rolled back in any other way counts too. Once the channel offers the
bundle again, it forgets this.
"""

from collections.abc import Iterator
from dataclasses import replace

from edge.domain.changes.commands import Change, RollBack, Undo
from edge.domain.model import BUILTIN, AppState, Channel, ChannelName, Rollout, TakenBack, VersionName
from edge.domain.versions import is_below

TAKEN_BACK_LIMIT = 20  # bundles a channel remembers; older jobs are below its version anyway


def with_taken_back(before: AppState, after: AppState, change: Change) -> AppState:
    """`after`, its channels remembering what this change took back. A new or restored one keeps its own."""
    changed: dict[ChannelName, Channel] = {}
    for name, new in after.channels.items():
        old = before.channels.get(name)
        if old is None or old is new:
            continue
        taken_back = _taken_back(old, new, change)
        if taken_back != new.taken_back:
            changed[name] = replace(new, taken_back=taken_back)
    return replace(after, channels={**after.channels, **changed}) if changed else after


def _taken_back(old: Channel, new: Channel, change: Change) -> tuple[TakenBack, ...]:
    has = set(_has(new))
    left = [version for version in dict.fromkeys(_went_back_from(old, new, change)) if version not in has]
    kept = (each for each in new.taken_back if each.bundle not in has and each.bundle not in left)
    added = (TakenBack(bundle=version, at=change.at, by=change.by) for version in left)
    return (*kept, *added)[-TAKEN_BACK_LIMIT:]


def _has(channel: Channel) -> Iterator[VersionName]:
    """The bundles that the channel offers to all or some of its devices."""
    if channel.bundle is not None:
        yield channel.bundle
    if rollout := _on_its_way(channel):
        yield rollout.bundle
    if channel.experiment is not None:
        yield from (arm.bundle for arm in channel.experiment.arms)


def _went_back_from(old: Channel, new: Channel, change: Change) -> Iterator[VersionName]:
    if old.experiment is not None and new.experiment is None and isinstance(change.command, RollBack | Undo):
        yield from (arm.bundle for arm in old.experiment.arms)
    rollout, now = _on_its_way(old), _on_its_way(new)
    if rollout is not None and (now is None or now.salt != rollout.salt):
        yield rollout.bundle
    if old.bundle in (None, BUILTIN) or old.bundle == new.bundle:
        return
    if new.bundle in (None, BUILTIN) or new.rolled_back or is_below(str(new.bundle), str(old.bundle)):
        yield VersionName(str(old.bundle))


def _on_its_way(channel: Channel) -> Rollout | None:
    return channel.rollout if channel.rollout is not None and channel.rollout.phase.is_active else None
