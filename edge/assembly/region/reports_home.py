"""Reports of several nodes, where they meet and where they come from: builds both ends of their way."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from edge.config import Config
from edge.domain.guarding.reported import ReportedUntil
from edge.node.processes.data_directory import DataDirectory, OpenedDirectory
from edge.node.processes.supervisor import Supervisor
from edge.regions.fleet.node_report import NodeReport, NodeWelcome
from edge.regions.fleet.registry import RegisteredNode
from edge.regions.fleet.reporting import Reporting
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
from edge.wire.exposition import Family, Sample

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


def build_received_metrics(nodes: Sequence[ReportedUntil], taken_bytes: Mapping[str, int], now: float) -> list[Family]:
    """Of reports that come from other nodes, by node and region; `now` is in seconds since the epoch."""
    labels = {each.node: {"node": each.name, "region": each.region} for each in nodes}
    behind = [Sample(labels[each.node], now - each.until_ms / 1000) for each in nodes if each.until_ms]
    clocks = [Sample(labels[each.node], each.clock_off_ms / 1000) for each in nodes]
    taken = [Sample(labels[each.node], taken_bytes.get(each.node, 0)) for each in nodes]
    return [
        Family("edge_reports_behind_seconds", "gauge", "Since when reports of a node may be missing here.", behind),
        Family("edge_reports_clock_seconds", "gauge", "How far a node's clock is ahead of this one's.", clocks),
        Family(
            "edge_reports_taken_bytes_total", "counter", "Bytes of a node's reports that came since the start.", taken
        ),
    ]


def build_sent_metrics(sender: ReportSender | None) -> list[Family]:
    """Of this node's own reports on their way home; without samples on a node that sends none."""

    def told(value: Callable[[ReportSender], float]) -> list[Sample]:
        return [] if sender is None else [Sample({}, value(sender))]

    return [
        Family(
            "edge_reports_sent_bytes_total", "counter", "Bytes of reports sent home.", told(lambda of: of.sent_bytes)
        ),
        Family(
            "edge_reports_waiting_bytes",
            "gauge",
            "Bytes of reports that home does not have.",
            told(lambda of: of.kept.waiting_bytes),
        ),
        Family(
            "edge_reports_failing", "gauge", "1 while home takes no reports.", told(lambda of: float(bool(of.failing)))
        ),
        Family(
            "edge_reports_lost_total",
            "counter",
            "Segments that home had, and that neither has now.",
            told(lambda of: of.lost_segments),
        ),
    ]


class SaysHowItIs(Protocol):
    """This node, as it reports itself (`assembly.own_report`)."""

    given_name: Callable[[], str]

    async def make(self) -> tuple[RegisteredNode, NodeReport]: ...


def build_reporting(
    home: Upstream, directory: OpenedDirectory, supervisor: Supervisor, own: SaysHowItIs, reports: ReportSender
) -> Reporting:
    """What this node says of itself to home: its `run` is a duty. Home's key of networks and the name that it gives
    this node are used from then on."""

    async def make() -> NodeReport:
        _, report = await own.make()
        return structs.replace(report, unsent_bytes=reports.kept.waiting_bytes)

    reporting = Reporting(home, directory.node, make)
    reporting.on_welcome.append(WelcomedKey(directory, supervisor).hear)
    own.given_name = lambda: reporting.welcome.name
    return reporting


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
            log.info("networks of devices are numbered as at home from now on, so that each counts once")
