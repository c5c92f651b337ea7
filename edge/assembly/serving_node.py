"""What every node does: both ports, the supervisor with its workers, the change-over, started and stopped in order.

What a node of one role has besides is its own class.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from edge.assembly.change_over import ChangeOver
from edge.assembly.clock import NodeClock
from edge.assembly.control_port import serving_control
from edge.assembly.login.people_login import page_hosts
from edge.assembly.own_report import OwnReport
from edge.config import Config, Control
from edge.control.access.tokens import Tokens
from edge.control.app import build_control_app
from edge.control.audit.audit_log import AuditLog
from edge.control.audit.audit_metrics import build_audit_metrics
from edge.control.doors.inner_api import InnerApi
from edge.control.login.people_login import PeopleLogin
from edge.control.ports import ControlPorts
from edge.facts.recovery import check_free
from edge.node.processes.data_directory import OpenedDirectory
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.supervisor import Supervisor
from edge.node.service.limits.admission import Connections
from edge.node.succession.estate import Estate
from edge.node.succession.ports import CONTROL, open_ports
from edge.node.tls.pair import Pair, read_pair
from edge.page.app import add_page
from edge.page.door.hosts import HostNames
from edge.page.door.login_links import LoginLinks
from edge.page.house import House
from edge.page.publishing.drops import Drops
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.fleet.node_metrics import build_home_metrics, build_nodes_metrics
from edge.regions.fleet.registry import NodeRegistry
from edge.regions.fleet.reporting import Reporting
from edge.regions.sharing.sharing_metrics import build_sharing_metrics
from edge.wire.exposition import Family

LEAVE_SECONDS = 5.0  # beyond the devices' drain time, before the remaining workers are killed

log = logging.getLogger("edge.node")


class ServingNode(ABC):
    """Opens the data directory and both ports; with `estate`, takes over what a predecessor passes on. Raises EdgeError
    with the reason."""

    directory: OpenedDirectory
    tokens: Tokens
    audit: AuditLog
    login: PeopleLogin
    supervisor: Supervisor
    change: ChangeOver
    device_port: int
    control_port: int
    admin_token_file: Path | None  # None: tokens are made elsewhere
    fleet: KnownNodes
    _own_report: OwnReport
    _clock: NodeClock
    _login_links: LoginLinks

    def __init__(self, config: Config, estate: Estate | None = None) -> None:
        self.config = config
        self.reporting: Reporting | None = None  # to the node above, if there is one
        self._serving: asyncio.Task[None] | None = None
        self._reloading: set[asyncio.Future[None]] = set()
        if estate is None:
            check_free(DataPaths(Path(config.data_dir)).facts_dir)
        self._ports = open_ports(config, estate)
        try:
            self._prepare(config, estate)
        except BaseException:
            self._ports.close()
            raise

    @abstractmethod
    def _prepare(self, config: Config, estate: Estate | None) -> None:
        """Make what the annotations of this class name."""

    @abstractmethod
    def _control_ports(self) -> ControlPorts: ...

    @abstractmethod
    async def _finish(self) -> None:
        """Close what is the role's own, when the control port is closed."""

    def _open_fleet(self) -> KnownNodes:
        directory, own = self.directory, self._own_report
        registry = NodeRegistry(
            *(directory.nodes_file, directory.node, self.config.region),
            is_token=self.tokens.has,
            clock=time.time,
        )
        return KnownNodes(registry, directory.heard_file, own.make, own.changes, net_key=directory.net_key.decode())

    async def _nodes_metrics(self) -> list[Family]:
        reporting = self.reporting
        told = build_home_metrics(reporting.seen if reporting is not None else None)
        nodes = build_nodes_metrics(await self.fleet.rows(), time.time())
        return [*nodes, *told, *self._sharing_metrics(), *build_audit_metrics(self.audit)]

    def _sharing_metrics(self) -> list[Family]:
        return build_sharing_metrics({}, {}, None)

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
            await self.login.close()
            await self._finish()
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
                hosts=HostNames(control.host, (*control.allowed_hosts, *page_hosts(self.config))),
                links=self._login_links,
                people=self.login,
                now=self._clock.now,
                secure=bool(control.tls_certificate),
                node=self.config.region,
                origin=ports.origin,
                drops=Drops(self.directory.drops_dir),
            ),
        )
        pair = read_control_pair(self.config.control)
        return serving_control(app, self._ports.control, pair, lambda: self._ports.manner(CONTROL))


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
