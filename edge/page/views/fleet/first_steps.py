"""The page of a node that no device has asked yet: what is done, and the next command."""

from collections.abc import Sequence
from typing import Any

from edge.control.shapes.node import NodeStatus
from edge.page.views.fleet.sights import AppSight
from edge.page.views.visit import Shown, Visit
from edge.page.words.numbers import named
from edge.telemetry.questions.app_answers import StatsAnswer

EXAMPLE = "com.example.app"
EXAMPLE_ADDRESS = "https://updates.example.com"  # for who may not see where the node listens
EVER_SECONDS = 400 * 86_400


async def first_steps(visit: Visit, apps: Sequence[AppSight]) -> Shown | None:
    """None once a device has asked: then there is an overview."""
    if len(apps) > 1:
        return None
    app = apps[0] if apps else None
    if app is not None:
        if app.damaged:
            return None
        answer = await visit.attempt("show_figures", {"app": app.app}, {"since_seconds": str(EVER_SECONDS)})
        if not isinstance(answer, StatsAnswer) or _was_asked(answer):
            return None
    node = await visit.attempt("show_node", {}) if visit.allows("show_node") else None
    address = node.devices_url if isinstance(node, NodeStatus) else ""
    values = {"address": address, "base": address or EXAMPLE_ADDRESS, "steps": _steps(app), "app": _name(app)}
    return Shown("first_steps.html", "First steps", values)


def _was_asked(answer: StatsAnswer) -> bool:
    activity = answer.activity
    return any(each.value for each in (activity.checks, activity.active, activity.development))


def _name(app: AppSight | None) -> str:
    return named(app.app) if app is not None else EXAMPLE


def _steps(app: AppSight | None) -> dict[str, Any]:
    """Which are done; the first that is not is next."""
    channel = app.channels[0] if app is not None and app.channels else None
    made, published = channel is not None, channel is not None and channel.bundle is not None
    done = {"made": made, "published": published}
    return {
        **done,
        "channel": named(channel.name) if channel is not None else "production",
        "next": "make" if not made else "point",
    }
