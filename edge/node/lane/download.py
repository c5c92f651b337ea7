"""A blob's answer that has to wait: for the disk, for its proof, or for a peer that takes what the kernel accepts."""

import asyncio
from collections.abc import Callable

from edge.node.delivery.files import OpenFile
from edge.node.delivery.pace import Stalled
from edge.node.delivery.refused import refused_headers
from edge.node.delivery.send import Wire, reset_connection
from edge.node.delivery.turns import Altered
from edge.node.lane.answers import Outgoing
from edge.node.lane.context import LaneContext
from edge.node.lane.fetch import Fetch
from edge.node.lane.requests import RequestHead
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.node.service.peers import Whence


class WaitingDownload:
    """The answer to a request for `fetch`; `begun` is of `time.perf_counter`. One of the methods is the task that
    answers."""

    __slots__ = ("_begun", "_context", "_fetch", "_head", "_transport", "_whence", "_wire")

    def __init__(
        self,
        context: LaneContext,
        connection: tuple[asyncio.Transport, Wire],
        request: tuple[RequestHead, Whence],
        fetch: Fetch,
        begun: float,
    ) -> None:
        self._context = context
        self._transport, self._wire = connection
        self._head, self._whence = request
        self._fetch = fetch
        self._begun = begun

    async def open_and_send(self, closes: Callable[[], bool]) -> None:
        """The whole answer. `closes` tells whether it is the connection's last."""
        context, fetch = self._context, self._fetch
        try:
            async with context.files.lend(fetch.blob, fetch.app) as file:
                await self.send_rest(file, context.plan_file(fetch, file, closes()), 0)
                return
        except (DamagedBlob, NotProvenYet) as fault:
            if fetch.patch:
                self._fetch = fetch.whole()
                await self.open_and_send(closes)
                return
            headers = refused_headers(fault)
        context.record_failure(fetch)
        answer = context.answers.plan_refusal(fetch, headers, closes())
        self._transport.write(answer.head)
        self._record(answer, answer.total_bytes)

    async def send_rest(self, file: OpenFile, answer: Outgoing, sent: int) -> None:
        """The answer from its byte `sent` on; if it cannot be completed, the connection is reset."""
        context, done = self._context, max(sent - len(answer.head), 0)
        try:
            if sent < len(answer.head):
                self._transport.write(answer.head[sent:])
            if rest := answer.length - done:
                await self._wire.send_file(file.fd, answer.offset + done, rest, context.patience, file.is_intact)
            sent, done = answer.total_bytes, answer.length
            context.deliveries += 1
            context.links.note(self._transport, self._whence.address, answer.length)
        except Stalled:
            context.record_failure(self._fetch, self._whence)
        except ConnectionError:
            pass  # a client that leaves is not an error
        except Altered:
            context.record_failure(self._fetch)  # the next one gets a 503
        except Exception:
            context.record_failure(self._fetch)
            raise
        finally:
            done += self._wire.file_bytes if sent < answer.total_bytes else 0
            context.note_delivery(self._fetch, answer, done, self._begun)
            self._record(answer, max(sent, len(answer.head)))
            if sent < answer.total_bytes:
                reset_connection(self._transport)

    def _record(self, answer: Outgoing, sent: int) -> None:
        self._context.record_answer(self._whence, self._head, answer.status, sent, self._begun, self._fetch.app)
