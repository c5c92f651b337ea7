"""`edge window`: the hours when a channel offers something new."""

from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, moment


@click.group()
def window() -> None:
    """Set the hours when a channel offers something new."""


@window.command("set")
@click.argument("app")
@click.argument("channel")
@click.argument("windows", metavar="WINDOW...", nargs=-1, required=True)
@click.option("--rollback-passes/--no-rollback-passes", default=None, help="Allow rollbacks outside the windows too.")
@with_change
def set_windows(
    client: ControlClient, out: Output, app: str, channel: str, windows: tuple[str, ...], rollback_passes: bool | None
) -> None:
    """Set the windows of CHANNEL of APP, replacing any others. Outside them, nothing new is offered.

    A window is days, times and a time zone in one argument: "Mon-Fri 01:00-05:00 Europe/Paris", "Sat,Sun 22:00-06:00
    UTC", "daily 02:00-04:00 America/New_York". One that crosses midnight belongs to the day it starts on.
    """
    settings: dict[str, Any] = {"windows": windows}
    if rollback_passes is not None:
        settings["rollback_passes"] = rollback_passes
    _change(client, out, app, channel, settings)


@window.command()
@click.argument("app")
@click.argument("channel")
@with_change
def clear(client: ControlClient, out: Output, app: str, channel: str) -> None:
    """Remove the windows of CHANNEL of APP, so that it is always open."""
    _change(client, out, app, channel, {"windows": []})


@window.command(short_help="Show the windows, and whether the channel is open now.")
@click.argument("app")
@click.argument("channel")
@with_api
def show(client: ControlClient, out: Output, app: str, channel: str) -> None:
    """Show the windows of CHANNEL of APP, whether it is open now, and when that changes."""
    found = client.get(app_path(app, "channels", channel, "windows"))
    pairs = (
        ("windows", found["windows"] or "none: always open"),
        ("open now", found["open"]),
        ("closes", moment(found["closes_at"]) if found["closes_at"] else None),
        ("opens", moment(found["opens_at"]) if found["opens_at"] else None),
        ("rollback passes", found["rollback_passes"]),
    )
    out.result(found, lambda: fields(pairs))


def _change(client: ControlClient, out: Output, app: str, channel: str, settings: dict[str, Any]) -> None:
    after = client.patch(app_path(app, "channels", channel), settings)
    opens = f"is open {', '.join(after['windows'])}" if after["windows"] else "is always open"
    out.result(after, lambda: line(f"{'' if after['changed'] else 'no change: '}channel {channel} {opens}"))
