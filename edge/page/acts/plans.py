"""From an address and the fields of a form to one operation: its parts, its body, the question, the command. Pure.

What is missing is asked for first: a plan with `asked` has no body yet.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.rollouts import RollbackRequest, RolloutRequest, RolloutView, UndoRequest, WithdrawRequest
from edge.control.shapes.targeting import ExperimentStopRequest
from edge.domain.changes.going_back.undo import UndoneStop
from edge.domain.errors import EdgeError, Invalid, NotFound
from edge.domain.schedule.durations import parse_duration
from edge.page.acts.confirmation import AskInput, Caution, Touch
from edge.page.acts.insisting import AGAIN, DOWNGRADE, YES, insisted_on, insisting_cautions, insisting_inputs
from edge.page.acts.moves import (
    ADVANCE,
    CHANNEL_ACTS,
    KEEP,
    PAUSE,
    PROMOTE,
    RESUME,
    ROLL_BACK,
    START,
    WITHDRAW,
    Act,
    subject_of,
    verb_of,
)
from edge.page.words.numbers import count, named
from edge.page.words.rates import share_text

STEPS_DEFAULT = "1,5,25,100"
EVERY_DEFAULT = "6h"
START_FLAGS = (DOWNGRADE, AGAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActPlan:
    """One act, planned. `asked` are fields to fill in before anything can be said of whom it touches; `done` is what it
    is called afterwards. `touches` are for an operation without a dry run, which would be carried out by one; `changes`
    are said beside what its dry run says. With `inputs` a refusal of the dry run is said beside their fields."""

    act: Act
    parts: Mapping[str, str]
    question: str
    verb: str
    command: str
    done: str
    body: Any = None
    fields: Mapping[str, str] = field(default_factory=dict)
    asked: Sequence[AskInput] = ()
    cautions: Sequence[Caution] = ()
    touches: Sequence[Touch] = ()
    changes: Sequence[Touch] = ()
    inputs: Sequence[AskInput] = ()
    reason_needed: bool = False
    typed: str = ""
    undoable: bool = True


def plan_channel_act(
    name: str,
    app: str,
    channel: ChannelView,
    rollout: RolloutView | None,
    fields: Mapping[str, str],
    bundles: Sequence[str] = (),
) -> ActPlan:
    """Raises NotFound `unknown_act`, and Invalid for fields that are not valid. `bundles` are versions that can be
    rolled out, newest first."""
    act = CHANNEL_ACTS.get(name)
    if act is None:
        raise NotFound("unknown_act", f"there is no act {name[:64]!r} on a channel")
    if act is START:
        return _plan_start(app, channel, fields, bundles)
    if act is KEEP:
        return _plan_keep(app, channel, fields)
    parts = {"app": app, "name": channel.name}
    subject, verb = named(subject_of(channel) or "nothing"), verb_of(act, channel, rollout)
    share = share_text(rollout.share) if rollout is not None else ""
    questions = {
        PAUSE: f"Pause {subject} at {share}?",
        RESUME: f"Resume {subject} at {share}?",
        ADVANCE: f"{verb} now?",
        PROMOTE: f"Offer {subject} to everybody?",
        ROLL_BACK: f"Roll back {subject} on {named(channel.name)}?",
    }
    verbs = {PAUSE: f"Pause at {share}", RESUME: f"Resume at {share}"}
    done = {
        PAUSE: f"rollout of {subject} paused",
        RESUME: f"rollout of {subject} resumed",
        ADVANCE: f"rollout of {subject} went on",
        PROMOTE: f"{subject} promoted",
        ROLL_BACK: f"{subject} rolled back",
    }
    command = f"edge rollout {name}" if act is not ROLL_BACK else "edge rollback"
    return ActPlan(
        act=act,
        parts=parts,
        question=questions[act],
        verb=verbs.get(act, verb),
        command=_command(command, app, channel.name),
        done=done[act],
        body=RollbackRequest() if act is ROLL_BACK else None,
        cautions=_cautions(act, rollout),
    )


def plan_withdraw(app: str, bundle: str, fields: Mapping[str, str]) -> ActPlan:
    """The reason is part of the operation, so it is needed; a dry run goes without."""
    reason = fields.get("reason", "").strip()
    return ActPlan(
        act=WITHDRAW,
        parts={"app": app, "version": bundle},
        question=f"Withdraw {named(bundle)} for good?",
        verb=f"Withdraw {named(bundle)}",
        command=_command("edge bundle withdraw", app, bundle, "--reason", "…"),
        done=f"{named(bundle)} withdrawn",
        body=WithdrawRequest(reason=reason or "withdrawn from the page"),
        reason_needed=True,
        typed=bundle,
        undoable=False,
    )


def plan_undo(app: str, revision: int, title: str, stops: Sequence[UndoneStop] = ()) -> ActPlan:
    """`title` is the change that would be undone, in words; `stops` are what it keeps from devices."""
    stop = bool(stops)
    words = f"It would {'; '.join(each.words for each in stops)}. Somebody stopped that, or the guard did."
    force = ["--force"] if stop else []
    return ActPlan(
        act=Act("undo", "undo", "Undo", "Undoing", danger=stop),
        parts={"app": app},
        question=f"Undo r{revision}: {title}?",
        verb=f"Undo r{revision}",
        command=_command("edge undo", app, "--revision", str(revision), *force),
        done=f"r{revision} undone",
        body=UndoRequest(revision=revision, force=stop),
        cautions=[Caution("This undoes a stop.", words)] if stop else (),
        typed=stops[0].name if stops else "",
    )


def _plan_start(app: str, channel: ChannelView, fields: Mapping[str, str], bundles: Sequence[str]) -> ActPlan:
    parts = {"app": app, "name": channel.name}
    bundle, steps, every = (fields.get(each, "").strip() for each in ("bundle", "steps", "every"))
    if not bundle or not steps:
        return _start_form(app, channel, fields, bundles)
    shares = [each.strip().removesuffix("%").strip() for each in steps.split(",")]
    words = f"Roll out {named(bundle)} on {named(channel.name)}, {share_text(shares[0] + '%')} first?"
    flags = insisted_on(fields, START_FLAGS)
    return ActPlan(
        act=START,
        parts=parts,
        question=words,
        verb=f"Roll out {named(bundle)}",
        command=_command(
            "edge rollout start",
            *(app, channel.name, "--bundle", bundle, "--steps", ",".join(shares)),
            *(("--every", every) if every else ()),
            *(f"--{flag}" for flag, given in flags.items() if given),
        ),
        done=f"rollout of {named(bundle)} started",
        body=RolloutRequest(
            bundle=bundle,
            steps=[f"{each}%" for each in shares],
            every_seconds=parse_duration(every) if every else 0,
            downgrade=flags[DOWNGRADE],
            again=flags[AGAIN],
        ),
        fields={"bundle": bundle, "steps": steps, "every": every, **{flag: YES for flag in flags if flags[flag]}},
        cautions=insisting_cautions(fields),
    )


def start_refused(
    app: str, channel: ChannelView, fields: Mapping[str, str], bundles: Sequence[str], refused: EdgeError
) -> ActPlan | None:
    """The form again, with a choice for what was refused; None if no choice changes that."""
    choices = insisting_inputs(fields, START_FLAGS, refused.code, refused.message)
    if not choices:
        return None
    plan = _start_form(app, channel, fields, bundles)
    return replace(plan, asked=[*plan.asked, *choices])


def _start_form(app: str, channel: ChannelView, fields: Mapping[str, str], bundles: Sequence[str]) -> ActPlan:
    bundle = fields.get("bundle", "").strip()
    known = bundles if bundle in ("", *bundles) else [bundle, *bundles]
    steps, every = fields.get("steps") or STEPS_DEFAULT, fields.get("every", EVERY_DEFAULT)
    asked = (
        AskInput("bundle", "Bundle", bundle, choices=[(each, named(each)) for each in known], required=True, limit=256),
        AskInput("steps", "Shares, in percent", steps, required=True, limit=400),
        AskInput("every", "A step lasts (empty: until somebody goes on)", every, limit=16),
    )
    return ActPlan(
        act=START,
        parts={"app": app, "name": channel.name},
        question=f"Roll out on {named(channel.name)}",
        verb="Whom would it touch?",
        command="",
        done="",
        asked=asked,
    )


def _plan_keep(app: str, channel: ChannelView, fields: Mapping[str, str]) -> ActPlan:
    experiment, arm = channel.experiment, fields.get("arm", "")
    if experiment is None:
        raise NotFound("no_experiment", f"no experiment runs on channel {channel.name!r}")
    if arm not in {each.name for each in experiment.arms}:
        raise Invalid("unknown_arm", f"experiment {experiment.name!r} has no arm {arm[:64]!r}")
    return ActPlan(
        act=KEEP,
        parts={"app": app, "name": channel.name},
        question=f"Stop {named(experiment.name)} and keep {named(arm)}?",
        verb=f"Keep {named(arm)}",
        command=_command("edge experiment stop", app, channel.name, "--keep", arm),
        done=f"experiment {named(experiment.name)} stopped, {named(arm)} kept",
        body=ExperimentStopRequest(keep=arm),
        fields={"arm": arm},
    )


def _cautions(act: Act, rollout: RolloutView | None) -> list[Caution]:
    paused = rollout is not None and rollout.paused is not None
    if act is PROMOTE and paused:
        return [
            Caution(
                "This goes on with a release that was stopped.",
                "Every device that the channel's rules let is offered it.",
            )
        ]
    if act is PROMOTE and rollout is not None and rollout.step < len(rollout.steps):
        left = len(rollout.steps) - rollout.step
        return [Caution(f"This skips {count(left)} {'step' if left == 1 else 'steps'}.", "No step is left to stop at.")]
    if act is RESUME:
        return [Caution("This undoes a stop.", "The guard counts from 0 again, with what is left of its alpha.")]
    return []


def _command(verb: str, *args: str) -> str:
    return f"{verb} {shlex.join(args)}"
