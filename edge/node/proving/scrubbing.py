"""Once a day every blob that a release names is read again: corruption leaves a file's size and times as they were.

The reading is done by a process of its own, at the lowest priority; what it suspects is read a second time before it is
put into quarantine. A round that a restart interrupts goes on where it was.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.domain.model import AppId
from edge.node.proving.proof_book import ProofBook
from edge.node.proving.prover import BlobProver
from edge.node.proving.scrub_messages import ScrubApp, ScrubReport
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.store.damage import REPAIR, Damage, Damages, Grain
from edge.store.heads import Head

SCRUB_SECONDS = 86_400.0  # from the end of a round to the next
SCRUB_BYTES_PER_SECOND = 16 * 2**20  # 1.4 TB a day; a tenth of what a slow disk gives
START_SECONDS = 600.0  # after a start, which has enough to do
RETRY_SECONDS = 3600.0  # after a round that could not be finished
LINE_LIMIT_BYTES = 1024 * 1024

_GRAINS: tuple[Grain, ...] = ("revision",)

log = logging.getLogger("edge.blobs")


class ScrubCondition(NamedTuple):
    """`completed` is when the last whole round ended, in seconds since the epoch, 0: never; `unreadable` is of how many
    apps the revision could not be read. The others count since this process started."""

    completed: float
    blobs: int
    bytes: int
    suspects: int
    unreadable: int


class Scrubbing:
    """Belongs to the loop. `heads` are the current ones; `damages` are revisions that could not be read."""

    def __init__(
        self,
        store_dir: Path,
        book: ProofBook,
        prover: BlobProver,
        heads: Callable[[], Mapping[AppId, Head]],
        clock: Callable[[], float] = time.time,
        bytes_per_second: float = SCRUB_BYTES_PER_SECOND,
        *,
        partial: bool = False,
    ) -> None:
        """`partial`: blobs that are not here are fetched when a device asks, so they are not missing."""
        self._store_dir = store_dir
        self._book = book
        self._prover = prover
        self._heads = heads
        self._clock = clock
        self._bytes_per_second = bytes_per_second
        self._partial = partial
        self._blobs = self._bytes = self._suspects = 0
        self.damages = Damages()
        self._completed = book.moment("scrub_completed", clock())

    @property
    def condition(self) -> ScrubCondition:
        """As of now."""
        return ScrubCondition(self._completed, self._blobs, self._bytes, self._suspects, len(self.damages))

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(START_SECONDS)
        while True:
            begun = self._book.note("scrub_after") is not None
            await asyncio.sleep(0.0 if begun else max(0.0, self._completed + SCRUB_SECONDS - self._clock()))
            if not await self.round():
                await asyncio.sleep(RETRY_SECONDS)

    async def round(self) -> bool:
        """Scrub what is left of the round, or begin one. False: it could not be finished."""
        after = self._book.note("scrub_after")
        if after is None:
            self._book.keep_note("scrub_began", repr(self._clock()))
            self._book.keep_note("scrub_after", "")
        unnamed = set(self._prover.quarantine) if not after else set[str]()
        heads = self._heads()
        for app in {each.app for each in self.damages if each.app not in heads or heads[AppId(each.app)].deleted}:
            self.damages.replace(app, _GRAINS, ())
        wanted = [ScrubApp(app, heads[app].revision, heads[app].digest) for app in sorted(heads)]
        wanted = [each for each in wanted if each.app > (after or "") and not heads[each.app].deleted]
        if not await self._scrub(wanted, unnamed):
            return False
        for digest in () if self.damages else unnamed:  # an app that cannot be read may name it
            self._prover.quarantine.forget(digest)
        self._finish()
        return True

    def _finish(self) -> None:
        self._book.forget_unread_since(self._book.moment("scrub_began", self._clock()))
        self._completed = self._clock()
        self._book.keep_note("scrub_completed", repr(self._completed))
        self._book.keep_note("scrub_after", None)
        log.info("scrubbed: %s blobs read since the start, %s suspects", self._blobs, self._suspects)

    async def _scrub(self, wanted: list[ScrubApp], unnamed: set[str]) -> bool:
        starting = asyncio.ensure_future(self._start())
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _end(await starting)
            raise
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        try:
            with suppress(ConnectionError):  # it ended: its exit code says so
                process.stdin.writelines(msgspec.json.encode(each) + b"\n" for each in wanted)
                await process.stdin.drain()
                process.stdin.close()
            while line := await process.stdout.readline():
                await self._take(msgspec.json.decode(line, type=ScrubReport), unnamed)
            code = await process.wait()
        finally:
            await _end(process)
        if code:
            log.warning("the process that scrubs blobs exited with code %s; trying again later", code)
        return not code

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.node.proving.scrub_process"),
            *(str(self._store_dir), str(self._bytes_per_second), *(["partial"] if self._partial else [])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT_BYTES,
        )

    async def _take(self, report: ScrubReport, unnamed: set[str]) -> None:
        self._blobs += len(report.whole) + len(report.suspects)
        self._bytes += report.bytes
        self._suspects += len(report.suspects)
        unnamed -= {*report.whole, *report.suspects}
        if report.ends:
            self.damages.replace(report.app, _GRAINS, [_damage_of(report)] if report.unreadable else ())
        damaged = [digest for digest in report.whole if digest in self._prover.quarantine]
        for digest in (*report.suspects, *damaged):
            with suppress(DamagedBlob, NotProvenYet):
                await self._prover.prove_again(digest, report.app)
        good = {digest: identity for digest, identity in report.whole.items() if digest not in damaged}
        await asyncio.to_thread(self._book.note_proofs, good, self._clock())
        if report.ends:
            self._book.keep_note("scrub_after", report.app)


def _damage_of(report: ScrubReport) -> Damage:
    return Damage(
        app=report.app,
        grain="revision",
        name=str(report.revision),
        effect="the app cannot be changed, and its files are not scrubbed",
        cause=report.unreadable,
        repair=REPAIR,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
