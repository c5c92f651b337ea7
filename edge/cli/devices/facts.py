"""`edge device show|lift|erase`: what the node knows about a single device, and how to change it."""

from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, moment

GONE = "(deleted)"
ONCE = frozenset({"update_fail", "set_fail"})  # a single one withholds the bundle


@click.command(short_help="Show what the node knows about DEVICE.")
@click.argument("app")
@click.argument("device")
@with_api
def show(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Show what the node knows about DEVICE: its channel, failed bundles and recent offers."""
    known = client.get(app_path(app, "devices", device))
    pairs = (
        ("device", known["device"]),
        ("override", known["override"] or ""),
        ("chosen channel", known["channel"] or ""),
        ("withheld", [*map(_withheld, known["withheld"]), *(["older ones, not kept"] if known["forgot"] else [])]),
        ("failing", [f"{each['version'] or GONE}: {_attempts(each)}" for each in known["failing"]]),
        ("recent offers", [version or GONE for version in known["offered"]]),
    )
    out.result(known, lambda: fields(pairs))


@click.command()
@click.argument("app")
@click.argument("device")
@click.argument("version")
@with_api
def lift(client: ControlClient, out: Output, app: str, device: str, version: str) -> None:
    """Allow offering bundle VERSION to DEVICE again after it failed there."""
    after = client.delete(app_path(app, "devices", device, "withheld", version))
    out.result(after, lambda: line(f"bundle {after['version']} can be offered to device {after['device']} again"))


@click.command(short_help="Erase what the node knows about DEVICE.")
@click.argument("app")
@click.argument("device")
@with_api
def erase(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Erase what the node knows about DEVICE: chosen channel, failed bundles, recent offers. Its override stays."""
    after = client.delete(app_path(app, "devices", device))
    out.result(after, lambda: line(f"erased device {after['device']}"))


def _withheld(each: dict[str, Any]) -> str:
    until = "for good" if each["until"] is None else f"until {moment(each['until'])}"
    return f"{each['version'] or GONE} {until}: {_attempts(each)}"


def _attempts(each: dict[str, Any]) -> str:
    """`update_fail`; `3 failed attempts, checksum_fail`."""
    if each["cause"] in ONCE:
        return str(each["cause"])
    return f"{each['attempts']} failed attempt{'s' if each['attempts'] > 1 else ''}, {each['cause']}"
