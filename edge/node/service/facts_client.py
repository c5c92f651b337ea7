"""A worker's access to device facts: read from the shared table, changed through the supervisor.

A look-up reads memory. A change goes over the link to the one writer, which replies when it is durable and every worker
sees it. Offers go in batches and no request waits for them: a device needs seconds to fail with what it was offered.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from edge.domain.errors import Unavailable
from edge.domain.facts import STARTS, DeviceFacts, awaits, failure_of, is_on_its_way, latest_of, mark_of, name_hash
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
from edge.telemetry.behaviour.known_facts import with_behaviour
from edge.telemetry.behaviour.table import BehaviourTable

OFFER_BATCH_SECONDS = 0.02
OFFERS_LIMIT = 10_000  # waiting for their batch; an offer beyond it is dropped, and its failure withholds nothing
ANSWER_SECONDS = 5.0  # a group commit takes milliseconds; a writer that takes longer is stuck on its disk


class NotRecorded(Unavailable):
    """The writer could not store the change, or did not answer in time."""


class FactsClient:
    """`send` queues a message on the link. `offers_dropped` counts changes that found no room in a batch."""

    def __init__(
        self, table: FactsTable, send: Callable[[msgspec.Struct], None], behaviour: BehaviourTable | None = None
    ) -> None:
        """Without `behaviour`, it is not known how any device is used."""
        self._table = table
        self._behaviour = behaviour
        self._send = send
        self._replies = NumberedReplies[Recorded]()
        self._offers: list[Recordable] = []
        self.offers_dropped = 0
        self.of_name = table.look_up_name  # bound once: every check with an offer calls it

    def of(self, app: str, device: str) -> DeviceFacts:
        """NO_FACTS for a device that is not known; without how the device is used."""
        return self._table.look_up(app, device)

    def all_of(self, app: str, device: str) -> DeviceFacts:
        """With how the device is used, which only an app's segments ask (`AppSnapshot.asks_facts`)."""
        return self.with_behaviour(self._table.look_up(app, device), f"{app}\0{device}".encode())

    def with_behaviour(self, facts: DeviceFacts, name: bytes) -> DeviceFacts:
        """The facts of a device with how it is used; `name` as of `of_name`."""
        return facts if self._behaviour is None else with_behaviour(facts, self._behaviour, name)

    async def record(self, changes: Iterable[FactChange]) -> list[Withheld]:
        """Returns when the changes are durable and every worker sees them, with the bundles that are withheld as a
        result. Raises NotRecorded; the changes may still take effect later.

        Waiting offers go first: a failure of what this worker has just offered comes after its offer.
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
        """Pass on the writer's reply to the request that waits for it."""
        self._replies.settle(recorded.number, recorded)

    def note(self, change: Offered | Downloaded | Installed) -> None:
        """Record it soon, in order: a download after the offer that it is about, and before any failure in the same
        report."""
        if len(self._offers) >= OFFERS_LIMIT:
            self.offers_dropped += 1
            return
        if not self._offers:
            asyncio.get_running_loop().call_later(OFFER_BATCH_SECONDS, self.flush)
        self._offers.append(change)

    def tell_fault(self, fault: Faulted) -> None:
        """Send at once, ahead of waiting offers: those were made after the fault, or during it."""
        self._send(Record(0, [fault]))

    def flush(self) -> None:
        """Send the waiting batch, with number 0: no reply is wanted."""
        if self._offers:
            self._send(Record(0, self._offers))
            self._offers = []

    def close(self) -> None:
        """Unmap the tables."""
        self._table.close()
        if self._behaviour is not None:
            self._behaviour.close()


def offered_anew(check: UpdateCheck, bundle: Bundle, known: DeviceFacts) -> Offered | None:
    """An offer to note; None if the table has it: a device checks again and again until it has the bundle."""
    name = name_hash(bundle.version)
    if is_on_its_way(known, name):
        return None
    mark = mark_of(bundle, check)
    if awaits(known, name) and latest_of(known).mark == mark:
        return None
    return Offered(check.app, check.device, bundle.version, check.version_name, mark)


def installed_anew(check: UpdateCheck, known: DeviceFacts) -> Installed | None:
    """What the device runs did download, even if it reported a failure before; None: it reported none."""
    failure = failure_of(known, name_hash(check.version_name))
    if failure is None or failure.cause in STARTS:
        return None
    return Installed(check.app, check.device, check.version_name)
