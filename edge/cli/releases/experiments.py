"""`edge experiment`: several bundles on one channel, each for a share of its devices, until one is kept."""

from typing import Any

import click

from edge.cli.figures.sides import get_sides, show_sides
from edge.cli.releases.replaced import meant_options
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, moment, table


@click.group()
def experiment() -> None:
    """Offer several bundles side by side and keep one."""


@experiment.command()
@click.argument("app")
@click.argument("channel")
@click.argument("name")
@click.option(
    "--arm",
    "arms",
    metavar="NAME=VERSION:SHARE",
    multiple=True,
    required=True,
    help="An arm, such as new=1.5.0:50; repeat for each.",
)
@click.option(
    "--segment", metavar="NAME", help="Include only devices in this segment; default: all devices on the channel."
)
@meant_options
@with_api
def start(
    client: ControlClient,
    out: Output,
    app: str,
    channel: str,
    name: str,
    arms: tuple[str, ...],
    segment: str | None,
    downgrade: bool,
    again: bool,
) -> None:
    """Start experiment NAME on CHANNEL of APP. The shares of the arms, in percent, must add up to 100.

    A device stays in the same arm at every check and on every node. Devices outside the segment get what the channel
    offers.
    """
    given = [_parse_arm(each) for each in arms]
    body = {"name": name, "arms": given, "segment": segment, "downgrade": downgrade, "again": again}
    made = client.post(app_path(app, "channels", channel, "experiment"), body)
    out.result(made, lambda: line(f"started experiment {sentence(made)} on channel {channel}"))


@experiment.command()
@click.argument("app")
@click.argument("channel", required=False)
@with_api
def show(client: ControlClient, out: Output, app: str, channel: str | None) -> None:
    """Show the experiment on CHANNEL of APP and what came of each arm, or all running experiments."""
    if channel is None:
        found = client.get(app_path(app, "experiments"))
        rows = [[each["channel"], each["name"], _arms(each), each["segment"]] for each in found]
        columns = ("channel", "experiment", "arms", "segment")
        return out.result(found, lambda: table(columns, rows, "no experiment is running"))
    path = app_path(app, "channels", channel, "experiment")
    found, arms = client.get(path), get_sides(client, path)

    def show_all() -> None:
        _print_text(found)
        show_sides(client, arms)

    return out.result(found | {"figures": arms}, show_all)


@experiment.command(short_help="Stop the experiment on CHANNEL and keep one arm.")
@click.argument("app")
@click.argument("channel")
@click.option("--keep", metavar="ARM", required=True, help="Arm whose bundle the channel then offers to all devices.")
@with_api
def stop(client: ControlClient, out: Output, app: str, channel: str, keep: str) -> None:
    """Stop the experiment on CHANNEL of APP and keep one arm. To keep none, use `edge rollback`."""
    after = client.post(app_path(app, "channels", channel, "experiment", "stop"), {"keep": keep})
    out.result(after, lambda: line(f"stopped the experiment; channel {channel} offers {after['bundle']}"))


def sentence(view: dict[str, Any]) -> str:
    """`look: control 50% 1.4.0, new 50% 1.5.0, in segment ios`."""
    within = f", in segment {view['segment']}" if view["segment"] else ""
    return f"{view['name']}: {', '.join(_arms(view))}{within}"


def _parse_arm(text: str) -> dict[str, Any]:
    name, named, rest = text.partition("=")
    version, shared, share = rest.rpartition(":")
    if not (named and shared):
        raise click.UsageError(f"invalid --arm {text!r}: expected NAME=VERSION:SHARE, such as new=1.5.0:50")
    return {"name": name, "bundle": version, "share": share}


def _arms(view: dict[str, Any]) -> list[str]:
    return [f"{arm['name']} {arm['share']} {arm['bundle']}" for arm in view["arms"]]


def _print_text(found: dict[str, Any]) -> None:
    pairs = (
        ("experiment", found["name"]),
        ("channel", found["channel"]),
        ("segment", found["segment"] or ""),
        ("started", moment(found["started"])),
    )
    fields(pairs)
    rows = [[arm["name"], arm["bundle"], arm["share"]] for arm in found["arms"]]
    table(("arm", "bundle", "share"), rows, "no arms")
