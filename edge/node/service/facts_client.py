"""A worker's view of what devices brought about: read from the shared table, changed through the supervisor.

A look-up is memory. A change goes over the link to the one writer and comes back when it is durable and every worker
sees it. Offers are told in batches and nobody waits for them: a device needs seconds to fail with what it was offered.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from edge.domain.errors import Unavailable
from edge.domain.facts import STARTS, DeviceFacts, awaits, failure_of, has_downloaded, latest_of, mark_of, name_hash
from edge.domain.model import Bundle, UpdateCheck
from edge.facts.changes import (
    Downloaded,
    FactChange,
    Faulted,
    Installed,
    Offered,
    Record,
    Recordable,
    Recorded,
    Withheld,
)
from edge.facts.table import FactsTable
from edge.node.service.numbered_replies import NumberedReplies

OFFER_BATCH_SECONDS = 0.02
OFFERS_LIMIT = 10_000  # waiting for their batch; beyond it an offer is not noted, and its failure not withheld
ANSWER_SECONDS = 5.0  # a group commit takes milliseconds; a writer that needs longer is stuck on its disk


class NotRecorded(Unavailable):
    """The writer could not store the change, or did not answer in time."""


class FactsClient:
    def __init__(self, table: FactsTable, send: Callable[[msgspec.Struct], None]) -> None:
        self._table = table
        self._send = send
        self._replies = NumberedReplies[Recorded]()
        self._offers: list[Recordable] = []
        self.offers_dropped = 0

    def of(self, app: str, device: str) -> DeviceFacts:
        return self._table.look_up(app, device)

    async def record(self, changes: Iterable[FactChange]) -> list[Withheld]:
        """Returns when they are durable and every worker sees them, with the bundles that they made withheld. Raises
        NotRecorded; they may happen later then.

        The offers that wait go first: a failure of what this worker has just offered comes after its offer.
        """
        self.flush()
        listed: list[Recordable] = list(changes)
        try:
            settled = await self._replies.request(lambda number: self._send(Record(number, listed)), ANSWER_SECONDS)
        except TimeoutError as error:
            raise NotRecorded("facts_stuck", "device facts cannot be stored now") from error
        if settled.refused:
            raise NotRecorded(settled.refused, "device facts cannot be stored now")
        return settled.withheld

    def settle(self, recorded: Recorded) -> None:
        """The writer's reply."""
        self._replies.settle(recorded.number, recorded)

    def note_offer(self, check: UpdateCheck, bundle: Bundle, known: DeviceFacts) -> None:
        """Tell the writer soon, unless the table says so already: a device asks again until it has the bundle."""
        name = name_hash(bundle.version)
        if awaits(known, name) and not has_downloaded(known, name):
            return
        mark = mark_of(bundle, check)
        if not awaits(known, name) or latest_of(known).mark != mark:
            self._tell_soon(Offered(check.app, check.device, bundle.version, check.version_name, mark))

    def note_install(self, check: UpdateCheck, known: DeviceFacts) -> None:
        """What the device runs is no failed download, whatever came before."""
        failure = failure_of(known, name_hash(check.version_name))
        if failure is not None and failure.cause not in STARTS:
            self._tell_soon(Installed(check.app, check.device, check.version_name))

    def note_download(self, downloaded: Downloaded) -> None:
        """Behind the offer that it is about, and before any failure in the same report."""
        self._tell_soon(downloaded)

    def tell_fault(self, fault: Faulted) -> None:
        """At once, and before the offers that wait: those were made after it, or while it lasted."""
        self._send(Record(0, [fault]))

    def _tell_soon(self, change: FactChange) -> None:
        if len(self._offers) >= OFFERS_LIMIT:
            self.offers_dropped += 1
            return
        if not self._offers:
            asyncio.get_running_loop().call_later(OFFER_BATCH_SECONDS, self.flush)
        self._offers.append(change)

    def flush(self) -> None:
        """Send what waits for its batch; number 0 asks for no answer."""
        if self._offers:
            self._send(Record(0, self._offers))
            self._offers = []

    def close(self) -> None:
        self._table.close()
