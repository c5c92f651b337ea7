"""The tables of `python -m benchmarks regions`, and what they are made of."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.measuring import bucket_requests
from benchmarks.measuring.bucket_requests import BucketUse
from benchmarks.measuring.figures import percentile, spread
from benchmarks.output.tables import Cell, Table


class ReleaseSeen(NamedTuple):
    """`seconds` from the request that offers it to each region's first answer with it; `on_disk`, how many regions had
    the bytes by then; `carried`, what each link brought down since the publish began; `made`, the bytes of the blobs
    that the release added to the store."""

    seconds: list[float]
    on_disk: int
    carried: list[int]
    made: int


class Idle(NamedTuple):
    """CPU seconds of the origin in so many seconds, with so many regions."""

    regions: int
    cpu_seconds: float
    seconds: float


class Spent(NamedTuple):
    """CPU seconds for one release, beyond what the nodes need idle: of the origin, of one region, all processes."""

    origin: float
    region: float


def release_table(seen: Mapping[str, list[ReleaseSeen]], regions: int, releases: int, bundle_bytes: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, found in seen.items():
        all_seconds = sorted(seconds for each in found for seconds in each.seconds)
        last = [max(each.seconds) for each in found]
        there = sum(each.on_disk for each in found)
        rows.append(
            (
                *(name, percentile(all_seconds, 0.5) * 1e3, percentile(all_seconds, 0.99) * 1e3, spread(last)),
                f"{there} of {len(all_seconds)}",
            )
        )
    return Table(
        title="From the change of the channel to its offer",
        columns=("heard by", "a region, p50 ms", "a region, p99 ms", "the last region, s", "bytes on disk by then"),
        rows=tuple(rows),
        notes=(
            f"{releases} releases of {bundle_bytes / 1e6:g} MB to {regions} regions; from the request to the API on. "
            "Each was published 2 s before; in the last row one command does both, and a time begins with the origin's "
            "own offer.",
        ),
    )


def bytes_table(seen: Mapping[str, list[ReleaseSeen]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, found in seen.items():
        ratios = [each / release.made for release in found for each in release.carried]
        carried = spread([each / 1e6 for release in found for each in release.carried])
        rows.append((name, carried, spread([release.made / 1e6 for release in found]), spread(ratios)))
    return Table(
        title="Bytes that a release moves to each region",
        columns=("heard by", "MB down the link", "MB of blobs it added", "ratio"),
        rows=tuple(rows),
        notes=("A release adds its zip, its files and its manifest. On top come heads, revisions and HTTP.",),
    )


def cost_table(cost: Sequence[Idle], regions: int) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (each.regions, each.seconds, each.cpu_seconds, 100 * each.cpu_seconds / each.seconds) for each in cost
    ]
    with_them = statistics.median(each.cpu_seconds / each.seconds for each in cost if each.regions)
    without = statistics.median(each.cpu_seconds / each.seconds for each in cost if not each.regions)
    return Table(
        title="What a follower costs the origin, idle",
        columns=("regions", "seconds", "CPU s of the origin", "% of a core"),
        rows=tuple(rows),
        notes=(f"A region: {100 * (with_them - without) / regions:.3f} % of a core.",),
    )


def bucket_table(use: BucketUse) -> Table:
    """By kind of price: writes and parts, listings, reads; deletions are free."""

    def row(what: str, counts: dict[str, float], dollars: float, of: str) -> tuple[Cell, ...]:
        writes, reads = (
            counts.get("put", 0.0) + counts.get("part", 0.0),
            counts.get("get", 0.0) + counts.get("head", 0.0),
        )
        return (what, writes, counts.get("list", 0.0), reads, dollars, of)

    change, publish, idle = use.dollars
    return Table(
        title="What an origin asks of its bucket",
        columns=("what", "writes", "listings", "reads", "$", "of"),
        rows=(
            row("a change", use.change, change, "1,000"),
            row("a publish", use.publish, publish, "1,000"),
            row("an idle hour", use.idle_hour, idle, "a month"),
        ),
        notes=(
            "Counted in front of the bucket of one origin that looks at it each 5 s; a publish has "
            f"{bucket_requests.FILES} new files and offers nothing; {use.lines[-1]}.",
        ),
    )


def spent_table(spent: Spent) -> Table:
    return Table(
        title="CPU time of a release with push",
        columns=("of", "ms"),
        rows=(("the origin", spent.origin * 1e3), ("a region", spent.region * 1e3)),
        notes=("All processes of a node, from the publish to 5 s after the last offer, without what they need idle.",),
    )
