"""`edge node`: this node and those that report to it, as each was when it was heard of last."""

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import click

from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, size, table
from edge.domain.errors import EdgeError
from edge.domain.schedule.durations import parse_duration
from edge.domain.schedule.durations import rough_duration as span

WATCH_SECONDS = 2.0  # between two looks: nodes report every few seconds
STATES = {"well": "well", "look": "needs a look", "unheard": "not heard of"}
COLUMNS = ("node", "region", "state", "revision", "behind", "heard", "source", "version", "disk", "load", "checks/s")


@click.group()
def node() -> None:
    """See the nodes of all regions, and forget one that is gone."""


@node.command("list")
@click.option("--watch", is_flag=True, help=f"Look again every {WATCH_SECONDS:.0f} s, until Ctrl-C.")
@with_api
def list_nodes(client: ControlClient, out: Output, watch: bool) -> None:
    """List this node and those that report to it.

    REVISION is the sum of all apps' revisions: it rises by one with each change. BEHIND is what a node lacked when it
    reported, and for how long this node has had that.
    """

    def show() -> None:
        found = client.get("/v1/nodes")
        out.result(found, lambda: _show_list(found))

    if not watch:
        return show()
    return _watch(show, clears=sys.stdout.isatty() and not out.as_json)


@node.command("show")
@click.argument("name")
@with_api
def show_node(client: ControlClient, out: Output, name: str) -> None:
    """Show what the node NAME, or the node with that id, reported last."""
    found = client.get(_path(name))
    out.result(found, lambda: fields(_pairs(found)))


@node.command()
@click.argument("name")
@with_api
def forget(client: ControlClient, out: Output, name: str) -> None:
    """Forget the node NAME, so that its token may speak for another one.

    A node that still runs is listed again with its next report. To shut one out, revoke its token: edge token revoke.
    """
    gone = client.delete(_path(name))
    out.result(gone, lambda: line(f"forgot node {gone['name']} ({gone['node']})"))
    note(f"if its token is not revoked, it is listed again when it reports: edge token revoke {gone['name']}")


@node.command(short_help="Take back what a node brought of devices.")
@click.argument("name")
@click.option("--since", metavar="TIME", help="Only what it brought in this time, as 2h or 3d.")
@click.option("--dry-run", is_flag=True, help="Count it and change nothing.")
@with_api
def lift(client: ControlClient, out: Output, name: str, since: str | None, dry_run: bool) -> None:
    """Take back what the node NAME brought of devices, as after its token was stolen: bundles withheld from them can be
    offered again, and channels that they chose are none. A node that was forgotten is named by its id."""
    query = {"within_seconds": str(max(int(parse_duration(since)), 1))} if since else {}
    query |= {"dry_run": "true"} if dry_run else {}
    after = client.delete(f"{_path(name)}/brought" + (f"?{urlencode(query)}" if query else ""))
    would = "would be" if dry_run else "are"
    said = f"{counted(after['withheld'], 'withheld bundle')} and {counted(after['choices'], 'choice')} of devices"
    out.result(after, lambda: line(f"{said} {would} taken back, which node {after['node']} brought"))


def _watch(show: Callable[[], None], *, clears: bool) -> None:
    try:
        while True:
            if clears:
                click.clear()
            try:
                show()
            except EdgeError as error:  # the node restarts: the next look may succeed
                note(f"not looked again: {error.message}")
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _show_list(found: list[dict[str, Any]]) -> None:
    table(COLUMNS, [_row(each) for each in found], "no nodes")
    for each in found:
        if each["sentence"]:
            line(f"{each['name']}: {each['sentence']}")


def _row(each: dict[str, Any]) -> list[Any]:
    report = each["report"]
    known = (f"{each['name']} (this node)" if each["own"] else each["name"], each["region"], STATES[each["condition"]])
    if report is None:
        return [*known, *[None] * 8]
    return [
        *known,
        f"r{report['changes']}",
        _behind(each),
        "now" if each["own"] else f"{span(each['heard_seconds'])} ago",
        (report["source"] or {}).get("name"),
        report["version"],
        _disk(report),
        f"{report['load']:.2f} of {report['cores']}",
        f"{report['checks_per_second']:.0f}",
    ]


def _behind(each: dict[str, Any]) -> str:
    return f"{counted(each['behind'], 'change')}, {span(each['behind_seconds'])}" if each["behind"] else "nothing"


def _disk(report: dict[str, Any]) -> str:
    total = report["disk_total_bytes"]
    return f"{1 - report['disk_free_bytes'] / total:.0%} used of {size(total)}" if total else "not known"


def _pairs(found: dict[str, Any]) -> list[tuple[str, Any]]:
    heard = f"{moment(found['heard'])}, {span(found['heard_seconds'])} ago" if found["heard"] is not None else "not yet"
    first = [
        ("node", found["node"]),
        ("name", found["name"]),
        ("region", found["region"]),
        ("state", ": ".join(filter(None, (STATES[found["condition"]], found["sentence"])))),
        ("last heard of", heard),
        ("first heard of", moment(found["since"])),
    ]
    report = found["report"]
    return first if report is None else [*first, *_reported(found, report)]


def _reported(found: dict[str, Any], report: dict[str, Any]) -> list[tuple[str, Any]]:
    ends = report["certificate_seconds"]
    return [
        ("role", report["role"]),
        ("location", report["location"] or None),
        ("revision", f"r{report['changes']} of {counted(report['apps'], 'app')}"),
        ("behind by", _behind(found)),
        *_source(report["source"]),
        ("stale", report["stale"]),
        ("refused", ", ".join(f"{code} {n}" for code, n in sorted(report["refused"].items())) or "nothing"),
        ("damaged", report["damaged"]),
        ("version", report["version"]),
        ("Python", report["python"]),
        ("running for", span(report["running_seconds"])),
        ("its clock", moment(report["clock"])),
        ("workers", f"{report['workers_ready']} of {report['workers']} answer"),
        ("checks a second", f"{report['checks_per_second']:.1f}"),
        ("load", f"{report['load']:.2f} of {report['cores']} cores"),
        ("disk", f"{_disk(report)}, {size(report['disk_free_bytes'])} free"),
        ("waits to be sent home", size(report["unsent_bytes"])),
        ("devices reach it at", report["devices_url"] or None),
        ("certificate ends in", None if ends is None else span(max(0.0, ends))),
    ]


def _source(source: dict[str, Any] | None) -> list[tuple[str, Any]]:
    if source is None:
        return [("source", "none: it holds the truth")]
    verified, lost = source["verified_seconds"], source["unreachable_seconds"]
    return [
        ("source", source["name"]),
        ("heads verified", "never" if verified is None else f"signed {span(verified)} ago"),
        ("unreachable for", None if lost is None else f"{span(lost)} ({source['why'] or 'no answer'})"),
        ("blobs to fetch", source["waiting_blobs"]),
        ("mirrored", size(source["mirrored_bytes"])),
    ]


def _path(name: str) -> str:
    return f"/v1/nodes/{quote(name, safe='')}"
