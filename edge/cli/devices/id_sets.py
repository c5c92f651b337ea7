"""`edge idset`: uploaded lists of ids that segments match with in_set. A node keeps hashes of the ids, not the list."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import BLOCK_BYTES, ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, counted, fields, line, progress, table
from edge.domain.errors import TooLarge
from edge.domain.targeting.id_sets import IDS_TEXT_LIMIT_BYTES

STDIN = Path("-")


@click.group()
def idset() -> None:
    """Manage lists of ids that segments match with in_set."""


@idset.command()
@click.argument("app")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@with_change
def put(client: ControlClient, out: Output, app: str, name: str, file: Path) -> None:
    """Create or replace id set NAME of APP from FILE; - is stdin.

    FILE is UTF-8 text with one device id or custom id per line; blank lines and lines that start with # are skipped.
    """
    with _on_disk(file) as there, progress("uploading", there.stat().st_size) as advance:
        after = client.upload(app_path(app, "id-sets", name), there, advance, "text/plain; charset=utf-8")
    what = "uploaded" if after["changed"] else "no change:"
    out.result(after, lambda: line(f"{what} id set {after['name']}: {counted(after['ids'], 'id')}"))


@idset.command("list")
@click.argument("app")
@with_api
def list_id_sets(client: ControlClient, out: Output, app: str) -> None:
    """List the id sets of APP."""
    sets = client.get(app_path(app, "id-sets"))
    out.result(sets, lambda: table(("id set", "ids"), [[each["name"], each["ids"]] for each in sets], "no id sets yet"))


@idset.command()
@click.argument("app")
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show the size of id set NAME of APP."""
    found = client.get(app_path(app, "id-sets", name))
    out.result(found, lambda: fields([(key, found[key]) for key in ("name", "ids", "blob")]))


@idset.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_change
def delete(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Delete id set NAME of APP."""
    request = ControlRequest("DELETE", app_path(app, "id-sets", name))
    gone = carry_out(client, out, asking, request, f"delete id set {name} of {app}")
    out.result(gone, lambda: line(f"deleted id set {name} of {app}"))


@contextmanager
def _on_disk(file: Path) -> Iterator[Path]:
    """The file itself, or a copy of stdin or a pipe: an upload may start over, and a pipe can be read only once."""
    if file != STDIN and file.is_file():
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="edge-ids-") as folder:
        copy = Path(folder) / "ids"
        with click.open_file(str(file), "rb") as stream, copy.open("wb") as sink:
            _copy(stream, sink)
        yield copy


def _copy(stream: IO[bytes], sink: IO[bytes]) -> None:
    """Raises TooLarge `body_too_large`, so that a list which the node would refuse does not fill this disk first."""
    left = IDS_TEXT_LIMIT_BYTES
    while block := stream.read(BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            raise TooLarge("body_too_large", f"the list exceeds the limit of {IDS_TEXT_LIMIT_BYTES} bytes")
        sink.write(block)
