"""The features of an app, and one of them: what it gives to whom, how many known devices get it, its history."""

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec

from edge.control.shapes.apps import AppView, HistoryEntry
from edge.control.shapes.features.feature_shapes import FeatureExplanation, FeaturesReach, FeatureView
from edge.domain.errors import EdgeError
from edge.page.acts.buttons import ActButton
from edge.page.acts.feature_forms import NEW
from edge.page.acts.feature_plans import KILL, REVIVE, feature_address
from edge.page.acts.moves import foreign_words
from edge.page.views.device.finding import device_id
from edge.page.views.features.figures_shown import figures_table, trial_words
from edge.page.views.features.shown import (
    buttons_of,
    explained_table,
    facts_of,
    lede_of,
    sentence_of,
    steps_table,
    table_of,
)
from edge.page.views.history.entries import show_days
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import cleaned, named
from edge.page.words.values import value_words

SCANNED = 100  # revisions that are read for the feature's changes
CHANGES_SHOWN = 10


async def show_features(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    answers: tuple[Any, Any] = await asyncio.gather(visit.ask("list_features"), visit.attempt("show_features_reach"))
    features, found = answers
    reach = found if isinstance(found, FeaturesReach) else None
    values = {
        "lede": lede_of(features, reach),
        "table": table_of(app.app, features, reach, may=visit.allows(KILL.operation)),
        "unread": found if isinstance(found, Unread) else None,
        "buttons": [_make(app.app, foreign_words(visit.allows(NEW.operation), visit.grant.roles))],
        "command": f"edge feature set {app.app} NAME --type boolean --default false --rule 'SEGMENT => true'",
    }
    return Shown("features.html", f"Features · {named(app.app)}", values)


async def show_feature(visit: Visit) -> Shown:
    app, name = visit.parts["app"], visit.parts["feature"]
    of_app = {"app": app}
    shown: AppView = await visit.ask("show_app", of_app)
    feature: FeatureView = await visit.ask("show_feature", {"app": app, "name": name})
    answers: tuple[Any, ...] = await asyncio.gather(
        visit.attempt("show_features_reach", of_app),
        visit.attempt("show_history", of_app, {"limit": str(SCANNED)}),
        visit.attempt("show_feature_figures", {"app": app, "name": name}),
        visit.attempt("read_feature_experiment", {"app": app, "name": name}),
    )
    found, history, figures, reading = answers
    reach = found if isinstance(found, FeaturesReach) else None
    given = next((each.given for each in reach.features if each.feature == name), None) if reach else None
    devices = reach.devices if reach is not None else 0
    device = visit.query.get("device", "")[:64].strip()
    may = visit.allows(KILL.operation)
    values = {
        "feature": feature,
        "lede": sentence_of(feature, given, devices),
        "steps": steps_table(feature, given, devices),
        "facts": facts_of(app, feature),
        "buttons": buttons_of(
            app,
            feature,
            {KILL.operation: may, REVIVE.operation: may},
            foreign_words(may, visit.grant.roles),
        ),
        "unread": found if isinstance(found, Unread) else None,
        "days": _changes(history, name, shown, visit),
        "figures": figures_table(feature, figures),
        "trial": trial_words(reading, f"{feature_address(app, name)}/experiment"),
        "device": device,
        "asked": await _asked(visit, name, device) if device else None,
        "commands": [
            f"edge feature preview {app} {name} --share '25% => {_value(feature)}'",
            f"edge feature explain {app} {name} DEVICE",
        ],
    }
    base = f"/apps/{quote(app, safe='')}"
    above = [Crumb("All apps", "/"), Crumb(named(app), base), Crumb("Features", f"{base}/features")]
    crumbs = [*above, Crumb(named(name))]
    return Shown("feature.html", f"{named(name)} · {named(app)}", values, crumbs)


def _make(app: str, foreign: str) -> ActButton:
    href = f"/apps/{quote(app, safe='')}/acts/{NEW.name}"
    return ActButton(id=NEW.name, name=NEW.name, verb=NEW.verb, href=href, foreign=foreign)


def _value(feature: FeatureView) -> str:
    return value_words(feature.share.value if feature.share is not None else feature.default)


def _changes(history: Any, name: str, app: AppView, visit: Visit) -> list[Any]:
    """The feature's latest, among the revisions that were read, and nothing else that these changed."""
    if isinstance(history, Unread):
        return []
    entries: list[HistoryEntry] = []
    for each in history:
        if own := [change for change in each.changes if (change.subject, change.name) == ("feature", name)]:
            entries.append(msgspec.structs.replace(each, changes=own))
    return show_days(entries[:CHANGES_SHOWN], app.app, app.revision, visit.now, may_undo=visit.allows("undo"))


async def _asked(visit: Visit, name: str, device: str) -> dict[str, Any]:
    """What one device gets, as it last reported: `fault`, or the steps."""
    known = device_id(device)
    if not known:
        return {"fault": f"{named(device)} is no device id: give all 36 characters of it."}
    parts = {"app": visit.parts["app"], "name": name}
    try:
        found: FeatureExplanation = await visit.ask("explain_feature_of_device", parts, {"device_id": known})
    except EdgeError as error:
        return {"fault": cleaned(error.message)[:500]}
    guessed = "" if found.reported is not None else "It has no report here: tried as a fresh installation."
    lead = f"{named(known)} gets {value_words(found.value)}: variant {named(found.variant)}, {found.reason}."
    return {"fault": "", "lead": lead, "guessed": guessed, "table": explained_table(found)}


ROUTES = (
    PageRoute("/apps/{app}/features", "features", show_features),
    PageRoute("/apps/{app}/features/{feature}", "features", show_feature),
)
