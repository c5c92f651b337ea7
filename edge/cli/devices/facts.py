"""`edge device list|show|lift|erase`: what the node knows about single devices, and how to change it."""

import re
from typing import Any
from urllib.parse import urlencode

import click

from edge.cli.terminal.asking import takes_yes
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.schedule.durations import parse_duration

GONE = "(deleted)"
ID_PREFIX = re.compile(r"[0-9A-Fa-f-]{0,36}")
ONCE = frozenset({"update_fail", "set_fail"})  # a single one withholds the bundle


def _check_prefix(_ctx: click.Context, _option: click.Parameter, prefix: str | None) -> str | None:
    if prefix is not None and not ID_PREFIX.fullmatch(prefix):
        raise click.BadParameter("use the first characters of a device id, which is a UUID")
    return prefix


@click.command("list", short_help="List and find the devices that reported.")
@click.argument("app")
@click.option("--id-prefix", metavar="TEXT", callback=_check_prefix, help="Only devices whose id begins with this.")
@click.option("--custom-id", metavar="ID", help="Only devices to which the app gave this custom id.")
@click.option("--runs", metavar="V|builtin", help="Only devices that run this bundle.")
@click.option("--since", metavar="TIME", help="Only devices that reported in this time, as 2h or 3d.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), metavar="N", default=50, show_default=True, help="Devices to list."
)
@click.option("--after", metavar="MARK", help="The next page, as the page before names it.")
@with_api
def list_devices(
    client: ControlClient,
    out: Output,
    app: str,
    id_prefix: str | None,
    custom_id: str | None,
    runs: str | None,
    since: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List the devices of APP whose reports this node still holds, latest report first, each as it reported and with
    what the node has noted: its override, the channel it chose, the bundles withheld from it."""
    asked = {"id_prefix": id_prefix, "custom_id": custom_id, "runs": runs, "after": after}
    asked |= {"within_seconds": _seconds(since)}
    query = {name: value for name, value in asked.items() if value is not None} | {"limit": str(limit)}
    found = client.get(f"{app_path(app, 'devices')}?{urlencode(query)}")
    out.result(found, lambda: _print_list(found))


def _print_list(found: dict[str, Any]) -> None:
    rows = [
        [each["device"], moment(each["reported"]), each["runs"], each["platform"], each["custom_id"], _noted(each)]
        for each in found["devices"]
    ]
    table(("device", "reported", "runs", "platform", "custom id", "noted"), rows, "no such device has reported")
    if found["next_page"]:
        note(f"{counted(found['matching'], 'device')} in all; for the next page: --after {found['next_page']}")
    if found["cut"]:
        note(f"only reports since {moment(found['since'])} were read: there may be more devices")


def _noted(each: dict[str, Any]) -> list[str]:
    """What differs from an ordinary device."""
    override = [f"override {each['override']}"] if each["override"] else []
    choice = [f"chose {each['channel']}"] if each["channel"] else []
    return [*override, *choice, *(f"withheld {version or GONE}" for version in each["withheld"])]


def _seconds(since: str | None) -> str | None:
    return str(max(int(parse_duration(since)), 1)) if since else None


@click.command(short_help="Show what the node knows about DEVICE.")
@click.argument("app")
@click.argument("device")
@with_api
def show(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Show what the node knows about DEVICE: its channel, failed bundles, recent offers, and how it was used as of the
    day on which segments judged it last."""
    known = client.get(app_path(app, "devices", device))
    pairs = (
        ("device", known["device"]),
        ("override", known["override"] or ""),
        ("chosen channel", known["channel"] or ""),
        ("withheld", [*map(_withheld, known["withheld"]), *(["older ones, not kept"] if known["forgot"] else [])]),
        ("failing", [f"{each['version'] or GONE}: {_attempts(each)}" for each in known["failing"]]),
        ("recent offers", [version or GONE for version in known["offered"]]),
        ("used", _used(known["behaviour"])),
    )
    out.result(known, lambda: fields(pairs))


def _used(behaviour: dict[str, Any] | None) -> list[str]:
    """`judged 2026-11-27`, `11 sessions_7d`, ...; what is unknown is left out."""
    if behaviour is None:
        return []
    numbers = [f"{name} {n}" for name, n in behaviour.items() if isinstance(n, int)]
    return [f"judged {behaviour['judged']}", *numbers, *(f"feature {name}" for name in behaviour["features"] or ())]


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
            raise click.UsageError("--all needs --bundle V, and takes no DEVICE or VERSION")
        _lift_all(client, out, app_path(app, "withheld", bundle), since, dry_run)
        return
    if device is None or version is None or bundle is not None or since is not None or dry_run:
        raise click.UsageError("give DEVICE and VERSION, or --all --bundle V (and with these --since, --dry-run)")
    after = client.delete(app_path(app, "devices", device, "withheld", version))
    out.result(after, lambda: line(f"bundle {after['version']} can be offered to device {after['device']} again"))


def _lift_all(client: ControlClient, out: Output, path: str, since: str | None, dry_run: bool) -> None:
    within = _seconds(since)
    query = {"within_seconds": within} if within else {}
    query |= {"dry_run": "true"} if dry_run else {}
    after = client.delete(path + (f"?{urlencode(query)}" if query else ""))
    devices = counted(after["devices"], "device")
    can = "would be" if dry_run else "can be"
    out.result(after, lambda: line(f"bundle {after['version']} {can} offered to {devices} again"))


@click.command(short_help="Show what DEVICE reported.")
@click.argument("app")
@click.argument("device")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), metavar="N", default=50, show_default=True, help="Events to list."
)
@click.option(
    "--before-ms", type=click.IntRange(min=1), metavar="N", help="The next page, as the page before names it."
)
@with_api
def story(client: ControlClient, out: Output, app: str, device: str, limit: int, before_ms: int | None) -> None:
    """Show what DEVICE reported to this node, newest first. Checks are counted, not kept by device: see edge explain
    for what it would be offered now."""
    query = urlencode({"limit": limit} | ({"before_ms": before_ms} if before_ms is not None else {}))
    found = client.get(f"{app_path(app, 'devices', device, 'story')}?{query}")

    def print_text() -> None:
        rows = [
            [moment(each["at"]), each["action"], each["bundle"], each["was"], each["file"], each["metadata"]]
            for each in found["events"]
        ]
        table(("received", "action", "bundle", "was", "file", "said besides"), rows, "it has reported nothing")
        if found["next_page"]:
            note(f"for older events: --before-ms {found['next_page']}")
        if found["cut"]:
            note("older reports were not read")

    out.result(found, print_text)


@click.command(short_help="Erase what the node knows about DEVICE.")
@click.argument("app")
@click.argument("device")
@takes_yes
@with_api
def erase(client: ControlClient, out: Output, app: str, device: str) -> None:
    """Erase what the node knows about DEVICE: chosen channel, failed bundles, recent offers, what it reported, how it
    is used. Its override stays, and so do sums, which name nobody.

    What the device sends from now on begins anew. Lists and exports leave the device out at once. The last of it is
    erased within two hours, when the files that are being written are closed; the answer says until when.
    """
    after = client.delete(app_path(app, "devices", device))
    out.result(after, lambda: _show_erased(after))


def _show_erased(after: dict[str, Any]) -> None:
    done = after["erased"]
    if after["known"] is False:
        line(f"nothing is known of device {after['device']}")
        line(f"what workers may have heard of it in the last 15 s is erased by {moment(after['done_by'])}")
        return
    line(f"erased device {after['device']}: lists and exports leave it out from now on")
    if done is None:
        line(f"its events and figures follow, by {moment(after['done_by'])}: what counts them is not running")
    else:
        if done["lines"]:
            line(f"its events: {counted(done['lines'], 'line')} erased from {counted(done['segments'], 'file')}")
        line(f"its figures: {counted(done['rows'], 'row')} erased")
        if done["open_segments"]:
            files = counted(done["open_segments"], "file")
            are, gone = "is" if done["open_segments"] == 1 else "are", moment(after["done_by"])
            line(f"{files} {are} still being written, and may hold lines of it: they are gone by {gone}")
    for each in after["remains"]:
        note(f"remains: {each}")


def _withheld(each: dict[str, Any]) -> str:
    until = "for good" if each["until"] is None else f"until {moment(each['until'])}"
    where = f", at {each['node']}" if each["node"] else ""
    return f"{each['version'] or GONE} {until}: {_attempts(each)}{where}"


def _attempts(each: dict[str, Any]) -> str:
    """`update_fail`; `3 failed attempts, checksum_fail`."""
    if each["cause"] in ONCE:
        return str(each["cause"])
    return f"{each['attempts']} failed attempt{'s' if each['attempts'] > 1 else ''}, {each['cause']}"
