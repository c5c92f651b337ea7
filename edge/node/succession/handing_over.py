"""The predecessor's side: start a successor, and pass it the node, or take everything back and go on.

start ──▶ it serves ──▶ we write no more, "yours" ──▶ "taken" ──▶ we leave
  └────────────┴──────────────────────┴── it is gone, gives up or is too slow: killed, and all is ours again
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from edge.domain.errors import EdgeError
from edge.node.processes.facts_desk import FactsDesk
from edge.node.succession.activation import environ_of_successor
from edge.node.succession.counterpart import Counterpart, Joined, Refused, Serving, Taken, Welcome, Yours
from edge.node.succession.door import Restarted
from edge.node.succession.estate import SUCCESSION_VARIABLE, Estate

START_LIMIT_SECONDS = 60.0  # until a successor serves: twelve times what ten thousand apps need
TAKE_LIMIT_SECONDS = 20.0  # until it writes: it replays at most a log of 36 MiB
EXIT_SECONDS = 5.0  # for a process that was killed

log = logging.getLogger("edge.node")


class CannotRestart(EdgeError):
    """The node goes on as it was, for this reason."""


class Duties(Protocol):
    """What only one process of a node does: sign heads again, count events, look after the store."""

    def begin(self) -> None: ...

    async def end(self) -> None: ...


class HandingOver:
    """One at a time. `estate_of` makes what a successor gets, from its end of the link."""

    def __init__(
        self,
        desk: FactsDesk,
        duties: Duties,
        counterpart_of: Callable[[], Counterpart],
        estate_of: Callable[[int], Estate],
        command: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
        start_seconds: float = START_LIMIT_SECONDS,
        take_seconds: float = TAKE_LIMIT_SECONDS,
    ) -> None:
        """`command` is what to start; by default what this process was started with."""
        self.is_over = asyncio.Event()  # the successor has taken the node
        self.counterpart: Counterpart | None = None
        self._desk = desk
        self._duties = duties
        self._counterpart_of = counterpart_of
        self._estate_of = estate_of
        self._command = list(command) or [sys.executable, *sys.orig_argv[1:]]
        self._environ = environ
        self._start_seconds, self._take_seconds = start_seconds, take_seconds
        self.successor: subprocess.Popen[bytes] | None = None
        self._attempt: asyncio.Task[Restarted] | None = None

    @property
    def is_busy(self) -> bool:
        return self._attempt is not None

    async def restart(self) -> Restarted:
        """Returns when the successor has taken the node. Raises CannotRestart: then nothing has changed. Not while
        `is_busy`."""
        self._attempt = asyncio.create_task(self._try())
        try:
            return await asyncio.shield(self._attempt)
        finally:
            if self._attempt.done() and not self.is_over.is_set():
                self._attempt = None

    async def abandon(self) -> None:
        """This node is told to stop: end an attempt. One that is past its turning point is finished, and the successor
        told to stop, too."""
        attempt, process = self._attempt, self.successor
        if attempt is None or attempt.done() or process is None:
            return
        process.send_signal(signal.SIGTERM)  # before it has taken the node it exits, and the attempt fails
        with suppress(EdgeError):
            await asyncio.shield(attempt)
            process.send_signal(signal.SIGTERM)

    async def _try(self) -> Restarted:
        counterpart = self.counterpart = self._counterpart_of()
        process = await self._start(counterpart)
        try:
            restarted = await self._pass_on(counterpart)
        except BaseException as error:
            await self._take_back(counterpart, process)
            if isinstance(error, CannotRestart):
                log.error("no restart, this process goes on: %s", error)
            raise
        log.info("process %s (release %s) has taken the node; this one leaves", restarted.pid, restarted.version)
        self.is_over.set()
        return restarted

    async def _start(self, counterpart: Counterpart) -> subprocess.Popen[bytes]:
        ours, theirs = socket.socketpair()
        with theirs:
            estate = self._estate_of(theirs.fileno())
            environ = environ_of_successor(self._environ) | {SUCCESSION_VARIABLE: estate.encode()}
            try:
                # Not asyncio's: the end of a loop kills the children that it has started.
                process = self.successor = subprocess.Popen(  # noqa: ASYNC220, S603 - our own command line
                    self._command, pass_fds=estate.descriptors, env=environ, stdin=subprocess.DEVNULL
                )
            except OSError as error:
                ours.close()
                raise CannotRestart("cannot_start", f"{self._command[0]}: {error.strerror}") from error
        log.info("restarting: process %s is starting", process.pid)
        await counterpart.connect(ours)
        return process

    async def _pass_on(self, counterpart: Counterpart) -> Restarted:
        joined = await _hear(counterpart, self._start_seconds, "start")
        if not isinstance(joined, Joined):
            raise _unexpected(joined)
        counterpart.serves = True
        counterpart.say(Welcome())
        serving = await _hear(counterpart, self._start_seconds, "serve")
        if not isinstance(serving, Serving):
            raise _unexpected(serving)
        await self._duties.end()
        await self._desk.release()
        counterpart.say(Yours())
        taken = await _hear(counterpart, self._take_seconds, "take the node")
        if not isinstance(taken, Taken):
            raise _unexpected(taken)
        self._desk.send_to(counterpart.record)
        return Restarted(serving.pid, serving.version)

    async def _take_back(self, counterpart: Counterpart, process: subprocess.Popen[bytes]) -> None:
        """Nothing of this happens before the successor is gone: two never write."""
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, EXIT_SECONDS)
        await counterpart.close()
        self.counterpart = self.successor = None
        try:
            if not self._desk.is_open:
                await asyncio.to_thread(self._desk.open)
                self._desk.begin()
        except (EdgeError, OSError) as error:  # checks and downloads go on; what would change facts gets 503
            log.critical("the device facts cannot be opened again: %s; stop the node and start it", error)
        self._duties.begin()


async def _hear(counterpart: Counterpart, seconds: float, do_what: str) -> msgspec.Struct:
    try:
        heard = await counterpart.hear(seconds)
    except TimeoutError as error:
        raise CannotRestart("successor_slow", f"the new process did not {do_what} within {seconds:.0f} s") from error
    if heard is None:
        raise CannotRestart("successor_gone", f"the new process ended before it could {do_what}; see the node's log")
    return heard


def _unexpected(heard: msgspec.Struct) -> CannotRestart:
    reason = heard.reason if isinstance(heard, Refused) else f"the new process said {type(heard).__name__}"
    return CannotRestart("successor_refused", reason)
