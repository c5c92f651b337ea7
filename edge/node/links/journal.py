"""The node's list of links, on its disk: which forms its devices get follows from it, after a restart as before.

Written by the one process of a node that has its duties. Workers count; their counts are added up to a day.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from edge.domain.forms.choice import LINKS_LIMIT, FormTerms, LinkSince
from edge.domain.forms.link_model import USUAL_LINK
from edge.domain.forms.observed import (
    NOTHING_OBSERVED,
    REVISE_SECONDS,
    LinkCounts,
    added,
    is_believable,
    newly,
    revised,
)
from edge.domain.plugin import Prefer
from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

OBSERVE_SECONDS = 300.0  # between two looks at what workers counted; a node that crashes loses as much of the day
JOURNAL_FORMAT = 1
FIRST_LINKS = (LinkSince(0.0, USUAL_LINK),)

log = logging.getLogger("edge.node")


class _Journal(msgspec.Struct, frozen=True):
    format: int
    links: tuple[LinkSince, ...]
    begun: float  # of the day, in seconds since the epoch
    day: LinkCounts


_decoder = msgspec.json.Decoder(_Journal)


class LinkJournal:
    """`terms` are what choices follow from now. Blocks where it reads or writes."""

    def __init__(self, path: Path, prefer: Prefer, now: float) -> None:
        self._path = path
        self._prefer = prefer
        self._now = now
        self._journal = self._read()
        self._counted: Mapping[int, LinkCounts] = {}

    @property
    def terms(self) -> FormTerms:
        return FormTerms(self._prefer, self._journal.links)

    def load(self) -> bool:
        """Read what another process of this node has written. Returns whether `terms` changed."""
        before, self._journal = self._journal, self._read()
        return before.links != self._journal.links

    def take(self, counts: Mapping[int, LinkCounts], now: float) -> bool:
        """Add what each worker, by process id, has counted since the last call, and revise the list once a day. Returns
        whether `terms` changed. Raises OSError; nothing has changed then."""
        day, begun, links = self._journal.day, min(self._journal.begun, now), self._journal.links
        for worker, count in counts.items():
            day = added(day, newly(self._counted.get(worker, NOTHING_OBSERVED), count))
        if now - begun >= REVISE_SECONDS:
            links = revised(links, day, now)
            day, begun = NOTHING_OBSERVED, now
        changed = links != self._journal.links
        if day != self._journal.day or changed:
            journal = _Journal(JOURNAL_FORMAT, links, begun, day)
            scratch = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
            replace_file(self._path, msgspec.json.encode(journal), scratch)
            self._journal = journal
        self._counted = dict(counts)
        return changed

    def _read(self) -> _Journal:
        try:
            return _parse(read_own_file(self._path))
        except FileNotFoundError:
            pass
        except Damaged as error:
            set_aside(self._path, str(error), "what was observed of links is lost; the usual link counts again")
        return _Journal(JOURNAL_FORMAT, FIRST_LINKS, self._now, NOTHING_OBSERVED)


class LinkWatch:
    """The duty that keeps the journal. `counted` returns what each worker has counted, by process id; `tell` sends new
    terms to all workers."""

    def __init__(
        self,
        journal: LinkJournal,
        counted: Callable[[], Awaitable[Mapping[int, LinkCounts]]],
        tell: Callable[[FormTerms], None],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._counted = counted
        self._tell = tell
        self._clock = clock

    async def run(self, pause_seconds: float = OBSERVE_SECONDS) -> None:
        """Until cancelled."""
        if await asyncio.to_thread(self._journal.load):
            self._tell(self._journal.terms)
        while True:
            await asyncio.sleep(pause_seconds)
            await self.look()

    async def look(self) -> None:
        counted = await self._counted()
        try:
            changed = await asyncio.to_thread(self._journal.take, counted, self._clock())
        except OSError as error:
            log.error("cannot keep what was observed of links: %s; the forms of bundles stay as they are", error)
            return
        if changed:
            link = self._journal.terms.links[-1].link
            log.info(
                "links of devices: %.1f ms and %.1f Mbit/s from now on",
                link.round_trip_seconds * 1e3,
                link.rate_bps / 1e6,
            )
            self._tell(self._journal.terms)


def _parse(data: bytes) -> _Journal:
    """Raises Damaged."""
    try:
        journal = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(str(error)) from error
    if journal.format != JOURNAL_FORMAT or not 0 < len(journal.links) <= LINKS_LIMIT:
        raise Damaged(f"format {journal.format} with {len(journal.links)} links is not one that this node reads")
    if not _are_believable(journal.links, journal.day):
        raise Damaged("its figures cannot be")
    return journal


def _are_believable(links: Iterable[LinkSince], day: LinkCounts) -> bool:
    counts = (count for steps in day for count in steps.values())
    return all(is_believable(link) for _, link in links) and all(count > 0 for count in counts)
