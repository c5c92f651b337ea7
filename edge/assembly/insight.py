"""What a standalone node can tell: why a device gets what it gets, what devices reported, and how the node is.

The reading half of the control API's ports. Everything that blocks runs off the loop.
"""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from typing import Any

import orjson

from edge import __version__
from edge.assembly.clock import NodeClock
from edge.control.segment_trial import refused
from edge.control.shapes.apps import AppStats, BundleCount
from edge.control.shapes.devices import ExplainStep, Explanation
from edge.control.shapes.node import HeadView, NodeStatus, WorkerView
from edge.domain.decision.advice import advice_of
from edge.domain.decision.decide import resolve
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, Decision, Offer, RevertToBuiltin, UpToDate
from edge.domain.decision.pick import pick
from edge.domain.errors import EdgeError
from edge.domain.model import AppId
from edge.node.observing.counts import WorkerStatus
from edge.node.observing.metrics import Observed, build_metrics
from edge.node.processes.data_directory import DataDirectory
from edge.node.processes.supervisor import Supervisor
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.heads import Head
from edge.telemetry.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.disk_budget import held_bytes
from edge.telemetry.fold import fold
from edge.wire.answers import encode_answer
from edge.wire.exposition import encode_families
from edge.wire.updates import WireError, fields_of, parse_update_check

FOLD_SECONDS = 30.0  # a full worker writes some 10 MB in that time: a fraction of a second to count
KEPT_SHARE = 0.75  # of the spool's limit may be events that are counted already; the rest is for new ones

log = logging.getLogger("edge.node")


class Insight:
    """`base` is the address that answers shown here carry."""

    def __init__(
        self,
        truth: DataDirectory,
        supervisor: Supervisor,
        clock: NodeClock,
        base: str,
        spool_limit_bytes: int,
        region: str = "",
    ) -> None:
        self._truth = truth
        self._supervisor = supervisor
        self._base = base
        self._spool_limit_bytes = spool_limit_bytes
        self._snapshots = SnapshotBuilder(truth.store, region)
        self._clock = clock
        self._folding = asyncio.Lock()
        self._folded_at = time.time()

    async def explain(self, app: AppId, body: bytes, country: str = "") -> Explanation:
        try:
            check = parse_update_check(body, country)
        except WireError as error:
            raise refused(error) from error
        head = await asyncio.to_thread(self._truth.releases.head, app)
        snapshot = await asyncio.to_thread(self._snapshots.build, app, head, time.time())
        moment = self._clock.moment(app)
        facts = self._supervisor.facts_of(app, check.device)
        steps, decision = explain(snapshot, check, moment, facts)
        compiled = resolve(snapshot, check, facts).channel
        held = pick(compiled, check, facts, moment).held if compiled else None
        manifest = snapshot.manifest_of(decision.bundle) if isinstance(decision, Offer) else b""
        answer = encode_answer(decision, check, self._base, manifest=manifest, expose_metadata=snapshot.expose_metadata)
        return Explanation(
            asked={**fields_of(check), "country": check.country},
            reported=None,
            steps=[ExplainStep(**step._asdict()) for step in steps],
            decision=_summary(decision),
            next=advice_of(decision, app, compiled.channel.name if compiled else "", held),
            answer=orjson.loads(answer),
        )

    async def counts(self, app: AppId) -> list[BundleCount]:
        """Counts by bundle and action of everything acknowledged so far: what is not folded yet is folded first."""
        await self._fold()
        counts: Counter[tuple[str, str]] = Counter()
        for each in await asyncio.to_thread(read_counts, self._truth.counts_database, app):
            counts[each.bundle, each.action] += each.n
        return [BundleCount(bundle=bundle, action=action, n=n) for (bundle, action), n in sorted(counts.items())]

    async def _fold(self) -> None:
        keep_bytes = int(self._spool_limit_bytes * KEPT_SHARE)
        async with self._folding:
            await asyncio.to_thread(
                fold, self._truth.spool_dir, self._truth.counts_database, now=time.time(), keep_bytes=keep_bytes
            )
            self._folded_at = time.time()

    async def fold_for_ever(self) -> None:
        """So that the disk gets free although nobody asks for the counts."""
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            try:
                await self._fold()
            except (EdgeError, OSError, sqlite3.OperationalError) as error:
                log.error("events cannot be counted now; they stay in the spool: %s", error)

    async def stats(self, app: AppId) -> AppStats:
        counts = await self.counts(app)
        duplicates = await asyncio.to_thread(read_duplicates, self._truth.counts_database, app)
        return AppStats(counts=counts, duplicates=duplicates)

    async def status(self) -> NodeStatus:
        heads = await asyncio.to_thread(self._living)
        workers = await self._supervisor.statuses()
        return NodeStatus(
            version=__version__,
            apps=len(heads),
            workers=[WorkerView(**each._asdict() | {"counts": each.counts.by_name()}) for each in workers],
            heads={app: HeadView(revision=head.revision, digest=head.digest) for app, head in heads.items()},
            refused={**self._truth.releases.refused, **self._truth.releases.problems},
        )

    def _living(self) -> dict[AppId, Head]:
        """The heads of the apps that are not deleted."""
        return {app: head for app, head in self._truth.releases.heads().items() if not head.deleted}

    async def metrics(self) -> bytes:
        """In Prometheus' text format."""
        workers = await self._supervisor.statuses()
        return await asyncio.to_thread(lambda: encode_families(build_metrics(self._observed(workers))))

    def _observed(self, workers: list[WorkerStatus]) -> Observed:
        """Blocks: looks at heads, segments and counts."""
        truth, releases = self._truth, self._truth.releases
        pages, evicted = self._supervisor.facts_size
        totals = read_totals(truth.counts_database)
        return Observed(
            version=__version__,
            now=time.time(),
            workers=workers,
            apps=len(self._living()),
            heads_issued=releases.heads_issued(),
            heads_refused=list(releases.problems),
            refused=dict(releases.refused),
            spool_bytes=held_bytes(truth.spool_dir),
            folded=totals.get("folded", 0),
            duplicates=totals.get("duplicates", 0),
            folded_at=self._folded_at,
            facts_pages=pages,
            facts_evicted=evicted,
            certificate_ends=self._supervisor.certificate_ends,
        )


def _summary(decision: Decision) -> dict[str, Any]:
    """With the code that it is counted by."""
    match decision:
        case Offer(bundle, channel, arm):
            told: dict[str, Any] = {"bundle": bundle.version, "channel": channel} | ({"arm": arm} if arm else {})
            return {"outcome": "offer", "code": decision.code, **told}
        case Blocked(reason, target):
            return {"outcome": "blocked", "code": decision.code, "message": reason.message, "target": target}
        case UpToDate(channel, held):
            why = {"message": held.message} if held else {}
            return {"outcome": "up_to_date", "code": decision.code, **why, "channel": channel}
        case RevertToBuiltin(channel):
            return {"outcome": "revert_to_builtin", "code": decision.code, "channel": channel}
