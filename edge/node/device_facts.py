"""A worker's view of what devices brought about: read from the shared table, changed through the supervisor.

A look-up is memory. A change goes over the link to the one writer and comes back when it is durable and every worker
sees it. Offers are told in batches and nobody waits for them: a device needs seconds to fail with what it was offered.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from edge.domain.errors import Unavailable
from edge.domain.facts import DeviceFacts, in_force, name_hash
from edge.node.link import Record
from edge.telemetry.facts_changes import FactChange, Offered
from edge.telemetry.facts_table import FactsTable

OFFER_BATCH_SECONDS = 0.02
OFFERS_LIMIT = 10_000  # waiting for their batch; beyond it an offer is not noted, and its failure not withheld
ANSWER_SECONDS = 5.0  # a group commit takes milliseconds; a writer that needs longer is stuck on its disk


class NotRecorded(Unavailable):
    """The writer could not store the change, or did not answer in time."""


class Facts:
    def __init__(self, table: FactsTable, send: Callable[[msgspec.Struct], None]) -> None:
        self._table = table
        self._send = send
        self._last_number = 0
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._offers: list[FactChange] = []
        self.offers_dropped = 0

    def of(self, app: str, device: str, now: float) -> DeviceFacts:
        """What is in force at `now`, in epoch seconds."""
        return in_force(self._table.look_up(app, device), now)

    async def record(self, changes: Iterable[FactChange]) -> None:
        """Returns when they are durable and every worker sees them. Raises NotRecorded; they may happen later then.

        The offers that wait go first: a failure of what this worker has just offered comes after its offer.
        """
        self.flush()
        self._last_number += 1
        number = self._last_number
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send(Record(number, list(changes)))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                refused = await answer
        except TimeoutError as error:
            raise NotRecorded("facts_stuck", "device facts cannot be stored now") from error
        finally:
            self._waiting.pop(number, None)
        if refused:
            raise NotRecorded(refused, "device facts cannot be stored now")

    def settle(self, number: int, refused: str) -> None:
        """The writer's answer: the code of its refusal, or "" when the changes happened."""
        waiting = self._waiting.get(number)
        if waiting and not waiting.done():
            waiting.set_result(refused)

    def note_offer(self, app: str, device: str, version: str, known: DeviceFacts) -> None:
        """Tell the writer soon, unless the table says so already: a device asks again until it has the bundle."""
        if name_hash(version) in known.offered:
            return
        if len(self._offers) >= OFFERS_LIMIT:
            self.offers_dropped += 1
            return
        if not self._offers:
            asyncio.get_running_loop().call_later(OFFER_BATCH_SECONDS, self.flush)
        self._offers.append(Offered(app, device, version))

    def flush(self) -> None:
        """Send the offers that wait for their batch; number 0 asks for no answer."""
        if self._offers:
            self._send(Record(0, self._offers))
            self._offers = []

    def close(self) -> None:
        self._table.close()
