"""Metrics of sharing: at home what it did not take of each node, at a region whether home is told. Pure."""

from collections.abc import Mapping

from edge.domain.sharing.admitting import SharedKind
from edge.regions.sharing.sharer import SharingStanding
from edge.wire.exposition import Family, Sample


def build_sharing_metrics(
    refused: Mapping[tuple[str, SharedKind], int], lost: Mapping[str, int], standing: SharingStanding | None
) -> list[Family]:
    """`standing` None: this node has none above it."""
    over = [Sample({"node": node, "kind": kind.value}, n) for (node, kind), n in sorted(refused.items(), key=str)]
    gone = [Sample({"node": node}, n) for node, n in sorted(lost.items())]
    own = [] if standing is None else [standing]
    return [
        Family("edge_shared_refused_total", "counter", "What nodes brought of devices beyond their budgets.", over),
        Family("edge_shared_evidence_lost", "gauge", "Evidence that nodes dropped for want of room.", gone),
        Family(
            "edge_sharing_failing",
            "gauge",
            "1 while the node above is not told what devices bring about.",
            [Sample({}, float(bool(each.failing))) for each in own],
        ),
        Family(
            "edge_sharing_waiting",
            "gauge",
            "Devices of which the node above has to hear, at least.",
            [Sample({}, each.waiting) for each in own],
        ),
        Family(
            "edge_sharing_refused_total",
            "counter",
            "What the node above did not take.",
            [Sample({}, each.refused) for each in own],
        ),
    ]
