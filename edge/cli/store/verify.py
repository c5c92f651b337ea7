"""`edge store`: care of the node's releases on its disk, and `edge store verify`."""

import click

from edge.cli.store.accept_restored import accept_restored
from edge.cli.store.collect import gc
from edge.cli.store.copies import export_store, import_file
from edge.cli.store.copy import copy_store
from edge.cli.store.looking import look
from edge.cli.store.places import StorePlace, reading, with_data_dir
from edge.cli.store.repair import repair
from edge.cli.store.showing import DAMAGED, show_damage, view_damage
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, line, size, stages
from edge.domain.errors import NotFound, Unavailable
from edge.domain.model import parse_app_id
from edge.store.upkeep.verify import Verified


@click.group()
def store() -> None:
    """Care for the releases, on disk or in a bucket."""


for command in (accept_restored, copy_store, export_store, gc, import_file, repair):
    store.add_command(command)


@store.command(short_help="Verify every signature, revision, digest and blob.")
@click.option("--app", metavar="APP", help="Verify this app only.")
@click.option("--fast", is_flag=True, help="Look for blobs and compare their sizes, without reading them.")
@with_output
@with_data_dir
def verify(out: Output, place: StorePlace, app: str | None, fast: bool) -> None:
    """Verify the store: every head, revision, digest and blob, and what refers to it. Changes nothing.

    Exits 0 if the store is whole, 3 if something is damaged, and 1 if it cannot be verified, for example because a
    newer release wrote it.
    """
    only = parse_app_id(app) if app is not None else None
    with reading(place) as files, stages() as reach:
        found = look(place, files, place.paths.node_dir, reach, app=only, hashing=not fast, compare=True)
    if only is not None and not found.apps and not found.damages:
        raise NotFound("unknown_app", f"unknown app {app!r}")
    out.result(view(found), lambda: _show(found))
    if found.damaged:
        raise click.exceptions.Exit(DAMAGED)
    if found.newer:
        raise Unavailable("newer_format", "not verified: a newer release wrote some of it; use that release")


def view(found: Verified) -> dict[str, object]:
    """As --json shows it."""
    return {
        "whole": not found.damages,
        "apps": found.apps,
        "revisions": found.revisions,
        "bundles": found.bundles,
        "blobs": found.blobs.files,
        "bytes": found.blobs.bytes,
        "hashed": found.hashed,
        "damages": [view_damage(each) for each in found.damaged],
        "newer": [view_damage(each) for each in found.newer],
        "unreferenced": found.unreferenced._asdict() if found.unreferenced else None,
        "transfers": found.transfers._asdict(),
    }


def _show(found: Verified) -> None:
    for each in found.damages:
        show_damage(each)
    looked = "verified" if found.hashed else "looked for, not read"
    blobs = f"{counted(found.blobs.files, 'blob')} ({size(found.blobs.bytes)}) {looked}"
    documents = ((found.apps, "app"), (found.revisions, "revision"), (found.bundles, "bundle"))
    line(f"{', '.join(counted(n, noun) for n, noun in documents)}; {blobs}")
    if found.unreferenced and found.unreferenced.files:
        line(f"not referred to: {counted(found.unreferenced.files, 'blob')} ({size(found.unreferenced.bytes)})")
    if found.transfers.files:
        line(f"transfers in progress or abandoned: {found.transfers.files} ({size(found.transfers.bytes)})")
    line(f"damaged: {counted(len(found.damaged), 'object')}" if found.damaged else _verdict(found))


def _verdict(found: Verified) -> str:
    return f"not verified: {counted(len(found.newer), 'object')} of a newer release" if found.newer else "whole"
