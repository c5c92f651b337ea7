"""`edge feature key`: the keys with which an app's code and the team's servers ask for its features."""

from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_change
from edge.cli.terminal.output import Output, line, moment, note, table
from edge.domain.schedule.durations import parse_duration

NEWEST = "--keep after the next is made"


@click.command("key", short_help="Show, make or remove the keys to the features of APP.")
@click.argument("app")
@click.option("--new", is_flag=True, help="Make the key that is needed from now on.")
@click.option("--remove", is_flag=True, help="Remove all keys of this sort.")
@click.option("--server", is_flag=True, help="The keys of servers, a secret each, which get all features.")
@click.option("--keep", default="7d", show_default=True, metavar="TIME", help="Take the former key for so long.")
@with_change
def feature_key(client: ControlClient, out: Output, app: str, new: bool, remove: bool, server: bool, keep: str) -> None:
    """Show the keys with which APP's features are asked for, or make or remove them.

    Without a key for its code, whoever knows an app's id gets its features. That key is in the code, where everybody
    can read it, so it is no secret; features for servers alone need a key that is made with --server and shown once.
    """
    if new and remove:
        raise click.UsageError("either --new or --remove")
    path = app_path(app, "feature-keys")
    if remove:
        gone = client.delete(f"{path}?server=true" if server else path)
        out.result(gone, lambda: line(_removed(app, server)))
    elif new:
        made = client.post(path, {"server": server, "keep_seconds": parse_duration(keep)})
        out.result(made, lambda: _print_made(made, server))
    else:
        _show(client, out, path)


def _show(client: ControlClient, out: Output, path: str) -> None:
    found = client.get(path)
    rows = [
        [
            each["shown"],
            "a server" if each["server"] else "the app",
            moment(each["made"]),
            moment(each["until"]) if each["until"] else NEWEST,
        ]
        for each in found
    ]
    out.result(
        found,
        lambda: table(
            ("feature key", "of", "made", "taken until"),
            rows,
            "no feature keys: whoever knows the app's id gets its features; --new makes one",
        ),
    )


def _print_made(made: dict[str, Any], server: bool) -> None:
    if made["key"] is None:
        line("a key was made by this request before: make another")
        return
    line(made["key"])
    if server:
        note("keep it secret: it is shown this once")


def _removed(app: str, server: bool) -> str:
    return f"{app} has no keys of servers" if server else f"{app} gives its features without a key"
