"""Experiments on features, for `edge experiment`: a place called feature:FEATURE."""

from collections.abc import Sequence
from typing import Any

from edge.cli.features.conditions import parse_arm, shown_value
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import Output, line


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
