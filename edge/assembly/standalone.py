"""A standalone node: the control API, the supervisor and its workers, started and stopped in order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from edge.assembly.change_over import ChangeOver
from edge.assembly.clock import NodeClock
from edge.assembly.collecting import Collecting
from edge.assembly.control_port import serving_control
from edge.assembly.counting.own_names import OwnNames
from edge.assembly.current_snapshots import CurrentSnapshots
from edge.assembly.explaining import Explaining
from edge.assembly.exporting import Exporting
from edge.assembly.folding import Folding
from edge.assembly.guarding.guard_duty import GuardDuty
from edge.assembly.guarding.sight import blindness_of
from edge.assembly.guarding.telling_sight import TellingSight
from edge.assembly.known_devices import KnownDeviceQuestions
from edge.assembly.node_report import NodeConditions
from edge.assembly.outcome_spool import OutcomeSpool
from edge.assembly.own_report import OwnReport
from edge.assembly.region.file_sending import FileSending
from edge.assembly.region.reports_home import build_receiving
from edge.assembly.watching_room import WatchingRoom
from edge.config import Config, Control
from edge.control.app import InnerApi, build_control_app
from edge.control.first_token import ensure_admin_token
from edge.control.ports import ControlPorts
from edge.control.tokens import Tokens
from edge.control.upload_quota import UploadQuota
from edge.domain.guarding.evidence import Evidence
from edge.domain.targeting.places import NodePlace
from edge.messages.messaging import Messaging
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.node.service.limits.admission import Connections
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.succession.estate import Estate
from edge.node.succession.ports import CONTROL, DEVICES, open_ports
from edge.node.tls.pair import Pair, read_pair
from edge.page.app import add_page
from edge.page.door.hosts import HostNames
from edge.page.door.login_links import LoginLinks
from edge.page.house import House
from edge.page.publishing.drops import Drops
from edge.regions.feed.feed import Feed
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.fleet.node_metrics import build_home_metrics, build_nodes_metrics
from edge.regions.fleet.registry import NodeRegistry
from edge.regions.fleet.reporting import Reporting
from edge.telemetry.votes.standing import GuardStanding, StandingQuestion
from edge.wire.exposition import Family

LEAVE_SECONDS = 5.0  # beyond the devices' drain time, before the remaining workers are killed

log = logging.getLogger("edge.node")


class Standalone:
    """Opens the data directory and both ports; with `estate`, takes over what a predecessor passes on. Raises EdgeError
    with the reason."""

    def __init__(self, config: Config, estate: Estate | None = None) -> None:
        self.config = config
        self._ports = open_ports(config, estate)
        try:
            self._prepare(config, estate)
        except BaseException:
            self._ports.close()
            raise

    def _prepare(self, config: Config, estate: Estate | None) -> None:
        self.directory = DataDirectory(Path(config.data_dir), time.time())
        self.tokens = Tokens(self.directory.store, self.directory.trust, self.directory.writer, self.directory.reserve)
        self.admin_token_file = ensure_admin_token(self.tokens, self.directory.node_dir, time.time())
        self.messaging = Messaging(self.directory.node_dir, config.webhooks)
        self._serving: asyncio.Task[None] | None = None
        self._reloading: set[asyncio.Future[None]] = set()
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
        names = OwnNames(self.directory.releases)
        self.telemetry = Folding(
            *(self.directory, self.directory.node, config.telemetry, config.log, names),
            tell_notes=self.supervisor.pool.tell_notes,
            on_evidence=lambda evidence: self.guard.hear(evidence),
        )
        self.guard = GuardDuty(
            *(self.directory.releases, lambda: self.supervisor.heads, self.supervisor.announce),
            *(self._evidence_of, self.messaging.outbox.post, time.time),
            tell_guarding=self.telemetry.tell_guarding,
            blindness=self._blindness,
        )
        spool_limit = config.telemetry.spool_limit_bytes
        self._outcomes = OutcomeSpool(self.directory.spool_dir, self.directory.node, spool_limit)
        self._login_links = LoginLinks()
        self.feed = Feed(self.directory.mirror)
        self._clock = clock = NodeClock(self.directory.releases)
        snapshots = CurrentSnapshots(self.directory.releases, self._builder(config.place))
        self._explaining = Explaining(snapshots, self.supervisor, clock, base, config.place)
        facts_table = self.supervisor.facts_table_path
        self._known_devices = KnownDeviceQuestions(self.directory, facts_table, snapshots, clock.moment)
        keeping = config.store
        self._quota = UploadQuota(self.directory.uploads_file, keeping.upload_limit_bytes, time.time())
        self._collecting = Collecting(self.directory, keeping.retention_days)
        self._own_report = OwnReport(config, self.directory, self.supervisor, base)
        self.fleet = self._open_fleet()
        self.reporting: Reporting | None = None  # to the node above, if there is one
        self._receiving = build_receiving(self.directory, spool_limit, lambda: self.guard.watched.acting > 0)
        self.supervisor.duties.jobs |= {
            "deliver": self.messaging.run,
            "nodes": self.fleet.run,
            "fold": self.telemetry.run,
            "guard": self.guard.run,
            "guard_sight": lambda: TellingSight(lambda: self._report.blindness, self.supervisor.pool.tell_sight).run(),
            "collect": lambda: self._collecting.run(time.time()),
            "watch_room": WatchingRoom(self.directory.node_dir, self.directory.reserve).run,
        }
        self.change = ChangeOver(config, self.supervisor, ports, estate)
        self._report = NodeConditions(
            *(self.directory, self.supervisor, self.telemetry, self.tokens),
            *(self._collecting, self._quota, self.messaging),
            guard=self.guard,
            devices_url=base,
            region=config.region,
            spool_limit_bytes=spool_limit,
            of_nodes=self._nodes_metrics,
        )

    def _open_fleet(self) -> KnownNodes:
        directory, own = self.directory, self._own_report
        registry = NodeRegistry(
            *(directory.nodes_file, directory.node, self.config.region),
            is_token=lambda name: name in self.tokens.records(),
            clock=time.time,
        )
        return KnownNodes(registry, directory.heard_file, own.make, own.changes, net_key=directory.net_key.decode())

    async def _nodes_metrics(self) -> list[Family]:
        reporting = self.reporting
        told = build_home_metrics(reporting.seen if reporting is not None else None)
        return [*build_nodes_metrics(await self.fleet.rows(), time.time()), *told]

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

    async def serve_until(self, stopping: asyncio.Event) -> None:
        """Wait, inside `running`, for `stopping`, or until a successor has the node. Raises what ended the serving, if
        that ends first."""
        assert self._serving is not None
        waiting = [asyncio.create_task(each.wait()) for each in (stopping, self.change.is_over)]
        await asyncio.wait({*waiting, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if not stopping.is_set() and not self.change.is_over.is_set():
            self._serving.result()

    def reload(self) -> None:
        """Start to reload the device port's certificate and key from disk; the log has the result."""
        reloading = asyncio.ensure_future(self.supervisor.reload_pair())
        self._reloading.add(reloading)
        reloading.add_done_callback(self._reloading.discard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves inside the block, from its first line on; on leaving it, finishes what is in progress."""
        ready = asyncio.Event()
        await self.change.join()
        serving = self._serving = asyncio.create_task(self.supervisor.run(ready))
        control = AsyncExitStack()
        try:
            await _first(ready, serving)
            await control.enter_async_context(self._serving_control())
            await self.change.take()
            yield
        finally:
            await self.change.abandon()
            if self.change.is_over.is_set():
                await self.supervisor.drain()
            await control.aclose()  # else first: a change in progress needs the workers and the facts
            self._ports.control.close()
            await self._outcomes.close()
            await self.supervisor.drain()
            await _leave(serving, self.config.devices.drain_seconds + LEAVE_SECONDS)
            await self.change.close()

    def _serving_control(self) -> AbstractAsyncContextManager[Connections]:
        ports, control = self._control_ports(), self.config.control
        app = build_control_app(ports)
        add_page(
            app,
            House(
                inner=InnerApi(ports, app),
                tokens=self.tokens,
                hosts=HostNames(control.host, control.allowed_hosts),
                links=self._login_links,
                now=self._clock.now,
                secure=bool(control.tls_certificate),
                node=self.config.region,
                drops=Drops(self.directory.drops_dir),
            ),
        )
        pair = read_control_pair(self.config.control)
        return serving_control(app, self._ports.control, pair, lambda: self._ports.manner(CONTROL))

    def _control_ports(self) -> ControlPorts:
        return ControlPorts(
            store=self.directory.store,
            releases=self.directory.releases,
            tokens=self.tokens,
            messaging=self.messaging,
            serving=self.supervisor,
            explaining=self._explaining,
            known_devices=self._known_devices,
            proofs=self.supervisor.prover,
            facts=self.supervisor,
            telemetry=self.telemetry,
            exporting=Exporting(self.directory.spool_dir, self.directory.erasures_dir),
            outcomes=self._outcomes,
            node=self._report,
            fleet=self.fleet,
            receiving=self._receiving,
            clock=self._clock,
            quota=self._quota,
            login_links=self._login_links,
            feed=self.feed,
            sender=FileSending(),
            place=self.config.place,
        )


def read_control_pair(control: Control) -> Pair | None:
    """Of the control port; None without TLS. Raises BadPair."""
    if not control.tls_certificate:
        return None
    return read_pair(control.tls_certificate, control.tls_key)


async def _first(ready: asyncio.Event, serving: asyncio.Task[None]) -> None:
    """Wait for `ready`. Raises what ended `serving`, if that ends first."""
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        serving.result()


async def _leave(serving: asyncio.Task[None], seconds: float) -> None:
    done, _ = await asyncio.wait({serving}, timeout=seconds)
    if not done:
        log.warning("some workers did not exit in %s s; killing them", seconds)
        serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
