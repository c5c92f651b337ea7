"""A standalone node: the control API, the supervisor and its workers, put together and taken apart in order."""

import asyncio
import logging
import sqlite3
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from edge import __version__
from edge.config import Config, Control
from edge.control.app import build_control_app
from edge.control.first_token import ensure_admin_token
from edge.control.operations import ControlPorts
from edge.control.tokens import Tokens
from edge.domain.decide import explain
from edge.domain.decision import Decision, Offer
from edge.domain.errors import EdgeError, Invalid
from edge.domain.model import AppId
from edge.node.current import Current
from edge.node.listening import listen, port_of
from edge.node.supervisor import Supervisor, Truth
from edge.telemetry.counts import read_counts
from edge.telemetry.fold import fold
from edge.wire.answers import encode_answer
from edge.wire.updates import WireError, parse_update_check

CONTROL_BACKLOG = 128  # people and CI jobs, not devices
CONTROL_DRAIN_SECONDS = 10.0  # for a change under way; a cut upload is repeated by its publisher
FOLD_SECONDS = 30.0  # a full worker writes some 10 MB in that time: a fraction of a second to count
KEPT_SHARE = 0.75  # of the spool's limit may be events that are counted already; the rest is for new ones
LEAVE_SECONDS = 5.0  # beyond the devices' drain time, before what still lives is ended

log = logging.getLogger("edge.node")


class Standalone:
    """Opens the data directory and both ports; raises EdgeError with the reason where it cannot."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.truth = Truth(Path(config.data_dir), time.time())
        self.tokens = Tokens(self.truth.store, self.truth.trust, self.truth.writer)
        self.admin_token_file = ensure_admin_token(self.tokens, self.truth.node_dir, time.time())
        self._explained = Current(self.truth.store)
        self._folding = asyncio.Lock()
        self._serving: asyncio.Task[None] | None = None
        self._control = listen(config.control.host, config.control.port, CONTROL_BACKLOG)
        self.control_port = port_of(self._control)
        try:
            self.supervisor = Supervisor(config, self.truth)
        except BaseException:
            self._control.close()
            raise
        self.device_port = port_of(self.supervisor.listening)

    async def serve_until(self, stopping: asyncio.Event) -> None:
        """Wait inside `running` until told to stop. Raises what ended the serving, if that ends first."""
        waiting = asyncio.create_task(stopping.wait())
        assert self._serving is not None
        await asyncio.wait({waiting, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            waiting.cancel()
            self._serving.result()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves inside the block, from its first line on; on leaving it, finishes what is under way."""
        ready = asyncio.Event()
        serving = self._serving = asyncio.create_task(self.supervisor.run(ready))
        folding = asyncio.create_task(self._fold_for_ever())
        runner = web.AppRunner(
            build_control_app(self._ports()), access_log=None, shutdown_timeout=CONTROL_DRAIN_SECONDS
        )
        try:
            await _first(ready, serving)
            await runner.setup()
            await web.SockSite(runner, self._control, ssl_context=tls_context(self.config.control)).start()
            yield
        finally:
            folding.cancel()
            with suppress(asyncio.CancelledError):
                await folding
            await runner.cleanup()
            self._control.close()
            self.supervisor.drain()
            await _leave(serving, self.config.devices.drain_seconds + LEAVE_SECONDS)

    def _ports(self) -> ControlPorts:
        return ControlPorts(
            store=self.truth.store,
            releases=self.truth.releases,
            tokens=self.tokens,
            announce=self.supervisor.announce,
            explain=self._explain,
            stats=self._stats,
            node_status=self._status,
            facts_of=self.supervisor.facts_of,
            record=self.supervisor.record,
            clock=time.time,
        )

    async def _explain(self, app: AppId, body: bytes) -> dict[str, Any]:
        try:
            check = parse_update_check(body)
        except WireError as error:
            refusal = orjson.loads(error.body)
            raise Invalid(refusal["error"], refusal["message"]) from error
        head = await asyncio.to_thread(self.truth.releases.head, app)
        snapshot = await asyncio.to_thread(self._explained.build, app, head, time.time())
        steps, decision = explain(snapshot, check, self.supervisor.facts_of(app, check.device))
        manifest = snapshot.manifest_of(decision.bundle) if isinstance(decision, Offer) else b""
        base = self.config.devices.public_url or f"http://localhost:{self.device_port}"
        answer = encode_answer(decision, check, base, manifest=manifest, expose_metadata=snapshot.expose_metadata)
        return {
            "steps": [step._asdict() for step in steps],
            "decision": _summary(decision),
            "answer": orjson.loads(answer),
        }

    async def stats(self, app: AppId) -> list[dict[str, Any]]:
        """Counts by bundle and action of everything acknowledged so far: what is not folded yet is folded first."""
        await self._fold()
        counts: Counter[tuple[str, str]] = Counter()
        for each in await asyncio.to_thread(read_counts, self.truth.counts_database, app):
            counts[each.bundle, each.action] += each.n
        return [{"bundle": bundle, "action": action, "n": n} for (bundle, action), n in sorted(counts.items())]

    async def _fold(self) -> None:
        keep_bytes = int(self.config.telemetry.spool_limit_bytes * KEPT_SHARE)
        async with self._folding:
            await asyncio.to_thread(
                fold, self.truth.spool_dir, self.truth.counts_database, now=time.time(), keep_bytes=keep_bytes
            )

    async def _fold_for_ever(self) -> None:
        """So that the disk gets free although nobody asks for the counts."""
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            try:
                await self._fold()
            except (EdgeError, OSError, sqlite3.OperationalError) as error:
                log.error("events cannot be counted now; they stay in the spool: %s", error)

    async def _stats(self, app: AppId) -> dict[str, Any]:
        return {"counts": await self.stats(app)}

    async def _status(self) -> dict[str, Any]:
        heads = await asyncio.to_thread(self.truth.releases.heads)
        workers = await self.supervisor.statuses()
        return {
            "version": __version__,
            "apps": len(heads),
            "workers": workers,
            "heads": {app: {"revision": head.revision, "digest": head.digest} for app, head in heads.items()},
            "refused": {**self.truth.releases.refused, **self.truth.releases.problems},
        }


def tls_context(control: Control) -> ssl.SSLContext | None:
    if not control.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(control.tls_certificate, control.tls_key or None)
    return context


def _summary(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Offer):
        return {"outcome": "offer", "bundle": decision.bundle.version, "channel": decision.channel}
    details = decision._asdict()
    if "reason" in details:
        reason = details.pop("reason")
        return {"outcome": "blocked", "code": reason.code, "message": reason.message, **details}
    return {"outcome": {"UpToDate": "up_to_date"}.get(type(decision).__name__, "revert_to_builtin"), **details}


async def _first(ready: asyncio.Event, serving: asyncio.Task[None]) -> None:
    """Wait for `ready`; a supervisor that fails before raises here."""
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        serving.result()


async def _leave(serving: asyncio.Task[None], seconds: float) -> None:
    done, _ = await asyncio.wait({serving}, timeout=seconds)
    if not done:
        log.warning("some workers did not leave in %s s; ending them", seconds)
        serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
