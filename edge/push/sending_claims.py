"""Which messages this outbox may send: those that no other one sends, by a mark in the store that all homes share.

An outbox that was lost, that is put back from an older copy, or that is another home's, does not know what was sent.
So nothing of a message is sent before its mark names this outbox, and a turn: the outbox counts it up, on its disk
first, when a process begins with a message and each minute from then on. One that counts less than the mark has is an
older copy.
"""

import logging
import time
from collections.abc import Awaitable, Callable

from edge.domain.errors import EdgeError
from edge.push.outbox_file import OutboxMessage
from edge.push.outbox_schema import MessagePhase, SendState
from edge.push.serial_outbox import SerialOutbox

TURN_SECONDS = 60.0  # of sends that a copy of the outbox may be behind, and not know it
SENT_ELSEWHERE = "sent_elsewhere"  # why a message is stopped that another outbox began with

TakeTurn = Callable[[str, str, str, int], Awaitable[bool]]  # app, message, outbox, turn

log = logging.getLogger("edge.push")


class SendingClaims:
    """Of one process. `take_turn` moves a message's mark, False if it is another outbox's; it raises Unavailable.
    `failing` is why the last look could not tell, "" if it could."""

    def __init__(self, outbox: SerialOutbox, take_turn: TakeTurn, clock: Callable[[], float] = time.monotonic) -> None:
        self.failing = ""
        self._outbox, self._take_turn, self._clock = outbox, take_turn, clock
        self._taken: dict[int, float] = {}  # by message, when

    def has(self, held: OutboxMessage) -> bool:
        """Whether it may be sent now."""
        return held.id in self._taken

    async def take(self, held: OutboxMessage) -> bool:
        """Whether it is this outbox's to send. Raises Unavailable: nobody knows, and what was so far holds."""
        began = self._clock()
        name, turn = await self._outbox.do(lambda file: file.next_turn(held.id))
        if not await self._take_turn(held.app, held.message, name, turn):
            self._taken.pop(held.id, None)
            return False
        self._taken[held.id] = began
        return True

    async def take_due(
        self, stop: Callable[[OutboxMessage, str], Awaitable[None]], begin: Callable[[], Awaitable[None]]
    ) -> None:
        """Of all that is being sent, whose turn it is: `stop` what is another's, `begin` what this process has not
        sent so far. Until it is known, that waits, and the rest goes on."""
        try:
            for held in await self._outbox.do(lambda file: file.messages()):
                begins = not self.has(held)
                if held.phase is not MessagePhase.SENDING or not (begins or self._is_due(held)):
                    continue
                if not await self.take(held):
                    await stop(held, SENT_ELSEWHERE)
                elif begins:
                    await begin()
            self.failing = ""
        except (EdgeError, OSError) as error:
            self.failing = str(error)
            log.error("whether messages are sent elsewhere is not known now: %s", error)

    def _is_due(self, held: OutboxMessage) -> bool:
        return self._clock() - self._taken[held.id] >= TURN_SECONDS


def left_state(phase: MessagePhase, why: str) -> SendState:
    """Of what was open when its message ended."""
    if why == SENT_ELSEWHERE:
        return SendState.UNKNOWN
    return SendState.EXPIRED if phase is MessagePhase.DONE else SendState.CANCELLED
