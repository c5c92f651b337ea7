"""A channel's guard: its rules and what it knows, setting the rules, and what the guard did."""

import asyncio
from typing import Any

from msgspec import UNSET, structs
from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation, parse_number
from edge.control.routes.feed.missing_reports import missing_reports, reported_until
from edge.control.shapes.guard.guard_shapes import (
    GuardChanged,
    GuardEntry,
    GuardFiguresView,
    GuardHistory,
    GuardRequest,
    GuardRules,
    GuardView,
    WatchView,
)
from edge.domain.changes.guard.acting import waits_for
from edge.domain.changes.guard.guard_commands import GuardActs, GuardFigures, GuardSettings, SetGuard
from edge.domain.errors import Unavailable
from edge.domain.guard_policy import GuardAction, GuardPolicy
from edge.domain.guarding.watch import Watch, watch_of
from edge.domain.model import Channel
from edge.domain.shares import format_share, parse_share
from edge.domain.states import channel_of
from edge.store.revision_document import RevisionLine
from edge.telemetry.votes.standing import GuardStanding, StandingQuestion
from edge.telemetry.votes.vote_keeper import WATCHES_LIMIT

READ_LIMIT = 200  # revisions a page: each is a document to read and verify
LISTED_DEFAULT = 20
LISTED_LIMIT = 100

_GUARD = "/v1/apps/{app}/channels/{name}/guard"


async def handle_show(call: Call[None]) -> GuardView:
    channel = channel_of(await load_app(call), call.part("name"))
    standing, unknown = None, ""
    try:
        question = StandingQuestion(call.app, channel.name)
        standing = await call.ports.telemetry.ask("guard_standing", question, GuardStanding)
    except Unavailable as error:
        unknown = error.message
    watch = watch_of(channel)
    if watch is not None and standing is not None and standing.crowded:
        standing, unknown = None, f"{WATCHES_LIMIT:,} other releases are under guard on this node, which is its limit"
    return GuardView(
        **asdict(view_rules(channel.guard)),
        channel=channel.name,
        watched=None if watch is None else _view_watch(channel, watch),
        standing=standing,
        unknown=unknown,
        missing_reports=missing_reports(call.ports),
        waits_for=_waits_for(call, watch, standing),
    )


def _waits_for(call: Call[None], watch: Watch | None, standing: GuardStanding | None) -> str:
    """With what is known of nodes now: what is kept of a release may be a minute old."""
    receiving, evidence = call.ports.receiving, standing.evidence if standing is not None else None
    if receiving is None or watch is None or evidence is None or evidence.watch != watch.id:
        return ""
    nodes = reported_until(call.ports.fleet, receiving.ledger)
    return waits_for(watch, structs.replace(evidence, reported=nodes), call.ports.clock.now())


async def handle_set(call: Call[GuardRequest]) -> GuardChanged:
    name = call.part("name")
    committed = await commit(call, call.app, SetGuard(channel=name, settings=_settings(call.body)))
    state = committed.state
    return GuardChanged(
        **asdict(view_rules(channel_of(state, name).guard)),
        app=state.app,
        channel=name,
        revision=state.revision,
        changed=committed.changed,
    )


async def handle_history(call: Call[None]) -> GuardHistory:
    """Reads READ_LIMIT revisions at most: a page may have few entries, and the next one goes on."""
    name = channel_of(await load_app(call), call.part("name")).name
    limit = parse_number(call.request, "limit", LISTED_DEFAULT, 1, LISTED_LIMIT)
    before = parse_number(call.request, "before", 0, 0, 2**53) or None
    lines = await asyncio.to_thread(call.ports.releases.history, call.app, READ_LIMIT, before)
    about = [line for line in lines if line.guard is not None and line.guard.channel == name]
    last = about[limit - 1] if len(about) > limit else lines[-1] if lines else None
    more = last is not None and last.number > 1
    return GuardHistory(
        app=call.app,
        channel=name,
        entries=[_view_entry(line) for line in about[:limit]],
        next_before=last.number if last is not None and more else None,
    )


def view_rules(policy: GuardPolicy) -> GuardRules:
    """As the API shows them."""
    return GuardRules(
        guarded=policy.guarded,
        max_failure=format_share(policy.max_failure),
        metrics=list(policy.metrics),
        versus_control=policy.versus_control,
        factor=policy.factor,
        segments=list(policy.segments),
        action=policy.action,
        silence=policy.silence,
        auto_advance=policy.auto_advance,
        trusted_prefixes=list(policy.trusted_prefixes),
    )


def _settings(body: GuardRequest) -> GuardSettings:
    """Raises Invalid `invalid_share`; `apply` checks everything else."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }
    if "max_failure" in given:
        given["max_failure"] = parse_share(given["max_failure"])
    if "silence" in given:
        given["silence"] = GuardAction(given["silence"])
    return GuardSettings(**given)


def _view_watch(channel: Channel, watch: Watch) -> WatchView:
    told = channel.guard_told
    return WatchView(
        id=watch.id,
        bundle=watch.bundle,
        is_rollout=watch.rollout is not None,
        since=watch.since_ms / 1000,
        acts=watch.acts,
        resumed=watch.rollout.resumed if watch.rollout is not None else 0,
        told=list(told.said) if told is not None and told.watch == watch.id else [],
    )


def _view_entry(line: RevisionLine) -> GuardEntry:
    acts = line.guard if isinstance(line.guard, GuardActs) else None
    return GuardEntry(
        revision=line.number,
        at=line.at,
        by=line.by,
        reason=line.reason,
        summary=line.summary,
        watch=acts.watch if acts is not None else None,
        deed=acts.deed if acts is not None else None,
        finding=acts.finding if acts is not None else None,
        bundle=acts.bundle if acts is not None else None,
        step=acts.step + 1 if acts is not None and acts.step is not None else None,
        figures=_view_figures(acts.figures) if acts is not None and acts.figures is not None else None,
    )


def _view_figures(figures: GuardFigures) -> GuardFiguresView:
    return GuardFiguresView(**asdict(figures) | {"max_failure": format_share(figures.max_failure)})


OPERATIONS = (
    Operation(
        name="show_guard",
        method="GET",
        path=_GUARD,
        summary="Show a channel's guard: its rules, what it watches, and what is known of that",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=GuardView,
    ),
    Operation(
        name="set_guard",
        method="PATCH",
        path=_GUARD,
        summary="Set the rules of a channel's guard: what it watches, how much may fail, and what it does then",
        permission=Permission.CHANGE_GUARD,
        handle=handle_set,
        answer=GuardChanged,
        body=GuardRequest,
        changes=True,
    ),
    Operation(
        name="guard_history",
        method="GET",
        path=f"{_GUARD}/history",
        summary="List what a channel's guard did, with figures, and how its rules changed, newest first",
        permission=Permission.READ_APP,
        handle=handle_history,
        answer=GuardHistory,
        query=("limit", "before"),
    ),
)
