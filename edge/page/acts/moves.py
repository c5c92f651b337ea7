"""The table of acts on a channel: which are legal now, why the others are not, who may, and how each is said.

A move that is not legal stays visible with its reason. The order is that of the buttons: hold first, then on, and apart
what takes away.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.rollouts import RolloutView
from edge.domain.app_parts.protection import ChangeKind
from edge.domain.model import BUILTIN, Phase
from edge.page.acts.buttons import ActButton
from edge.page.words.numbers import named
from edge.page.words.rates import share_text


class Act(NamedTuple):
    """`operation` is that of the API, `ongoing` its verb while it is under way. `apart`: it takes something away."""

    name: str
    operation: str
    verb: str
    ongoing: str
    danger: bool = False
    apart: bool = False


PAUSE = Act("pause", "pause_rollout", "Pause", "Pausing")
RESUME = Act("resume", "resume_rollout", "Resume", "Resuming")
ADVANCE = Act("advance", "advance_rollout", "Go on", "Going on")
PROMOTE = Act("promote", "promote_rollout", "Promote to everybody", "Promoting")
START = Act("start", "start_rollout", "Roll out", "Starting")
ROLL_BACK = Act("rollback", "roll_channel_back", "Roll back", "Rolling back", danger=True, apart=True)
WITHDRAW = Act("withdraw", "withdraw_bundle", "Withdraw", "Withdrawing", danger=True, apart=True)
GUARD = Act("guard", "set_guard", "Change the guard", "Changing")
KEEP = Act("keep", "stop_experiment", "Stop, keep", "Stopping")

CHANNEL_ACTS = {each.name: each for each in (PAUSE, RESUME, ADVANCE, PROMOTE, START, ROLL_BACK, KEEP)}
PROPOSED = "Propose: "  # before a verb whose change waits for approval
_KINDS = {
    ADVANCE: ChangeKind.PROMOTE,
    PROMOTE: ChangeKind.PROMOTE,
    RESUME: ChangeKind.PROMOTE,
    KEEP: ChangeKind.PROMOTE,
    START: ChangeKind.PUBLISH,
    WITHDRAW: ChangeKind.WITHDRAW,
}
_MOVES = (PAUSE, RESUME, ADVANCE, PROMOTE)


def channel_base(app: str, channel: str) -> str:
    return f"/apps/{quote(app, safe='')}/channels/{quote(channel, safe='')}"


def channel_buttons(
    app: str, channel: ChannelView, rollout: RolloutView | None, allows: Callable[[str], bool], role: str
) -> list[ActButton]:
    """For the channel as it is now; `allows` says whether the visitor's role permits an operation."""
    made = [_button(app, channel, rollout, act, allows, role) for act in _order(channel, rollout)]
    bundle = subject_of(channel)
    if bundle and bundle != BUILTIN:
        made.append(_withdraw(app, channel, bundle, allows, role))
    return made


def keep_buttons(app: str, channel: ChannelView, allows: Callable[[str], bool], role: str) -> list[ActButton]:
    """One for each arm of the experiment that runs."""
    if channel.experiment is None:
        return []
    href, foreign = f"{channel_base(app, channel.name)}/acts/keep", foreign_words(allows(KEEP.operation), role)
    return [
        ActButton(
            id=f"keep-{number}",
            name="keep",
            verb=as_proposing(f"{KEEP.verb} {named(arm.name)}", KEEP, channel),
            href=f"{href}?arm={quote(arm.name, safe='')}",
            foreign=foreign,
        )
        for number, arm in enumerate(channel.experiment.arms)
    ]


def as_proposing(verb: str, act: Act, channel: ChannelView) -> str:
    """The verb of a button on a channel of which several people may have to approve that."""
    waits = channel.approval_people > 1 and _KINDS.get(act) in channel.approval_kinds
    return proposing_verb(verb) if waits else verb


def proposing_verb(verb: str) -> str:
    return f"{PROPOSED}{verb[:1].lower()}{verb[1:]}"


def guard_button(app: str, channel: str, *, allowed: bool, role: str) -> ActButton:
    """To change its rules, whatever the channel is doing."""
    return ActButton(
        id=GUARD.name,
        name=GUARD.name,
        verb=GUARD.verb,
        href=guard_href(app, channel),
        foreign=foreign_words(allowed, role),
    )


def guard_href(app: str, channel: str) -> str:
    return f"{channel_base(app, channel)}/acts/{GUARD.name}"


def why_not(act: Act, channel: ChannelView, rollout: RolloutView | None) -> str:
    """Why the act is not legal now; "" if it is."""
    phase = rollout.phase if rollout is not None else None
    if act is PAUSE and phase is not Phase.RUNNING:
        return "It is paused already." if phase is Phase.PAUSED else "No rollout runs."
    if act is RESUME and phase is not Phase.PAUSED:
        return "Nothing is paused."
    if act is ADVANCE:
        return _why_not_on(rollout)
    if act is PROMOTE and phase not in (Phase.RUNNING, Phase.PAUSED):
        return "No rollout runs."
    if act is START and (phase in (Phase.RUNNING, Phase.PAUSED) or channel.experiment is not None):
        return "A rollout or an experiment runs: end it first."
    if act is ROLL_BACK and not is_active(rollout) and channel.experiment is None and channel.last_good is None:
        return "There is nothing to go back to."
    return ""


def subject_of(channel: ChannelView) -> str | None:
    """The newest release on the channel: the one that its page is about."""
    rollout = channel.rollout
    if rollout is not None and rollout.phase in (Phase.RUNNING, Phase.PAUSED):
        return rollout.bundle
    return channel.bundle


def is_active(rollout: RolloutView | None) -> bool:
    return rollout is not None and rollout.phase in (Phase.RUNNING, Phase.PAUSED)


def foreign_words(allowed: bool, role: str) -> str:
    """Why this role may not, and which one may; "" if it may."""
    if allowed:
        return ""
    return f"Your role {role} may look, but not change this. A releaser or an admin may."


def _why_not_on(rollout: RolloutView | None) -> str:
    if rollout is None or rollout.phase is not Phase.RUNNING:
        paused = rollout is not None and rollout.phase is Phase.PAUSED
        return "It is paused: resume it first." if paused else "No rollout runs."
    return "It is at its last step: promote it." if rollout.step >= len(rollout.steps) else ""


def _order(channel: ChannelView, rollout: RolloutView | None) -> Sequence[Act]:
    if rollout is not None and rollout.phase is Phase.PAUSED:
        return (ROLL_BACK, RESUME)
    if is_active(rollout):
        return (*_MOVES, ROLL_BACK)
    return (START, ROLL_BACK) if channel.experiment is None else (ROLL_BACK,)


def _button(
    app: str,
    channel: ChannelView,
    rollout: RolloutView | None,
    act: Act,
    allows: Callable[[str], bool],
    role: str,
) -> ActButton:
    paused = rollout is not None and rollout.phase is Phase.PAUSED
    return ActButton(
        id=act.name,
        name=act.name,
        verb=as_proposing(verb_of(act, channel, rollout), act, channel),
        href=f"{channel_base(app, channel.name)}/acts/{act.name}",
        danger=act.danger,
        apart=act.apart and not paused,
        refused=why_not(act, channel, rollout),
        foreign=foreign_words(allows(act.operation), role),
    )


def _withdraw(app: str, channel: ChannelView, bundle: str, allows: Callable[[str], bool], role: str) -> ActButton:
    base = f"/apps/{quote(app, safe='')}/bundles/{quote(bundle, safe='')}/acts/withdraw"
    return ActButton(
        id=WITHDRAW.name,
        name=WITHDRAW.name,
        verb=as_proposing(WITHDRAW.verb, WITHDRAW, channel),
        href=f"{base}?channel={quote(channel.name, safe='')}",
        danger=True,
        refused="It is withdrawn already." if channel.withdrawn and bundle == channel.bundle else "",
        foreign=foreign_words(allows(WITHDRAW.operation), role),
    )


def verb_of(act: Act, channel: ChannelView, rollout: RolloutView | None) -> str:
    """With what it would do now: `Go on to 50 %`, `Roll back 2.31.0`."""
    if act is ADVANCE and rollout is not None and not why_not(act, channel, rollout):
        return f"Go on to {share_text(rollout.steps[rollout.step])}"
    if act is ROLL_BACK and (subject := subject_of(channel)):
        return f"Roll back {named(subject)}"
    return act.verb
