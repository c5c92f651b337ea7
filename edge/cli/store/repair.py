"""`edge store repair`: replace what is damaged by the same bytes from elsewhere, or say what to publish again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from edge.cli.store.looking import access_documents, look
from edge.cli.store.places import StorePlace, bucket_files, require_store, with_data_dir, writing_to
from edge.cli.store.showing import DAMAGED, show_damage, view_damage
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, labelled, line, note, stages
from edge.domain.errors import NotFound
from edge.node.processes.data_paths import DataPaths
from edge.store.objects.files import StoreFiles
from edge.store.objects.fs import FsStore
from edge.store.objects.port import CollectableStore
from edge.store.upkeep.archive import ExportedStore
from edge.store.upkeep.repair import Repaired, StoreRepair, leads_further

ROUNDS = 6  # the key set leads to a head, a head to a revision, a revision to a manifest, and that to files


@click.command(short_help="Replace what is damaged from another copy.")
@click.option(
    "--from",
    "copy",
    type=click.Path(path_type=Path),
    metavar="COPY",
    help="Another data directory, a store in one, or a file of `edge store export`.",
)
@click.option("--write", is_flag=True, help="Replace it; without it, only say what would be replaced.")
@with_output
@with_data_dir
def repair(out: Output, place: StorePlace, copy: Path | None, write: bool) -> None:
    """Verify the store, and replace what is damaged by the same bytes from COPY, or from what the node remembers.

    Nothing is taken from COPY that is older than what this node has seen, or that does not prove itself by its digest
    or signature. For the rest it says what must be published again. A node may run meanwhile. Exits 3 if something
    stays damaged.
    """
    node_dir, done = place.paths.node_dir, list[Repaired]()
    with _store(place) as store, _opened(copy) as source, writing_to(place.name), stages() as reach:
        job = StoreRepair(store, node_dir, source, access_documents(store, node_dir))
        for _ in range(ROUNDS):
            found = look(place, store, node_dir, reach, hashing=True, compare=True)
            repaired = job.run(found.damages, dry_run=not write)
            done = [each for each in done if each.source] + repaired
            if not write or not leads_further(repaired):
                break
    left = [each for each in done if not each.source]
    out.result(
        {
            "dry_run": not write,
            "repaired": [{**view_damage(each.damage), "source": each.source} for each in done if each.source],
            "left": [{**view_damage(each.damage), "reason": each.reason} for each in left],
        },
        lambda: _show(done, left, write),
    )
    if left or (done and not write):
        raise click.exceptions.Exit(DAMAGED)


@contextmanager
def _store(place: StorePlace) -> Iterator[CollectableStore]:
    """Raises NotFound `no_store`."""
    if place.bucket is None:
        require_store(place.paths)
        yield FsStore(place.paths.store_dir)
    else:
        with bucket_files(place.bucket) as store:
            yield store


@contextmanager
def _opened(copy: Path | None) -> Iterator[StoreFiles | ExportedStore | None]:
    """Raises NotFound `no_store`."""
    if copy is None:
        yield None
    elif copy.is_dir():
        inside = DataPaths(copy).store_dir
        yield StoreFiles(inside if inside.is_dir() else copy)
    elif copy.is_file():
        with closing(ExportedStore(copy)) as exported:
            yield exported
    else:
        raise NotFound("no_store", f"{copy} is not there")


def _show(done: list[Repaired], left: list[Repaired], write: bool) -> None:
    for each in done:
        if each.source:
            source = "the node's own memory" if each.source == "node" else "the copy"
            line(f"{'repaired' if write else 'would repair'} from {source}: {each.damage.key}")
    for each in left:
        show_damage(each.damage)
        labelled("  not repaired", each.reason)
    if not done:
        line("whole: nothing to repair")
        return
    line(f"{'repaired' if write else 'would repair'}: {counted(len(done) - len(left), 'object')}, left: {len(left)}")
    if not write and len(left) < len(done):
        note("to repair them: add --write")
