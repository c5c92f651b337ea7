"""Features in words and bars. Pure. Names, values and expressions are strangers' words."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from edge.control.shapes.features.feature_shapes import (
    FeatureExplanation,
    FeatureSaidView,
    FeaturesReach,
    FeatureView,
    GivenView,
)
from edge.page.acts.buttons import ActButton
from edge.page.acts.feature_forms import SET
from edge.page.acts.feature_plans import DELETE_FEATURE, KILL, REVIVE, feature_address, keep_value_buttons
from edge.page.charts.intervals import stacked_bar
from edge.page.words.numbers import UNKNOWN, cleaned, count, named, things
from edge.page.words.rates import percent
from edge.page.words.values import value_words

STEPS_SHOWN = 3  # in the list; the feature's own page has all
WHOLE_VALUE = 2_000  # characters of a value on the feature's own page; `edge feature show` has all
WHOM_SHOWN = 160  # characters: an expression can have kilobytes
_KINDS = ("now", "old", "old3")  # of the bar: the most frequent value, the next, the rest


def lede_of(features: Sequence[FeatureView], reach: FeaturesReach | None) -> tuple[str, str, str]:
    """Before, in bold, and after."""
    if not features:
        return "No features yet. ", "", "A feature gives the app's code a value, by segment, share and bundle."
    killed = [each.name for each in features if not each.on]
    many = f"{things(len(features), 'feature')}"
    known = f" For {things(reach.devices, 'known device')}." if reach is not None and reach.devices else ""
    if killed:
        return f"{many}; ", f"{count(len(killed))} killed", f": {', '.join(map(named, killed[:3]))}.{known}"
    return f"{many}, none killed.", "", known


def table_of(app: str, features: Sequence[FeatureView], reach: FeaturesReach | None, *, may: bool) -> dict[str, Any]:
    """For the `table` macro, killed ones first; without `reach` the counts are not known."""
    given = {each.feature: each.given for each in reach.features} if reach is not None else {}
    columns = [
        *({"name": name} for name in ("Feature", "Gives")),
        {"name": "What known devices get", "cls": "bar"},
        {"name": "State"},
        *([{"name": "Act"}] if may else []),
    ]
    ordered = sorted(features, key=lambda each: (each.on, each.name))
    rows = [
        {"cells": [*_cells(app, each, given.get(each.name), reach), *([_act(app, each)] if may else [])]}
        for each in ordered
    ]
    none = {
        "text": "No features yet.",
        "command": f"edge feature set {app} checkout --type boolean --default false",
    }
    return {"columns": columns, "rows": rows, "none": none}


def _cells(app: str, feature: FeatureView, given: list[GivenView] | None, reach: FeaturesReach | None) -> list[Any]:
    name = Markup('<a href="{}"><b>{}</b></a><span class="of">{}</span>').format(
        feature_address(app, feature.name), named(feature.name), named(feature.about) or feature.type.value
    )
    return [name, _gives(feature), _shares(given, reach), _state(feature)]


def _gives(feature: FeatureView) -> Markup:
    steps = feature.said if len(feature.said) <= STEPS_SHOWN + 1 else [*feature.said[:STEPS_SHOWN], feature.said[-1]]
    lines = [Markup("{}: <b>{}</b>").format(whom_words(each), value_words(each.value)) for each in steps]
    left = len(feature.said) - len(steps)
    more = [Markup('<span class="of">and {} more</span>').format(things(left, "step"))] if left else []
    return Markup("<br>").join([*lines, *more])


def whom_words(said: FeatureSaidView) -> str:
    text = cleaned(said.whom)
    return text if len(text) <= WHOM_SHOWN else text[: WHOM_SHOWN - 1] + "…"


def _shares(given: list[GivenView] | None, reach: FeaturesReach | None) -> Any:
    """By value, the most frequent first; the words say the same as the bar."""
    if given is None or reach is None or not reach.devices:
        return UNKNOWN
    values: dict[str, int] = {}
    for each in given:
        words = value_words(each.value)
        values[words] = values.get(words, 0) + each.devices
    ordered = sorted(values.items(), key=lambda each: -each[1])
    parts = [*ordered[:2], ("other values", sum(n for _, n in ordered[2:]))]
    drawn = [(n / reach.devices, kind) for (_, n), kind in zip(parts, _KINDS, strict=False) if n]
    words = ", ".join(f"{value}: {percent(n / reach.devices)}" for value, n in parts if n)
    return Markup('{}<span class="of">{} of {}</span>').format(
        stacked_bar(drawn, words), words, things(reach.devices, "device")
    )


def _state(feature: FeatureView) -> Any:
    more = [
        *([f"experiment {named(feature.experiment.name)}"] if feature.experiment is not None else []),
        *(["servers only"] if feature.server_only else []),
        *([f"needs {named(feature.needs)}"] if feature.needs else []),
    ]
    if not feature.on:
        return {"state": ("bad", "killed"), "of": "everybody gets the default"}
    return {"text": "on", "of": ", ".join(more)}


def _act(app: str, feature: FeatureView) -> Markup:
    act = KILL if feature.on else REVIVE
    href = f"{feature_address(app, feature.name)}/acts/{act.name}"
    cls = "btn danger" if act.danger else "btn"
    return Markup('<a class="{}" href="{}" data-act="{}" aria-label="{}">{}…</a>').format(
        cls, href, f"{act.name}-{named(feature.name)}", f"{act.verb} {named(feature.name)}", act.verb
    )


def sentence_of(feature: FeatureView, given: list[GivenView] | None, devices: int) -> tuple[str, str, str]:
    """What it does now: before, in bold, and after."""
    default = value_words(feature.default)
    if not feature.on:
        return "", "Killed", f": everybody gets {default}, whatever its rules say."
    if not given or not devices:
        return f"Gives {default} unless a step before takes the device.", "", ""
    values: dict[str, int] = {}
    for each in given:
        words = value_words(each.value)
        values[words] = values.get(words, 0) + each.devices
    value, n = max(values.items(), key=lambda each: each[1])
    return "Gives ", f"{value} to {percent(n / devices)}", f", {count(n)} of {things(devices, 'known device')}."


def steps_table(feature: FeatureView, given: list[GivenView] | None, devices: int) -> dict[str, Any]:
    """Every step of the order with what it gives; how many known devices end at it, where that can be told."""
    by_variant = {each.variant: each.devices for each in given or ()}
    variants = _variants(feature)
    rows = []
    for place, said in enumerate(feature.said):
        variant = variants[place] if place < len(variants) else ""
        n = by_variant.get(variant, 0) if given is not None and variant else None
        of = {"text": count(n), "of": percent(n / devices) if n and devices else ""} if n is not None else UNKNOWN
        called = Markup('<span class="of">variant <code>{}</code></span>').format(named(variant)) if variant else ""
        words = Markup("{}{}").format(cleaned(said.whom), called)
        rows.append({"cells": [words, value_words(said.value, WHOLE_VALUE), of]})
    columns = [{"name": "Who, in this order"}, {"name": "Gets"}, {"name": "Known devices", "num": True}]
    return {"columns": columns, "rows": rows}


def _variants(feature: FeatureView) -> list[str]:
    """Of the steps in `said`; "" where the default is given for another reason than the last step's."""
    if not feature.on:
        return ["default"]
    arms = [f"{feature.experiment.name}/{arm.name}" for arm in feature.experiment.arms] if feature.experiment else []
    before = [""] * (bool(feature.needs) + len(feature.prerequisites))
    share = ["share"] if feature.share is not None else []
    return [*before, *arms, *(each.name for each in feature.rules), *share, "default"]


def facts_of(app: str, feature: FeatureView) -> list[tuple[str, Any]]:
    """What is known of it beside its steps."""
    needs = [each.feature for each in feature.prerequisites]
    flags = [
        *(["given to the app's servers alone"] if feature.server_only else []),
        *(["who gets what is recorded"] if feature.noted else []),
    ]
    found: list[tuple[str, Any]] = [
        ("About", named(feature.about)),
        ("Type", feature.type.value),
        ("Last changed", f"r{feature.version}"),
        ("Needs", f"bundle {named(feature.needs)} or newer" if feature.needs else ""),
        ("Prerequisites", _links(app, needs)),
        ("Needed by", _links(app, feature.needed_by)),
        ("Also", ", ".join(flags)),
    ]
    if (experiment := feature.experiment) is not None:
        held = f", {experiment.hold_out} held out" if experiment.hold_out != "0%" else ""
        link = Markup('<a href="{}/experiment">{}</a>').format(
            feature_address(app, feature.name), named(experiment.name)
        )
        found.append(("Experiment", Markup("{}{}. {}").format(link, held, cleaned(experiment.question))))
    return [(label, value) for label, value in found if value]


def _links(app: str, names: Sequence[str]) -> Markup:
    return Markup(", ").join(
        Markup('<a href="{}">{}</a>').format(feature_address(app, each), named(each)) for each in names
    )


def buttons_of(app: str, feature: FeatureView, allowed: dict[str, bool], foreign: str) -> list[ActButton]:
    """The kill switch, the change, the arms that can be kept, and apart what deletes."""
    switch = KILL if feature.on else REVIVE
    base = f"{feature_address(app, feature.name)}/acts"
    found = [
        _button(switch.name, switch.verb, f"{base}/{switch.name}", danger=switch.danger),
        _button(SET.name, SET.verb, f"{base}/{SET.name}"),
    ]
    found += keep_value_buttons(app, feature)
    refused = f"{named(', '.join(feature.needed_by))} needs it" if feature.needed_by else ""
    refused = refused or ("an experiment runs on it" if feature.experiment is not None else "")
    gone = f"{base}/{DELETE_FEATURE.name}"
    found.append(_button(DELETE_FEATURE.name, "Delete", gone, danger=True, apart=True, refused=refused))
    if not allowed.get(switch.operation, False):
        return [ActButton(id=each.id, name=each.name, verb=each.verb, href="", foreign=foreign) for each in found]
    return found


def _button(
    name: str, verb: str, href: str, *, danger: bool = False, apart: bool = False, refused: str = ""
) -> ActButton:
    return ActButton(id=name, name=name, verb=verb, href=href, danger=danger, apart=apart, refused=refused)


def explained_table(found: FeatureExplanation) -> dict[str, Any]:
    """The steps that one device takes."""
    rows = [
        {
            "cells": [
                named(each.step),
                {"text": cleaned(each.outcome), "bold": each.decides},
                cleaned(", ".join(f"{key} {value_words(value)}" for key, value in each.saw.items())),
            ]
        }
        for each in found.steps
    ]
    return {"columns": [{"name": "Step"}, {"name": "Outcome"}, {"name": "Saw"}], "rows": rows}
