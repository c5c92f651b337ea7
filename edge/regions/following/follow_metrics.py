"""Metrics of the following of this node. No label comes from an app or a device."""

from collections.abc import Callable
from typing import Literal

from edge.regions.following.follower import Follower
from edge.wire.exposition import Family, Sample


def build_follow_metrics(follower: Follower | None) -> list[Family]:
    """In a fixed order; without samples on a node that follows none."""

    def family(name: str, kind: Literal["counter", "gauge"], meaning: str, of: Callable[[Follower], float]) -> Family:
        return Family(f"edge_follow_{name}", kind, meaning, [] if follower is None else [Sample({}, of(follower))])

    counts = sorted(follower.refused.items()) if follower is not None else []
    refused = [Sample({"code": code}, count) for code, count in counts]
    return [
        Family("edge_follow_refused_total", "counter", "What the source sent and was not accepted, by code.", refused),
        family("fetched_blobs_total", "counter", "Files fetched from the source.", lambda f: f.fetcher.fetched),
        family(
            "fetched_bytes_total",
            "counter",
            "Bytes of files that the source sent, cut transfers included.",
            lambda f: f.fetcher.fetched_bytes,
        ),
        family(
            "evicted_blobs_total",
            "counter",
            "Files let go of, since no channel offers them.",
            lambda f: f.tending.room.evicted,
        ),
        family("evicted_bytes_total", "counter", "Their bytes.", lambda f: f.tending.room.evicted_bytes),
        family("mended_total", "counter", "Apps that were damaged in the copy and mended.", lambda f: f.tending.mended),
        family(
            "held_apps",
            "gauge",
            "Apps that are served from an older revision, since the files of the newer one are not here yet.",
            lambda f: f.standing.held_apps,
        ),
        family(
            "announced_bytes",
            "gauge",
            "Bytes of files that were announced and that no revision names yet.",
            lambda f: f.announced.outstanding_bytes,
        ),
        family("waiting_blobs", "gauge", "Files in line to be fetched.", lambda f: f.fetcher.waiting),
        family("mirrored_bytes", "gauge", "Bytes of files in the copy.", lambda f: f.tending.room.held_bytes),
    ]
