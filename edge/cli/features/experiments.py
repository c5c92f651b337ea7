"""Experiments on features, for `edge experiment`: a place called feature:FEATURE."""

from collections.abc import Sequence
from typing import Any

from edge.cli.features.conditions import parse_arm, shown_value
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import Output, line, note
from edge.domain.comparing.running import place_of_feature
from edge.domain.errors import NotFound, Unavailable


def start_on_feature(
    client: ControlClient, out: Output, app: str, feature: str, terms: dict[str, Any], arms: Sequence[str]
) -> None:
    """`terms` are those of the API but for the arms."""
    kind = client.get(app_path(app, "features", feature))["type"]
    body = {**terms, "arms": [parse_arm(kind, arm) for arm in arms]}
    made = client.post(app_path(app, "features", feature, "experiment"), body)
    begun = made["experiment"]
    said = ", ".join(f"{arm['name']} {arm['share']} {shown_value(arm['value'])}" for arm in begun["arms"])
    within = f", in segment {begun['segment']}" if begun["segment"] else ""
    out.result(made, lambda: line(f"started experiment {begun['name']}: {said}{within} on feature {feature}"))


def stop_on_feature(client: ControlClient, out: Output, app: str, feature: str, keep: str) -> None:
    """Keep the value of the arm."""
    after = client.post(app_path(app, "features", feature, "experiment", "stop"), {"keep": keep})
    share = after["share"]
    gives = shown_value(share["value"] if share else after["default"])
    out.result(after, lambda: line(f"stopped the experiment; {feature} gives {gives} to everybody that no rule takes"))


def print_trial(client: ControlClient, app: str, feature: str) -> None:
    """What the experiment that runs on the feature shows, in a sentence."""
    try:
        read = client.get(app_path(app, "features", feature, "experiment", "reading"))
    except (NotFound, Unavailable) as error:
        note(f"what its experiment shows cannot be said now: {error.message}")
        return
    line(f"experiment {read['name']}: {read['sentence']}")
    line(f"  all of it: edge experiment show {app} {place_of_feature(feature)}")


def experiments_on_features(client: ControlClient, app: str) -> list[dict[str, Any]]:
    """Those that run, in the form of those on channels."""
    features = client.get(app_path(app, "features"))
    return [
        {**each["experiment"], "channel": place_of_feature(each["name"])} for each in features if each["experiment"]
    ]
