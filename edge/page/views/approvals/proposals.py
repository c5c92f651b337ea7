"""Changes that wait for approval: of an app, and one of them with what it would do; the app's rules and freezes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from edge.control.shapes.approvals.approval_shapes import (
    ApprovalRuleView,
    FreezeView,
    ProposalDetail,
    ProposalSummary,
)
from edge.control.shapes.apps import AppSummary, AppView
from edge.page.acts.deciding import change_words, decision_buttons, proposal_href, touches_of_proposal
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import cleaned, named, things
from edge.page.words.times import moment

APPS_ASKED = 5  # with proposals, on the overview; the others are a number
WAITING = "waiting"
_STATES = {
    WAITING: ("run", "waits"),
    "approved": ("good", "approved"),
    "rejected": ("idle", "rejected"),
    "withdrawn": ("idle", "withdrawn"),
    "expired": ("idle", "expired"),
}
_COLUMNS = ({"name": "Change"}, {"name": "State"}, {"name": "By"}, {"name": "Approval"}, {"name": "Until"})
_CHANGES = ({"name": "Of"}, {"name": "What"}, {"name": "Now"}, {"name": "Then"})


class WaitingNotice(NamedTuple):
    """`mine` are the visitor's own, which wait for others."""

    lead: str
    rest: str
    href: str
    link: str


async def show_proposals(visit: Visit) -> Shown:
    app = visit.parts["app"]
    found: list[ProposalSummary] = await visit.ask("list_proposals", {"app": app})
    rules: list[ApprovalRuleView] = await visit.ask("list_approval_rules", {"app": app})
    freezes: list[FreezeView] = await visit.ask("list_freezes", {"app": app})
    values = {
        "table": _table(app, found, visit.now),
        "rules": [_rule_words(each) for each in rules],
        "warnings": [cleaned(each.warning) for each in rules if each.warning],
        "freezes": [freeze_words(each, visit.now) for each in freezes],
        "command": f"edge app set {app} --approve CHANNEL:2",
    }
    return Shown("proposals.html", f"Proposals · {named(app)}", values)


async def show_proposal(visit: Visit) -> Shown:
    """Raises NotFound `unknown_proposal`."""
    app = visit.parts["app"]
    found: ProposalDetail = await visit.ask("show_proposal")
    what = change_words(found.kind, found.target)
    waits = found.state == WAITING
    rows = [
        {"cells": [f"{a.subject} {named(a.name) if a.name else ''}".strip(), a.what, *_from_to(a)]}
        for a in found.changes or ()
    ]
    values = {
        "heading": f"{what[:1].upper()}{what[1:]}",
        "lede": _lede(found, visit.now),
        "state": _STATES.get(found.state, ("idle", found.state)),
        "refused": found.refused if waits else "",
        "reason": cleaned(found.reason),
        "touches": touches_of_proposal(found),
        "changes": {"columns": _CHANGES, "rows": rows, "none": {"text": "Nothing is changed in words."}}
        if waits
        else None,
        "buttons": decision_buttons(found, visit.grant.name, visit.allows, visit.grant.roles) if waits else [],
        "command": f"edge proposal show {app} {found.id}",
    }
    crumbs = [
        Crumb("All apps", "/"),
        Crumb(app, f"/apps/{app}"),
        Crumb("Proposals", proposal_href(app)),
        Crumb(found.id),
    ]
    return Shown("proposal.html", f"Proposal {found.id} · {named(app)}", values, crumbs)


async def waiting_notices(visit: Visit, apps: Sequence[AppSummary | AppView]) -> list[WaitingNotice]:
    """Of the apps in which changes wait: how many for whoever looks, and how many of their own."""
    asked = [each for each in apps if each.proposals]
    notices = []
    for each in asked[:APPS_ASKED]:
        found = await visit.attempt("list_proposals", {"app": each.app})
        if not isinstance(found, Unread):
            notices += _notices(visit, each.app, [one for one in found if one.state == WAITING])
    return notices


def _notices(visit: Visit, app: str, waiting: Sequence[ProposalSummary]) -> list[WaitingNotice]:
    me = visit.grant.name
    others = [each for each in waiting if each.by != me]
    for_me = [each for each in others if not any(one.by == me and one.counts for one in each.approvals)]
    if for_me and visit.allows("approve_proposal", app):
        first = for_me[0]
        href = proposal_href(app, first.id) if len(for_me) == 1 else proposal_href(app)
        lead = f"{things(len(for_me), 'change')} of {named(app)} {'waits' if len(for_me) == 1 else 'wait'} for you."
        if len(for_me) > 1:
            return [WaitingNotice(lead, "", href, "Look at them")]
        rest = f"{named(first.by)} asks to {change_words(first.kind, first.target)}."
        return [WaitingNotice(lead, rest, href, "Look at it")]
    if not waiting:
        return []
    lead = f"{things(len(waiting), 'change')} of {named(app)} {'waits' if len(waiting) == 1 else 'wait'} for approval."
    return [WaitingNotice(lead, "", proposal_href(app), "Proposals")]


def freeze_words(each: FreezeView, now: float) -> str:
    """`Frozen until 2 Jan, 08:00 by ann: holidays. Rollbacks pass.`"""
    on = f" ({', '.join(map(named, each.channels))})" if each.channels else ""
    until = moment(each.ends, now, to_minute=True)
    when = f"Frozen until {until}" if each.on else f"Frozen from {moment(each.begins, now, to_minute=True)} to {until}"
    why = f": {cleaned(each.reason)}" if each.reason else ""
    return f"{when}{on} by {named(each.by)}{why}.{' Rollbacks pass.' if each.except_rollback else ''}"


async def frozen_words(visit: Visit, app: str, channel: str = "") -> list[str]:
    """The app's freezes, on or to come; with `channel` those that hold it."""
    found: list[FreezeView] | Unread = await visit.attempt("list_freezes", {"app": app})
    every = [] if isinstance(found, Unread) else found
    return [
        freeze_words(each, visit.now) for each in every if not (channel and each.channels) or channel in each.channels
    ]


def shortages(apps: Sequence[AppSummary | AppView]) -> list[WaitingNotice]:
    """Rules that too few people could fulfil."""
    found = [(each.app, cleaned(words)) for each in apps for words in each.approval_warnings]
    return [
        WaitingNotice(
            f"{named(app)} asks for more approvals than there are people.", words, proposal_href(app), "Rules"
        )
        for app, words in found[:APPS_ASKED]
    ]


def _rule_words(rule: ApprovalRuleView) -> str:
    kinds = ", ".join(kind.value for kind in rule.kinds)
    able = (
        "cannot be counted, since members of groups may"
        if rule.approvers is None
        else things(rule.approvers, "person", "people")
    )
    whose = named(rule.channel) if rule.channel else "the app"
    return f"{rule.people} people stand behind changes of {whose}: {kinds}. Who may approve: {able}."


def _table(app: str, found: Sequence[ProposalSummary], now: float) -> dict[str, Any]:
    return {
        "columns": _COLUMNS,
        "rows": [{"cells": _cells(app, each, now)} for each in found],
        "none": {"text": "Nothing waits for approval.", "command": ""},
    }


def _cells(app: str, each: ProposalSummary, now: float) -> list[Any]:
    waits = each.state == WAITING
    by = ", ".join(named(one.by) for one in each.approvals if one.counts)
    approval = f"{by} of {each.people} people" if by else f"{each.people} people" if waits else ""
    decided = ", ".join(map(named, each.decided_by))
    at = each.expires or each.decided_at
    return [
        {"text": change_words(each.kind, each.target), "href": proposal_href(app, each.id), "of": each.id},
        {"state": _STATES.get(each.state, ("idle", each.state)), "of": each.refused[:160] if waits else ""},
        named(each.by),
        approval or {"text": decided, "of": cleaned(each.decision)},
        moment(at, now, to_minute=True) if at else "",
    ]


def _lede(found: ProposalDetail, now: float) -> str:
    if found.state != WAITING:
        by = f" by {', '.join(map(named, found.decided_by))}" if found.decided_by else ""
        why = f": “{cleaned(found.decision)}”" if found.decision else ""
        in_revision = f", in r{found.revision}" if found.revision and found.state == "approved" else ""
        return f"{named(found.by)} asked for it. It was {found.state}{by}{in_revision}{why}."
    kinds = ", ".join(kind.value for kind in found.kinds)
    where = f" on {', '.join(map(named, found.channels))}" if found.channels else ""
    on = f" ({kinds}{where})" if found.kinds else ""
    others = [named(each.by) for each in found.approvals if each.counts]
    had = f" {', '.join(others)} approved it." if others else ""
    until = f" It expires {moment(found.expires, now, to_minute=True)}." if found.expires else ""
    return f"{named(found.by)} asks for it. {found.people} people have to stand behind it{on}.{had}{until}"


def _whose(altered: Any) -> str:
    return f"{altered.subject} {named(altered.name)}" if altered.name else str(altered.subject)


def _from_to(altered: Any) -> list[str]:
    return [cleaned(altered.before or "none"), cleaned(altered.after or "none")]


ROUTES = (
    PageRoute("/apps/{app}/proposals", "proposals", show_proposals),
    PageRoute("/apps/{app}/proposals/{proposal}", "proposals", show_proposal),
)
