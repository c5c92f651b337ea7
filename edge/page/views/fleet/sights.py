"""What the pages of many channels ask: the apps, and of the channels that are shown in full their figures and guard.

Figures are asked for a bounded number of channels: those in trouble first, then those on their way, then the rest.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from edge.control.shapes.apps import AppSummary, AppView
from edge.control.shapes.channels import ChannelView
from edge.control.shapes.rollouts import RolloutView
from edge.domain.errors import EdgeError
from edge.domain.model import BUILTIN, Phase
from edge.page.acts.moves import GUARD
from edge.page.views.channel.sight import GuardSight, guard_sight, window_seconds
from edge.page.views.urgency import Urgency, urgency_of
from edge.page.views.visit import Unread, Visit
from edge.telemetry.questions.app_answers import StatsAnswer

FULL_LIMIT = 24  # channels with figures: each costs a question or two of the folding process
APPS_LIMIT = 1_000  # read for one page; more are found by their name
WEEK_SECONDS = 7 * 86_400
SPARK_POINTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSight:
    """`damaged` is why the app cannot be read."""

    app: str
    channels: Sequence[ChannelView]
    revision: int
    bundles: int = 0
    damaged: str = ""

    @property
    def urgency(self) -> Urgency:
        return min((urgency_of(each) for each in self.channels), default=Urgency.QUIET)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSight:
    """One channel in full. `figures` is None where there is nothing to count. `may_guard`: the visitor may change the
    guard's rules there."""

    app: str
    channel: ChannelView
    rollout: RolloutView | None
    figures: StatsAnswer | Unread | None
    guard: GuardSight | Unread | None
    may_guard: bool = False

    @property
    def subject(self) -> str | None:
        return self.rollout.bundle if self.rollout is not None else self.channel.served

    @property
    def began(self) -> float:
        return self.rollout.started if self.rollout is not None else self.channel.bundle_changed


async def see_apps(visit: Visit) -> list[AppSight] | Unread:
    """By urgency, then by name."""
    apps = await visit.attempt("list_apps", {})
    if isinstance(apps, Unread):
        return apps
    seen = await asyncio.gather(*(_see_app(visit, each) for each in apps[:APPS_LIMIT]))
    return sorted(seen, key=lambda each: (each.urgency, each.app))


async def _see_app(visit: Visit, summary: AppSummary) -> AppSight:
    if summary.damaged is None:
        found = await visit.attempt("show_app", {"app": summary.app})
        if isinstance(found, AppView):
            return sight_of(found)
        return AppSight(app=summary.app, channels=(), revision=summary.revision, damaged=found.message)
    return AppSight(app=summary.app, channels=(), revision=summary.revision, damaged=summary.damaged)


def sight_of(app: AppView) -> AppSight:
    channels = sorted(app.channels, key=lambda each: (urgency_of(each), not each.public, each.name))
    return AppSight(app=app.app, channels=channels, revision=app.revision, bundles=app.bundles)


def in_full(apps: Sequence[AppSight]) -> set[tuple[str, str]]:
    """The channels that are shown with figures: (app, channel). All of them if they are few; else those that somebody
    should look at."""
    ordered = sorted(
        ((urgency_of(channel), app.app, channel.name) for app in apps for channel in app.channels),
        key=lambda each: each[0],
    )
    if len(ordered) > FULL_LIMIT:
        ordered = [each for each in ordered if each[0] is not Urgency.QUIET]
    return {(app, channel) for _, app, channel in ordered[:FULL_LIMIT]}


async def see_rows(visit: Visit, app: str, channels: Sequence[ChannelView]) -> list[RowSight]:
    return list(await asyncio.gather(*(_see_row(visit, app, each) for each in channels)))


async def active_devices(visit: Visit, app: str) -> int | None:
    """In 7 days; None: not known now."""
    answer = await visit.attempt("show_figures", {"app": app}, {"since_seconds": str(WEEK_SECONDS)})
    if not isinstance(answer, StatsAnswer) or answer.activity.active.value is None:
        return None
    return int(answer.activity.active.value)


async def _see_row(visit: Visit, app: str, channel: ChannelView) -> RowSight:
    parts = {"app": app, "name": channel.name}
    active = channel.rollout is not None and channel.rollout.phase in (Phase.RUNNING, Phase.PAUSED)
    found = await visit.attempt("show_rollout", parts) if active else None
    rollout = found if isinstance(found, RolloutView) else None
    subject = rollout.bundle if rollout is not None else channel.served
    may_guard = visit.allows_on(channel, app)(GUARD.operation)
    if subject is None or subject == BUILTIN:
        return RowSight(app=app, channel=channel, rollout=rollout, figures=None, guard=None, may_guard=may_guard)
    began = rollout.started if rollout is not None else channel.bundle_changed
    since = window_seconds(visit.now - began, 3_600)
    query = {"bundle": subject, "channel": channel.name, "points": str(SPARK_POINTS), "since_seconds": str(since)}
    figures, guard = await asyncio.gather(
        visit.attempt("show_figures", {"app": app}, query), _see_guard(visit, app, channel.name)
    )
    return RowSight(app=app, channel=channel, rollout=rollout, figures=figures, guard=guard, may_guard=may_guard)


async def _see_guard(visit: Visit, app: str, channel: str) -> GuardSight | Unread:
    try:
        return guard_sight(await visit.ask("show_guard", {"app": app, "name": channel}))
    except EdgeError as error:
        return Unread(code=error.code, message=error.message)
    except TimeoutError:
        return Unread(code="timeout", message="the guard did not answer in time")
