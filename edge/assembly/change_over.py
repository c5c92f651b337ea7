"""The change-over of a node between two processes, from either side, and what the service manager hears of it."""

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

from edge import __version__
from edge.config import Config
from edge.domain.errors import EdgeError
from edge.node.processes.listening import port_of
from edge.node.processes.supervisor import Supervisor
from edge.node.succession.activation import ServiceManager
from edge.node.succession.counterpart import CHANGE_OVER_FORMAT, Counterpart
from edge.node.succession.door import RestartDoor, Restarted
from edge.node.succession.estate import Estate, link_of
from edge.node.succession.handing_over import CannotRestart, HandingOver
from edge.node.succession.ports import OpenPorts
from edge.node.succession.taking_over import TakingOver

log = logging.getLogger("edge.node")


class ChangeOver:
    """Of one process: it takes the node at its start, if it has an `estate`, and may hand it over at its end."""

    def __init__(self, config: Config, supervisor: Supervisor, ports: OpenPorts, estate: Estate | None) -> None:
        self._config = config
        self._supervisor = supervisor
        self._ports = ports
        self._manager = ServiceManager(os.environ, os.getpid())
        self._door = RestartDoor(config.node_dir, self.restart)
        self._others: set[Counterpart] = set()
        self._in_charge = False
        self._never_took = estate is not None
        self._watchdog: asyncio.Task[None] | None = None
        self._restarting: set[asyncio.Future[None]] = set()
        desk = supervisor.desk
        self._taking = (
            TakingOver(link_of(estate), desk, self._counterpart(), estate.predecessor) if estate is not None else None
        )
        self._handing = HandingOver(desk, supervisor.duties, self._counterpart, self._estate)

    @property
    def is_over(self) -> asyncio.Event:
        """A successor has the node."""
        return self._handing.is_over

    async def join(self) -> None:
        """Before the workers start."""
        if self._taking is not None:
            await self._taking.join()

    async def take(self) -> None:
        """When both ports are served: the node is this process's own from now on."""
        if self._taking is not None:
            await self._taking.take()
            self._ports.elsewhere = self._never_took = False
            self._supervisor.duties.begin()
        self._in_charge = True
        await self._door.open()
        self._say_ready()
        self._watchdog = asyncio.create_task(self._manager.keep_watchdog())

    async def restart(self) -> Restarted:
        """Returns when a successor has the node. Raises CannotRestart: then all is as before."""
        if not self._in_charge or self.is_over.is_set():
            raise CannotRestart("not_in_charge", "this process is still taking the node over, or is leaving")
        if os.getpid() == 1:
            raise CannotRestart("first_process", "its end would end the container: replace the container instead")
        if self._handing.is_busy:
            raise CannotRestart("restart_in_progress", "a restart is in progress already")
        self._manager.tell_reloading()
        self._ports.elsewhere = True
        try:
            return await self._handing.restart()
        except BaseException:
            self._ports.elsewhere = False
            self._say_ready()
            raise

    def begin_restart(self) -> None:
        """For a signal: the log has the result."""
        restarting = asyncio.ensure_future(self._restart_quietly())
        self._restarting.add(restarting)
        restarting.add_done_callback(self._restarting.discard)

    async def abandon(self) -> None:
        """The process leaves: end an attempt to restart, and say so unless a successor has the node."""
        self._in_charge = False
        await self._handing.abandon()
        self._ports.elsewhere = self._ports.elsewhere and (self.is_over.is_set() or self._never_took)
        if not self.is_over.is_set():
            self._manager.tell_stopping()
        if self._watchdog is not None:
            self._watchdog.cancel()
        await self._supervisor.duties.end()
        await self._door.close()

    async def close(self) -> None:
        """When nothing is left that the other process would have to write. A predecessor that still has something waits
        no longer than its own end takes."""
        if self._taking is not None and self.is_over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.devices.drain_seconds):
                    await self._taking.counterpart.gone.wait()
        for counterpart in (self._handing.counterpart, self._taking.counterpart if self._taking else None):
            if counterpart is not None:
                await counterpart.close()

    async def _restart_quietly(self) -> None:
        try:
            await self.restart()
        except (EdgeError, OSError) as error:
            log.error("no restart: %s", error)

    def _say_ready(self) -> None:
        where = f"devices on port {port_of(self._ports.devices)}, control API on port {port_of(self._ports.control)}"
        self._manager.tell_ready(f"release {__version__} serves {where}")

    def _counterpart(self) -> Counterpart:
        counterpart = Counterpart(self._supervisor.record, self._supervisor.take_heads)
        self._others = {each for each in self._others if not each.gone.is_set()} | {counterpart}
        self._supervisor.others = frozenset(self._others)
        return counterpart

    def _estate(self, link: int) -> Estate:
        devices, control = self._config.devices, self._config.control
        return Estate(
            format=CHANGE_OVER_FORMAT,
            link=link,
            devices=self._ports.devices.fileno(),
            control=self._ports.control.fileno(),
            lock=self._supervisor.desk.lock,
            managed=tuple(sorted(self._ports.managed)),
            predecessor=os.getpid(),
            data_dir=str(Path(self._config.data_dir).absolute()),
            devices_address=(devices.host, devices.port),
            control_address=(control.host, control.port),
        )
