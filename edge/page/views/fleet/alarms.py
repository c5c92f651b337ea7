"""Releases in trouble, each as an alarm of its own: first on the overview and on their app's page."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from edge.domain.errors import EdgeError
from edge.page.acts.buttons import ActButton
from edge.page.acts.moves import ROLL_BACK, channel_buttons
from edge.page.views.channel.sight import see_channel
from edge.page.views.channel.trouble import alarm
from edge.page.views.channel.watching import guard_charts
from edge.page.views.fleet.rows import channel_href
from edge.page.views.fleet.sights import AppSight
from edge.page.views.urgency import Urgency, urgency_of
from edge.page.views.visit import Visit
from edge.page.words.numbers import named

ALARMS_LIMIT = 4  # in full; further ones are rows of their app, at the top


@dataclass(frozen=True, slots=True)
class FleetAlarm:
    """What the macro needs, the button that takes the release back, and the chart of the evidence, if there is one."""

    alarm: dict[str, Any]
    buttons: Sequence[ActButton]
    chart: Markup | None


async def see_alarms(visit: Visit, apps: Sequence[AppSight]) -> list[FleetAlarm]:
    troubled = [
        (app.app, channel.name) for app in apps for channel in app.channels if urgency_of(channel) is Urgency.TROUBLE
    ]
    found = await asyncio.gather(
        *(_see_alarm(visit, *each, number) for number, each in enumerate(troubled[:ALARMS_LIMIT]))
    )
    return [each for each in found if each is not None]


async def _see_alarm(visit: Visit, app: str, channel: str, number: int) -> FleetAlarm | None:
    """None: it cannot be read now; its row says so."""
    try:
        sight = await see_channel(replace(visit, parts={"app": app, "channel": channel}))
    except (EdgeError, TimeoutError):
        return None
    words = alarm(sight)
    heading = f"{named(sight.subject or '')} on {named(app)}, {named(channel)}"
    shown = {
        **words,
        "id": f"trouble-{number}",
        "heading": heading,
        "href": channel_href(app, channel),
        "level": 2,
        "look": True,
    }
    buttons = [
        replace(each, id=f"{each.id}-{number}")
        for each in channel_buttons(
            app,
            sight.channel,
            sight.rollout,
            visit.allows_on(sight.channel, app),
            visit.grant.roles,
        )
        if each.name == ROLL_BACK.name and not each.foreign
    ]
    charts = guard_charts(sight)
    return FleetAlarm(shown, buttons, charts[-1] if len(charts) > 1 else None)
