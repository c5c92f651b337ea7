"""`edge rollback` and `edge undo`: a channel or an app as it was before, each as a revision of its own."""

from collections.abc import Iterator
from typing import Any

import click

from edge.cli.releases.history import bundle_changes
from edge.cli.releases.replaced import instead_of, tell_ended, tell_moves
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment


@click.command()
@click.argument("app")
@click.argument("channel")
@click.option("--to", metavar="V|builtin", help="What to offer: a version, or the app's own code.")
@with_api
def rollback(client: ControlClient, out: Output, app: str, channel: str, to: str | None) -> None:
    """Go back on CHANNEL of APP.

    A rollout or an experiment that is on its way is ended; where there is none, the channel offers the last good bundle
    again. With --to it offers that.
    """
    after = client.post(app_path(app, "channels", channel, "rollback"), {"to": to})

    def tell() -> None:
        line(_sentence(after))
        tell_ended(after["replaced"])
        tell_moves(after["impact"])

    out.result(after, tell)


@click.command()
@click.argument("app")
@click.option("--revision", type=click.IntRange(min=1), help="Only if this is still the latest one.")
@click.option("--force", is_flag=True, help="Also if that was a stop: a pause, a rollback, a withdrawal.")
@with_asking
@with_api
def undo(client: ControlClient, out: Output, asking: Asking, app: str, revision: int | None, force: bool) -> None:
    """Take back the last change of APP, whatever it was; version names that were published stay used up."""
    body = {"revision": revision, "force": force}
    after = carry_out(
        client,
        out,
        asking,
        ControlRequest("POST", app_path(app, "undo"), body),
        lambda foreseen: f"undo {_about(foreseen)}",
        settle=lambda foreseen: body | {"revision": foreseen["undone"]["revision"]} if foreseen["undone"] else body,
    )

    def tell() -> None:
        undone = after["undone"]
        if undone is None:
            return line(f"no change: revision {after['revision']} of {after['app']}")
        return line(f"undid {_about(after)} (revision {after['revision']})")

    out.result(after, tell)


def _about(view: dict[str, Any]) -> str:
    """What is taken back, and whose it was."""
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
        offers = f"{view['name']} offers {view['served'] or 'nothing'} to everybody"
        return f"ended {ended}; {offers} (revision {view['revision']})"
    offers = f"offers {view['bundle'] or 'nothing'}{_instead(view)}"
    return f"{verb} channel {view['name']}: {offers} (revision {view['revision']})"


def _instead(view: dict[str, Any]) -> str:
    replaced = view["replaced"]
    if replaced and replaced["withdrawn"] and replaced["bundle"] == view["bundle"]:
        return f", as it did since {replaced['withdrawn']} was withdrawn"
    return instead_of(replaced)


def _ended(view: dict[str, Any]) -> Iterator[str]:
    """The rollout and the experiment that were on the channel before."""
    for each in view["impact"]["channels"]:
        if each["channel"] != view["name"] or each["before"] is None:
            continue
        if rollout := each["before"]["rollout"]:
            yield f"the rollout of {rollout}"
        if experiment := each["before"]["experiment"]:
            yield f"experiment {experiment}"
