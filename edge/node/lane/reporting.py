"""One report on its way, from its body to its answer. An ordinary one waits for the disk alone, and needs no task."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from edge.node.lane.context import LaneContext
from edge.node.lane.requests import RequestHead
from edge.node.service.common_answers import Reply
from edge.node.service.peers import Whence


class ReportAnswer:
    """`closes` says whether the answer is the connection's last. `end` is called once, with the bug if there was one,
    for a report that was begun; an ordinary one is to its lane what a task is: it can be cancelled.
    """

    __slots__ = ("_begun", "_closes", "_context", "_end", "_head", "_transport", "_whence")

    def __init__(
        self,
        context: LaneContext,
        transport: asyncio.Transport,
        head: RequestHead,
        whence: Whence,
        closes: Callable[[], bool],
        end: Callable[[Exception | None], None],
    ) -> None:
        self._context, self._transport, self._head, self._whence = context, transport, head, whence
        self._closes = closes
        self._end: Callable[[Exception | None], None] | None = end
        self._begun = perf_counter()

    def begin(self, body: bytes) -> bool:
        """Hand an ordinary report to the disk. False: nothing was done, and `take_slowly` is for it."""
        context = self._context
        return context.service.reports.take_at_once(body, context.peer_of(self._whence), self._answer)

    async def take_slowly(self, body: bytes) -> None:
        """Answer any report, in a task."""
        context = self._context
        self._write(await context.service.reports.take_slowly(body, context.peer_of(self._whence)))

    def cancel(self) -> None:
        """The peer has left; its events are stored all the same."""
        end, self._end = self._end, None
        if end is not None:
            end(None)

    def _answer(self, reply: Reply) -> None:
        end, self._end = self._end, None
        if end is None:
            return
        bug = None
        try:
            self._write(reply)
        except Exception as error:  # else who told us would get it
            bug = error
        end(bug)

    def _write(self, reply: Reply) -> None:
        context, head = self._context, self._head
        context.reports += 1
        sent = context.answers.write_reply(self._transport, reply, self._closes(), head.takes_gzip)
        context.record_answer(self._whence, head, reply.status, sent, self._begun, reply.app)
