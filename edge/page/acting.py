"""Acts over HTTP: the confirmation as a page, the change by POST, and what came of it as a notice on the next page.

The figures of a confirmation are those of the operation's own dry run, with the revision that they are true of. The
change is made at that revision alone; a second press repeats its id, which changes nothing more.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from edge.control.operations import NEEDS_APPROVAL
from edge.control.proposing import ProposalMade
from edge.control.shapes.approvals.approval_shapes import ProposalDetail
from edge.control.shapes.apps import AppView, HistoryEntry
from edge.control.shapes.channels import ChannelView
from edge.control.shapes.guard.guard_shapes import GuardRules
from edge.control.shapes.node import NodeStatus
from edge.control.shapes.rollouts import RolloutView
from edge.control.shapes.targeting import SegmentView
from edge.domain.changes.going_back.undo import UndoesStop
from edge.domain.errors import Conflict, EdgeError, Forbidden, Invalid, NotFound
from edge.page.acts.app_plans import (
    DELETE_BUNDLE,
    DELETE_SEGMENT,
    PUT_BACK,
    plan_delete_bundle,
    plan_delete_segment,
    plan_device_act,
    plan_put_back,
    revision_of,
)
from edge.page.acts.confirmation import Caution, Confirmation
from edge.page.acts.deciding import DECISIONS, EFFECT, plan_decision, proposal_href
from edge.page.acts.feature_forms import NEW
from edge.page.acts.guard_plan import plan_guard, with_refusal
from edge.page.acts.insisting import on_page
from edge.page.acts.message_plans import CANCEL_MESSAGE, CREATE_MESSAGE, plan_cancel_message
from edge.page.acts.moves import GUARD, START, channel_base, foreign_words, proposing_verb
from edge.page.acts.plans import ActPlan, plan_channel_act, plan_undo, plan_withdraw, start_refused
from edge.page.acts.touching import cautions_of, touches_of
from edge.page.planning_features import plan_on_feature
from edge.page.views.history.entries import GUARD as BY_GUARD
from edge.page.views.history.told import title_of
from edge.page.views.visit import Shown, Unread, Visit
from edge.page.words.numbers import named
from edge.page.words.times import moment

BUNDLES_OFFERED = 50  # in a list to pick from; an older one is rolled out by the command
CHANGES_LOOKED_AT = 20  # for who was faster; a form is seconds old
CHANGE_ID = re.compile(r"page-[0-9a-f]{32}", re.ASCII)
_SAY_WHAT_THEY_SAW = {*DECISIONS, CREATE_MESSAGE.name}  # by its effect, or its number of devices
REVISION = re.compile(r"[0-9]{1,15}", re.ASCII)


class PageNotice(NamedTuple):
    """What is shown once, at the top of the next page."""

    kind: str
    lead: str
    rest: str = ""
    href: str = ""
    link: str = ""


def _no_form(refused: EdgeError) -> ActPlan | None:
    return None


class Planned(NamedTuple):
    """A plan with where it came from: `back` is the page that it is about, `revision` the app's now. `refused` makes of
    a refusal of its dry run the form again, or None."""

    plan: ActPlan
    back: str
    revision: int | None
    refused: Callable[[EdgeError], ActPlan | None] = _no_form


async def plan_act(visit: Visit, fields: Mapping[str, str]) -> Planned:
    """What the address asks for. Raises what its operations raise, and NotFound `unknown_act`."""
    app, act = visit.parts["app"], visit.parts["act"]
    shown: AppView = await visit.ask("show_app", {"app": app})
    if "channel" in visit.parts:
        return await _plan_on_channel(visit, shown, fields)
    if "feature" in visit.parts or act == NEW.name:
        plan, back, refused = await plan_on_feature(visit, app, fields)
        return Planned(plan, back, shown.revision, refused)
    if "bundle" in visit.parts:
        base = f"/apps/{quote(app, safe='')}"
        if act == DELETE_BUNDLE.name:
            return Planned(plan_delete_bundle(app, visit.parts["bundle"]), f"{base}/bundles", shown.revision)
        if act != "withdraw":
            raise NotFound("unknown_act", f"there is no act {act[:64]!r} on a bundle")
        channel = fields.get("channel", "")
        back = channel_base(app, channel) if channel in {each.name for each in shown.channels} else f"{base}/bundles"
        return Planned(plan_withdraw(app, visit.parts["bundle"], fields), back, shown.revision)
    return await _plan_on_app(visit, shown, fields)


async def show_act(visit: Visit) -> Shown:
    """The confirmation, or the fields that it needs first."""
    fields = {name: visit.query[name] for name in visit.query if name != EFFECT}  # what is shown is what is approved
    planned = await plan_act(visit, fields)
    plan = planned.plan
    _check_role(visit, plan)
    if plan.asked:
        return _form(visit, planned)
    try:
        foreseen = None if plan.touches else await _rehearsed(visit, plan)
    except EdgeError as error:
        again = with_refusal(plan, error) if plan.inputs else planned.refused(error)
        if again is None:
            raise
        return _form(visit, planned._replace(plan=again))
    waits = str(foreseen.get(NEEDS_APPROVAL, "")) if isinstance(foreseen, dict) else ""
    ask = Confirmation(
        href=f"{visit.path}?{urlencode(fields)}" if fields else visit.path,
        back=planned.back,
        question=plan.question,
        verb=proposing_verb(plan.verb) if waits else plan.verb,
        command=plan.command,
        revision=planned.revision,
        change=f"page-{secrets.token_hex(16)}",
        touches=[*plan.changes, *(plan.touches or touches_of(foreseen))],
        warnings=[
            *([Caution("It waits for approval.", f"{waits[:1].upper()}{waits[1:]}.")] if waits else []),
            *plan.cautions,
            *cautions_of(foreseen),
        ],
        fields=plan.fields,
        danger=plan.act.danger,
        undoable=plan.undoable,
        reason_needed=plan.reason_needed,
        typed=plan.typed,
    )
    return Shown("act.html", plan.question, {"ask": ask, "asked": False})


def _form(visit: Visit, planned: Planned) -> Shown:
    plan = planned.plan
    ask = Confirmation(
        href=visit.path,
        back=planned.back,
        question=plan.question,
        verb=plan.verb,
        command="",
        revision=None,
        change="",
        inputs=plan.asked,
    )
    return Shown("act.html", plan.question, {"ask": ask, "asked": True})


async def perform(visit: Visit, form: Mapping[str, str], planned: Planned | None = None) -> tuple[str, PageNotice]:
    """Make the change, as `planned` or as the address asks. Where to go on, and what to say there; a refusal is said
    there too."""
    change, revision = form.get("change", ""), form.get("revision", "")
    if CHANGE_ID.fullmatch(change) is None or REVISION.fullmatch(revision) is None:
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    back = f"/apps/{quote(visit.parts['app'], safe='')}/history"
    try:
        if planned is None:
            planned = await plan_act(visit, {**{name: visit.query[name] for name in visit.query}, **form})
        plan, back = planned.plan, planned.back
        _check_role(visit, plan)
        if missing := _missing(plan, form):
            return visit.address, missing
        answer = await visit.inner.ask(
            visit.grant,
            plan.act.operation,
            plan.parts,
            body=plan.body,
            change_id=change,
            reason=form.get("reason", "").strip(),
            revision=None if plan.act.name in _SAY_WHAT_THEY_SAW else int(revision),
        )
    except ProposalMade as made:
        return _proposed(visit, made)
    except (Conflict, NotFound, Invalid) as error:
        overtaken = await overtaken_by(visit, int(revision), change)
        if overtaken is None and not isinstance(error, Conflict):
            raise
        return back, overtaken or PageNotice("bad", "Nothing was changed.", f"{on_page(error.message)} [{error.code}]")
    return planned.back, await _done(visit, plan, answer)


def _check_role(visit: Visit, plan: ActPlan) -> None:
    """Before anything is shown of it: not every plan has a dry run. Raises Forbidden `forbidden`."""
    foreign = foreign_words(visit.allows(plan.act.operation), visit.grant.roles)
    if foreign:
        raise Forbidden("forbidden", foreign)


def _missing(plan: ActPlan, form: Mapping[str, str]) -> PageNotice | None:
    """What a person had to fill in and did not. Raises Invalid `invalid_form`."""
    if plan.asked:
        raise Invalid("invalid_form", "this form is incomplete: open the page and try again")
    if plan.reason_needed and not form.get("reason", "").strip():
        return PageNotice("bad", "Nothing was changed.", "Say why: it is kept in the history. [missing_reason]")
    if plan.typed and form.get("typed", "").strip() != plan.typed:
        words = f"Type {named(plan.typed)} into the form if you mean it. [not_typed]"
        return PageNotice("bad", "Nothing was changed.", words)
    return None


async def _plan_on_channel(visit: Visit, app: AppView, fields: Mapping[str, str]) -> Planned:
    name = visit.parts["channel"]
    if visit.parts["act"] == GUARD.name:
        return await _plan_guard(visit, app, name, fields)
    found: ChannelView = await visit.ask("show_channel", {"app": app.app, "name": name})
    rollout = await visit.attempt("show_rollout", {"app": app.app, "name": name}) if found.rollout else None
    bundles = (
        await visit.attempt("list_bundles", {"app": app.app}, {"first": str(BUNDLES_OFFERED)})
        if visit.parts["act"] == "start"
        else []
    )
    versions = [] if isinstance(bundles, Unread) else [each.version for each in bundles if not each.withdrawn]
    plan = plan_channel_act(
        visit.parts["act"],
        app.app,
        found,
        rollout if isinstance(rollout, RolloutView) else None,
        fields,
        versions,
    )
    refused = partial(start_refused, app.app, found, fields, versions) if plan.act is START else _no_form
    return Planned(plan, channel_base(app.app, name), app.revision, refused)


async def _plan_guard(visit: Visit, app: AppView, channel: str, fields: Mapping[str, str]) -> Planned:
    rules: GuardRules = await visit.ask("show_guard", {"app": app.app, "name": channel})
    segments: list[SegmentView] = await visit.ask("list_segments", {"app": app.app})
    plan = plan_guard(app.app, channel, rules, [each.name for each in segments], fields)
    return Planned(plan, f"{channel_base(app.app, channel)}/settings", app.revision)


async def _plan_on_app(visit: Visit, app: AppView, fields: Mapping[str, str]) -> Planned:
    act, base = visit.parts["act"], f"/apps/{quote(app.app, safe='')}"
    on_device = plan_device_act(act, app.app, fields, [each.name for each in app.channels])
    if on_device is not None:
        device = quote(fields["device"], safe="")
        return Planned(on_device, f"{base}/devices?q={device}", app.revision)
    if act == DELETE_SEGMENT.name:
        return Planned(plan_delete_segment(app.app, fields.get("segment", "")), f"{base}/segments", app.revision)
    if act == CANCEL_MESSAGE.name:
        message = fields.get("message", "")
        back = f"{base}/messages/{quote(message, safe='')}"
        return Planned(plan_cancel_message(app.app, message), back, app.revision)
    if act == PUT_BACK.name:
        return await _plan_put_back(visit, app, revision_of(fields))
    if act in DECISIONS:
        proposal = fields.get("proposal", "")
        found: ProposalDetail = await visit.ask("show_proposal", {"app": app.app, "proposal": proposal})
        return Planned(plan_decision(act, found, fields), proposal_href(app.app, proposal), app.revision)
    if act != "undo":
        raise NotFound("unknown_act", f"there is no act {act[:64]!r} on an app")
    return await _plan_undo(visit, app, fields)


async def _plan_put_back(visit: Visit, app: AppView, revision: int) -> Planned:
    plan = plan_put_back(app.app, revision, f"{title_of(await _entry_of(visit, app.app, revision))}.")
    return Planned(plan, f"/apps/{quote(app.app, safe='')}/history", app.revision)


async def _plan_undo(visit: Visit, app: AppView, fields: Mapping[str, str]) -> Planned:
    """Of the latest change; a form says which one that was. The operation itself says whether it undoes a stop."""
    given = fields.get("revision", "")
    revision = int(given) if REVISION.fullmatch(given) else app.revision
    title = title_of(await _entry_of(visit, app.app, revision))
    plan = plan_undo(app.app, revision, title)
    try:
        await _rehearsed(visit, plan)
    except UndoesStop as refused:
        plan = plan_undo(app.app, revision, title, refused.stops)
    return Planned(plan, f"/apps/{quote(app.app, safe='')}/history", app.revision)


async def _entry_of(visit: Visit, app: str, revision: int) -> HistoryEntry:
    """Raises NotFound `unknown_revision`."""
    page = {"limit": "1", "before": str(revision + 1)}
    found: list[HistoryEntry] = await visit.ask("show_history", {"app": app}, page)
    if not found or found[0].revision != revision:
        raise NotFound("unknown_revision", f"app {app!r} has no revision {revision}")
    return found[0]


async def _rehearsed(visit: Visit, plan: ActPlan) -> Any:
    """The dry run's answer. A refusal is one of the act itself, and rises."""
    return await visit.inner.ask(visit.grant, plan.act.operation, plan.parts, body=plan.body, dry_run=True)


async def overtaken_by(visit: Visit, seen: int, change: str) -> PageNotice | None:
    """What happened since revision `seen`, which a form was made for, or that this very `change` was made already; None
    if nothing did, or it cannot be read."""
    page = {"limit": str(CHANGES_LOOKED_AT)}
    latest: list[HistoryEntry] | Unread = await visit.attempt("show_history", {"app": visit.parts["app"]}, page)
    if isinstance(latest, Unread) or not latest or latest[0].revision == seen:
        return None
    if any(each.id == change for each in latest):
        return _done_already(visit, latest[0].revision)
    entry = latest[0]
    who = "The guard" if entry.by == BY_GUARD else named(entry.by)
    words = f"{who} made r{entry.revision} at {moment(entry.at, visit.now)}: {title_of(entry)}."
    rest = f"{words} So nothing was changed. Look at what it is now, then decide."
    return PageNotice("warn", "Somebody was faster.", rest)


def _proposed(visit: Visit, made: ProposalMade) -> tuple[str, PageNotice]:
    """The change waits: on to its proposal."""
    proposal = made.answer.proposal
    href = proposal_href(made.answer.app, proposal.id)
    if proposal.state != "waiting":
        return href, PageNotice("run", f"That was proposed already, and was {proposal.state}.")
    rest = f"{proposal.people} people have to stand behind it; nothing is changed yet."
    return href, PageNotice("run", f"Proposed by {named(visit.grant.name)} as {proposal.id}.", rest)


def _done_already(visit: Visit, revision: int) -> PageNotice:
    base = f"/apps/{quote(visit.parts['app'], safe='')}/history"
    return PageNotice("run", "That was done already.", f"r{revision} is the latest revision.", base, "History")


async def _done(visit: Visit, plan: ActPlan, answer: Any) -> PageNotice:
    """What the server said: the revision, and on how many workers it is in effect."""
    revision, changed = _member(answer, "revision"), _member(answer, "changed")
    base = f"/apps/{quote(visit.parts['app'], safe='')}/history"
    if changed is False:
        return _done_already(visit, revision)
    if revision is None:
        return PageNotice("run", f"{plan.done[:1].upper()}{plan.done[1:]}, by {named(visit.grant.name)}.")
    lead = f"r{revision}: {plan.done} by {named(visit.grant.name)}, {await _in_effect(visit, answer)}."
    link = "Undo it in the history" if plan.undoable else "History"
    return PageNotice("run", lead, "", base, link)


async def _in_effect(visit: Visit, answer: Any) -> str:
    node = await visit.attempt("show_node", {})
    not_taken = answer.get("not_taken") if isinstance(answer, dict) else None
    silent = not_taken.silent_workers if not_taken is not None else 0
    if not isinstance(node, NodeStatus):
        return "in effect on every worker" if not silent else f"not in effect yet on {silent} workers"
    return f"in effect on {len(node.workers) - silent} of {len(node.workers)} workers"


def _member(answer: Any, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else getattr(answer, name, None)
