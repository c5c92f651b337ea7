"""`edge device show|lift|erase`: what the node knows about a single device, and how to change it."""

from typing import Any
from urllib.parse import urlencode

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment
from edge.domain.schedule.durations import parse_duration

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


@click.command(short_help="Allow offering a bundle again after it failed.")
@click.argument("app")
@click.argument("device", required=False)
@click.argument("version", required=False)
@click.option("--all", "everyone", is_flag=True, help="Every device that the bundle was withheld from.")
@click.option("--bundle", metavar="V", help="With --all: the bundle.")
@click.option("--since", metavar="TIME", help="With --all: only what was withheld in this time, as 2h or 3d.")
@click.option("--dry-run", is_flag=True, help="With --all: count the devices and change nothing.")
@with_api
def lift(
    client: ControlClient,
    out: Output,
    app: str,
    device: str | None,
    version: str | None,
    everyone: bool,
    bundle: str | None,
    since: str | None,
    dry_run: bool,
) -> None:
    """Allow offering bundle VERSION to DEVICE again after it failed there.

    With --all --bundle V: to every device of APP that it was withheld from, as after forged reports of failures.
    """
    if everyone:
        if device is not None or bundle is None:
            raise click.UsageError("--all takes --bundle V, and no DEVICE and VERSION")
        _lift_all(client, out, app_path(app, "withheld", bundle), since, dry_run)
        return
    if device is None or version is None or bundle is not None or since is not None or dry_run:
        raise click.UsageError("give DEVICE and VERSION, or --all --bundle V with --since and --dry-run")
    after = client.delete(app_path(app, "devices", device, "withheld", version))
    out.result(after, lambda: line(f"bundle {after['version']} can be offered to device {after['device']} again"))


def _lift_all(client: ControlClient, out: Output, path: str, since: str | None, dry_run: bool) -> None:
    query = {"within_seconds": str(max(int(parse_duration(since)), 1))} if since else {}
    query |= {"dry_run": "true"} if dry_run else {}
    after = client.delete(path + (f"?{urlencode(query)}" if query else ""))
    devices = counted(after["devices"], "device")
    could = "could be" if dry_run else "can be"
    out.result(after, lambda: line(f"bundle {after['version']} {could} offered to {devices} again"))


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
