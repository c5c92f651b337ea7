"""How devices are used, as home judged it: a region's table of behaviour is what home's shows, slot by slot.

Home sees the reports of all regions, and judges once; a region judges nobody. So its workers know of a device that
moved what its segments read, as of the last fold at home. A table that is lost is asked for again, whole.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from edge.domain.errors import Malformed
from edge.facts.changes import HeardAbove, Recordable
from edge.facts.sharing.register import read_word, reading
from edge.regions.upstream import Upstream
from edge.telemetry.behaviour.news import BehaviourSlots
from edge.telemetry.behaviour.pages import BEHAVIOUR_SLOT_BYTES
from edge.telemetry.behaviour.table_writer import BehaviourTableWriter

BEHAVIOUR_PATH = "/v1/feed/behaviour/{}"
WAIT_NEWS_SECONDS = 20  # that home may keep a question until it has judged somebody
BEYOND_SECONDS = 30.0
SLOTS_LIMIT_BYTES = 4 * 2**20  # a page of the table is 250 kB, a batch of news 600 kB
PLACE = "behaviour"

encode_slots = msgspec.msgpack.encode
_decoder = msgspec.msgpack.Decoder(BehaviourSlots)


class BehaviourHearing:
    """For one event loop. `heard` counts slots. `shared` is the folder of the register, which keeps the place."""

    def __init__(
        self,
        home: Upstream,
        node: str,
        table: Path,
        shared: Path,
        record: Callable[[list[Recordable]], Awaitable[object]],
    ) -> None:
        self.heard = 0
        self._home, self._node, self._shared, self._record = home, node, shared, record
        self._writer = BehaviourTableWriter(table)
        self._coming = table.with_name("behaviour.coming")  # a whole table, while it comes
        self._whole: BehaviourTableWriter | None = None
        self._place: str | None = None

    async def hear(self) -> None:
        """Take what home has judged; it keeps the question until there is something. Raises EdgeError, OSError,
        sqlite3.Error."""
        if self._place is None:
            self._place = await asyncio.to_thread(self._resume)
        query = {"place": self._place, "wait": str(WAIT_NEWS_SECONDS)}
        answer = await self._home.request(
            "GET",
            BEHAVIOUR_PATH.format(self._node),
            query=query,
            limit_bytes=SLOTS_LIMIT_BYTES,
            seconds=WAIT_NEWS_SECONDS + BEYOND_SECONDS,
        )
        page = parse_slots(answer.content)
        await asyncio.to_thread(self._take, page)
        if page.place != self._place and self._whole is None:  # a table that is not whole begins again after a restart
            await self._record([HeardAbove(words=[(PLACE, page.place)])])
        self._place = page.place

    def close(self) -> None:
        self._writer.close()

    def _resume(self) -> str:
        if not self._writer.resume():
            return ""
        with reading(self._shared) as connection:
            return read_word(connection, PLACE)

    def _take(self, page: BehaviourSlots) -> None:
        if page.begins:
            self._whole = BehaviourTableWriter(self._coming)
            self._whole.make([], {}, 1)
        target = self._whole if page.of_table and self._whole is not None else self._writer
        target.take(page.slots)
        if page.ends and self._whole is not None:
            self._writer.replace_by(self._whole)
            self._whole.close()
            self._whole = None
            self._coming.unlink(missing_ok=True)
        if not page.more:
            self._writer.sync()
        self.heard += len(page.slots) // BEHAVIOUR_SLOT_BYTES


def parse_slots(body: bytes) -> BehaviourSlots:
    """Raises Malformed `invalid_behaviour`."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("invalid_behaviour", f"the node above sent what is no behaviour: {error}") from error
