"""What the committing thread of device facts keeps for other nodes: the register of what all are to know, and, at a
node that sends home, the evidence for home to judge.

Both are written before the facts themselves: what was acknowledged has been noted for the others, and what was noted
and not acknowledged is reported again.
"""

import asyncio
import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge.domain.facts import day_of
from edge.domain.sharing.admitting import SharedKind
from edge.domain.sharing.state import NOTHING_SHARED, SharedFacts
from edge.facts.sharing.evidence_log import EvidenceLog
from edge.facts.sharing.register import IN_STEP, KeyOf, RegisterChange, SharedRegister, SharedRow
from edge.store.disk.append_file import SyncFile

log = logging.getLogger("edge.facts")


class SharedNews:
    """On the loop: tells who waits that there may be something to tell others."""

    def __init__(self) -> None:
        self.next = asyncio.Event()

    def tell(self) -> None:
        told, self.next = self.next, asyncio.Event()
        told.set()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """For news since `event` was `next`, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class SharedJournal:
    """`node` is this node's name. `evidence` None: this node judges by itself, and others' evidence too. `in_touch`
    tells whether what other nodes know comes within seconds; set on the loop. `unsettled` are those starts of this node
    in which it has not heard all that others know."""

    def __init__(
        self, directory: Path, node: str, seed: int, key_of: KeyOf, *, sends: bool, sync: SyncFile = os.fdatasync
    ) -> None:
        """Raises OSError, sqlite3.Error."""
        self.node, self.directory, self.key_of = node, directory, key_of
        self.register = SharedRegister(directory, seed, key_of)
        self.evidence = EvidenceLog(directory / "evidence", sync=sync) if sends else None
        self.news = SharedNews()
        self.in_touch = True
        self.allows: Callable[[str, SharedKind], bool] = lambda node, kind: True  # whether its evidence may do this
        self.unsettled = self.register.unsettled()
        self._told = self.state

    @property
    def state(self) -> tuple[int, int]:
        """Differs once there is more to tell."""
        return self.register.last_number, self.evidence.last if self.evidence is not None else 0

    def tell(self) -> None:
        """On the loop, after a commit."""
        if self.state != self._told:
            self._told = self.state
            self.news.tell()

    def tidy(self, now: float) -> None:
        """What cannot be tidied now is later."""
        try:
            self.register.tidy(now)
        except sqlite3.Error as error:
            log.error("cannot tidy %s: %s", self.register.path, error)

    def close(self) -> None:
        self.register.close()
        if self.evidence is not None:
            self.evidence.close()


class SharedTurn:
    """What one group of changes adds, until `commit`. `now` in seconds since the epoch."""

    def __init__(self, journal: SharedJournal, now: float) -> None:
        self.node, self.start = journal.node, journal.register.session.id
        self.unsettled = journal.unsettled
        self.sends, self.allows = journal.evidence is not None, journal.allows
        self._journal, self._day = journal, day_of(now)
        self._rows: dict[bytes, SharedRow] = {}
        self._changed: set[bytes] = set()
        self._next_number = journal.register.last_number
        self._evidence: list[bytes] = []
        self._durably = False
        self._extra = RegisterChange([], [], [], [], [], [])
        self._again = False

    def row_of(self, key: bytes) -> SharedRow | None:
        """None: nothing is shared of the device."""
        row = self._rows.get(key)
        if row is None:
            row = self._journal.register.find(key)
            if row is not None:
                self._rows[key] = row
        return row

    def state_of(self, key: bytes) -> SharedFacts:
        row = self.row_of(key)
        return NOTHING_SHARED if row is None else row.state

    @property
    def again(self) -> bool:
        """Whether a choice that stays what it was is news: of another one in between this node may not have heard."""
        return not self._journal.in_touch or (self.sends and bool(self.unsettled))

    def put(
        self, key: bytes, app: str, device: str, state: SharedFacts, *, known_to: str = "", prefix: str = ""
    ) -> None:
        """Have others hear of it: all but `known_to`, a node that knows all of this state."""
        row = self.row_of(key)
        if row is not None and row.state == state and row.device:
            if self.sends and known_to and row.number:
                self._extra.heard.append((key, row.number))
            return
        number = 0
        if not (self.sends and known_to):  # a node that sends tells only the one above, which has told it
            self._next_number += 1
            number = self._next_number
        self._rows[key] = SharedRow(key, app, device, number, known_to, prefix, self._day, state)
        self._changed.add(key)

    def observe(self, evidence: bytes, *, durably: bool) -> None:
        """Send what the device did home."""
        self._evidence.append(evidence)
        self._durably = self._durably or durably

    def wait_for_offer(self, key: bytes, at: float, evidence: bytes) -> None:
        self._extra.unjudged.append((key, at, evidence))

    def take_waiting(self, key: bytes) -> list[tuple[float, bytes]]:
        """Evidence about the device whose offer was not known; it waits no longer, unless it is put back."""
        found = self._journal.register.unjudged(key)
        found += [(at, evidence) for its, at, evidence in self._extra.unjudged if its == key]
        if found:
            self._extra.judged.append(key)
            self._extra.unjudged[:] = [each for each in self._extra.unjudged if each[0] != key]
        return sorted(found)

    def take(self, node: str, epoch: str, number: int) -> None:
        self._extra.taken.append((node, epoch, number))

    def hear(self, rows: list[tuple[bytes, int]], words: list[tuple[str, str]], *, again: bool) -> None:
        self._again = self._again or again
        self._extra.heard.extend(rows)
        self._extra.words.extend(words)

    def commit(self) -> None:
        """Raises OSError: then nothing is kept."""
        if self._evidence and self._journal.evidence is not None:
            self._journal.evidence.append(self._evidence, durably=self._durably)
        change = self._extra._replace(rows=[self._rows[key] for key in self._changed], again=self._again)
        if any(change):
            try:
                self._journal.register.keep(change)
            except sqlite3.Error as error:
                raise _failure(error, self._journal.register.path) from error
        if any(name == IN_STEP for name, _ in change.words):
            self._journal.unsettled = frozenset()


def _failure(error: sqlite3.Error, path: Path) -> OSError:
    full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path))
