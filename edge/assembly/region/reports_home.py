"""Where reports of several nodes meet: what builds home's end, and what is known of the nodes that send there."""

import time
from collections.abc import Callable

from edge.domain.guarding.reported import ReportedUntil
from edge.node.processes.data_directory import DataDirectory
from edge.regions.fleet.registry import NodeRegistry
from edge.regions.sending.receiving import Receiving
from edge.regions.sending.sent_ledger import SentLedger
from edge.telemetry.folding.counts import counted_to_end
from edge.telemetry.spool.coming_segment import HeldSegment
from edge.telemetry.spool.disk_budget import DiskBudget

RECEIVED_SHARE = 0.9  # of the spool's limit: what other nodes send does not keep this node's devices from reporting


def build_receiving(directory: DataDirectory, spool_limit_bytes: int, acts: Callable[[], bool]) -> Receiving:
    """`acts`: whether a guard may act on reports now."""

    def counted(segment: str) -> HeldSegment | None:
        end = counted_to_end(directory.counts_database, segment)
        return None if end is None else HeldSegment(end, whole=True)

    return Receiving(
        directory.spool_dir,
        directory.node,
        SentLedger(directory.reports_file),
        counted=counted,
        budget=DiskBudget(directory.spool_dir, int(spool_limit_bytes * RECEIVED_SHARE)),
        acts=acts,
        clock=time.time,
    )


def reported_until(registry: NodeRegistry, ledger: SentLedger) -> tuple[ReportedUntil, ...]:
    """Of every node that speaks here, also of one that has sent nothing yet; not of one that was forgotten."""
    known = {each.node: each for each in ledger.nodes()}
    return tuple(
        ReportedUntil(
            node.node,
            node.name,
            node.region,
            known[node.node].all_until_ms if node.node in known else 0,
            known[node.node].clock_off_ms if node.node in known else 0,
        )
        for node in registry.nodes()
    )
