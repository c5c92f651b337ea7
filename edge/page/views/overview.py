"""All apps: is anything wrong, what is out where, and how well."""

from edge.page.views.visit import PageRoute, Shown, Visit


async def show_overview(visit: Visit) -> Shown:
    apps = await visit.attempt("list_apps", {})
    return Shown("overview.html", "All apps", {"apps": apps})


ROUTES = (PageRoute("/", "overview", show_overview),)
