"""`edge override`: single devices that an operator sends to a channel, overriding the rules."""

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, line, table


@click.group()
def override() -> None:
    """Send single devices to a channel, overriding the rules."""


@override.command("set")
@click.argument("app")
@click.argument("device")
@click.argument("channel")
@with_change
def set_override(client: ControlClient, out: Output, app: str, device: str, channel: str) -> None:
    """Send DEVICE to CHANNEL of APP. DEVICE is the id that the plugin generated."""
    after = client.put(app_path(app, "overrides", device), {"channel": channel})
    out.result(after, lambda: line(f"device {after['device']} is sent to channel {after['channel']}"))


@override.command()
@click.argument("app")
@click.argument("device")
@with_change
def clear(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Remove the override of DEVICE; the rules of APP apply again."""
    gone = client.delete(app_path(app, "overrides", device))
    out.result(gone, lambda: line(f"removed the override of device {gone['device']}"))


@override.command("list")
@click.argument("app")
@with_api
def list_overrides(client: ControlClient, out: Output, app: str) -> None:
    """List the overrides of APP."""
    overrides = client.get(app_path(app, "overrides"))
    rows = [[each["device"], each["channel"]] for each in overrides]
    out.result(overrides, lambda: table(("device", "channel"), rows, "no overrides"))
