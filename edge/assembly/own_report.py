"""What this node says of itself: its row in the list of nodes, here and at the node above."""

import asyncio
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping

from edge import __version__
from edge.assembly.watching_room import is_short
from edge.config import Config
from edge.node.observing.counts import WorkerStatus
from edge.node.observing.python_build import read_build
from edge.node.processes.data_directory import OpenedDirectory
from edge.node.processes.supervisor import Supervisor
from edge.regions.fleet.node_report import REFUSED_KINDS_LIMIT, WORDS_LIMIT, NodeReport, SourceReport
from edge.regions.fleet.registry import RegisteredNode
from edge.store.disk.room import free_bytes, total_bytes
from edge.telemetry.spool.disk_budget import held_bytes


class OwnReport:
    """Makes a report each time it is asked; rates are since the time before."""

    def __init__(self, config: Config, directory: OpenedDirectory, supervisor: Supervisor, devices_url: str) -> None:
        self._config, self._directory, self._supervisor = config, directory, supervisor
        self._devices_url = devices_url
        self.given_name: Callable[[], str] = lambda: ""  # what the node above calls this one
        self.source: Callable[[float], SourceReport | None] = lambda now: None  # what this node follows
        self.refused: Callable[[], Mapping[str, int]] = dict  # of what it follows, by code
        self._began = time.monotonic()
        self._start = secrets.token_hex(8)
        self._checks = CheckRate()

    def changes(self) -> int:
        """See `NodeReport.changes`."""
        return sum(head.revision for head in self._supervisor.heads.values())

    async def make(self) -> tuple[RegisteredNode, NodeReport]:
        """The node as a row names it, and its report."""
        workers = await self._supervisor.statuses()
        known = RegisteredNode(
            node=self._directory.node,
            name=self.given_name() or socket.gethostname()[:WORDS_LIMIT] or "this node",
            region=self._config.region,
            since=time.time() - (time.monotonic() - self._began),
        )
        return known, await asyncio.to_thread(self._report, workers)

    def _report(self, workers: list[WorkerStatus]) -> NodeReport:
        """Blocks."""
        supervisor, node_dir, now = self._supervisor, self._directory.node_dir, time.time()
        free, ends = free_bytes(node_dir), supervisor.certificate_ends
        refused = Counter(self._directory.served.refused) + Counter(self.refused())
        return NodeReport(
            region=self._config.region,
            role=self._config.role,
            version=__version__,
            python=str(read_build())[:WORDS_LIMIT],
            clock=now,
            running_seconds=time.monotonic() - self._began,
            apps=sum(not head.deleted for head in supervisor.heads.values()),
            changes=self.changes(),
            source=self.source(now),
            stale=bool(supervisor.proofs.stale()),
            refused=dict(refused.most_common(REFUSED_KINDS_LIMIT)),
            damaged=max((len(each.damaged) for each in workers), default=0),
            workers=len(workers),
            workers_ready=sum(each.ready for each in workers),
            checks_per_second=self._checks.rate(sum(sum(each.counts.decisions.values()) for each in workers)),
            load=os.getloadavg()[0],
            cores=os.cpu_count() or 1,
            disk_free_bytes=free,
            disk_total_bytes=total_bytes(node_dir),
            disk_short=is_short(free, reserve_whole=self._directory.reserve.whole),
            unsent_bytes=held_bytes(self._directory.spool_dir) if self._config.role == "region" else 0,
            location=self._config.location,
            devices_url=self._devices_url[:WORDS_LIMIT],
            certificate_seconds=ends - now if ends is not None else None,
            start=self._start,
        )


class CheckRate:
    """Checks a second between two readings of a count that a restarted worker sets back."""

    def __init__(self) -> None:
        self._count, self._at, self._rate = 0, time.monotonic(), 0.0

    def rate(self, count: int) -> float:
        """The same as before within a second of the last reading."""
        now = time.monotonic()
        if now - self._at >= 1.0:
            self._rate = max(0, count - self._count) / (now - self._at)
            self._count, self._at = count, now
        return self._rate
