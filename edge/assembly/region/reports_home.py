"""Reports of several nodes, where they meet and where they come from: builds both ends of their way."""

import time
from collections.abc import Callable

from edge.node.processes.data_directory import DataDirectory
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
