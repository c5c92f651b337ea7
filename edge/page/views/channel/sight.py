"""Everything that the page of a channel is made of, asked once; a part that could not be had is an `Unread`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from edge.control.shapes.apps import HistoryEntry
from edge.control.shapes.channels import ChannelView
from edge.control.shapes.figures.reports import MissingReports
from edge.control.shapes.guard.guard_shapes import GuardRules, GuardView
from edge.control.shapes.rollouts import RolloutView
from edge.domain.errors import EdgeError
from edge.domain.guard_policy import Guarded
from edge.domain.model import BUILTIN, Phase
from edge.domain.shares import parse_share
from edge.page.views.visit import Unread, Visit
from edge.telemetry.questions.app_answers import BundleReport, StatsAnswer
from edge.telemetry.votes.standing import GuardStanding

POINTS = 120  # of an adoption curve
EARLIER = 3  # releases beside the newest one
HISTORY = 60  # revisions that the story is looked for in
STALE_SECONDS = 300.0  # counting that stands still for longer than this is no longer "now"

_LEAST_SECONDS, _MOST_SECONDS = 3600, 400 * 86_400
_ACTIVE = (Phase.RUNNING, Phase.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSight:
    """The guard's rules on the channel, and what it knows. `everything`: plain publishes too, not rollouts alone.
    `limit` is a fraction of 1, `rules` are all of them as the API says them. `standing` is None where nothing is, or
    was, watched. `missing` are nodes whose reports are late, and `waits_for` says that a step waits for some."""

    watches: bool
    everything: bool
    limit: float
    action: str
    silence: str
    auto_advance: bool
    standing: GuardStanding | Unread | None
    rules: GuardRules | None = None
    missing: Sequence[MissingReports] = ()
    waits_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSight:
    """`rollout` is None unless one runs or is paused. `subject` is the newest release on the channel, None: it offers
    nothing; `fallback` is what everybody else gets. `figures` are of the subject on the channel; `sent` has what the
    node sent of it, which is known by bundle alone."""

    app: str
    channel: ChannelView
    rollout: RolloutView | None
    figures: StatsAnswer | Unread | None
    sent: StatsAnswer | Unread | None
    earlier: Sequence[BundleReport]
    guard: GuardSight | Unread
    history: Sequence[HistoryEntry] | Unread
    now: float

    @property
    def subject(self) -> str | None:
        return self.rollout.bundle if self.rollout is not None else self.channel.served

    @property
    def fallback(self) -> str | None:
        return self.channel.served if self.rollout is not None else self.channel.last_good

    @property
    def report(self) -> BundleReport | None:
        return self.figures.report if isinstance(self.figures, StatsAnswer) else None

    @property
    def standing(self) -> GuardStanding | None:
        """What the guard knows of the subject, if it does."""
        if isinstance(self.guard, Unread) or not isinstance(self.guard.standing, GuardStanding):
            return None
        known = self.guard.standing
        return known if known.evidence is not None and known.bundle in ("", self.subject) else None

    @property
    def counted_at(self) -> float | None:
        """As of when everything that was acknowledged is counted, in seconds since the epoch: whoever asks for figures
        has it counted first."""
        if isinstance(self.figures, StatsAnswer):
            return float(self.figures.until)
        standing = self.standing
        return standing.evidence.as_of_ms / 1000 if standing is not None and standing.evidence is not None else None


async def see_channel(visit: Visit) -> ChannelSight:
    """Raises NotFound `unknown_app`, `unknown_channel`."""
    app, name = visit.parts["app"], visit.parts["channel"]
    parts = {"app": app, "name": name}
    channel: ChannelView = await visit.ask("show_channel", parts)
    active = channel.rollout is not None and channel.rollout.phase in _ACTIVE
    rollout: RolloutView | None = await visit.ask("show_rollout", parts) if active else None
    subject = rollout.bundle if rollout is not None else channel.served
    began = rollout.started if rollout is not None else channel.bundle_changed
    # What decides first, and few at a time: a token may have only so many questions about figures waiting.
    guard, history = await asyncio.gather(
        _guard(visit, parts), visit.attempt("show_history", {"app": app}, {"limit": str(HISTORY)})
    )
    figures, sent = await asyncio.gather(_figures(visit, name, subject, began), _figures(visit, "", subject, began))
    earlier = await _earlier(visit, channel, subject)
    return ChannelSight(
        app=app,
        channel=channel,
        rollout=rollout,
        figures=figures,
        sent=sent,
        earlier=earlier,
        guard=guard,
        history=history,
        now=visit.now,
    )


def window_seconds(age_seconds: float, least: int) -> int:
    """How far back to ask for figures of what is so old: the same for a minute, so that an answer serves again."""
    return min(_MOST_SECONDS, max(least, int(age_seconds) // 60 * 60 + 120))


def earlier_bundles(channel: ChannelView, subject: str | None) -> list[str]:
    """What the channel offered to everybody before, latest first."""
    known = [channel.served, *reversed(channel.earlier)]
    return [each for each in dict.fromkeys(known) if each and each not in (subject, BUILTIN)][:EARLIER]


def guard_sight(answer: GuardView) -> GuardSight:
    return GuardSight(
        watches=answer.guarded is not Guarded.NOTHING,
        everything=answer.guarded is Guarded.EVERYTHING,
        limit=parse_share(answer.max_failure) / 100_000,
        action=answer.action.value,
        silence=answer.silence.value,
        auto_advance=answer.auto_advance,
        standing=Unread(code="guard_blind", message=answer.unknown) if answer.unknown else answer.standing,
        rules=answer,
        missing=answer.missing_reports,
        waits_for=answer.waits_for,
    )


async def _figures(visit: Visit, channel: str, bundle: str | None, began: float) -> StatsAnswer | Unread | None:
    if bundle is None or bundle == BUILTIN:
        return None
    since = window_seconds(visit.now - began, _LEAST_SECONDS)
    query = {"bundle": bundle, "points": str(POINTS if channel else 2), "since_seconds": str(since)}
    query |= {"channel": channel} if channel else {}
    answer: StatsAnswer | Unread = await visit.attempt("show_figures", {"app": visit.parts["app"]}, query)
    return answer


async def _earlier(visit: Visit, channel: ChannelView, subject: str | None) -> list[BundleReport]:
    bundles = earlier_bundles(channel, subject)
    answers = await asyncio.gather(*(_figures(visit, channel.name, each, visit.now) for each in bundles))
    return [each.report for each in answers if isinstance(each, StatsAnswer) and each.report is not None]


async def _guard(visit: Visit, parts: dict[str, str]) -> GuardSight | Unread:
    try:
        return guard_sight(await visit.ask("show_guard", parts))
    except EdgeError as error:
        return Unread(code=error.code, message=error.message)
    except TimeoutError:
        return Unread(code="timeout", message="the guard did not answer in time")
