"""`edge store export` and `edge store import`: a consistent copy of the releases in one file, and a node from it."""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from edge.cli.store.looking import access_documents, look
from edge.cli.store.places import DAY_SECONDS, StorePlace, reading, with_data_dir, writing_to
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, moment, note, size, stages
from edge.domain.errors import Conflict
from edge.store.disk.durable_files import FILE_MODE, sync_directory
from edge.store.objects.port import ObjectStore
from edge.store.upkeep.verify import Verified

STREAM = "-"


@click.command("export", short_help="Copy the releases into one file, while the node serves.")
@click.argument("file", metavar="FILE")
@click.option("--with-keys", is_flag=True, help="Include the node's signing key, which a node elsewhere needs.")
@with_output
@with_data_dir
def export_store(out: Output, place: StorePlace, file: str, with_keys: bool) -> None:
    """Copy every release, its history and the tokens into FILE, a tar file; - is stdout.

    A node may serve and publish meanwhile: FILE has what was there when the command began, and every byte was verified
    as it was written. It is readable by you alone, since it holds unreleased bundles; with --with-keys also the key
    that signs releases. Reports and facts about devices are not in it.
    """
    from edge.cli.store.beside import tell_audit, trust_to_read
    from edge.control.audit.entry import ActKind
    from edge.store.upkeep.export import StoreExport

    retention = place.config.store.retention_days * DAY_SECONDS
    with reading(place) as files, _target(file) as target, stages() as reach:
        job = StoreExport(files, place.paths.node_dir, access_documents(files, place.paths.node_dir))
        done = job.write(target, now=time.time(), retention_seconds=retention, keys=with_keys, reach=reach)
    subject = f"to={file}{' keys' if done.keys else ''}"
    tell_audit(place.paths.node_dir, lambda: trust_to_read(place), "export_store", subject, ActKind.EXPORT)
    view = {"file": file, "store": done.store, "apps": done.apps, "objects": done.objects.files}
    view |= {"bytes": done.objects.bytes, "keys": done.keys}
    told = f"exported {counted(done.apps, 'app')}, {counted(done.objects.files, 'object')} ({size(done.objects.bytes)})"
    if file == STREAM:
        note(told)
    else:
        out.result(view, lambda: click.echo(f"{told} to {file}{', with the signing key' if done.keys else ''}"))


@click.command("import", short_help="Make a node's data from an export.")
@click.argument("file", metavar="FILE")
@with_output
@with_data_dir
def import_file(out: Output, place: StorePlace, file: str) -> None:
    """Make the data directory of a node from an export; FILE - is stdin.

    The directory must not have a store yet. Nothing is there until all of FILE is verified. A node that has seen newer
    releases than FILE's refuses them until `edge store accept-restored`, and nodes that follow this one until
    `edge store accept-restored --all`.
    """
    from edge.store.upkeep.export import import_store

    paths = place.paths
    with _source(file) as source, writing_to(paths.store_dir.parent), stages() as reach:

        def verify(files: ObjectStore, node_dir: Path) -> Verified:
            return look(place, files, node_dir, reach)

        begin, found = import_store(source, paths.store_dir, paths.node_dir, verify, reach)
    view = {"store": begin.store, "made": begin.made, "apps": found.apps, "revisions": found.revisions}
    view |= {"blobs": found.blobs.files, "bytes": found.blobs.bytes, "keys": begin.keys}
    told = f"imported {counted(found.apps, 'app')}, {counted(found.blobs.files, 'blob')} ({size(found.blobs.bytes)})"
    out.result(view, lambda: click.echo(f"{told}, as of {moment(begin.made)}, into {paths.store_dir.parent}"))


@contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    """Whole under its name, or not there. Raises Conflict `file_exists`."""
    if file == STREAM:
        if sys.stdout.isatty():
            raise click.UsageError("an export is not for a terminal: name a file, or pipe it")
        with writing_to("standard output"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists():
        raise Conflict("file_exists", f"{path} exists: name another file")
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with (
            writing_to(path),
            os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as stream,
        ):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        scratch.rename(path)
        sync_directory(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def _source(file: str) -> Iterator[IO[bytes]]:
    if file == STREAM:
        yield sys.stdin.buffer
    else:
        with Path(file).open("rb") as stream:
            yield stream
