"""`edge store gc`: delete what no release refers to any more. A node runs it by itself once a day."""

import time

import click

from edge.cli.store.places import DAY_SECONDS, StorePlace, require_store, with_data_dir
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, line, note, size, stages
from edge.config import RETENTION_LEAST_DAYS, RETENTION_MOST_DAYS
from edge.domain.schedule.durations import format_duration
from edge.store.upkeep.collect import HOLD_SECONDS, Collected, Collector


@click.command("gc", short_help="Delete blobs that no release refers to any more.")
@click.option("--delete", is_flag=True, help="Delete them; without it, only count them.")
@click.option(
    "--retention-days",
    type=click.IntRange(RETENTION_LEAST_DAYS, RETENTION_MOST_DAYS),
    metavar="DAYS",
    help="Keep what revisions of this many days refer to; default: store.retention_days.",
)
@with_output
@with_data_dir
def gc(out: Output, place: StorePlace, retention_days: int | None, delete: bool) -> None:
    """Count, or delete, the blobs that no release refers to any more, and uploads that no bundle ever referred to.

    A blob is kept as long as a bundle, or a revision that was in force within the retention, refers to it, and for 48
    hours after its upload. Revisions are never deleted. Safe while a node serves and publishes; nothing is deleted
    while anything is damaged. A node does this once a day by itself.
    """
    from edge.store.key_set import read_trust  # imports cryptography, which --help does not need
    from edge.store.objects.fs import FsStore
    from edge.store.s3.opening import open_bucket

    if place.bucket is None:
        require_store(place.paths)
    mirror, now = FsStore(place.paths.store_dir), time.time()
    store = open_bucket(place.bucket, mirror) if place.bucket is not None else mirror
    collector = Collector(
        store,
        lambda: read_trust(store, place.paths.node_dir, compare=True),
        now=now,
        retention_seconds=(retention_days or place.config.store.retention_days) * DAY_SECONDS,
    )
    with stages() as reach:
        done = collector.run(dry_run=not delete, reach=reach)
    if delete:
        mirror.remove_leftovers(now)
    out.result(_view(done), lambda: _show(done))


def _view(done: Collected) -> dict[str, object]:
    return {
        "dry_run": done.dry_run,
        "would_remove" if done.dry_run else "removed": done.removed._asdict(),
        "held": done.held._asdict(),
        "kept": done.kept,
    }


def _show(done: Collected) -> None:
    verb = "would delete" if done.dry_run else "deleted"
    line(f"{verb} {counted(done.removed.files, 'blob')} ({size(done.removed.bytes)}); {done.kept} in use")
    if done.held.files:
        hours = format_duration(int(HOLD_SECONDS))
        line(f"not in use, but in the last {hours}: {counted(done.held.files, 'blob')} ({size(done.held.bytes)})")
    if done.dry_run and done.removed.files:
        note("to delete them: edge store gc --delete")
