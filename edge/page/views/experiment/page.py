"""The addresses of experiments: of a channel's, and the list of an app's."""

from typing import Any
from urllib.parse import quote

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.features.feature_shapes import FeatureExperimentView, FeatureView
from edge.control.shapes.targeting import ChannelExperiment
from edge.domain.comparing.reading import ExperimentReading
from edge.page.acts.feature_plans import KEEP_VALUE, feature_address, keep_value_buttons
from edge.page.acts.moves import foreign_words, keep_buttons
from edge.page.views.experiment.shown_reading import (
    arms_table,
    comparisons_words,
    difference_table,
    facts,
    lede,
    pill,
    sure_chart,
)
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import listed, named
from edge.page.words.times import day, moment

NONE = "no_experiment"


async def show_experiment(visit: Visit) -> Shown:
    """Of the channel's experiment, or the last one it had. Raises NotFound `unknown_app`, `unknown_channel`."""
    app, name = visit.parts["app"], visit.parts["channel"]
    parts = {"app": app, "name": name}
    channel: ChannelView = await visit.ask("show_channel", parts)
    reading = await visit.attempt("read_experiment", parts)
    if isinstance(reading, Unread):
        values = {
            "place": f"channel {named(name)}",
            "is_absent": reading.code == NONE,
            "unread": reading,
            "command": start_command(app, name),
        }
        return Shown("experiment_none.html", f"Experiment · {named(name)} · {named(app)}", values)
    buttons = keep_buttons(app, channel, visit.allows_on(channel), visit.grant.roles)
    values = {**reading_values(reading, visit.now), "buttons": buttons}
    return Shown("experiment.html", f"{named(reading.name)} · {named(name)} · {named(app)}", values, crumbs(reading))


async def show_feature_experiment(visit: Visit) -> Shown:
    """Of the feature's experiment, or the last one it had. Raises NotFound `unknown_app`, `unknown_feature`."""
    app, name = visit.parts["app"], visit.parts["feature"]
    parts = {"app": app, "name": name}
    feature: FeatureView = await visit.ask("show_feature", parts)
    reading = await visit.attempt("read_feature_experiment", parts)
    address = feature_address(app, name)
    features = Crumb("Features", f"/apps/{quote(app, safe='')}/features")
    above = [*crumbs_of_app(app), features, Crumb(named(name), address)]
    if isinstance(reading, Unread):
        start = f"edge experiment start {app} feature:{name} NAME --arm old=…:50 --arm new=…:50 --measure event:paid"
        values = {
            "place": f"feature {named(name)}",
            "is_absent": reading.code == NONE,
            "unread": reading,
            "command": start,
        }
        title = f"Experiment · {named(name)} · {named(app)}"
        return Shown("experiment_none.html", title, values, [*above, Crumb("Experiment")])
    allowed = visit.allows(KEEP_VALUE.operation)
    foreign = "" if allowed else foreign_words(allowed, visit.grant.roles)
    buttons = keep_value_buttons(app, feature, foreign) if feature.experiment is not None else []
    values = {**reading_values(reading, visit.now), "buttons": buttons}
    title = f"{named(reading.name)} · {named(name)} · {named(app)}"
    return Shown("experiment.html", title, values, [*above, Crumb(named(reading.name))])


async def list_experiments(visit: Visit) -> Shown:
    app = visit.parts["app"]
    found = await visit.attempt("list_experiments", {"app": app})
    features = await visit.attempt("list_features", {"app": app})
    unread = next((each for each in (found, features) if isinstance(each, Unread)), None)
    values: dict[str, Any] = {"unread": unread}
    values["table"] = None if unread is not None else experiments_table(app, found, features, visit.now)
    crumbs = [*crumbs_of_app(app), Crumb("Experiments")]
    return Shown("experiments.html", f"Experiments · {named(app)}", values, crumbs)


def reading_values(reading: ExperimentReading, now: float) -> dict[str, Any]:
    """What the template shows."""
    lead, rest = lede(reading)
    return {
        "reading": reading,
        "name": named(reading.name),
        "pill": pill(reading, now),
        "lead": lead,
        "rest": rest,
        "facts": facts(reading, now),
        "as_of": moment(reading.as_of_ms / 1000, now),
        "differences": difference_table(reading),
        "comparisons": comparisons_words(reading),
        "chart": sure_chart(reading, now),
        "arms": arms_table(reading),
    }


def experiments_table(
    app: str, found: list[ChannelExperiment], features: list[FeatureView], now: float
) -> dict[str, Any]:
    """Those on channels, then those on features."""
    columns = [{"name": "Experiment"}, {"name": "Where"}, {"name": "Asks"}, {"name": "Arms"}, {"name": "Since"}]
    running: list[tuple[ChannelExperiment | FeatureExperimentView, str, str]] = [
        *((each, base(app, each.channel), f"channel {named(each.channel)}") for each in found),
        *(
            (each.experiment, feature_address(app, each.name), f"feature {named(each.name)}")
            for each in features
            if each.experiment is not None
        ),
    ]
    rows = [
        {
            "cells": [
                {"text": named(each.name), "href": f"{address}/experiment"},
                where,
                each.question or "–",
                listed([named(arm.name) for arm in each.arms]),
                day(each.started, now),
            ]
        }
        for each, address, where in running
    ]
    none = {"text": "No experiment runs.", "command": start_command(app, "CHANNEL")}
    return {"columns": columns, "rows": rows, "none": none}


def crumbs(reading: ExperimentReading) -> list[Crumb]:
    above = crumbs_of_app(reading.app)
    return [*above, Crumb(reading.channel, base(reading.app, reading.channel)), Crumb(named(reading.name))]


def crumbs_of_app(app: str) -> list[Crumb]:
    return [Crumb("All apps", "/"), Crumb(named(app), f"/apps/{quote(app, safe='')}")]


def base(app: str, channel: str) -> str:
    return f"/apps/{quote(app, safe='')}/channels/{quote(channel, safe='')}"


def start_command(app: str, channel: str) -> str:
    return f"edge experiment start {app} {channel} --help"


ROUTES = (
    PageRoute("/apps/{app}/features/{feature}/experiment", "experiment", show_feature_experiment),
    PageRoute("/apps/{app}/channels/{channel}/experiment", "experiment", show_experiment),
    PageRoute("/apps/{app}/experiments", "experiment", list_experiments),
)
