"""`edge store copy`: the whole store to another place, a directory or a bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from edge.cli.store.places import StorePlace, bucket_files, bucket_of, with_data_dir, writing_to
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, line, note, size, stages
from edge.control.access.shared_document import open_shared
from edge.control.login.signed_documents import SIGNED_DOCUMENTS
from edge.domain.errors import NotFound
from edge.node.processes.data_paths import DataPaths
from edge.store.key_set import Trust, read_trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.fs import FsStore
from edge.store.objects.port import ObjectStore
from edge.store.s3.bucket_place import is_bucket_url
from edge.store.upkeep.copying import CopiedStore, StoreCopying

NO_NODE = Path("/nonexistent")  # no node has seen the store: it is taken as it is


@click.command("copy", short_help="Copy the store to a bucket or a directory.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Only say how much would be copied.")
@with_output
@with_data_dir
def copy_store(out: Output, place: StorePlace, source: str, target: str, dry_run: bool) -> None:
    """Copy the releases, their history and who may do what FROM one place TO another: each a data directory or a
    bucket, as s3://bucket/prefix, whose server and keys are those of the configuration's [store].

    Every byte is verified on the way, and what is there already is not sent again: run it until nothing is left, stop
    the nodes that write to FROM, run it once more, and start them with store.url. What is newer at TO is never put
    back.
    """
    opened = _source(place, source), _target(place, target, dry_run)
    with opened[0] as read, opened[1] as written, writing_to(target), stages() as reach:
        documents = {kind.key: partial(open_shared, kind) for kind in SIGNED_DOCUMENTS}
        job = StoreCopying(read, written, _trust, documents)
        done = job.run(dry_run=dry_run, reach=reach)
    view = {"dry_run": dry_run, "store": done.store, "copied": done.sent._asdict(), "there": done.there._asdict()}
    if dry_run:
        view["would_copy"] = view.pop("copied")
    out.result(view | {"documents": done.documents}, lambda: _show(done, source, target))


@contextmanager
def _source(place: StorePlace, source: str) -> Iterator[ObjectStore]:
    """Raises NotFound `no_store`."""
    if is_bucket_url(source):
        with bucket_files(bucket_of(place.config, source)) as files:
            yield files
        return
    inside = DataPaths(Path(source)).store_dir
    folder = inside if inside.is_dir() else Path(source)
    if not folder.is_dir():
        raise NotFound("no_store", f"{folder} is not there: name a data directory, or a bucket")
    yield StoreFiles(folder)


@contextmanager
def _target(place: StorePlace, target: str, dry_run: bool) -> Iterator[ObjectStore]:
    if is_bucket_url(target):
        with bucket_files(bucket_of(place.config, target)) as files:
            yield files
        return
    if dry_run:
        yield StoreFiles(DataPaths(Path(target)).store_dir)  # which may not be there
        return
    Path(target).mkdir(mode=0o700, parents=True, exist_ok=True)
    yield FsStore(DataPaths(Path(target)).store_dir)


def _trust(store: ObjectStore) -> Trust:
    """By its own key set."""
    return read_trust(store, NO_NODE)


def _show(done: CopiedStore, source: str, target: str) -> None:
    verb = "would copy" if done.dry_run else "copied"
    line(f"{verb} {counted(done.sent.files, 'object')} ({size(done.sent.bytes)}) from {source} to {target}")
    if done.there.files:
        line(f"there already: {counted(done.there.files, 'object')} ({size(done.there.bytes)})")
    if not done.dry_run:
        note("to read all of it at the other end: edge store verify")
