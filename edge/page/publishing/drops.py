"""Zips that people dropped, each on its way from a file to something that can be published.

A drop belongs to the token that made it, lives for an hour, and nothing of it outlives the process: what was packed is
in the store by then, as an upload that no bundle refers to, and counts against the token's quota like any other. Each
token has its own share of what is limited, so that none holds up the others.
"""

import asyncio
import enum
import secrets
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundles.intake.intake_messages import IntakeAnswer, IntakeDone, IntakeRefused
from edge.domain.errors import EdgeError, NotFound, Unavailable
from edge.page.publishing.packing import pack_dropped

DROPS_LIMIT = 32  # of all tokens; each is some MB of names at most
TOKEN_DROPS_LIMIT = 8  # its oldest goes first
ARRIVING_LIMIT = 4  # at once, with those being packed: each may take 512 MB of disk, and four times that unpacked
TOKEN_ARRIVING_LIMIT = 2
PACKING_AT_ONCE = 2  # of two tokens: one that takes minutes does not hold up all. Devices' processes go before them
DROP_SECONDS = 3_600.0

Keep = Callable[[IntakeDone], Awaitable[None]]  # puts what was packed into the store
Pack = Callable[[Path, Path], Awaitable[IntakeAnswer]]


class DropStage(enum.Enum):
    """How far a drop has come."""

    WAITING = "waiting"  # for its turn, or being packed
    READY = "ready"
    REFUSED = "refused"


@dataclass(slots=True)
class Drop:
    """`key` names it in addresses, `owner` is the hash of its token. `packed` is there when it is ready, `refusal` when
    it is refused. Times are in seconds since the epoch."""

    key: str
    owner: str
    app: str
    version: str
    file: str
    made: float
    stage: DropStage = DropStage.WAITING
    packed: IntakeDone | None = None
    refusal: IntakeRefused | None = None


class Drops:
    """Belongs to the loop. `folder` is the node's: what is in it when this starts is deleted. None: nothing can be
    dropped here."""

    def __init__(self, folder: Path | None, pack: Pack = pack_dropped) -> None:
        self._folder = folder
        self._pack = pack
        self._drops: dict[str, Drop] = {}
        self._arriving: Counter[str] = Counter()  # and being packed, by owner
        self._turns_of: dict[str, asyncio.Lock] = {}  # of owners with something that is packed
        self._turns = asyncio.Semaphore(PACKING_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Before the first drop."""
        if self._folder is not None:
            await asyncio.to_thread(_empty, self._folder)

    async def close(self, _app: Any = None) -> None:
        """Ends what is being packed, and returns when it has ended."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Returns when nothing is being packed any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def find(self, key: str, owner: str, app: str, now: float) -> Drop:
        """Raises NotFound `unknown_drop`, also for another token's."""
        self._forget_old(now)
        drop = self._drops.get(key)
        if drop is None or (drop.owner, drop.app) != (owner, app):
            told = f"it is kept for an hour, and until {TOKEN_DROPS_LIMIT} others follow; drop it again"
            raise NotFound("unknown_drop", f"this zip is not here any more: {told}")
        return drop

    async def arrive(
        self, owner: str, app: str, now: float, receive: Callable[[Path], Awaitable[dict[str, str]]], keep: Keep
    ) -> Drop:
        """`receive` writes the zip to the file that it is given, and returns the fields `version` and `file`; then it
        is packed in the background, and `keep` is called with what came of it. Raises Unavailable `busy`, `no_drops`,
        and what `receive` raises."""
        if self._folder is None:
            raise Unavailable("no_drops", "this node takes no zips on its page: use `edge bundle publish`")
        self._forget_old(now)
        if self._arriving[owner] >= TOKEN_ARRIVING_LIMIT or self._arriving.total() >= ARRIVING_LIMIT:
            whose = "your token's other zips" if self._arriving[owner] >= TOKEN_ARRIVING_LIMIT else "zips of others"
            raise Unavailable("busy", f"{whose} are being received and packed; try again in a minute")
        self._arriving[owner] += 1
        key = secrets.token_hex(16)
        workdir = self._folder / key
        try:
            await asyncio.to_thread(workdir.mkdir, 0o700, parents=True)
            fields = await receive(workdir / "dropped.zip")
        except BaseException:
            shutil.rmtree(workdir, ignore_errors=True)  # not in a thread: a cancelled upload must not wait again
            self._leave(owner)
            raise
        self._make_room(owner)
        drop = self._drops[key] = Drop(key, owner, app, fields["version"], fields["file"], now)
        task = asyncio.create_task(self._work(drop, workdir, keep))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return drop

    def forget(self, drop: Drop) -> None:
        """It is published."""
        self._drops.pop(drop.key, None)

    async def _work(self, drop: Drop, workdir: Path, keep: Keep) -> None:
        try:
            async with self._turns_of.setdefault(drop.owner, asyncio.Lock()), self._turns:
                packing = workdir / "packed"
                await asyncio.to_thread(packing.mkdir, 0o700)
                answer = await self._pack(workdir / "dropped.zip", packing)
                if isinstance(answer, IntakeDone):
                    answer = await _kept(answer, packing, keep)
            if isinstance(answer, IntakeDone):
                drop.packed, drop.stage = answer, DropStage.READY
            else:
                drop.refusal, drop.stage = answer, DropStage.REFUSED
        finally:
            if drop.stage is DropStage.WAITING:
                told = "packing this zip failed; the node's log may say more"
                drop.refusal = IntakeRefused(code="packing_failed", status=503, message=told)
                drop.stage = DropStage.REFUSED
            shutil.rmtree(workdir, ignore_errors=True)
            self._leave(drop.owner)

    def _leave(self, owner: str) -> None:
        """One less of its zips is on its way."""
        self._arriving -= Counter((owner,))  # leaves nothing of a token that has none
        if owner not in self._arriving:
            self._turns_of.pop(owner, None)

    def _make_room(self, owner: str) -> None:
        """For one more: the oldest goes, of this token if it has its share, else of the one that has most."""
        kept = Counter(drop.owner for drop in self._drops.values())
        if kept[owner] < TOKEN_DROPS_LIMIT:
            if kept.total() < DROPS_LIMIT:
                return
            (owner, _), *_ = kept.most_common(1)
        settled = (
            key for key, drop in self._drops.items() if drop.owner == owner and drop.stage is not DropStage.WAITING
        )
        for key in list(settled)[:1]:
            del self._drops[key]

    def _forget_old(self, now: float) -> None:
        for key in [key for key, drop in self._drops.items() if now - drop.made > DROP_SECONDS]:
            if self._drops[key].stage is not DropStage.WAITING:
                del self._drops[key]


async def _kept(done: IntakeDone, folder: Path, keep: Keep) -> IntakeAnswer:
    """The process is believed as far as its own folder goes: what it names must lie there."""
    root = await asyncio.to_thread(folder.resolve)
    for blob in done.blobs:
        path = Path(blob.path)
        if path.is_symlink() or not await asyncio.to_thread(path.is_file) or not path.resolve().is_relative_to(root):
            return IntakeRefused(code="packing_failed", status=503, message="what was packed is not where it should be")
    try:
        await keep(done)
    except EdgeError as error:
        return IntakeRefused(code=error.code, status=error.status, message=error.message)
    return done


def _empty(folder: Path) -> None:
    """As far as the disk lets it: a drop meets what it does not."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
