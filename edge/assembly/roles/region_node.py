"""A node that follows: its workers serve a verified copy of what another node or a store has. It changes no release,
guards none, and counts nothing; its control API reads, and names the origin for everything else.
"""

import random
import time
from collections.abc import Mapping
from pathlib import Path

from edge.assembly.change_over import ChangeOver
from edge.assembly.clock import NodeClock
from edge.assembly.collecting import Collecting
from edge.assembly.counting.outcome_spool import OutcomeSpool
from edge.assembly.current_snapshots import CurrentSnapshots
from edge.assembly.explaining import Explaining
from edge.assembly.exporting import Exporting
from edge.assembly.known_devices import KnownDeviceQuestions
from edge.assembly.login.people_login import build_region_login
from edge.assembly.node_report import NodeConditions
from edge.assembly.own_report import OwnReport
from edge.assembly.region.facts_home import build_sharer, open_home
from edge.assembly.region.figures_elsewhere import FiguresElsewhere
from edge.assembly.region.file_sending import FileSending
from edge.assembly.region.mirror_directory import MirrorDirectory
from edge.assembly.region.origin_bucket import checks_of
from edge.assembly.region.own_source import source_report
from edge.assembly.region.reports_home import build_reporting, build_sender, build_sent_metrics
from edge.assembly.region.sources import home_of, open_source
from edge.assembly.serving_node import ServingNode
from edge.assembly.watching_room import WatchingRoom
from edge.config import Config
from edge.control.access.tokens import Tokens
from edge.control.audit.opening import open_audit
from edge.control.audit.timelines import Timelines
from edge.control.ports import ControlPorts
from edge.control.upload_quota import UploadQuota
from edge.domain.model import AppId
from edge.facts.recovery import check_free
from edge.messages.messaging import Messaging
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.succession.estate import Estate
from edge.node.succession.ports import DEVICES
from edge.page.door.login_links import LoginLinks
from edge.regions.feed.feed import Feed
from edge.regions.following.follow_metrics import build_follow_metrics
from edge.regions.following.follower import Follower, FollowTerms
from edge.regions.sharing.sharing_metrics import build_sharing_metrics
from edge.regions.sources.first_sight import wait_for_first_sight
from edge.regions.sources.nats_jobs import hearing
from edge.store.heads import Head
from edge.store.keys.pin import PIN_FILE
from edge.store.objects.fs import FsStore
from edge.wire.exposition import Family


async def see_source(config: Config) -> None:
    """Before a `RegionNode` of this data directory: returns when it has a key set to go on from. Raises EdgeError."""
    paths, upstream = DataPaths(Path(config.data_dir)), config.upstream
    if not (paths.node_dir / PIN_FILE).exists():  # else a node may run here that is about to be succeeded
        check_free(paths.facts_dir)
    paths.node_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = open_source(upstream, config.store)
    try:
        await wait_for_first_sight(source, FsStore(paths.store_dir), paths.node_dir, upstream.root, random.random)
    finally:
        await source.close()


class RegionNode(ServingNode):
    """Opens the data directory and both ports; with `estate`, takes over what a predecessor passes on. Raises EdgeError
    with the reason."""

    directory: MirrorDirectory

    def _prepare(self, config: Config, estate: Estate | None) -> None:
        upstream, ports = config.upstream, self._ports
        self._home = home_of(upstream)
        self.directory = MirrorDirectory(Path(config.data_dir), time.time(), self._home or upstream.source)
        self.tokens = Tokens(self.directory.store, self.directory.trust, None)
        self.admin_token_file = None
        self.audit = open_audit(
            *(self.directory.node_dir, self.directory.node, self.directory.store, self.directory.trust),
            *(None, self.directory.reserve, config.audit),
        )
        self.messaging = Messaging(self.directory.node_dir, config.webhooks)
        self.device_port, self.control_port = port_of(ports.devices), port_of(ports.control)
        self.supervisor = Supervisor(
            config,
            self.directory,
            listening=ports.devices,
            manner=lambda: ports.manner(DEVICES),
            inherited_lock=estate.lock if estate else None,
        )
        self._source = open_source(upstream, config.store)
        self.follower = Follower(
            self._source,
            self.directory.mirror,
            self.directory.trust,
            lambda heads: self.supervisor.take_heads(heads, None),
            self.directory.held,
            heads=self.directory.releases.shards,
            checks=checks_of(self.tokens),
            reserve=self.directory.reserve,
            terms=FollowTerms(upstream.poll_seconds, upstream.cache_limit_bytes),
        )
        self._join_proofs()
        self.follower.tending.damaged = self._damaged_apps
        self._to_home = open_home(config)
        self._prepare_answers(config)
        self.follower.on_coming = self.follower.on_late = self.feed.events.tell
        self.feed.pull = self.follower.puller.bring
        self.supervisor.duties.jobs |= {
            "nodes": self.fleet.run,
            "audit": self.audit.run,
            "follow": self.follower.run,
            "feed": self.feed.run,
            "watch_room": WatchingRoom(self.directory.node_dir, self.directory.reserve).run,
        }
        if self._to_home is not None:
            self.sharer = build_sharer(self.directory, self.directory.node, self.supervisor, self._to_home)
            self.supervisor.duties.jobs["share"] = self.sharer.run
            self.reports = build_sender(config, self.directory, self._to_home, self.supervisor)
            self.supervisor.duties.jobs["send"] = self.reports.run
            self.reporting = build_reporting(
                self._to_home, self.directory, self.supervisor, self._own_report, self.reports
            )
            self.supervisor.duties.jobs["report"] = self.reporting.run
        self.supervisor.on_heads = self._hear_heads
        self.supervisor.duties.jobs |= hearing(upstream, self.directory.trust.store_id, self.follower)
        self.change = ChangeOver(config, self.supervisor, ports, estate)

    def _join_proofs(self) -> None:
        """What is missing is asked of the source, and not offered while it does not come."""
        prover = self.supervisor.prover
        prover.puller = puller = self.follower.puller
        self.follower.on_reachable = prover.recheck
        puller.on_pulled = prover.note_upload
        self.follower.holding.lacks = lambda digest, app: prover.prove_all([digest], app)

    def _prepare_answers(self, config: Config) -> None:
        """What the control API asks."""
        scheme = "https" if config.devices.tls_certificate else "http"
        base = config.devices.public_url or f"{scheme}://localhost:{self.device_port}"
        self._login_links = LoginLinks()
        self.login = build_region_login(config, self.tokens.people)
        self._clock = clock = NodeClock(self.directory.releases, self.supervisor.proofs)
        snapshots = CurrentSnapshots(self.directory.releases, self._builder(config))
        self._explaining = Explaining(
            snapshots, self.supervisor, clock, config.devices.bundles_url or base, config.place
        )
        self._known_devices = KnownDeviceQuestions(
            self.directory, self.supervisor.facts_table_path, snapshots, clock.moment
        )
        self._figures = FiguresElsewhere(self._home)
        spool_limit = config.telemetry.spool_limit_bytes
        self._outcomes = OutcomeSpool(self.directory.spool_dir, self.directory.node, spool_limit)
        self._quota = UploadQuota(self.directory.uploads_file, config.store.upload_limit_bytes, time.time())
        self.feed = Feed(self.directory.mirror)
        self._own_report = OwnReport(config, self.directory, self.supervisor, base)
        self._own_report.source = lambda now: source_report(self.follower.standing, now)
        self._own_report.refused = lambda: self.follower.standing.refused
        self.fleet = self._open_fleet()
        self._report = NodeConditions(
            *(self.directory, self.supervisor, self._figures, self.tokens),
            *(Collecting(self.directory, config.store.retention_days), self._quota, self.messaging),
            devices_url=base,
            region=config.region,
            spool_limit_bytes=spool_limit,
            of_nodes=self._metrics,
        )

    async def _metrics(self) -> list[Family]:
        return [*await self._nodes_metrics(), *build_follow_metrics(self.follower)]

    async def _damaged_apps(self) -> set[AppId]:
        """Of which a worker cannot serve something."""
        return {AppId(each.app) for worker in await self.supervisor.statuses() for each in worker.damaged}

    async def _nodes_metrics(self) -> list[Family]:
        sender = self.reports if self._to_home is not None else None
        return [*await super()._nodes_metrics(), *build_sent_metrics(sender)]

    def _hear_heads(self, heads: Mapping[AppId, Head]) -> None:
        self.feed.hear(heads)
        if self._to_home is not None:
            self.reports.hurry()
        if self.reporting is not None:
            self.reporting.hurry()

    def _builder(self, config: Config) -> SnapshotBuilder:
        supervisor = self.supervisor
        return SnapshotBuilder(
            self.directory.store,
            config.place,
            lambda: supervisor.prover.quarantine.digests,
            terms=lambda: supervisor.links.terms,
        )

    async def _finish(self) -> None:
        await self._outcomes.close()
        await self.follower.close()
        await self.follower.fetcher.close()
        await self._source.close()
        if self._to_home is not None:
            await self._to_home.close()

    def _sharing_metrics(self) -> list[Family]:
        return build_sharing_metrics({}, {}, self.sharer.standing if self._to_home is not None else None)

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
            sharing=None,
            receiving=None,
            clock=self._clock,
            quota=self._quota,
            login_links=self._login_links,
            login=self.login,
            feed=self.feed,
            sender=FileSending(),
            place=self.config.place,
            origin=self._home or self.config.upstream.source,
        )
