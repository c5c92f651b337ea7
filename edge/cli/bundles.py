"""`edge bundle`: publish a folder or a zip as a version of an app, and look after the versions there are."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.client import Client, app_path
from edge.cli.options import with_api
from edge.cli.output import Output, fields, line, moment, size, table

if TYPE_CHECKING:
    from edge.cli.publish import Published


@click.group()
def bundle() -> None:
    """Publish, list and delete bundles."""


@bundle.command()
@click.argument("app")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--version", required=True, help="The bundle's name for ever: a semantic version.")
@click.option("--channel", help="Offer it in this channel at once.")
@click.option("--min-native", default="", metavar="VERSION", help="The oldest native version that can run it.")
@click.option("--link", default="", metavar="URL", help="Where people read about this version.")
@click.option("--comment", default="", metavar="TEXT", help="A word about this version.")
@with_api
def publish(
    client: Client,
    out: Output,
    app: str,
    path: Path,
    version: str,
    channel: str | None,
    min_native: str,
    link: str,
    comment: str,
) -> None:
    """Pack PATH, a folder or zip with an index.html, upload what the node lacks, and add it to APP."""
    from edge.cli.publish import Release, publish  # brings compression; the other verbs do without

    done = publish(client, Release(app, version, channel, min_native, link, comment), path)
    uploads = {"uploaded": done.uploaded, "uploaded_bytes": done.uploaded_bytes}
    out.result({**done.answer, **uploads}, lambda: _tell(done, channel))


@bundle.command("list")
@click.argument("app")
@with_api
def list_bundles(client: Client, out: Output, app: str) -> None:
    """List the bundles of APP, newest first."""
    bundles = client.get(app_path(app, "bundles"))
    rows = [
        [each["version"], moment(each["published"]), each["files"], size(each["zip_bytes"]), each["channels"]]
        for each in bundles
    ]
    out.result(bundles, lambda: table(("version", "published", "files", "zip", "channels"), rows, "no bundles yet"))


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_api
def show(client: Client, out: Output, app: str, version: str) -> None:
    """Show VERSION of APP with its files."""
    found = client.get(app_path(app, "bundles", version))

    def tell() -> None:
        plain = [
            (name.replace("_", " "), value) for name, value in found.items() if name not in ("entries", "published")
        ]
        fields([*plain, ("published", moment(found["published"]))])
        line("")
        table(
            ("file", "bytes", "sha256"), [[each["name"], each["bytes"], each["hash"]] for each in found["entries"]], ""
        )

    out.result(found, tell)


@bundle.command()
@click.argument("app")
@click.argument("version")
@with_api
def delete(client: Client, out: Output, app: str, version: str) -> None:
    """Delete VERSION of APP; what a channel offers cannot be deleted."""
    gone = client.delete(app_path(app, "bundles", version))
    out.result(gone, lambda: line(f"deleted {gone['version']} of {gone['app']}"))


def _tell(done: "Published", channel: str | None) -> None:
    answer = done.answer
    offered = f", offered in {channel}" if channel else ""
    verb = "published" if answer["changed"] else "no change:"
    line(f"{verb} {answer['version']} of {answer['app']}{offered} (revision {answer['revision']})")
    sizes = f"{size(answer['plain_bytes'])} plain, {size(answer['zip_bytes'])} as a zip"
    line(f"{answer['files']} files, {sizes}; uploaded {done.uploaded} blobs, {size(done.uploaded_bytes)}")
