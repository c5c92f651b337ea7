"""`edge rollback`, `edge undo` and `edge put-back`: return to an earlier state, in a new revision."""

from collections.abc import Iterator
from typing import Any

import click

from edge.cli.releases.history import bundle_changes
from edge.cli.releases.replaced import instead_of, print_ended, print_moves
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, takes_yes, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_change
from edge.cli.terminal.output import Output, line, moment


@click.command()
@click.argument("app")
@click.argument("channel")
@click.option("--to", metavar="V|builtin", help="Version to offer, or builtin: the code inside the native app.")
@takes_yes
@with_change
def rollback(client: ControlClient, out: Output, app: str, channel: str, to: str | None) -> None:
    """Roll back CHANNEL of APP.

    Ends the rollout or experiment that runs on the channel. If none runs, the channel offers its last good bundle
    again, or the one given by --to.
    """
    after = client.post(app_path(app, "channels", channel, "rollback"), {"to": to})

    def print_text() -> None:
        line(_sentence(after))
        print_ended(after["replaced"])
        print_moves(after["impact"])

    out.result(after, print_text)


@click.command()
@click.argument("app")
@click.option(
    "--revision", type=click.IntRange(min=1), metavar="N", help="Undo only if this is still the latest revision."
)
@click.option("--force", is_flag=True, help="Undo even a stop: a pause, a rollback or a withdrawal.")
@with_asking
@with_change
def undo(client: ControlClient, out: Output, asking: Asking, app: str, revision: int | None, force: bool) -> None:
    """Undo the latest change of APP, whatever it was. Published version names stay taken."""
    body = {"revision": revision, "force": force}
    after = carry_out(
        client,
        out,
        asking,
        ControlRequest("POST", app_path(app, "undo"), body),
        lambda foreseen: f"undo {_about(foreseen)}",
        settle=lambda foreseen: body | {"revision": foreseen["undone"]["revision"]} if foreseen["undone"] else body,
    )

    def print_text() -> None:
        undone = after["undone"]
        if undone is None:
            return line(f"no change: revision {after['revision']} of {after['app']}")
        return line(f"undid {_about(after)} (revision {after['revision']})")

    out.result(after, print_text)


@click.command("put-back")
@click.argument("app")
@click.argument("revision", type=click.IntRange(min=1))
@with_asking
@with_change
def put_back(client: ControlClient, out: Output, asking: Asking, app: str, revision: int) -> None:
    """Put back what REVISION of APP changed, in a new revision: a segment, an override, or the settings of a channel
    and what it offers. What came after stays. For the latest change of any kind see edge undo."""
    request = ControlRequest("POST", app_path(app, "put-back"), {"revision": revision})
    after = carry_out(client, out, asking, request, lambda foreseen: f"put back {_told(foreseen['put_back'])}")

    def print_text() -> None:
        done = f"{_told(after['put_back'])} (revision {after['revision']})"
        line(f"put back {done}" if after["changed"] else f"no change: it is as it was before {done}")

    out.result(after, print_text)


def _told(entry: dict[str, Any]) -> str:
    return f"revision {entry['revision']}: {entry['kind']} {entry['summary']}".rstrip()


def _about(view: dict[str, Any]) -> str:
    """What is undone, and who made it."""
    undone = view["undone"]
    if undone is None:
        return f"the latest change of {view['app']}"
    changes = bundle_changes(undone)
    what = f"{undone['kind']} {undone['summary']}".rstrip() + (f" ({'; '.join(changes)})" if changes else "")
    return f"revision {undone['revision']} of {view['app']}: {what}, by {undone['by']} at {moment(undone['at'])}"


def _sentence(view: dict[str, Any]) -> str:
    verb = "rolled back" if view["changed"] else "no change:"
    if view["changed"] and view["replaced"] is None:
        ended = " and ".join(_ended(view))
        offers = f"{view['name']} offers {view['served'] or 'nothing'} to all devices"
        return f"ended {ended}; {offers} (revision {view['revision']})"
    offers = f"offers {view['bundle'] or 'nothing'}{_instead(view)}"
    return f"{verb} channel {view['name']}: {offers} (revision {view['revision']})"


def _instead(view: dict[str, Any]) -> str:
    replaced = view["replaced"]
    if replaced and replaced["withdrawn"] and replaced["bundle"] == view["bundle"]:
        return f", as it did since {replaced['withdrawn']} was withdrawn"
    return instead_of(replaced)


def _ended(view: dict[str, Any]) -> Iterator[str]:
    """The rollout and the experiment that ran on the channel before."""
    for each in view["impact"]["channels"]:
        if each["channel"] != view["name"] or each["before"] is None:
            continue
        if rollout := each["before"]["rollout"]:
            yield f"the rollout of {rollout}"
        if experiment := each["before"]["experiment"]:
            yield f"experiment {experiment}"
