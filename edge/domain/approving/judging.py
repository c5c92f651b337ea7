"""Whether a change may be made now by whoever asks for it: approvals and freezes, judged by its effect. Pure.

There is no other way to change what devices are offered, so none goes around it: it stands between a change carried out
and the app's next state.
"""

import enum
from typing import NamedTuple

from edge.domain.app_parts.protection import WHOLE_APP, ChangeKind, Freeze
from edge.domain.approving.effect import Effect, effect_of, is_way_back
from edge.domain.errors import Conflict
from edge.domain.model import AppState, ChannelName
from edge.domain.schedule.durations import format_moment
from edge.domain.states import named

_ALWAYS = frozenset({ChangeKind.SETTINGS, ChangeKind.RULES})  # whatever a rule names
# A freeze stops what changes offers; a message changes nothing that devices run.
_NOT_OFFERED = frozenset({ChangeKind.RULES, ChangeKind.MESSAGE})


class Passing(enum.Enum):
    """What a command is allowed by its nature."""

    NOTHING = "nothing"
    WAY_BACK = "way_back"  # a rollback, where its effect is one
    KILL = "kill"  # a feature is turned off, where its effect is that
    STOP = "stop"  # the guard stops a release
    STEP = "step"  # the guard lets the next step of an approved rollout begin
    RESTORED = "restored"  # the app's deletion is taken back
    STORE = "store"  # the operator accepts a store that went back


_BACK = (Passing.WAY_BACK, Passing.KILL)


class Needed(NamedTuple):
    """That `people` have to stand behind a change, because of `channels`, WHOLE_APP among them, and `kinds`; and what
    it does."""

    people: int
    channels: tuple[ChannelName, ...]
    kinds: tuple[ChangeKind, ...]
    expires_seconds: int
    effect: Effect


class NeedsApproval(Conflict):
    """The change waits for approval, or is not made. `before` and `after` are the states without and with it."""

    def __init__(self, needed: Needed, before: AppState, after: AppState) -> None:
        kinds = ", ".join(kind.value for kind in needed.kinds)
        channels = [name for name in needed.channels if name != WHOLE_APP]
        where = f"{named('channel', channels)} of " if channels else ""
        super().__init__(
            "needs_approval",
            f"{where}app {after.app!r}: {needed.people} people have to stand behind this change ({kinds})",
        )
        self.needed = needed
        self.before = before
        self.after = after


class FrozenNow(Conflict):
    """A freeze is on. `before` and `after` are the states without and with the change."""

    def __init__(self, freeze: Freeze, before: AppState, after: AppState) -> None:
        reason = f" ({freeze.reason})" if freeze.reason else ""
        who = f"; ask {freeze.by!r}, who set it" if freeze.by else ""
        back = " A rollback passes." if freeze.except_rollback else ""
        super().__init__(
            "frozen",
            f"app {after.app!r} is frozen until {format_moment(freeze.ends)} by {freeze.id}{reason}: what devices are "
            f"offered does not change before{who}.{back}",
        )
        self.freeze = freeze
        self.before = before
        self.after = after


def needed_for(before: AppState, after: AppState, at: float) -> Needed | None:
    """By the rules of the state `before`. None: one person is enough."""
    if not before.approvals:
        return None
    effect = effect_of(before, after, before.approvals.keys(), at)
    asked = {each.channel: each.kinds & (_ALWAYS | {*before.approvals[each.channel].kinds}) for each in effect.channels}
    channels = tuple(name for name, kinds in asked.items() if kinds)
    if not channels:
        return None
    rules = [before.approvals[name] for name in channels]
    return Needed(
        people=max(rule.people for rule in rules),
        channels=channels,
        kinds=tuple(kind for kind in ChangeKind if any(kind in kinds for kinds in asked.values())),
        expires_seconds=min(rule.expires_seconds for rule in rules),
        effect=effect,
    )


def judge(before: AppState, after: AppState, at: float, passing: Passing, *, approved: bool = False) -> bool:
    """Whether the change passed although it needs approval, as an emergency. Raises FrozenNow `frozen`, NeedsApproval
    `needs_approval` unless it is `approved`."""
    if passing is Passing.STORE:
        return False
    check_freezes(before, after, at, passing)
    if approved or passing in (Passing.STOP, Passing.STEP):
        return False
    needed = needed_for(before, after, at)
    if needed is None:
        return False
    if passing is Passing.RESTORED or (passing in _BACK and is_way_back(before, needed.effect)):
        return True
    raise NeedsApproval(needed, before, after)


def check_freezes(before: AppState, after: AppState, at: float, passing: Passing) -> None:
    """Raises FrozenNow `frozen`."""
    if passing is Passing.STOP:
        return
    for freeze in before.freezes:
        if not freeze.is_on(at):
            continue
        names = {name for name in (*before.channels, *after.channels, ChannelName(WHOLE_APP)) if freeze.covers(name)}
        effect = effect_of(before, after, names, at)
        if not any(each.kinds - _NOT_OFFERED for each in effect.channels):
            continue
        back = passing is Passing.RESTORED or (passing in _BACK and is_way_back(before, effect))
        if not (back and (freeze.except_rollback or passing is Passing.KILL)):
            raise FrozenNow(freeze, before, after)
