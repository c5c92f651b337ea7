"""`edge rollback` and `edge undo`: a channel or an app as it was before, each as a revision of its own."""

from typing import Any

import click

from edge.cli.asking import Asking, Request, carry_out, with_asking
from edge.cli.client import Client, app_path
from edge.cli.history import bundle_changes
from edge.cli.options import with_api
from edge.cli.output import Output, line, moment
from edge.cli.replaced import instead_of


@click.command()
@click.argument("app")
@click.argument("channel")
@click.option("--to", metavar="V|builtin", help="What to offer: a version, or the app's own code.")
@with_api
def rollback(client: Client, out: Output, app: str, channel: str, to: str | None) -> None:
    """Go back on CHANNEL of APP.

    A rollout or an experiment that is on its way is ended; where there is none, the channel offers the last good bundle
    again. With --to it offers that.
    """
    after = client.post(app_path(app, "channels", channel, "rollback"), {"to": to})
    out.result(after, lambda: line(_sentence(after)))


@click.command()
@click.argument("app")
@click.option("--revision", type=click.IntRange(min=1), help="Only if this is still the latest one.")
@click.option("--force", is_flag=True, help="Also if that was a stop: a pause, a rollback, a withdrawal.")
@with_asking
@with_api
def undo(client: Client, out: Output, asking: Asking, app: str, revision: int | None, force: bool) -> None:
    """Take back the last change of APP, whatever it was; version names that were published stay used up."""
    body = {"revision": revision, "force": force}
    after = carry_out(
        client,
        out,
        asking,
        Request("POST", app_path(app, "undo"), body),
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
    offers = f"offers {view['bundle'] or 'nothing'}{instead_of(view['replaced'])}"
    return f"{verb} channel {view['name']}: {offers} (revision {view['revision']})"
