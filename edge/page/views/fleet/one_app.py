"""One app: its panel of the overview, and what of its releases is in trouble."""

from edge.control.shapes.apps import AppView
from edge.page.views.approvals.proposals import frozen_words, shortages, waiting_notices
from edge.page.views.fleet.alarms import see_alarms
from edge.page.views.fleet.overview import app_panel, node_notices
from edge.page.views.fleet.sights import FULL_LIMIT, sight_of
from edge.page.views.urgency import Urgency, urgency_of
from edge.page.views.visit import PageRoute, Shown, Visit
from edge.page.words.numbers import named, things


async def show_app(visit: Visit) -> Shown:
    """Raises NotFound `unknown_app`."""
    found: AppView = await visit.ask("show_app", {"app": visit.parts["app"]})
    app = sight_of(found)
    moving = sum(urgency_of(each) is Urgency.UNDER_WAY for each in app.channels)
    shown_in_full = {(app.app, each.name) for each in app.channels[:FULL_LIMIT]}
    values = {
        "app": named(app.app),
        "summary": f"{things(len(app.channels), 'channel')} · {things(app.bundles, 'bundle')} · {moving} on the way",
        "alarms": await see_alarms(visit, [app]),
        "notices": await node_notices(visit),
        "waiting": await waiting_notices(visit, [found]),
        "shortages": shortages([found]),
        "frozen": await frozen_words(visit, app.app) if found.freezes else [],
        "panel": await app_panel(visit, app, shown_in_full),
    }
    troubled = sum(urgency_of(each) is Urgency.TROUBLE for each in app.channels)
    title = f"{troubled} in trouble · {named(app.app)}" if troubled else named(app.app)
    return Shown("app.html", title, values)


ROUTES = (PageRoute("/apps/{app}", "app", show_app),)
