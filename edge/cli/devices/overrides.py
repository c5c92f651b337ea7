"""`edge override`: single devices that an operator sends to a channel."""

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, table


@click.group()
def override() -> None:
    """Send single devices to a channel."""


@override.command("set")
@click.argument("app")
@click.argument("device")
@click.argument("channel")
@with_api
def set_override(client: ControlClient, out: Output, app: str, device: str, channel: str) -> None:
    """Send DEVICE, the id that the plugin made, to CHANNEL of APP."""
    after = client.put(app_path(app, "overrides", device), {"channel": channel})
    out.result(after, lambda: line(f"device {after['device']} is sent to channel {after['channel']}"))


@override.command()
@click.argument("app")
@click.argument("device")
@with_api
def clear(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Let DEVICE follow the rules of APP again."""
    gone = client.delete(app_path(app, "overrides", device))
    out.result(gone, lambda: line(f"device {gone['device']} has no override any more"))


@override.command("list")
@click.argument("app")
@with_api
def list_overrides(client: ControlClient, out: Output, app: str) -> None:
    """List the overrides of APP."""
    overrides = client.get(app_path(app, "overrides"))
    rows = [[each["device"], each["channel"]] for each in overrides]
    out.result(overrides, lambda: table(("device", "channel"), rows, "no overrides"))
