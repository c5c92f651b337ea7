"""A standalone node: the control API, the supervisor and its workers, started and stopped in order."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from edge.assembly.change_over import ChangeOver
from edge.assembly.clock import NodeClock
from edge.assembly.collecting import Collecting
from edge.assembly.counting.outcome_spool import OutcomeSpool
from edge.assembly.counting.own_names import OwnNames
from edge.assembly.current_snapshots import CurrentSnapshots
from edge.assembly.explaining import Explaining
from edge.assembly.exporting import Exporting
from edge.assembly.folding import Folding
from edge.assembly.guarding.guard_duty import GuardDuty
from edge.assembly.guarding.sight import blindness_of
from edge.assembly.guarding.telling_sight import TellingSight
from edge.assembly.known_devices import KnownDeviceQuestions
from edge.assembly.login.people_login import build_people_login
from edge.assembly.node_report import NodeConditions
from edge.assembly.own_report import OwnReport
from edge.assembly.pushing.message_sending import MessageSending
from edge.assembly.pushing.sender_messages import SenderSetup
from edge.assembly.region.facts_home import build_sharer, build_sharing, open_home
from edge.assembly.region.figures_elsewhere import FiguresElsewhere
from edge.assembly.region.file_sending import FileSending
from edge.assembly.region.origin_bucket import (
    OriginBucket,
    credentials_of,
    look_at_credentials,
    look_at_tokens,
    push_document_of,
    tokens_of,
)
from edge.assembly.region.reports_home import (
    build_received_metrics,
    build_receiving,
    build_reporting,
    build_sender,
    build_sent_metrics,
)
from edge.assembly.region.sources import bucket_place, bucket_variables
from edge.assembly.serving_node import LEAVE_SECONDS, ServingNode
from edge.assembly.watching_room import WatchingRoom
from edge.config import Config
from edge.control.access.first_token import ensure_admin_token
from edge.control.audit.opening import open_audit
from edge.control.audit.timelines import Timelines
from edge.control.ports import ControlPorts
from edge.control.push.push_credentials import PushCredentials
from edge.control.push.push_desk import PushDesk
from edge.control.routes.feed.missing_reports import reported_until
from edge.control.upload_quota import UploadQuota
from edge.domain.guarding.evidence import Evidence
from edge.domain.model import AppId
from edge.domain.targeting.places import NodePlace
from edge.messages.messaging import Messaging
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.succession.estate import Estate
from edge.node.succession.ports import DEVICES
from edge.page.door.login_links import LoginLinks
from edge.push.registered import RegisteredDevices
from edge.push.sending_metrics import build_sending_metrics
from edge.regions.feed.feed import Feed
from edge.regions.sending.sender import ReportSender
from edge.regions.sharing.sharer import Sharer
from edge.regions.sharing.sharing_metrics import build_sharing_metrics
from edge.regions.sources.nats_jobs import telling
from edge.regions.upstream import Upstream
from edge.store.heads import Head
from edge.store.secrets.secret_box import SecretBox
from edge.telemetry.votes.standing import GuardStanding, StandingQuestion
from edge.wire.exposition import Family

__all__ = ["LEAVE_SECONDS", "Standalone"]

log = logging.getLogger("edge.node")


class Standalone(ServingNode):
    """Opens the data directory and both ports; with `estate`, takes over what a predecessor passes on. Raises EdgeError
    with the reason."""

    directory: DataDirectory
    admin_token_file: Path

    def _prepare(self, config: Config, estate: Estate | None) -> None:
        bucket = bucket_place(config.store.url, config.store) if config.store.url else None
        self.directory = DataDirectory(Path(config.data_dir), time.time(), bucket)
        self.tokens = tokens_of(self.directory)
        self.admin_token_file = ensure_admin_token(self.tokens, self.directory.node_dir, time.time())
        self.secrets = SecretBox(config.secrets_path, make=not config.secrets_key_file)
        self.audit = open_audit(
            *(self.directory.node_dir, self.directory.node, self.directory.store, self.directory.trust),
            *(self.directory.writer, self.directory.reserve, config.audit),
        )
        self.push_credentials = PushCredentials(push_document_of(self.directory), self.secrets)
        self.login = build_people_login(config, self.tokens.people, credentials_of(self.directory), self.secrets)
        self.messaging = Messaging(self.directory.node_dir, config.webhooks)
        ports = self._ports
        self.device_port, self.control_port = port_of(ports.devices), port_of(ports.control)
        self.supervisor = Supervisor(
            config,
            self.directory,
            listening=ports.devices,
            manner=lambda: ports.manner(DEVICES),
            inherited_lock=estate.lock if estate else None,
        )
        scheme = "https" if config.devices.tls_certificate else "http"
        base = config.devices.public_url or f"{scheme}://localhost:{self.device_port}"
        names = OwnNames(self.directory.served)
        self.telemetry = Folding(
            *(self.directory, self.directory.node, config.telemetry, config.log, names),
            tell_notes=self.supervisor.pool.tell_notes,
            on_evidence=lambda evidence: self.guard.hear(evidence),
            region=config.region,
            nodes=lambda: reported_until(self.fleet, self._receiving.ledger),
        )
        self.guard = GuardDuty(
            *(self.directory.releases, lambda: self.supervisor.heads, self.supervisor.announce),
            *(self._evidence_of, self.messaging.outbox.post, time.time),
            tell_guarding=self.telemetry.tell_guarding,
            blindness=self._blindness,
            nodes=lambda: reported_until(self.fleet, self._receiving.ledger),
        )
        spool_limit = config.telemetry.spool_limit_bytes
        self._outcomes = OutcomeSpool(self.directory.spool_dir, self.directory.node, spool_limit)
        self._login_links = LoginLinks()
        self.feed = Feed(self.directory.mirror)
        self.message_sending = MessageSending(
            self._sender_setup(config),
            lambda: self.supervisor.heads,
            self.messaging.outbox.post,
            self.push_credentials.all_of,
            self.directory.store,
        )
        self.supervisor.on_heads = self._hear_heads
        self._clock = clock = NodeClock(self.directory.served, self.supervisor.proofs)
        snapshots = CurrentSnapshots(self.directory.releases, self._builder(config.place))
        self._explaining = Explaining(
            snapshots, self.supervisor, clock, config.devices.bundles_url or base, config.place
        )
        facts_table = self.supervisor.facts_table_path
        self._known_devices = KnownDeviceQuestions(self.directory, facts_table, snapshots, clock.moment)
        keeping = config.store
        self._quota = UploadQuota(self.directory.uploads_file, keeping.upload_limit_bytes, time.time())
        self._collecting = Collecting(self.directory, keeping.retention_days, bucket_variables(keeping))
        self._own_report = OwnReport(config, self.directory, self.supervisor, base)
        self.fleet = self._open_fleet()
        self._sharing = build_sharing(self.directory, self.supervisor, lambda app: app in self.supervisor.heads)
        self._receiving = build_receiving(self.directory, spool_limit, lambda: self.guard.watched.acting > 0)
        self.supervisor.duties.jobs |= {
            "deliver": self.messaging.run,
            "audit": self.audit.run,
            "feed": self.feed.run,
            "nodes": self.fleet.run,
            "fold": self.telemetry.run,
            "guard": self.guard.run,
            "guard_sight": lambda: TellingSight(lambda: self._report.blindness, self.supervisor.pool.tell_sight).run(),
            "collect": lambda: self._collecting.run(time.time()),
            "send_messages": self.message_sending.run,
            "watch_room": WatchingRoom(self.directory.node_dir, self.directory.reserve).run,
        }
        self._bucket = OriginBucket(config, self.directory, self.supervisor) if self.directory.bucket else None
        if self._bucket is not None:
            self.supervisor.duties.jobs |= {
                "follow": self._bucket.follower.run,
                "tokens": lambda: look_at_tokens(self.tokens),
                "credentials": lambda: look_at_credentials(self.login.accounts),
            }
        trust = self.directory.trust
        self.supervisor.duties.jobs |= telling(config.upstream, trust.store_id, self.feed.events, self.directory.mirror)
        self._to_home = open_home(config)
        self._sharer: Sharer | None = None
        self._reports: ReportSender | None = None
        self._figures = self.telemetry if self._to_home is None else self._send_home(config, self._to_home)
        self.change = ChangeOver(config, self.supervisor, ports, estate)
        self._report = NodeConditions(
            *(self.directory, self.supervisor, self._figures, self.tokens),
            *(self._collecting, self._quota, self.messaging),
            guard=self.guard,
            devices_url=base,
            region=config.region,
            spool_limit_bytes=spool_limit,
            of_nodes=self._nodes_metrics,
            login=self.login,
            sending=(lambda: self.message_sending.view(self.push_credentials)) if self._to_home is None else None,
        )

    def _send_home(self, config: Config, home: Upstream) -> FiguresElsewhere:
        """Where another origin of the same store counts the reports of all, and guards by them, this one does not."""
        jobs = self.supervisor.duties.jobs
        for duty in ("fold", "guard", "guard_sight", "send_messages"):
            del jobs[duty]
        self._sharer = build_sharer(self.directory, self.directory.node, self.supervisor, home)
        self._reports = reports = build_sender(config, self.directory, home, self.supervisor)
        self.reporting = build_reporting(home, self.directory, self.supervisor, self._own_report, reports)
        jobs |= {"share": self._sharer.run, "send": reports.run, "report": self.reporting.run}
        return FiguresElsewhere(config.home)

    def _hear_heads(self, heads: Mapping[AppId, Head]) -> None:
        self.feed.hear(heads)
        self.message_sending.hear_heads()
        if self._reports is not None:
            self._reports.hurry()
        if self.reporting is not None:
            self.reporting.hurry()

    def _sender_setup(self, config: Config) -> SenderSetup:
        return SenderSetup(
            data_dir=str(self.directory.data_dir.absolute()),
            node=self.directory.node,
            log=config.log,
            push=config.push,
            spool_limit_bytes=config.telemetry.spool_limit_bytes,
            facts_table=str(self.supervisor.facts_table_path.absolute()),
            place=config.place,
        )

    async def _nodes_metrics(self) -> list[Family]:
        nodes = reported_until(self.fleet, self._receiving.ledger)
        received = build_received_metrics(nodes, self._receiving.taken_bytes, time.time())
        unreadable = await asyncio.to_thread(self.push_credentials.unreadable)
        messages = build_sending_metrics(self.message_sending.seen(len(unreadable)))
        return [*await super()._nodes_metrics(), *received, *build_sent_metrics(self._reports), *messages]

    def _blindness(self) -> str:
        """Why no event is counted now, "" if they are."""
        return blindness_of(self.telemetry.condition, is_up=self.telemetry.is_up, watched=1, now=time.time())

    async def _evidence_of(self, app: str, channel: str) -> Evidence | None:
        """What is known after a fold that begins now. Raises Unavailable."""
        question = StandingQuestion(app, channel)
        return (await self.telemetry.ask("guard_standing", question, GuardStanding)).evidence

    def _builder(self, place: NodePlace) -> SnapshotBuilder:
        supervisor = self.supervisor
        return SnapshotBuilder(
            self.directory.mirror,
            place,
            lambda: supervisor.prover.quarantine.digests,
            terms=lambda: supervisor.links.terms,
        )

    async def _finish(self) -> None:
        await self._outcomes.close()
        if self._bucket is not None:
            await self._bucket.close()
        if self._to_home is not None:
            await self._to_home.close()

    def _sharing_metrics(self) -> list[Family]:
        standing = self._sharer.standing if self._sharer is not None else None
        return build_sharing_metrics(self._sharing.budgets.refused, self._sharing.lost, standing)

    def _control_ports(self) -> ControlPorts:
        return ControlPorts(
            store=self.directory.store,
            releases=self.directory.releases,
            tokens=self.tokens,
            audit=self.audit,
            timelines=Timelines(self.directory.releases),
            trusted_proxies=self.config.control.trusted_proxies,
            messaging=self.messaging,
            serving=self.supervisor,
            explaining=self._explaining,
            known_devices=self._known_devices,
            proofs=self.supervisor.prover,
            facts=self.supervisor,
            telemetry=self._figures,
            exporting=Exporting(self.directory.spool_dir, self.directory.erasures_dir),
            outcomes=self._outcomes,
            node=self._report,
            fleet=self.fleet,
            sharing=self._sharing if self._to_home is None else None,
            receiving=self._receiving if self._to_home is None else None,
            clock=self._clock,
            quota=self._quota,
            login_links=self._login_links,
            login=self.login,
            feed=self.feed,
            sender=FileSending(),
            place=self.config.place,
            messages=self.message_sending if self._to_home is None else None,
            push=PushDesk(
                self.push_credentials, self.config.push, RegisteredDevices(self.directory.counts_database).targets
            ),
        )
