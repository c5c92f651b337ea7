"""`edge history`: an app's chain of revisions, which is its audit trail."""

from collections.abc import Iterator
from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, moment, note, table

LIMIT_DEFAULT = 50
LIMIT_MOST = 1_000  # each revision is a separate document to fetch


@click.command()
@click.argument("app")
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MOST),
    metavar="N",
    default=LIMIT_DEFAULT,
    show_default=True,
    help="Number of revisions to list.",
)
@click.option("--before", type=click.IntRange(min=1), metavar="N", help="List revisions below N: the next page.")
@with_api
def history(client: ControlClient, out: Output, app: str, limit: int, before: int | None) -> None:
    """List the revisions of APP, newest first: number, time, author, command, and what channels offered before and
    after."""
    page = f"limit={limit}" + (f"&before={before}" if before is not None else "")
    revisions = client.get(f"{app_path(app, 'history')}?{page}")
    out.result(revisions, lambda: _print_text(revisions))


def bundle_changes(entry: dict[str, Any]) -> list[str]:
    """`production: 1.0.0 -> 1.1.0` for each channel that the revision changed."""
    return [f"{each['channel']}: {_bundles(each['before'], each['after'])}" for each in entry["channels"]]


def _print_text(revisions: list[dict[str, Any]]) -> None:
    rows = [
        [each["revision"], moment(each["at"]), _by(each), each["kind"], bundle_changes(each), _about(each)]
        for each in revisions
    ]
    table(("revision", "when", "by", "command", "bundles", "about"), rows, "no revisions")
    if revisions and revisions[-1]["revision"] > 1:
        note(f"for older revisions: --before {revisions[-1]['revision']}")


def _by(entry: dict[str, Any]) -> list[str]:
    """With who approved it; a rollback that nobody did is marked."""
    approved = entry.get("approved_by")
    said = [f"approved by {', '.join(approved)}"] if approved else []
    return [entry["by"], *said, *(["EMERGENCY, not approved"] if entry.get("emergency") else [])]


def _about(entry: dict[str, Any]) -> list[str]:
    """The command in one line, what it altered from what to what besides bundles, and why."""
    told = [
        f"{each['name']} {each['what']}: {each['before']} -> {each['after']}"
        for each in entry["changes"]
        if each["what"] not in ("bundle", "rollout", "experiment") and None not in (each["before"], each["after"])
    ]
    return [entry["summary"], *told, *([f"because: {entry['reason']}"] if entry["reason"] else [])]


def _bundles(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    was, becomes = (view["bundle"] or "nothing" if view else None for view in (before, after))
    if was is None:
        said = f"created, offers {becomes}"
    elif becomes is None:
        said = f"deleted, offered {was}"
    else:
        said = becomes if was == becomes else f"{was} -> {becomes}"
    besides = [*_on_its_way(before or {}, after or {}, becomes or "")]
    return f"{said} ({', '.join(besides)})" if besides else said


def _on_its_way(before: dict[str, Any], after: dict[str, Any], offered: str) -> Iterator[str]:
    """The rollout and the experiment on the channel, or the fact that they ended."""
    if rollout := after.get("rollout"):
        yield f"rollout {rollout}"
    elif rollout := before.get("rollout"):
        yield f"rollout {rollout} {'promoted' if rollout == offered else 'ended'}"
    if before.get("experiment") and not after.get("experiment"):
        yield f"experiment {before['experiment']} ended"
