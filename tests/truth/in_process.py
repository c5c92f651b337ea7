"""A node whose clock is an argument: the real services, spool, device facts and fold of one worker, without sockets.

`tick` moves its time on. Reports handed in are on disk and acknowledged by the end of `settle`.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.domain.changes.commands import Change, Command, PublishBundle
from edge.domain.model import AppId
from edge.facts.changes import Record, Recorded
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.common_answers import Reply
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.heard.delivery_counts import SentBlob
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Peer, Proxies, Whence
from edge.node.service.rollout_clock import ServiceClock
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of
from edge.store.objects.port import blob_key
from edge.telemetry.spool.app_records import Outcome, Outcomes, encode_outcomes
from edge.telemetry.spool.spool import Spool
from tests.worlds.factories import a_bundle, a_manifest, the_files

BASE = "https://updates.example.com"

OUTCOMES_WORKER = 999  # the number of the supervisor's own spool

Answered = Callable[[bool], None]


def _unsynced(_descriptor: int) -> None:
    """Nothing here survives a power cut, nor needs to."""


class InProcess:
    """`now_ms` is its time, in milliseconds since the epoch."""

    def __init__(self, folder: Path, app: AppId, now_ms: int) -> None:
        self.now_ms = now_ms
        self.app = app
        self.is_busy = False  # something that was handed in is not taken yet, and would be taken later than now
        self.truth = DataDirectory(folder, now_ms / 1000)
        self._writer = FactsWriter(self.truth.facts_dir, clock=self._now, sync=_unsynced)
        self.current = ServedSnapshots(self.truth.store)
        self._builder = SnapshotBuilder(self.truth.store)
        self.spool = Spool(self.truth.spool_dir, self.truth.node, 0, clock=self._now, sync=_unsynced)
        self.outcomes = Spool(self.truth.spool_dir, self.truth.node, OUTCOMES_WORKER, clock=self._now, sync=_unsynced)
        self._facts = FactsClient(FactsTable(self._writer.table_path), self._record)
        self.service = DeviceService(
            self.current,
            self.spool,
            public_url=BASE,
            allowed_hosts=frozenset(),
            proxies=Proxies(),
            overload=Overload(10),
            event_limits=EventLimits(0.0, 0.0),
            facts=self._facts,
            net_key=self.truth.net_key,
            clock=ServiceClock(self._now, self._now),
        )
        self._handing = self.service.hand_over_as(f"{self.truth.node}-0")
        self._waiting: list[asyncio.Future[Any]] = []
        self._recording: set[asyncio.Task[None]] = set()

    def _now(self) -> float:
        return self.now_ms / 1000

    def _record(self, message: Any) -> None:
        assert isinstance(message, Record)
        task = asyncio.get_running_loop().create_task(self._carry_out(message))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _carry_out(self, message: Record) -> None:
        self._facts.settle(Recorded(message.number, "", await self._writer.record(message.changes)))

    def change(self, id: str, command: Command) -> None:
        """Commit it and serve it. `id` is the change's, which what it starts is drawn by."""
        committed = self.truth.releases.commit(self.app, Change(id=id, at=self._now(), by="truth", command=command))
        before = self.current.snapshot(self.app)
        self.current.swap([self._builder.build(self.app, committed.head, self._now(), before)])
        self.tick(self.now_ms)

    def publish(self, version: str, channel: str | None) -> None:
        """A bundle with its blobs."""
        for content in (f"zip {version}".encode(), a_manifest(version), *the_files(version)):
            if not self.truth.store.has(key := blob_key(_digest(content))):
                self.truth.store.create(key, content)
        bundle = a_bundle(version, zip=_digest(f"zip {version}".encode()), published=self._now())
        self.change(f"publish-{version}", PublishBundle(bundle=bundle, channel=channel))

    def tick(self, now_ms: int) -> None:
        """Let it be `now_ms`."""
        turned = now_ms // 1000 != self.now_ms // 1000
        self.now_ms = now_ms
        if turned or self.service.moments.now != self._now():
            self.service.moments.learn({shard_of(self.app): self._now()})
            self.service.moments.tick(self._now())

    def check(self, body: dict[str, Any], peer: str, country: str) -> dict[str, Any]:
        """The answer to a device."""
        reply = self.service.take_check(json.dumps(body).encode(), BASE, country, Whence(peer))
        assert reply.status == 200, reply
        answer = json.loads(reply.body.plain)
        assert isinstance(answer, dict)
        return answer

    def report(self, sent: object, peer: str, answered: Answered) -> None:
        """`answered` is called with whether the node took it, while this settles."""
        body, loop = json.dumps(sent).encode(), asyncio.get_running_loop()
        whence = Peer(peer, peer)
        future: asyncio.Future[Reply] = loop.create_future()
        if self.service.reports.take_at_once(body, whence, future.set_result):
            waiting: asyncio.Future[Reply] = future
        else:
            waiting = loop.create_task(self.service.reports.take_slowly(body, whence))
            self.is_busy = True
        waiting.add_done_callback(lambda done: answered(done.result().status == 200))
        self._waiting.append(waiting)

    def use(self, sent: object, key: str, peer: str, answered: Answered) -> None:
        """As `report`, of events of the app's own code."""
        taking = self.service.app_events.take(json.dumps(sent).encode(), key, Peer(peer, peer))
        waiting = asyncio.get_running_loop().create_task(taking)
        self.is_busy = True
        waiting.add_done_callback(lambda done: answered(done.result().status == 200))
        self._waiting.append(waiting)

    def deliver(self, version: str, size_bytes: int, length: int, seconds: float) -> None:
        """As the port does when an answer with the zip has ended."""
        sent = SentBlob(self.app, "zip", _digest(f"zip {version}".encode()), "")
        self.service.deliveries.note(sent, size_bytes, length, seconds)

    def tell_outcomes(self, outcomes: list[Outcome]) -> None:
        """What the team's own systems say, as the control API stores it."""
        line = encode_outcomes(Outcomes(self.app, outcomes), self._now())
        self._waiting.append(asyncio.get_running_loop().create_task(self.outcomes.append([line])))
        self.is_busy = True

    async def settle(self) -> None:
        """Everything handed in is taken, and what was noted of devices is recorded."""
        waiting, self._waiting, self.is_busy = self._waiting, [], False
        if waiting:
            await asyncio.gather(*waiting)
        self._facts.flush()
        while self._recording:
            await asyncio.gather(*self._recording)

    async def hand_over(self) -> None:
        """What was noted of checks and deliveries goes to the spool."""
        await self._handing.hand_over()

    async def close(self) -> None:
        await self.settle()
        await self.spool.close()
        await self.outcomes.close()
        self._facts.close()
        await self._writer.close()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
