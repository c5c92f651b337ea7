"""A home and regions that share what devices bring about, in one process: real writers, with a link that can be cut,
lose answers and deliver twice."""

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facts_world import APP, NOW, no_sync

from edge.domain.errors import Unavailable
from edge.domain.facts import DeviceFacts
from edge.facts.changes import Recordable
from edge.facts.sharing.evidence_log import EvidenceReader
from edge.facts.sharing.journal import SharedJournal
from edge.facts.sharing.register import all_rows, reading
from edge.facts.table import FactsTable
from edge.facts.writer import FactsWriter
from edge.regions.sharing.home import SharingClocks, SharingHome
from edge.regions.sharing.messages import encode_facts, parse_batch
from edge.regions.sharing.sharer import Sharer, place_of, waiting_of
from edge.telemetry.behaviour.news import BehaviourPages


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


class NoLimits:
    def admit_failures(self, app, prefix, failures, now):
        return True


class Answered(NamedTuple):
    content: bytes


class SharingNode:
    """A node's facts and its journal; `restart` opens them again from disk."""

    def __init__(self, directory: Path, name: str, clock: Clock, *, sends: bool):
        self.directory, self.name, self.clock, self._sends = directory, name, clock, sends
        self.open()

    def open(self):
        self.writer = FactsWriter(
            self.directory / "facts", capacity=1000, clock=self.clock, sync=no_sync, open_shared=self._open_shared
        )
        self.table = FactsTable(self.writer.table_path)

    def _open_shared(self, seed, key_of):
        return SharedJournal(self.directory / "shared", self.name, seed, key_of, sends=self._sends, sync=no_sync)

    @property
    def journal(self) -> SharedJournal:
        assert self.writer.shared is not None
        return self.writer.shared

    async def record(self, *changes: Recordable):
        return await self.writer.record(changes)

    async def record_all(self, changes: list[Recordable]):
        return await self.writer.record(changes)

    async def restart(self):
        await self.close()
        self.open()

    async def close(self):
        await self.writer.close()
        self.table.close()

    def facts_of(self, device: str) -> DeviceFacts:
        return self.table.look_up(APP, device)

    def states(self):
        with reading(self.directory / "shared") as connection:
            return {row.device: row.state for row in all_rows(connection)}

    def withheld(self, device: str) -> set[int]:
        return {each.bundle for each in self.facts_of(device).failures if each.withheld}


class Link:
    """What a region's `Upstream` is: each request goes to home's handlers, unless it is cut; `losing` answers are lost,
    after home has done what was asked."""

    def __init__(self, home: SharingHome, node: str):
        self.home, self.node = home, node
        self.cut = False
        self.losing = 0
        self.posted: list[bytes] = []

    async def request(self, method, path, *, query=None, body=None, headers=None, limit_bytes=0, seconds=0.0):
        if self.cut:
            raise Unavailable("source_lost", "cut")
        if method == "POST":
            self.posted.append(body)
            answer = await self.home.take(self.node, parse_batch(body))
        else:
            session, heard = query["session"], int(query["heard"])
            answer = await self.home.page(self.node, session, heard, 0.0, start=query["start"])
        if self.losing:
            self.losing -= 1
            raise Unavailable("source_lost", "the answer was lost")
        return Answered(encode_facts(answer))


class SharingWorld:
    def __init__(self, home: SharingNode, regions: list[SharingNode], clock: Clock, limits=None):
        self.home, self.regions, self.clock = home, regions, clock
        clocks = SharingClocks(clock, clock)
        self.desk = SharingHome(
            lambda: self.home.journal,
            lambda changes: self.home.record_all(changes),
            APP.__eq__,
            limits or NoLimits(),
            clocks,
            BehaviourPages(home.directory / "behaviour.table", home.directory / "news"),
        )
        self.links = [Link(self.desk, region.name) for region in regions]

    def sharer(self, number: int) -> Sharer:
        region = self.regions[number]
        return Sharer(
            self.links[number],
            region.name,
            lambda: region.journal,
            lambda changes: region.record_all(changes),
            region.clock,
        )

    async def tell(self, number: int):
        """Everything that waits at this region."""
        region, sharer = self.regions[number], self.sharer(number)
        reader = EvidenceReader(region.journal.directory / "evidence")
        while self._waits(region, reader):
            await sharer.tell(region.journal, reader)

    def _waits(self, region: SharingNode, reader: EvidenceReader) -> bool:
        rows, evidence = waiting_of(region.journal, reader)
        return bool(rows) or evidence is not None

    async def hear(self, number: int):
        """Everything that home has to tell it."""
        region, sharer = self.regions[number], self.sharer(number)
        before = None
        while (place := place_of(region.journal)) != before:
            before = place
            await sharer.hear(region.journal)

    async def settle(self):
        """Until nobody has anything to tell."""
        for _ in range(3):
            for number in range(len(self.regions)):
                await self.tell(number)
                await self.hear(number)


@asynccontextmanager
async def sharing_world(directory: Path, regions: int = 2, limits=None):
    clock = Clock()
    async with AsyncExitStack() as stack:
        home = SharingNode(directory / "home", "h0", clock, sends=False)
        nodes = [SharingNode(directory / f"r{at}", f"r{at}", clock, sends=True) for at in range(regions)]
        world = SharingWorld(home, nodes, clock, limits)
        for at in range(regions + 1):
            stack.push_async_callback(partial(_close, world, at))
        yield world


async def _close(world: SharingWorld, at: int):
    await (world.home if at == 0 else world.regions[at - 1]).close()
