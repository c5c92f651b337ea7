"""A region's side of sharing: tells home what devices bring about here, and hears what they brought about elsewhere.

No device waits for home: what is to be told is on this node's disk before a device has its answer, and goes when home
can be reached, in order. What was heard is merged, so that hearing it again changes nothing. Both cursors are kept on
disk after what they stand for.
"""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from edge.domain.errors import EdgeError
from edge.facts.changes import Brought, Elsewhere, HeardAbove, Recordable
from edge.facts.sharing.evidence_log import EvidenceBatch, EvidenceReader
from edge.facts.sharing.journal import SharedJournal
from edge.facts.sharing.register import IN_STEP, SharedRow, read_word, reading, rows_after
from edge.regions.sharing.behaviour import BehaviourHearing
from edge.regions.sharing.messages import (
    FACTS_MEDIA,
    PAGE_LIMIT_BYTES,
    FactsBatch,
    FactsPage,
    SharedDevice,
    encode_facts,
    parse_page,
    parse_taken,
)
from edge.regions.upstream import Upstream

FACTS_PATH = "/v1/feed/facts/{}"
WAIT_SECONDS = 20  # that home may keep a question until there is news
ANSWER_SECONDS = 30.0  # beyond it
BATCH_ROWS = 500
GATHER_SECONDS = 0.1  # what happens meanwhile goes in one batch
OUT_OF_TOUCH_SECONDS = 10.0  # without home: what it would have told may be missing
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)  # after the n-th failure in a row, each up to half of it longer
TOLD, HEARD = "told", "heard"

log = logging.getLogger("edge.node")


class SharingStanding(NamedTuple):
    """`reached` is when home last answered, on a monotonic clock; `failing` why it does not, "" if it does. `waiting`
    is how many rows wait at least, `refused` how much home would not take since the start."""

    reached: float = 0.0
    failing: str = ""
    waiting: int = 0
    refused: int = 0
    dropped: int = 0


class Sharer:
    """A duty of the process that writes the facts; for one event loop. `clock` is in epoch seconds."""

    def __init__(
        self,
        home: Upstream,
        node: str,
        journal: Callable[[], SharedJournal | None],
        record: Callable[[list[Recordable]], Awaitable[object]],
        clock: Callable[[], float],
        behaviour: BehaviourHearing | None = None,
    ) -> None:
        self._behaviour = behaviour
        self.standing = SharingStanding()
        self._home, self._node, self._journal, self._record, self._clock = home, node, journal, record, clock

    async def run(self) -> None:
        """Until cancelled."""
        journal = self._journal()
        if journal is None or journal.evidence is None:
            log.error("what devices bring about is not told to other nodes: there is no register of it")
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(lambda: self.tell(journal, EvidenceReader(journal.directory / "evidence"))))
            tasks.create_task(self._keep(lambda: self.hear(journal)))
            tasks.create_task(self._watch(journal))
            if self._behaviour is not None:
                tasks.create_task(self._keep(self._behaviour.hear))

    async def tell(self, journal: SharedJournal, reader: EvidenceReader) -> None:
        """Tell home what waits; or wait for something. Raises EdgeError, OSError, sqlite3.Error."""
        news = journal.news.next
        rows, evidence = await asyncio.to_thread(waiting_of, journal, reader)
        self.standing = self.standing._replace(waiting=len(rows))
        if not rows and evidence is None:
            await journal.news.wait(news, WAIT_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)
            return
        epoch, first, records, _ = evidence or EvidenceBatch("", 0, [])
        batch = FactsBatch(
            *([_told(row) for row in rows], epoch, first, [_evidence(each) for each in records]),
            sent_at=self._clock(),
            dropped=journal.evidence.dropped if journal.evidence is not None else 0,
            start=journal.register.session.id,
        )
        headers = {"Content-Type": FACTS_MEDIA}
        path = FACTS_PATH.format(self._node)
        answer = await self._home.request("POST", path, body=encode_facts(batch), headers=headers)
        self._reached(parse_taken(answer.content).refused)
        last = first + len(records) - 1
        words = [(TOLD, f"{epoch} {last}")] if records else []
        await self._record([HeardAbove([(row.key, row.number) for row in rows], words)])
        if records:
            await asyncio.to_thread(reader.taken, epoch, last)

    async def hear(self, journal: SharedJournal) -> None:
        """Take what home has to tell; it keeps the question until there is something. Raises EdgeError, OSError,
        sqlite3.Error."""
        session, number = await asyncio.to_thread(place_of, journal)
        path = FACTS_PATH.format(self._node)
        start = journal.register.session.id
        query = {"session": session, "heard": str(number), "wait": str(WAIT_SECONDS), "start": start}
        seconds = WAIT_SECONDS + ANSWER_SECONDS
        answer = await self._home.request("GET", path, query=query, limit_bytes=PAGE_LIMIT_BYTES, seconds=seconds)
        page = parse_page(answer.content)
        self._reached(0)
        await self._take(page, start)

    async def _take(self, page: FactsPage, start: str) -> None:
        if page.again:
            await self._record([HeardAbove(again=True)])
        brought: list[Recordable] = [Brought(row.app, row.device, row.state, "above") for row in page.rows]
        if brought:
            await self._record(brought)
        words = [(HEARD, f"{page.session} {page.number}"), *([] if page.more else [(IN_STEP, start)])]
        await self._record([HeardAbove(words=words)])

    def _reached(self, refused: int) -> None:
        known = self.standing
        if known.failing:
            log.info("home hears again what is known of devices")
        now = asyncio.get_running_loop().time()
        self.standing = known._replace(reached=now, failing="", refused=known.refused + refused)

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await work()
                failures = 0
            except (EdgeError, OSError, sqlite3.Error) as error:
                if str(error) != self.standing.failing:
                    log.warning("what is known of devices waits for home: %s", error)
                self.standing = self.standing._replace(failing=str(error))
                pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                await asyncio.sleep(pause * random.uniform(1.0, 1.5))  # noqa: S311

    async def _watch(self, journal: SharedJournal) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                silent = loop.time() - self.standing.reached
                journal.in_touch = silent < (OUT_OF_TOUCH_SECONDS if self.standing.failing else 2 * WAIT_SECONDS)
                await asyncio.sleep(1.0)
        finally:
            journal.in_touch = False


def waiting_of(journal: SharedJournal, reader: EvidenceReader) -> tuple[list[SharedRow], EvidenceBatch | None]:
    """What home has not heard. Blocks."""
    with reading(journal.directory) as connection:
        rows = [row for row in rows_after(connection, 0, BATCH_ROWS) if row.device]
        epoch, _, number = read_word(connection, TOLD).rpartition(" ")
    return rows, reader.read(epoch, int(number or 0))


def place_of(journal: SharedJournal) -> tuple[str, int]:
    """Up to where home was heard: a session of it, and a number. Blocks."""
    with reading(journal.directory) as connection:
        session, _, number = read_word(connection, HEARD).rpartition(" ")
    return session, int(number or 0)


def _told(row: SharedRow) -> SharedDevice:
    return SharedDevice(row.app, row.device, row.state, row.prefix)


_evidence = msgspec.msgpack.Decoder(Elsewhere).decode
