"""Taking back an app's last change: the state before it, except for what must not come back.

A version name that was published stays taken. A rollout that resumes continues from the share that it had.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge.domain.changes.approving.proposing import after_undo
from edge.domain.changes.bundles import retire
from edge.domain.changes.commands import Undo, kind_of
from edge.domain.changes.messages.message_changes import messages_after_undo
from edge.domain.errors import Conflict
from edge.domain.model import AppState, Channel, Phase, Retired, Rollout, UsedId, VersionName
from edge.domain.schedule.rollout import step_at
from edge.domain.targeting.partial_overrides import check_going_back


class UndoneStop(NamedTuple):
    """What was stopped and would go on: the bundle or experiment called `name`. `words` follow "this undo would"."""

    name: str
    words: str


class UndoesStop(Conflict):
    """The undo would take back `stops`, and was not forced."""

    def __init__(self, stops: Sequence[UndoneStop]) -> None:
        said = "; ".join(each.words for each in stops)
        super().__init__("undoes_a_stop", f"this undo would {said}; add --force if you mean it")
        self.stops = tuple(stops)


def undo(state: AppState, before: AppState | None, command: Undo, at: float, by: str) -> AppState:
    """`before` is the state of the revision before `state`.

    Raises Conflict `head_moved` and `nothing_to_undo`; without `force` UndoesStop `undoes_a_stop`; Unavailable
    `overrides_lost`.
    """
    if command.revision != state.revision:
        raise Conflict("head_moved", _not_the_latest(state, command.revision))
    if _is_acceptance(state):
        raise Conflict(
            "nothing_to_undo",
            f"revision {state.revision} accepted a restored store, which cannot be undone: change the app instead",
        )
    if before is None:
        raise Conflict("nothing_to_undo", f"app {state.app!r} has no change before this one")
    check_going_back(state, before)
    restored = replace(
        after_undo(state, before, by, at),
        deleted=at if before.deleted else 0.0,
        retired=_retired(state, before, at),
        messages=messages_after_undo(state, before, at),
        channels={name: _restored(channel, state, at) for name, channel in before.channels.items()},
    )
    stops = list(_stops_undone(state, restored))
    if stops and not command.force:
        raise UndoesStop(stops)
    return restored


def _not_the_latest(state: AppState, wanted: int) -> str:
    """What an undo can reach: the latest change, which may itself be an undo."""
    latest = state.recent[-1] if state.recent else None
    said = f"undo takes back only the latest revision of app {state.app!r}, which is {state.revision}, not {wanted}"
    if isinstance(latest, UsedId) and latest.kind == kind_of(Undo(revision=0)):
        said += f"; revision {state.revision} is itself an undo, and undoing it restores revision {latest.target}"
    return f"{said}. To go further back on a channel: `edge rollback {state.app} CHANNEL --to V`"


def _is_acceptance(state: AppState) -> bool:
    """What it keeps in force, withdrawals and used names, must not be taken back."""
    latest = state.recent[-1] if state.recent else None
    return isinstance(latest, UsedId) and latest.kind == "accept_restored"


def _retired(state: AppState, before: AppState, at: float) -> Mapping[VersionName, Retired]:
    gone = {version: retire(bundle, at) for version, bundle in state.bundles.items() if version not in before.bundles}
    return {**before.retired, **gone}


def _restored(old: Channel, state: AppState, at: float) -> Channel:
    """The channel as it was; if its bundle changes by that, it changes at `at`."""
    now = state.channels.get(old.name)
    if now is None:
        return replace(old, rollout=_since_deletion(old.rollout, state, at))
    if old.bundle != now.bundle:
        old = replace(old, changed=at, rolled_back=not now.rolled_back)
    return replace(old, rollout=_going_on(old.rollout, now.rollout, at), guard_told=now.guard_told)


def _since_deletion(old: Rollout | None, state: AppState, at: float) -> Rollout | None:
    """A rollout that the app's deletion stopped restarts the step that it was in."""
    if old is None or old.phase is not Phase.RUNNING or not state.deleted:
        return old
    return replace(old, step=step_at(old, state.deleted), began=at)


def _going_on(old: Rollout | None, now: Rollout | None, at: float) -> Rollout | None:
    """A rollout that was stopped and resumes restarts the step that it was in, and the guard's count."""
    if old is None or now is None or old.salt != now.salt:
        return old
    if old.phase is not Phase.RUNNING or now.phase is Phase.RUNNING:
        return old
    return replace(old, step=now.step, began=at, resumed=now.resumed + 1, resumed_at=at)


def _stops_undone(state: AppState, restored: AppState) -> Iterator[UndoneStop]:
    """What was stopped and this would resume."""
    for version, bundle in restored.bundles.items():
        if not bundle.withdrawn and version in state.bundles and state.bundles[version].withdrawn:
            yield UndoneStop(version, f"offer the withdrawn bundle {version!r} again")
    yield from _features_undone(state, restored)
    for name, channel in restored.channels.items():
        now = state.channels.get(name)
        if now is None:
            yield from _deletions_undone(channel)
            continue
        if channel.rollout is not None and now.rollout is not None and _starts_again(channel.rollout, now.rollout):
            yield _resumed(channel.rollout, name)
        if channel.experiment is not None and now.experiment is None:
            yield UndoneStop(channel.experiment.name, f"resume experiment {channel.experiment.name!r}")
        if now.rolled_back and channel.bundle != now.bundle:
            words = f"offer {channel.bundle!r}, which was rolled back, on channel {name!r} again"
            yield UndoneStop(channel.bundle or name, words)


def _features_undone(state: AppState, restored: AppState) -> Iterator[UndoneStop]:
    for name, feature in restored.features.items():
        now = state.features.get(name)
        if feature.on and now is not None and not now.on:
            yield UndoneStop(name, f"turn feature {name!r} on again, which was killed")
        if feature.experiment is not None and (now is None or now.experiment is None):
            yield UndoneStop(feature.experiment.name, f"resume experiment {feature.experiment.name!r}")


def _deletions_undone(restored: Channel) -> Iterator[UndoneStop]:
    """A channel with a rollout or an experiment is only ever deleted together with its app."""
    if restored.rollout is not None and restored.rollout.phase is Phase.RUNNING:
        yield _resumed(restored.rollout, restored.name)
    if restored.experiment is not None:
        yield UndoneStop(restored.experiment.name, f"resume experiment {restored.experiment.name!r}")


def _resumed(rollout: Rollout, channel: str) -> UndoneStop:
    return UndoneStop(rollout.bundle, f"resume the rollout on channel {channel!r}")


def _starts_again(restored: Rollout, now: Rollout) -> bool:
    """Whether devices that a stop keeps it from would get it again; for one that was paused and then rolled back, those
    that still run it."""
    if now.phase is Phase.ROLLED_BACK:
        return restored.phase.is_active
    return now.phase is Phase.PAUSED and restored.phase is Phase.RUNNING
