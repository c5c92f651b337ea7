"""The addresses of experiments: of a channel's, and the list of an app's."""

from typing import Any
from urllib.parse import quote

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.targeting import ChannelExperiment
from edge.domain.comparing.reading import ExperimentReading
from edge.page.acts.moves import keep_buttons
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
            "channel": channel,
            "is_absent": reading.code == NONE,
            "unread": reading,
            "command": start_command(app, name),
        }
        return Shown("experiment_none.html", f"Experiment · {named(name)} · {named(app)}", values)
    buttons = keep_buttons(app, channel, visit.allows, visit.grant.roles)
    values = {**reading_values(reading, visit.now), "buttons": buttons}
    return Shown("experiment.html", f"{named(reading.name)} · {named(name)} · {named(app)}", values, crumbs(reading))


async def list_experiments(visit: Visit) -> Shown:
    app = visit.parts["app"]
    found = await visit.attempt("list_experiments", {"app": app})
    values: dict[str, Any] = {"unread": found if isinstance(found, Unread) else None}
    values["table"] = None if isinstance(found, Unread) else experiments_table(app, found, visit.now)
    return Shown("experiments.html", f"Experiments · {named(app)}", values)


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


def experiments_table(app: str, found: list[ChannelExperiment], now: float) -> dict[str, Any]:
    columns = [{"name": "Experiment"}, {"name": "Channel"}, {"name": "Asks"}, {"name": "Arms"}, {"name": "Since"}]
    rows = [
        {
            "cells": [
                {"text": named(each.name), "href": f"{base(app, each.channel)}/experiment"},
                named(each.channel),
                each.question or "–",
                listed([named(arm.name) for arm in each.arms]),
                day(each.started, now),
            ]
        }
        for each in found
    ]
    none = {"text": "No experiment runs.", "command": start_command(app, "CHANNEL")}
    return {"columns": columns, "rows": rows, "none": none}


def crumbs(reading: ExperimentReading) -> list[Crumb]:
    return [
        Crumb("All apps", "/"),
        Crumb(reading.app, f"/apps/{quote(reading.app, safe='')}"),
        Crumb(reading.channel, base(reading.app, reading.channel)),
        Crumb(named(reading.name)),
    ]


def base(app: str, channel: str) -> str:
    return f"/apps/{quote(app, safe='')}/channels/{quote(channel, safe='')}"


def start_command(app: str, channel: str) -> str:
    return f"edge experiment start {app} {channel} --help"


ROUTES = (
    PageRoute("/apps/{app}/channels/{channel}/experiment", "experiment", show_experiment),
    PageRoute("/apps/{app}/experiments", "experiment", list_experiments),
)
