"""`edge bundle`: publish a folder or a zip as a version of an app; list, delete, prune and withdraw versions."""

from typing import Any
from urllib.parse import urlencode

import click

from edge.cli.releases.publish_bundle import publish
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, counted, fields, line, moment, size, table


@click.group()
def bundle() -> None:
    """Publish, list, delete, prune and withdraw bundles."""


bundle.add_command(publish)


@bundle.command("list")
@click.argument("app")
@click.option("--find", metavar="TEXT", help="Only versions that contain this.")
@click.option("--state", type=click.Choice(("offered", "kept", "withdrawn")), help="Only bundles in this state.")
@click.option(
    "--limit", "first", type=click.IntRange(min=1), metavar="N", help="Number of bundles to list. Default: all."
)
@click.option("--older-than", metavar="V", help="List bundles older than V: the next page.")
@with_api
def list_bundles(client: ControlClient, out: Output, app: str, **given: Any) -> None:
    """List the bundles of APP, newest first."""
    query = urlencode({name: value for name, value in given.items() if value is not None})
    bundles = client.get(app_path(app, "bundles") + (f"?{query}" if query else ""))
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


@bundle.command(short_help="Compare two bundles of APP.")
@click.argument("app")
@click.argument("before")
@click.argument("version")
@click.option(
    "--limit", type=click.IntRange(0, 20_000), metavar="N", default=100, show_default=True, help="Files to list."
)
@with_api
def diff(client: ControlClient, out: Output, app: str, before: str, version: str, limit: int) -> None:
    """Compare VERSION of APP with BEFORE: files added, changed and gone, and what a device that runs BEFORE downloads.

    Devices that cannot take single files download the whole zip.
    """
    query = urlencode({"than": before, "files": limit})
    found = client.get(f"{app_path(app, 'bundles', version, 'changes')}?{query}")

    def print_text() -> None:
        whole = f"{size(found['download_bytes'])} of a zip of {size(found['zip_bytes'])}"
        line(f"a device on {before} downloads {whole}")
        groups = ("added", "changed", "removed", "same")
        line("; ".join(f"{name}: {counted(found[name]['files'], 'file')}" for name in groups))
        rows = [[each["name"], each["fate"], *_sizes(each)] for each in found["files"]]
        table(("file", "", before, version, "to download"), rows, "no file differs")
        if found["more_files"]:
            line(f"and {counted(found['more_files'], 'more file', 'more files')}: use a higher --limit")

    out.result(found, print_text)


def _sizes(file: dict[str, Any]) -> list[str]:
    sizes = (file["was_bytes"], file["bytes"], file["download_bytes"])
    return ["" if each is None else size(each) for each in sizes]


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_asking
@with_change
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
@with_change
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
