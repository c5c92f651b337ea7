"""Reports of several nodes, where they meet and where they come from: builds both ends of their way."""

import logging
import time
from collections.abc import Callable

from edge.config import Config
from edge.node.processes.data_directory import DataDirectory, OpenedDirectory
from edge.node.processes.supervisor import Supervisor
from edge.regions.fleet.node_report import NodeWelcome
from edge.regions.sending.receiving import Receiving
from edge.regions.sending.sender import ReportSender, SendingFrom
from edge.regions.sending.sent_journal import SentJournal
from edge.regions.sending.sent_ledger import SentLedger
from edge.regions.sending.sent_words import ErasureWanted
from edge.regions.upstream import Upstream
from edge.telemetry.folding.counts import counted_to_end
from edge.telemetry.spool.coming_segment import HeldSegment
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.upkeep.erasures import pending_erasures
from edge.telemetry.upkeep.keeping import DAY_SECONDS

log = logging.getLogger("edge.regions")

RECEIVED_SHARE = 0.9  # of the spool's limit: what other nodes send does not keep this node's devices from reporting


def build_receiving(directory: DataDirectory, spool_limit_bytes: int, acts: Callable[[], bool]) -> Receiving:
    """`acts`: whether a guard may act on reports now."""

    def counted(segment: str) -> HeldSegment | None:
        end = counted_to_end(directory.counts_database, segment)
        return None if end is None else HeldSegment(end, whole=True)

    def erasures() -> list[ErasureWanted]:
        return [
            ErasureWanted(app=each.app, device=each.device, asked_ms=each.asked_ms, until_ms=each.until_ms)
            for each in pending_erasures(directory.erasures_dir)
        ]

    return Receiving(
        directory.spool_dir,
        directory.node,
        SentLedger(directory.reports_file),
        counted=counted,
        budget=DiskBudget(directory.spool_dir, int(spool_limit_bytes * RECEIVED_SHARE)),
        acts=acts,
        erasures=erasures,
        clock=time.time,
    )


def build_sender(config: Config, directory: OpenedDirectory, home: Upstream, supervisor: Supervisor) -> ReportSender:
    """The other end: its `run` is a duty. It hurries once a release changed here, since its guard may act."""
    telemetry = config.telemetry
    from_ = SendingFrom(
        directory.spool_dir,
        directory.node,
        config.region,
        telemetry.spool_limit_bytes,
        telemetry.keep_days * DAY_SECONDS,
    )
    journal = SentJournal(directory.sent_file)
    return ReportSender(home, from_, journal, tell_notes=supervisor.pool.tell_notes)


class WelcomedKey:
    """Takes home's key of networks from what home answers to a report of this node."""

    def __init__(self, directory: OpenedDirectory, supervisor: Supervisor) -> None:
        self._directory, self._supervisor = directory, supervisor

    def hear(self, welcome: NodeWelcome) -> None:
        """Blocks for a moment, once in the life of a data directory."""
        try:
            taken = self._directory.take_net_key(welcome.net_key)
        except OSError as error:
            log.error("home's key of networks is not kept over a restart: %s", error)
            taken = True
        if taken:
            self._supervisor.pool.tell_net_key(self._directory.net_key)
            log.info("networks are numbered as at home from now on")
