"""What devices were given of a feature and whether they used it, as they reported. Pure."""

from typing import Any

from edge.control.shapes.features.feature_shapes import FeatureView
from edge.domain.comparing.reading import ExperimentReading
from edge.page.views.visit import Unread
from edge.page.words.numbers import count, named, things
from edge.page.words.rates import percent
from edge.telemetry.questions.feature_use import FeatureUse

_NOT_NOTED = "Which device gets which value is not recorded. To begin, choose Change… above."


def figures_table(feature: FeatureView, found: FeatureUse | Unread) -> dict[str, Any]:
    """`table` for the macro, or None, and `words` beside it."""
    if isinstance(found, Unread):
        return {"table": None, "words": f"They cannot be read now: {named(found.message)}", "since": ""}
    rows = [
        {"cells": [named(each.variant), {"text": count(int(each.devices.value or 0)), "of": _share(each.share.value)}]}
        for each in found.given
    ]
    table = {"columns": [{"name": "Variant"}, {"name": "Devices", "num": True}], "rows": rows} if rows else None
    return {
        "table": table,
        "words": " ".join(_words(feature, found)),
        "since": "in 7 days, distinct devices, within 2 %",
    }


def trial_words(found: ExperimentReading | Unread, address: str) -> tuple[str, str, str] | None:
    """What the experiment of the feature shows, or the last one did: its name, its address and its sentence."""
    if isinstance(found, Unread):
        return None
    began = "Experiment" if found.ended_ms is None else "Ended experiment"
    return f"{began} {named(found.name)}", address, found.sentence


def _words(feature: FeatureView, found: FeatureUse) -> list[str]:
    used = int(found.used.value or 0)
    of = f", {percent(float(found.used_share.value))} of the active ones" if found.used_share.value else ""
    told = f"{things(used, 'device')} said that they used a feature called {named(feature.name)}{of}." if used else ""
    given = "No device was given a value yet." if feature.noted and not found.given else ""
    return [each for each in (told, given, "" if feature.noted else _NOT_NOTED) if each]


def _share(share: float | int | None) -> str:
    return percent(float(share)) if share else ""
