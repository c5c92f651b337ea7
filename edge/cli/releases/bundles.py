"""`edge bundle`: publish a folder or a zip as a version of an app; list, delete, prune and withdraw versions."""

from typing import Any

import click

from edge.cli.releases.publish_bundle import publish
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment, size, table


@click.group()
def bundle() -> None:
    """Publish, list, delete, prune and withdraw bundles."""


bundle.add_command(publish)


@bundle.command("list")
@click.argument("app")
@with_api
def list_bundles(client: ControlClient, out: Output, app: str) -> None:
    """List the bundles of APP, newest first."""
    bundles = client.get(app_path(app, "bundles"))
    rows = [
        [
            each["version"],
            moment(each["published"]),
            each["files"],
            size(each["zip_bytes"]),
            _encryption_word(each),
            each["channels"],
            each["withdrawn"],
        ]
        for each in bundles
    ]
    columns = ("version", "published", "files", "zip", "encryption", "channels", "withdrawn")
    out.result(bundles, lambda: table(columns, rows, "no bundles yet"))


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_api
def show(client: ControlClient, out: Output, app: str, version: str) -> None:
    """Show VERSION of APP and its files."""
    found = client.get(app_path(app, "bundles", version))

    def print_text() -> None:
        apart = ("entries", "patch_blobs", "published", "encrypted", "encryption")
        plain = [(name.replace("_", " "), value) for name, value in found.items() if name not in apart]
        key_id = found["encryption"]["key_id"] if found["encryption"] else None
        fields(
            [
                *plain,
                ("published", moment(found["published"])),
                ("encryption", _encryption_word(found)),
                ("key id", key_id),
            ]
        )
        line("")
        table(
            ("file", "bytes", "sha256"),
            [[each["name"], each["bytes"], each["hash"]] for each in found["entries"]],
            "its files are unknown",
        )

    out.result(found, print_text)


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_asking
@with_api
def delete(client: ControlClient, out: Output, asking: Asking, app: str, version: str) -> None:
    """Delete VERSION of APP. A bundle that a channel offers cannot be deleted."""
    request = ControlRequest("DELETE", app_path(app, "bundles", version))
    gone = carry_out(client, out, asking, request, f"delete {version} of {app}")
    out.result(gone, lambda: line(f"deleted {gone['version']} of {gone['app']}"))


@bundle.command(short_help="Delete the old, unused bundles of APP.")
@click.argument("app")
@click.option(
    "--keep", type=click.IntRange(min=0), required=True, metavar="N", help="How many of the newest bundles to keep."
)
@with_asking
@with_api
def prune(client: ControlClient, out: Output, asking: Asking, app: str, keep: int) -> None:
    """Delete all but the newest N bundles of APP. Bundles that a channel offers, rolls out, tests in an experiment or
    can fall back to are kept too.

    Version names stay taken. Devices can download the files for 7 more days; garbage collection then frees the disk.
    """
    request = ControlRequest("POST", app_path(app, "bundles", "prune"), {"keep": keep})
    after = carry_out(client, out, asking, request, lambda foreseen: f"prune {_freed(foreseen)}")

    def print_text() -> None:
        if not after["removed"]:
            return line(f"no change: {app} has nothing to prune, {after['kept']} kept (revision {after['revision']})")
        line(f"pruned {_freed(after)}, {after['kept']} kept (revision {after['revision']})")
        return line(f"removed: {', '.join(each['version'] for each in after['removed'])}")

    out.result(after, print_text)


@bundle.command(short_help="Withdraw VERSION of APP: never offer it again.")
@click.argument("app")
@click.argument("version")
@click.option("--reason", required=True, metavar="TEXT", help="Why, in one line; shown with the bundle everywhere.")
@with_asking
@with_api
def withdraw(client: ControlClient, out: Output, asking: Asking, app: str, version: str, reason: str) -> None:
    """Withdraw VERSION of APP: never offer it again on any channel, and move devices on it to the last good bundle."""
    request = ControlRequest("POST", app_path(app, "bundles", version, "withdraw"), {"reason": reason})
    after = carry_out(client, out, asking, request, f"withdraw {version} of {app}: {reason}")

    def print_text() -> None:
        done, name = f"{after['withdrawn']} (revision {after['revision']})", f"{after['version']} of {after['app']}"
        line(f"withdrew {name}: {done}" if after["changed"] else f"no change: {name} is already withdrawn: {done}")

    out.result(after, print_text)


def _freed(pruned: dict[str, Any]) -> str:
    bundles = counted(len(pruned["removed"]), "bundle")
    return f"{bundles} of {pruned['app']}, {size(pruned['bytes'])} to be freed by garbage collection"


def _encryption_word(bundle: dict[str, Any]) -> str:
    found = bundle["encryption"]
    if found is None:
        return ""
    return "verified" if found["verified"] else "unverified"
