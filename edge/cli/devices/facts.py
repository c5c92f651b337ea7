"""`edge device show|lift|erase`: what the node knows of a single device, and how to change that."""

from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, moment

GONE = "(no longer there)"
ONCE = frozenset({"update_fail", "set_fail"})  # one is enough


@click.command(short_help="Show what is known of DEVICE.")
@click.argument("app")
@click.argument("device")
@with_api
def show(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Show what is known of DEVICE: its channel, what failed on it, what it was lately offered."""
    known = client.get(app_path(app, "devices", device))
    pairs = (
        ("device", known["device"]),
        ("override", known["override"] or ""),
        ("chose channel", known["channel"] or ""),
        ("withheld", [*map(_withheld, known["withheld"]), *(["older ones, forgotten"] if known["forgot"] else [])]),
        ("failing", [f"{each['version'] or GONE}: {_attempts(each)}" for each in known["failing"]]),
        ("offered lately", [version or GONE for version in known["offered"]]),
    )
    out.result(known, lambda: fields(pairs))


@click.command()
@click.argument("app")
@click.argument("device")
@click.argument("version")
@with_api
def lift(client: ControlClient, out: Output, app: str, device: str, version: str) -> None:
    """Let bundle VERSION, which failed on DEVICE, be offered to it again."""
    after = client.delete(app_path(app, "devices", device, "withheld", version))
    out.result(after, lambda: line(f"bundle {after['version']} may be offered to device {after['device']} again"))


@click.command(short_help="Forget what DEVICE brought about.")
@click.argument("app")
@click.argument("device")
@with_api
def erase(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Forget everything that DEVICE brought about; its override, which a person made, stays."""
    after = client.delete(app_path(app, "devices", device))
    out.result(after, lambda: line(f"device {after['device']} is forgotten"))


def _withheld(each: dict[str, Any]) -> str:
    until = "for good" if each["until"] is None else f"until {moment(each['until'])}"
    return f"{each['version'] or GONE} {until}: {_attempts(each)}"


def _attempts(each: dict[str, Any]) -> str:
    """`update_fail`; `3 failed attempts, checksum_fail`."""
    if each["cause"] in ONCE:
        return str(each["cause"])
    return f"{each['attempts']} failed attempt{'s' if each['attempts'] > 1 else ''}, {each['cause']}"
