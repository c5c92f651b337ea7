"""The addresses of a channel: its release (in trouble the same address), and its settings."""

from typing import Any
from urllib.parse import quote

from edge.page.acts.buttons import ActButton
from edge.page.acts.moves import GUARD, channel_buttons, guard_button, guard_href
from edge.page.views.approvals.proposals import frozen_words
from edge.page.views.channel.delivery import delivery_figures
from edge.page.views.channel.failures import (
    NO_MODEL,
    UNGUARDED,
    before_start,
    breakdown_tables,
    group_of,
    group_sentence,
)
from edge.page.views.channel.happened import starter, story
from edge.page.views.channel.sentences import facts, lede, pill
from edge.page.views.channel.settings import channel_settings, guard_settings, setting_commands
from edge.page.views.channel.sight import ChannelSight, GuardSight, see_channel
from edge.page.views.channel.spreading import (
    adoption_figure,
    funnel_rows,
    heard,
    success_words,
    unoffered_words,
    young_words,
)
from edge.page.views.channel.steps import rollout_steps, rollout_words
from edge.page.views.channel.trouble import (
    alarm,
    alarm_figures,
    by_guard,
    fix_command,
    is_in_trouble,
    title,
    unsure,
    why_words,
)
from edge.page.views.channel.watching import guard_charts, guard_command, left_out_words, onward_words, watch_words
from edge.page.views.visit import PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import named
from edge.page.words.rates import step
from edge.page.words.times import moment


async def show_channel(visit: Visit) -> Shown:
    sight = await see_channel(visit)
    where = f"{named(sight.channel.name)} · {named(sight.app)}"
    may_guard = visit.allows_on(sight.channel)(GUARD.operation)
    values = {**release_values(sight), "tabs": tabs(sight, "release"), "buttons": _buttons(visit, sight)}
    values["may_guard"] = may_guard
    values["frozen"] = await frozen_words(visit, sight.app, sight.channel.name)
    if is_in_trouble(sight):
        return Shown("trouble.html", f"{title(sight)} · {where}", values | trouble_values(sight))
    return Shown("channel.html", where, values)


def _buttons(visit: Visit, sight: ChannelSight) -> list[ActButton]:
    return channel_buttons(sight.app, sight.channel, sight.rollout, visit.allows_on(sight.channel), visit.grant.roles)


def _guard_button(visit: Visit, sight: ChannelSight) -> ActButton:
    allowed = visit.allows_on(sight.channel)(GUARD.operation)
    return guard_button(sight.app, sight.channel.name, allowed=allowed, role=visit.grant.roles)


async def show_settings(visit: Visit) -> Shown:
    sight = await see_channel(visit)
    values = {
        "sight": sight,
        "tabs": tabs(sight, "settings"),
        "settings": channel_settings(sight),
        "guard_settings": guard_settings(sight),
        "guard_buttons": [_guard_button(visit, sight)],
        "commands": setting_commands(sight),
    }
    return Shown("channel_settings.html", f"Settings · {named(sight.channel.name)} · {named(sight.app)}", values)


def release_values(sight: ChannelSight) -> dict[str, Any]:
    """What the template of a release shows, well or in trouble."""
    report, guard = sight.report, sight.guard
    watch_kind, watch_state, watch_said = watch_words(sight)
    lead, rest = lede(sight)
    group = group_of(sight.standing)
    return {
        "sight": sight,
        "subject": named(sight.subject or ""),
        "lead": lead,
        "rest": rest,
        "pill": pill(sight),
        "facts": facts(sight),
        "as_of": moment(sight.counted_at, sight.now),
        "steps": rollout_steps(sight),
        "rollout_said": rollout_words(sight, starter(sight)),
        "adoption": adoption_figure(sight),
        "adoption_note": young_words(sight),
        "funnel": funnel_rows(report.release, heard(report.adoption)) if report is not None else [],
        "success": success_words(report.release) if report is not None else None,
        "beyond": unoffered_words(report.release) if report is not None else "",
        "unread": sight.figures if isinstance(sight.figures, Unread) else None,
        "guard_unread": guard_unread(guard),
        "guard_charts": guard_charts(sight),
        "watch": {"kind": watch_kind, "state": watch_state, "said": watch_said},
        "onward": onward_words(sight),
        "left_out": left_out_words(sight),
        "guard_command": guard_command(sight),
        "limit": step(guard.limit) if isinstance(guard, GuardSight) else "",
        "breakdowns": breakdown_tables(sight),
        "group": group_sentence(group) if sight.standing is not None else UNGUARDED,
        "counted": sight.standing is not None,
        "before_start": before_start(report),
        "no_model": NO_MODEL,
        "delivery": delivery_figures(sight.sent),
        "guard_href": guard_href(sight.app, sight.channel.name),
    }


def guard_unread(guard: GuardSight | Unread) -> Unread | None:
    """Why the guard, or what it knows, could not be read."""
    if isinstance(guard, Unread):
        return guard
    return guard.standing if isinstance(guard.standing, Unread) else None


def trouble_values(sight: ChannelSight) -> dict[str, Any]:
    return {
        "alarm": alarm(sight),
        "alarm_figures": [each | {"live": f"alarm-{n}"} for n, each in enumerate(alarm_figures(sight))],
        "unsure": unsure(sight),
        "why": why_words(sight),
        "by_guard": by_guard(sight),
        "story": story(sight),
        "fix": fix_command(sight),
    }


def tabs(sight: ChannelSight, current: str) -> list[dict[str, Any]]:
    history = f"/apps/{quote(sight.app, safe='')}/history?channel={quote(sight.channel.name, safe='')}"
    found = [("release", "Release", base(sight)), ("settings", "Settings", f"{base(sight)}/settings")]
    return [
        *({"label": label, "href": href, "current": name == current} for name, label, href in found),
        {"label": "History", "href": history, "current": False},
    ]


def base(sight: ChannelSight) -> str:
    return f"/apps/{quote(sight.app, safe='')}/channels/{quote(sight.channel.name, safe='')}"


ROUTES = (
    PageRoute("/apps/{app}/channels/{channel}", "channel", show_channel),
    PageRoute("/apps/{app}/channels/{channel}/settings", "channel", show_settings),
)
