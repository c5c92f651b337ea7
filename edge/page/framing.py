"""What stands around each page: where one is, the side, who is signed in, as of when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from edge import __version__
from edge.control.access.grants import Grant
from edge.control.access.roles import Role
from edge.control.access.scopes import Everything, scope_words
from edge.control.shapes.apps import AppSummary, AppView
from edge.page.door.sessions import Session
from edge.page.house import House
from edge.page.views.urgency import trouble_of
from edge.page.views.visit import Crumb, Shown, Unread, Visit
from edge.page.words.numbers import named

LIVE = frozenset({"overview", "app", "channel", "experiment", "nodes"})  # pages whose values change while one looks
SIDE_APPS = 20  # listed beside the pages of all apps; the overview has the rest
_MAY = {
    Role.ADMIN.value: "Role admin: may change every app, and make apps, people and tokens.",
    Role.RELEASER.value: "Role releaser: may upload bundles, offer them and take them back.",
    Role.DEVELOPER.value: "Role developer: may upload bundles, and offer them on test channels.",
    Role.SUPPORT.value: "Role support: may look up devices, lift what is withheld, and erase them.",
    Role.VIEWER.value: "Role viewer: may look, and change nothing.",
    Role.PUBLISHER.value: "Role publisher: may upload and offer bundles.",
    Role.UPLOADER.value: "Role uploader: may upload bundles, and offer none.",
    Role.READER.value: "Role reader: may look, and change nothing.",
    Role.REPORTER.value: "Role reporter: may state outcomes alone.",
    Role.NODE.value: "Role node: for another node, not for people.",
}


class AsOf(NamedTuple):
    iso: str
    clock: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SideLink:
    label: str
    href: str
    current: bool = False
    count: int | None = None
    trouble: int = 0


class SideGroup(NamedTuple):
    label: str
    links: Sequence[SideLink]


class Framed(NamedTuple):
    """What the frame's template reads as `frame`."""

    signed_in: bool
    crumbs: Sequence[Crumb]
    search: str
    as_of: AsOf
    name: str
    role: str
    until: str
    may: str
    form_token: str
    side: Sequence[SideGroup]
    version: str
    node: str
    revision: int | None
    trouble: int
    live: str
    history: str
    origin: str = ""  # where changes are made; empty: here
    notice: Any = None
    person: bool = False  # a person, and no token


def as_of(now: float) -> AsOf:
    at = datetime.fromtimestamp(int(now), UTC)
    return AsOf(at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%H:%M:%S"), int(now * 1000))


async def build_frame(visit: Visit, shown: Shown, session: Session, house: House) -> Framed:
    """Costs two answers of the API at most, of which one is the app's."""
    app, current = visit.parts.get("app"), visit.name
    view = await visit.attempt("show_app", {"app": app}) if app else None
    known = view if isinstance(view, AppView) else None
    found = await visit.attempt("list_apps", {})
    apps: list[AppSummary] = [] if isinstance(found, Unread) else found
    stopped = sum(each.stopped or 0 for each in apps)
    side = _app_side(visit, known, current) if known is not None else _fleet_side(apps)
    return Framed(
        signed_in=True,
        crumbs=shown.crumbs if shown.crumbs is not None else _crumbs(visit, shown),
        search=f"/apps/{quote(app, safe='')}/search" if app else "/search",
        as_of=as_of(visit.as_of),
        name=visit.grant.name,
        role=visit.grant.roles,
        until=as_of(session.until).clock[:5],
        may=_may_words(visit.grant),
        form_token=session.form_token,
        side=[
            SideGroup("", [SideLink("All apps", "/", current == "overview", trouble=stopped)]),
            *side,
            *_nodes(visit, current),
        ],
        version=__version__,
        node=house.node,
        origin=house.origin,
        revision=known.revision if known is not None else None,
        trouble=stopped,
        live=visit.address if visit.name in LIVE else "",
        person=session.person is not None,
        history=f"/apps/{quote(app, safe='')}/history" if app else "",
    )


def _may_words(grant: Grant) -> str:
    """What the roles are for, each with where it is held."""
    return " ".join(
        _MAY.get(hold.role, f"Role {hold.role}.")
        + ("" if isinstance(hold.within, Everything) else f" For {scope_words(hold.within)} alone.")
        for hold in grant.holds
    )


def _crumbs(visit: Visit, shown: Shown) -> list[Crumb]:
    """All apps, the app, the channel, the page: as far as the address goes."""
    app, channel = visit.parts.get("app"), visit.parts.get("channel")
    found = [Crumb("All apps", "/")]
    if app:
        found.append(Crumb(app, f"/apps/{quote(app, safe='')}"))
        if channel:
            found.append(Crumb(channel, f"/apps/{quote(app, safe='')}/channels/{quote(channel, safe='')}"))
    ends_here = visit.name in ("overview", "app", "channel")
    if not ends_here:
        found.append(Crumb(_LABELS.get(visit.name, shown.title)))
    return [*found[:-1], Crumb(found[-1].label)]


_LABELS = {
    "experiment": "Experiment",
    "segments": "Segments",
    "features": "Features",
    "messages": "Messages",
    "device": "Devices",
    "bundles": "Bundles",
    "history": "History",
    "nodes": "Nodes",
    "audit": "Audit",
    "proposals": "Proposals",
    "people": "People",
    "search": "Search",
}


def _app_side(visit: Visit, app: AppView, current: str) -> list[SideGroup]:
    base = f"/apps/{quote(app.app, safe='')}"
    experiments = [each for each in app.channels if each.experiment is not None]
    links = [
        SideLink("Channels", base, current in ("app", "channel"), len(app.channels), trouble_of(app.channels)),
        *(
            [
                SideLink(
                    "Experiments",
                    f"{base}/channels/{quote(experiments[0].name, safe='')}/experiment"
                    if len(experiments) == 1
                    else f"{base}/experiments",
                    current == "experiment",
                    len(experiments),
                )
            ]
            if experiments
            else []
        ),
        SideLink("Segments", f"{base}/segments", current == "segments"),
        SideLink("Features", f"{base}/features", current == "features"),
        SideLink("Messages", f"{base}/messages", current == "messages"),
        SideLink("Devices", f"{base}/devices", current == "device"),
        SideLink("Bundles", f"{base}/bundles", current == "bundles", app.bundles),
        *_proposals(app, base, current),
        SideLink("History", f"{base}/history", current == "history"),
        *([SideLink("Audit", f"{base}/audit", current == "audit")] if visit.allows("show_app_audit", app.app) else []),
    ]
    return [SideGroup(app.app, links)]


def _proposals(app: AppView, base: str, current: str) -> list[SideLink]:
    """Where somebody has to approve something, or had to."""
    asked = (app.approval_people, *(each.approval_people for each in app.channels))
    if not app.proposals and current != "proposals" and max(asked) < 2:
        return []
    return [SideLink("Proposals", f"{base}/proposals", current == "proposals", app.proposals)]


def _fleet_side(apps: list[AppSummary]) -> list[SideGroup]:
    """Those with a release in trouble first."""
    apps = sorted(apps, key=lambda each: not each.stopped)
    listed = [
        SideLink(named(each.app), f"/apps/{quote(each.app, safe='')}", False, each.channels, each.stopped or 0)
        for each in apps[:SIDE_APPS]
    ]
    if len(apps) > SIDE_APPS:
        listed.append(SideLink("All of them", "/", False, len(apps)))
    return [SideGroup("Apps", listed)] if listed else []


def _nodes(visit: Visit, current: str) -> list[SideGroup]:
    links = [SideLink("Nodes", "/nodes", current == "nodes")] if visit.allows("show_node") else []
    if visit.allows_on_node("show_audit"):
        links.append(SideLink("Audit", "/audit", current == "audit" and "app" not in visit.parts))
    if visit.allows("list_people"):
        links.append(SideLink("People", "/people", current == "people"))
    return [SideGroup("This fleet", links)] if links else []
