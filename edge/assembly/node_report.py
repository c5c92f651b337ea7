"""A node's condition: its status for the control API, and its metrics for Prometheus."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain, islice

import msgspec

from edge import __version__
from edge.assembly.collecting import Collecting
from edge.assembly.folding import Folding
from edge.assembly.guarding.guard_duty import GuardDuty
from edge.assembly.guarding.sight import blindness_of
from edge.assembly.region.figures_elsewhere import FiguresElsewhere
from edge.assembly.watching_room import is_short
from edge.control.access.tokens import Tokens
from edge.control.login.people_login import PeopleLogin
from edge.control.shapes.common import DamageView
from edge.control.shapes.node import (
    CountingView,
    DiskView,
    GuardConditionView,
    HeadView,
    NodeStatus,
    SendingConditionView,
    WorkerView,
)
from edge.control.upload_quota import UploadQuota
from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.facts.census import count_devices
from edge.messages.messaging import Messaging
from edge.node.observing.counts import WorkerStatus
from edge.node.observing.folding_metrics import ClickHouseSeen, FoldingSeen
from edge.node.observing.guard_metrics import GuardSeen
from edge.node.observing.message_metrics import MessagesSeen
from edge.node.observing.metrics import BlobsSeen, Observed, StoreUpkeep, build_metrics
from edge.node.processes.data_directory import OpenedDirectory
from edge.node.processes.supervisor import Supervisor
from edge.store.damage import Damage
from edge.store.disk.room import free_bytes, total_bytes
from edge.store.disk.set_aside import count_set_aside
from edge.store.heads import Head
from edge.telemetry.spool.disk_budget import held_bytes
from edge.wire.exposition import Family, encode_families


class NodeConditions:
    """The node port of the control API."""

    def __init__(
        self,
        directory: OpenedDirectory,
        supervisor: Supervisor,
        folding: Folding | FiguresElsewhere,
        tokens: Tokens,
        collecting: Collecting,
        quota: UploadQuota,
        messaging: Messaging,
        guard: GuardDuty | None = None,
        devices_url: str = "",
        region: str = "",
        spool_limit_bytes: int = 0,
        of_nodes: Callable[[], Awaitable[list[Family]]] | None = None,
        login: PeopleLogin | None = None,
        sending: Callable[[], SendingConditionView] | None = None,
    ) -> None:
        """`guard` None: this node acts on no release. `devices_url` is where devices reach it. `of_nodes` are the
        metrics of the nodes that report here; `sending` blocks."""
        self._sending = sending
        self._devices_url = devices_url
        self._directory = directory
        self._tokens, self._login = tokens, login
        self._releases = directory.served
        self._supervisor = supervisor
        self._folding = folding
        self._collecting = collecting
        self._quota = quota
        self._messaging = messaging
        self._region, self._spool_limit_bytes = region, spool_limit_bytes
        self._guard, self._of_nodes = guard, of_nodes

    @property
    def blindness(self) -> str:
        """Why the guard sees nothing; "" if it does, or has nothing to watch."""
        folding, watched = self._folding, self._guard.watched.acting if self._guard is not None else 0
        return blindness_of(folding.condition, is_up=folding.is_up, watched=watched, now=time.time())

    async def status(self) -> NodeStatus:
        """Now; a worker that does not answer is not ready."""
        heads = await asyncio.to_thread(self._living)
        workers = await self._supervisor.statuses()
        return NodeStatus(
            version=__version__,
            apps=len(heads),
            workers=[_view_worker(each) for each in workers],
            heads={app: HeadView(revision=head.revision, digest=head.digest) for app, head in heads.items()},
            refused={**self._releases.refused, **self._problems()},
            damaged=[DamageView(**msgspec.structs.asdict(each)) for each in self._damages(workers)],
            guard=self._view_guard(),
            devices_url=self._devices_url,
            region=self._region,
            at=time.time(),
            certificate_ends=self._supervisor.certificate_ends,
            disk=await asyncio.to_thread(self._view_disk),
            counting=self._view_counting(),
            sending=await asyncio.to_thread(self._sending) if self._sending is not None else None,
        )

    def _view_disk(self) -> DiskView:
        """Blocks."""
        free, reserve = free_bytes(self._directory.node_dir), self._directory.reserve
        return DiskView(
            free_bytes=free,
            total_bytes=total_bytes(self._directory.node_dir),
            spool_bytes=held_bytes(self._directory.spool_dir),
            spool_limit_bytes=self._spool_limit_bytes,
            short=is_short(free, reserve_whole=reserve.whole),
        )

    def _view_counting(self) -> CountingView:
        folding = self._folding
        return CountingView(
            up=folding.is_up,
            folded_at=folding.condition.folded_at,
            events=folding.condition.totals.get("folded", 0),
            restarts=folding.restarts,
        )

    async def metrics(self) -> bytes:
        """In the Prometheus text format."""
        workers, totals = await self._supervisor.statuses(), self._folding.condition.totals
        messages = await self._observe_messages()
        of_nodes = await self._of_nodes() if self._of_nodes is not None else []
        seen = await asyncio.to_thread(self._observe, workers, totals, messages)
        return await asyncio.to_thread(lambda: encode_families([*build_metrics(seen), *of_nodes]))

    async def _observe_messages(self) -> MessagesSeen:
        outcomes = dict(self._messaging.courier.outcomes)
        outcomes["given_up"] = outcomes.get("given_up", 0) + self._messaging.outbox.given_up
        try:
            return MessagesSeen(outcomes, *await self._messaging.waiting())
        except Unavailable:
            return MessagesSeen(outcomes, None, None)

    def _view_guard(self) -> GuardConditionView:
        seen = self._observe_guard()
        return GuardConditionView(watched=seen.watched, blocked=seen.blocked, blind=self.blindness)

    def _living(self) -> dict[AppId, Head]:
        """The heads of the apps that are not deleted."""
        return {app: head for app, head in self._releases.heads().items() if not head.deleted}

    def _problems(self) -> dict[str, str]:
        """What is wrong with signed documents of the store now, by shard, and besides of `keys`, `tokens`, `people`,
        `credentials`."""
        tokens = self._tokens
        others = {"keys": self._directory.trust.problem, "tokens": tokens.problem, "people": tokens.people.problem}
        others["credentials"] = self._login.accounts.problem if self._login is not None else ""
        return self._releases.problems | {name: problem for name, problem in others.items() if problem}

    def _damages(self, workers: list[WorkerStatus]) -> list[Damage]:
        """Of the scrub and all workers, each once: they read the same store, and workers know what devices get."""
        told = chain(islice(self._supervisor.scrubbing.damages, 100), *(worker.damaged for worker in workers))
        return list({(each.app, each.grain, each.name): each for each in told}.values())

    def _observe_blobs(self) -> BlobsSeen:
        prover, scrub = self._supervisor.prover, self._supervisor.scrubbing.condition
        return BlobsSeen(
            readings=prover.counts["readings"],
            read_bytes=prover.counts["bytes"],
            damaged=dict(prover.quarantine.found),
            healed=prover.quarantine.healed,
            scrubbed_at=scrub.completed,
            scrubbed=scrub.blobs,
            scrubbed_bytes=scrub.bytes,
            unscrubbed_apps=scrub.unreadable,
            book_faults=prover.book_faults,
        )

    def _observe_folding(self) -> FoldingSeen:
        folding, condition = self._folding, self._folding.condition
        found = condition.clickhouse
        clickhouse = None
        if found is not None:
            rows = {"sent": found.sent, "dropped": found.dropped, "lost": found.lost}
            up = folding.is_up and not found.failing
            clickhouse = ClickHouseSeen(rows, found.waiting, found.waiting_bytes, found.erasures, up)
        return FoldingSeen(
            *(folding.is_up, folding.restarts, dict(folding.asked), clickhouse, condition.erasures),
            *(condition.behaviour_evicted, condition.behaviour_failures),
            damaged_rows=condition.totals.get("damaged_rows", 0),
        )

    def _observe_guard(self) -> GuardSeen:
        guard = self._guard
        if guard is None:
            return GuardSeen()
        acting, blind = guard.watched.acting, bool(self.blindness)
        return GuardSeen(
            *(acting, dict(guard.deeds), guard.blocked, guard.given_up, blind),
            *(self._folding.condition.unwatched, guard.held_steps),
        )

    def _observe(self, workers: list[WorkerStatus], totals: Mapping[str, int], messages: MessagesSeen) -> Observed:
        """Blocks: reads heads and segments."""
        known = count_devices(self._supervisor.facts_table_path)
        free, reserve = free_bytes(self._directory.node_dir), self._directory.reserve
        return Observed(
            version=__version__,
            now=time.time(),
            workers=workers,
            apps=len(self._living()),
            heads_issued=self._releases.heads_issued(),
            stale_shards=len(self._supervisor.proofs.stale()),
            heads_refused=list(self._problems()),
            refused=dict(self._releases.refused),
            unremembered=self._directory.trust.seen.unwritten,
            set_aside=count_set_aside(*self._directory.own_dirs, *self._directory.trust.seen.folders),
            spool_bytes=held_bytes(self._directory.spool_dir),
            folded=totals.get("folded", 0),
            duplicates=totals.get("duplicates", 0),
            folded_at=self._folding.condition.folded_at,
            spool_faults={name: totals.get(name, 0) for name in ("damaged", "malformed", "torn_tails")},
            spool_unreadable=self._folding.condition.unreadable,
            counts_set_aside=self._folding.set_aside,
            folding=self._observe_folding(),
            messages=messages,
            guard=self._observe_guard(),
            job_failures=dict(self._supervisor.guard.failures),
            facts=self._supervisor.facts_condition,
            failures_over_limit=self._supervisor.failures.dropped,
            facts_devices={kind.word: devices for kind, devices in known.items()},
            certificate_ends=self._supervisor.certificate_ends,
            blobs=self._observe_blobs(),
            disk_free_bytes=free,
            disk_full=is_short(free, reserve_whole=reserve.whole),
            upkeep=StoreUpkeep(
                **self._collecting.total._asdict(),
                unpublished_bytes=self._quota.unpublished_bytes,
                uploads_refused=self._quota.refused,
            ),
        )


def _view_worker(worker: WorkerStatus) -> WorkerView:
    return WorkerView(
        pid=worker.pid,
        ready=worker.ready,
        restarts=worker.restarts,
        apps=worker.apps,
        counts=worker.counts.by_name(),
    )
