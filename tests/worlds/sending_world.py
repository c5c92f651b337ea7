"""A region's spool and its home, with real files and a line between them that may fail anywhere."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
from telemetry_lines import NOW, line, no_sync

from edge.domain.errors import Unavailable
from edge.regions.sending.receiving import Receiving
from edge.regions.sending.sender import ReportSender, SendingFrom
from edge.regions.sending.sent_journal import SentJournal
from edge.regions.sending.sent_ledger import SentLedger
from edge.regions.sending.sent_words import AllSent, ErasureWanted, SegmentsAsked
from edge.telemetry.folding.counts import counted_to_end
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.coming_segment import HeldSegment
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import SegmentWriter, list_segments, read_frames, read_header

NODE, HOME = "regionid", "homeid"
GIB = 1 << 30


class Answer(NamedTuple):
    content: bytes


def a_receiving(
    directory: Path,
    ledger: Path,
    *,
    own_node: str = HOME,
    clock: Callable[[], float] = lambda: NOW,
    acts: Callable[[], bool] = lambda: False,
    limit_bytes: int = 8 * GIB,
    erasures: Callable[[], list[ErasureWanted]] = list,
    database: Path | None = None,
) -> Receiving:
    """Home's end over a folder."""

    def counted(name: str) -> HeldSegment | None:
        end = counted_to_end(database, name) if database is not None else None
        return None if end is None else HeldSegment(end, whole=True)

    budget = DiskBudget(directory, limit_bytes)
    more = {"counted": counted, "budget": budget, "acts": acts, "erasures": erasures, "clock": clock}
    return Receiving(directory, own_node, SentLedger(ledger), **more)


class SendingWorld:
    """`breaks` says of each request, by its number from 0, whether it is "lost" on its way, or its "answer" is; `now`
    is the clock of both ends. `home_dir` and `region_dir` are their spools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home_dir, self.region_dir = folder / "home", folder / "region"
        for each in (self.home_dir, self.region_dir):
            each.mkdir()
        self.database = folder / "counts.sqlite"
        self.now = NOW
        self.acts = False
        self.erasures: list[ErasureWanted] = []
        self.breaks: Callable[[int], str] = lambda number: ""
        self.requests: list[tuple[str, str]] = []
        self.region_skew = 0.0
        self._writers: dict[int, SegmentWriter] = {}
        self._number = 0
        self.restart_home()
        self.restart_region()

    # the region's devices

    def write(self, lines: int = 1, *, worker: int = 0) -> None:
        """Acknowledged reports, each once in the world."""
        writer = self._writers.get(worker)
        if writer is None or writer.closed:
            self.now += 1
            at = self.now + self.region_skew
            writer = self._writers[worker] = SegmentWriter(self.region_dir, NODE, worker, now=at, sync=no_sync)
        records = []
        for _ in range(lines):
            self._number += 1
            records.append(line(version=f"1.0.{self._number}", received=self.now))
        writer.append(records)

    def seal(self, worker: int = 0) -> None:
        if worker in self._writers:
            self._writers.pop(worker).seal()

    def kill_workers(self) -> None:
        """Their segments stay as they are, without a writer."""
        for writer in self._writers.values():
            writer._file.close()
        self._writers.clear()

    @property
    def written(self) -> list[bytes]:
        return [line(version=f"1.0.{n + 1}") for n in range(self._number)]

    # both ends

    def restart_home(self) -> None:
        self.receiving = a_receiving(
            self.home_dir,
            self.folder / "reports.json",
            clock=lambda: self.now,
            acts=lambda: self.acts,
            erasures=lambda: self.erasures,
            database=self.database,
        )

    def restart_region(self) -> None:
        from_ = SendingFrom(self.region_dir, NODE, "eu", 8 * GIB, 7 * 86_400.0)
        self.sender = ReportSender(
            self,
            from_,
            SentJournal(self.folder / "sent.json"),
            tell_notes=self._tell_notes,
            clock=lambda: self.now + self.region_skew,
            monotonic=lambda: self.now,
        )

    def copy_home(self) -> Path:
        """A backup."""
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        shutil.copytree(self.home_dir, self.folder / "backup")
        if self.database.exists():
            shutil.copy(self.database, self.folder / "backup.sqlite")
        return self.folder / "backup"

    def restore_home(self) -> None:
        shutil.rmtree(self.home_dir)
        shutil.copytree(self.folder / "backup", self.home_dir)
        for ending in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + ending).unlink(missing_ok=True)
        if (self.folder / "backup.sqlite").exists():
            shutil.copy(self.folder / "backup.sqlite", self.database)
        self.restart_home()

    async def try_round(self) -> bool:
        """Whether it went through."""
        try:
            await self.sender.round()
        except (Unavailable, OSError):
            return False
        return True

    async def finish(self) -> None:
        """Rounds on a line that works."""
        self.breaks = lambda number: ""
        for worker in list(self._writers):
            self.seal(worker)
        self.now += 3_600  # it asks what home has of everything
        for _ in range(3):
            await self.sender.round()

    def fold(self) -> None:
        fold(self.home_dir, self.database, now=self.now)

    def at_home(self) -> list[bytes]:
        """Every record there, in order of segments."""
        found = []
        for path in list_segments(self.home_dir):
            with open_segment(path) as file:
                read_header(file)
                found += [record for frame in read_frames(file) for record in frame.records]
        return found

    # the line

    async def request(self, method, path, *, query=None, body=None, headers=None, seconds=30.0):
        number = len(self.requests)
        self.requests.append((method, path))
        fate = self.breaks(number)
        if fate == "lost":
            raise Unavailable("source_lost", "the request is lost")
        answer = await self._answer(method, path, dict(query or {}), body or b"")
        if fate == "answer":
            raise Unavailable("source_lost", "the answer is lost")
        return Answer(msgspec.json.encode(answer))

    async def _answer(self, method, path, query, body):
        kind, node, *rest = path.removeprefix("/v1/feed/").split("/")
        if kind == "sent":
            return await self.receiving.note_sent(node, msgspec.json.decode(body, type=AllSent))
        if method == "POST":
            return await self.receiving.known(node, msgspec.json.decode(body, type=SegmentsAsked))
        offset, lost = int(query["offset"]), int(query.get("lost", 0))
        return await self.receiving.take(node, rest[0], offset, lost, body, whole=query.get("whole") == "true")

    async def _tell_notes(self) -> None:
        await asyncio.sleep(0)
